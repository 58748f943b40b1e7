"""CoTracker3, offline: points refined together over the whole cine, from patch-to-patch correlation alone.

The features around each query are kept as they are; in every iteration the patch around the current estimate in every frame is
compared, cell by cell, with that support, and a transformer whose points exchange through learned virtual points corrects
position, visibility and confidence in all frames at once. Karaev, Makarov, Wang, Neverova, Vedaldi, Rupprecht, "CoTracker3:
Simpler and Better Point Tracking by Pseudo-Labelling Real Videos", 2024. Choose it over CoTracker v1 when the whole cine is at
hand (no windows, no drift between them, frames before the query are tracked too) and when there are many points (cost grows
with their number, not its square); choose v1 or TAS-Net when frames arrive one after the other, and a smaller network when
minutes per cine on a CPU are too many. Written from its published description; every size is an argument.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.correlation import feature_pyramid
from echotas.trackers.blocks.encoder import ResidualEncoder
from echotas.trackers.blocks.feature_patches import patch_products, query_patches, to_read
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import check_queries
from echotas.trackers.blocks.positions import time_table
from echotas.trackers.blocks.virtual_points import VirtualPointTransformer

__all__ = ["CoTracker3", "CoTracker3Config", "Estimate", "Tracked", "step_sincos", "CoTracker3Tracker"]


@dataclass(frozen=True)
class CoTracker3Config:
    """Sizes of the network; the defaults are those of the published offline weights."""

    in_channels: int = 3
    """Channels of a frame."""
    stem_width: int = 64
    """Encoder stem."""
    stage_widths: tuple[int, int, int, int] = (64, 96, 128, 128)
    """Encoder stages."""
    fuse_width: int = 256
    """Encoder fusion."""
    feature_width: int = 128
    """Channels of the features."""
    stride: int = 4
    """Pixels per feature cell."""
    n_levels: int = 4
    """Correlation levels."""
    radius: int = 3
    """Patch radius, cells of each level."""
    correlation_hidden: int = 384
    """Hidden layer of the MLP that condenses the products of a level."""
    correlation_width: int = 256
    """Its output, columns per level."""
    n_step_octaves: int = 10
    """Octaves of the encoding of steps between frames."""
    image_size: tuple[int, int] = (384, 512)
    """Height and width, px, of the frames on which the weights were trained: the unit of steps, whatever the frames given."""
    n_table_frames: int = 60
    """Frames of the time table; cines of another length see it interpolated."""
    width: int = 384
    """Transformer width."""
    n_heads: int = 8
    """Attention heads."""
    n_layers: int = 3
    """Transformer layers."""
    n_virtual: int = 64
    """Virtual points."""
    mlp_ratio: float = 4.0
    """Hidden over width in the MLPs."""
    head_std: float = 1e-3
    """Initial standard deviation of the heads: an untrained network leaves points where they are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_widths", tuple(self.stage_widths))
        object.__setattr__(self, "image_size", tuple(self.image_size))
        if len(self.stage_widths) != 4:
            raise ValueError(f"stage_widths must have four values, got {self.stage_widths}")
        if len(self.image_size) != 2 or min(self.image_size) <= 0:
            raise ValueError(f"image_size must be a positive height and width, got {self.image_size}")
        if self.n_table_frames < 1:
            raise ValueError(f"n_table_frames must be >= 1, got {self.n_table_frames}")
        if self.token_width % 2:
            raise ValueError(f"the token must have an even number of columns, got {self.token_width}")

    @property
    def n_products(self) -> int:
        """Products of a level: cells of a patch, squared."""
        return (2 * self.radius + 1) ** 4

    @property
    def token_width(self) -> int:
        """Columns of a token: visibility, confidence, correlation, steps and their encoding."""
        return 2 + self.n_levels * self.correlation_width + 4 + 8 * self.n_step_octaves


class Estimate(NamedTuple):
    """What is known about all points in all frames after an iteration."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y), px in what `forward` returns, cells inside."""
    visibility: Float[Tensor, "batch n_frames n_points"]
    """Logits."""
    confidence: Float[Tensor, "batch n_frames n_points"]
    """Logits; trained to tell whether a visible point is within 12 px of the truth."""


class Tracked(NamedTuple):
    """Paths of points through a cine."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in px after the last iteration; the query frame too is estimated, not pinned to the query."""
    visibility: Float[Tensor, "batch n_frames n_points"]
    """Logits after the last iteration."""
    confidence: Float[Tensor, "batch n_frames n_points"]
    """Logits after the last iteration."""
    estimates: list[Estimate]
    """After every iteration, first to last; for losses."""


class CoTracker3(nn.Module):
    """The network: `encode` frames, then `follow` points through the features; `forward` does both.

    Coordinates inside are in feature cells (px / stride), without half-pixel shift.
    """

    def __init__(self, config: CoTracker3Config = CoTracker3Config()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = ResidualEncoder(
            c.in_channels, c.stem_width, c.stage_widths, c.fuse_width, c.feature_width, c.stride
        )
        self.correlation_mlp = nn.Sequential(
            nn.Linear(c.n_products, c.correlation_hidden),
            nn.GELU(),
            nn.Linear(c.correlation_hidden, c.correlation_width),
        )
        self.transformer = VirtualPointTransformer(
            c.token_width, c.width, c.n_heads, c.n_layers, c.n_virtual, c.mlp_ratio
        )
        self.motion_head = nn.Linear(c.width, 2)
        self.visibility_head = nn.Linear(c.width, 2)
        for head in (self.motion_head, self.visibility_head):
            nn.init.trunc_normal_(head.weight, std=c.head_std)
            nn.init.zeros_(head.bias)
        self._tables: dict[tuple, Tensor] = {}

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int = 4,
        features: Float[Tensor, "batch n_frames c h w"] | None = None,
    ) -> Tracked:
        """Follow points through whole cines.

        Args:
            frames: Scaled to [-1, 1]; one frame is enough. Height and width are multiples of the stride and hold at least two
                cells of every level but the last (32 px at the published size).
            queries: (frame, x, y) of each point: a whole frame number, then px of the frames.
            n_iterations: Refinements, >= 1; 4 in training, 6 in the public predictor.
            features: Of the frames, from `encode`, if known.

        Returns:
            Positions in px and logits of every point in every frame, those before its query frame included. Nothing holds a
            point inside the image. The items of a batch do not influence each other.

        Raises:
            ValueError: A shape, a query frame or `n_iterations` is out of range.
        """
        self._check(frames, queries, n_iterations)
        if features is None:
            features = self.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return self.follow(features, queries, n_iterations)

    def encode(self, frames: Float[Tensor, "n_frames channels height width"]) -> Float[Tensor, "n_frames c h w"]:
        """Features of frames scaled to [-1, 1], of unit length in every cell."""
        features = self.encoder(frames)
        return features / features.square().sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()

    def follow(
        self,
        features: Float[Tensor, "batch n_frames c h w"],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int = 4,
    ) -> Tracked:
        """Follow queries (frame, x, y), px, through encoded frames: `forward` without `encode`, nothing checked."""
        stride = self.config.stride
        pyramid = self.pyramid(features)
        support = self.support(pyramid, queries)
        positions = (queries[:, None, :, 1:] / stride).repeat(1, features.shape[1], 1, 1)
        state = Estimate(positions, torch.zeros_like(positions[..., 0]), torch.zeros_like(positions[..., 0]))
        estimates = []
        for _ in range(n_iterations):
            # Sampling and steps take no gradient from the position; each iteration learns its own correction of it.
            state = state._replace(positions=state.positions.detach())
            update = self.update(self.tokens(pyramid, support, state))
            state = Estimate(
                state.positions + update[..., :2],
                state.visibility + update[..., 2],
                state.confidence + update[..., 3],
            )
            estimates.append(state._replace(positions=state.positions * stride))
        return Tracked(*estimates[-1], estimates)

    def pyramid(self, features: Float[Tensor, "batch n_frames c h w"]) -> list[Tensor]:
        """Levels (batch, n_frames, c, h / 2**level, w / 2**level) of encoded frames; coarse cells are plain means, shorter
        than 1."""
        levels = feature_pyramid(features.flatten(0, 1), self.config.n_levels)
        return [to_read(level.unflatten(0, features.shape[:2])) for level in levels]

    def support(self, pyramid: list[Tensor], queries: Float[Tensor, "batch n_points 3"]) -> list[Tensor]:
        """Patches (batch, n_points, cells, c) of every level around queries (frame, x, y), px, each in its own frame."""
        frame, start = queries[..., 0].long(), queries[..., 1:] / self.config.stride
        return [
            query_patches(maps, frame, start / 2**level, self.config.radius, x_slow=True)
            for level, maps in enumerate(pyramid)
        ]

    def products(
        self,
        pyramid: list[Tensor],
        support: list[Tensor],
        positions: Float[Tensor, "batch n_frames n_points 2"],
        level: int,
    ) -> Float[Tensor, "batch n_points n_frames n_products"]:
        """Dot products of the patches of one level around positions (cells of the finest) with the support, whose cells are
        the fast axis."""
        points, around = positions / 2**level, support[level][:, :, None]
        return patch_products(pyramid[level], points, around, self.config.radius, "edge", x_slow=True).flatten(-2)

    def tokens(
        self, pyramid: list[Tensor], support: list[Tensor], state: Estimate
    ) -> Float[Tensor, "batch n_points n_frames columns"]:
        """Input of the transformer for a state with positions in cells.

        Columns: visibility and confidence logits, condensed products level by level, steps and their encoding; the time
        encoding is added to all of them.
        """
        # Condensed level by level: the products of all of them at once would be the largest tensor by far.
        correlation = [
            self.correlation_mlp(self.products(pyramid, support, state.positions, level))
            for level in range(self.config.n_levels)
        ]
        steps = step_sincos(self._steps(state.positions), self.config.n_step_octaves)
        logits = torch.stack([state.visibility, state.confidence], dim=-1)
        token = torch.cat([logits.transpose(1, 2), *correlation, steps.transpose(1, 2)], dim=-1)
        return token + self.time_encoding(token.shape[2], token)

    def update(
        self, tokens: Float[Tensor, "batch n_points n_frames columns"]
    ) -> Float[Tensor, "batch n_frames n_points 4"]:
        """Corrections: x and y in cells, visibility and confidence logits."""
        hidden = self.transformer(tokens)
        return torch.cat([self.motion_head(hidden), self.visibility_head(hidden)], dim=-1).transpose(1, 2)

    def time_encoding(self, n_frames: int, like: Tensor) -> Float[Tensor, "n_frames columns"]:
        """Encoding of the frames of a cine, in the dtype and on the device of `like`; made once (no buffer: checkpoints of
        ours hold none)."""
        key = (like.dtype, like.device, n_frames)
        if key not in self._tables:
            table = time_table(self.config.n_table_frames, self.config.token_width)
            if n_frames != len(table):
                table = F.interpolate(table.T[None], n_frames, mode="linear", align_corners=False)[0].T
            self._tables[key] = table.to(like)
        return self._tables[key]

    def _steps(self, positions: Tensor) -> Tensor:
        """Where a point comes from: its position minus that in the next frame, then minus that in the frame before (0 at
        the ends), in units of the training frame."""
        height, width = self.config.image_size
        step = (positions[:, :-1] - positions[:, 1:]) * (self.config.stride / positions.new_tensor([width, height]))
        none = torch.zeros_like(positions[:, :1])
        return torch.cat([torch.cat([step, none], dim=1), torch.cat([none, -step], dim=1)], dim=-1)

    def _check(self, frames: Tensor, queries: Tensor, n_iterations: int) -> None:
        c = self.config
        if frames.ndim != 5 or frames.shape[2] != c.in_channels or 0 in frames.shape:
            raise ValueError(
                f"frames must be (batch, n_frames, {c.in_channels}, height, width), got {tuple(frames.shape)}"
            )
        if frames.shape[-2] % c.stride or frames.shape[-1] % c.stride:
            raise ValueError(
                f"height and width of the frames must be multiples of {c.stride}, got {tuple(frames.shape[-2:])}"
            )
        check_queries(queries, *frames.shape[:2])
        if n_iterations < 1:
            raise ValueError(f"n_iterations must be >= 1, got {n_iterations}")


def step_sincos(steps: Float[Tensor, "*rest n"], n_octaves: int) -> Float[Tensor, "*rest columns"]:
    """Steps themselves, then all sines, then all cosines of 2**d times each step, octave by octave; n (1 + 2 n_octaves) columns.

    The cosine is written as the sine a quarter turn further, as the public weights have seen it (equal but for rounding).
    """
    octaves = 2.0 ** torch.arange(n_octaves, dtype=steps.dtype, device=steps.device)
    phase = (octaves[:, None] * steps[..., None, :]).flatten(-2)
    return torch.cat([steps, phase.sin(), (phase + math.pi / 2).sin()], dim=-1)


class CoTracker3Tracker(PointNetworkTracker):
    """CoTracker3 (offline): all frames of a clip at once, correlation of neighbourhoods, virtual points that mix the tracks.

    Take it over `cotracker` for long clips, which it sees whole; over `tas_net` where points are no mesh of a wall. Confidence is the
    visibility it predicts.
    """

    name = "cotracker3"
    encodes_each_frame = True
    network_class, config_class = CoTracker3, CoTracker3Config
    small = {
        "in_channels": 1, "stem_width": 16, "stage_widths": (16, 24, 32, 32), "fuse_width": 32, "feature_width": 32, "n_levels": 3,
        "radius": 2, "correlation_hidden": 64, "correlation_width": 32, "width": 96, "n_heads": 4, "n_layers": 2, "n_virtual": 16,
        "image_size": (128, 112), "n_table_frames": 16,
    }  # fmt: skip
    iterations, used_iterations = 3, 2  # 1.00 mm with two, 1.04 with three: five templates of as many virtual patients

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: Tensor | None = None
    ) -> Estimates:
        found = network(frames, queries(query), n_iterations, features)
        return Estimates([stage.positions for stage in found.estimates], found.visibility)
