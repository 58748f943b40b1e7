"""MyoTracker: a third of a million weights that move all points through the whole cine in one pass.

Chernyshov et al., "Low Complexity Point Tracking of the Myocardium in 2D Echocardiography", 2025. Written from a published
description; every size is an argument. Departures: points may start in any frame, axes are (x, y) throughout (the release reads
them swapped, see `MyoTrackerConfig.legacy_axis_swap`), and the passes may be repeated.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.correlation import feature_pyramid
from echotas.trackers.blocks.plain_encoder import PlainEncoder
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import at_own_frame, check_queries
from echotas.trackers.blocks.positions import flow_frequencies, flow_sincos

__all__ = ["MyoTracker", "MyoTrackerConfig", "MyoTracks", "MyoTrackerTracker"]

SCALES = ("released", "standard")


@dataclass(frozen=True)
class MyoTrackerConfig:
    """Sizes of the network; the defaults are those of the published weights."""

    in_channels: int = 1
    """Channels of a frame."""
    stem_width: int = 16
    """Encoder stem."""
    stage_widths: tuple[int, ...] = (16, 16, 32, 32)
    """Encoder stages."""
    fuse_width: int = 64
    """Encoder fusion."""
    feature_width: int = 64
    """Channels of features."""
    stride: int = 4
    """Pixels per feature cell."""
    n_levels: int = 4
    """Correlation levels."""
    radius: int = 2
    """Correlation radius, cells of each level."""
    n_place_frequencies: int = 8
    """Frequencies per axis of the place encoding."""
    place_spectrum: str = "released"
    """"released" or "octaves" (see `flow_frequencies`). The released ones (0, 125, 250, ... rad per cell) alias between cells."""
    width: int = 64
    """Transformer width."""
    n_heads: int = 4
    """Attention heads."""
    n_blocks: int = 4
    """Pairs of a block along time and a block across points."""
    mlp_ratio: float = 1.0
    """Hidden over width in the MLPs."""
    attention_scale: str = "released"
    """Factor of the attention logits: "released", 1 / d**2 for heads of width d, which the published weights need; or
    "standard", 1 / sqrt(d), when training from scratch."""
    n_iterations: int = 1
    """Refinement passes. 1 as released. More: each pass reads the features again where the points are by then, and the network
    has 2 + feature_width outputs, the latter updating the appearance of the points between passes as in CoTracker v1. That
    variant was never released, so there are no weights for it."""
    legacy_axis_swap: bool = False
    """Reproduce the documented use of the release, whose queries are (y, x) where its sampler expects (x, y): features are
    read at the place mirrored across the diagonal. Only to load the published weights as published."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_widths", tuple(self.stage_widths))
        if self.width % self.n_heads:
            raise ValueError(f"width must be divisible by n_heads = {self.n_heads}, got {self.width}")
        if self.attention_scale not in SCALES:
            raise ValueError(f"attention_scale must be one of {SCALES}, got {self.attention_scale!r}")
        if self.n_iterations < 1:
            raise ValueError(f"n_iterations must be >= 1, got {self.n_iterations}")
        flow_frequencies(self.n_place_frequencies, self.place_spectrum)

    @property
    def token_width(self) -> int:
        """Columns of a token: place, appearance, correlation."""
        return 4 * self.n_place_frequencies + self.feature_width + self.n_levels * (2 * self.radius + 1) ** 2


class MyoTracks(NamedTuple):
    """Paths of points through a cine."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y), px of the input, after the last pass. The query is not pinned: its own frame holds an estimate too."""
    per_iteration: list[Float[Tensor, "batch n_frames n_points 2"]]
    """The same after each pass, for losses; gradients do not run from one pass into the next through positions."""


class MyoTracker(nn.Module):
    """The network.

    A small encoder turns each frame into features; each point carries its own feature from the frame it is given in; a token per
    point and frame says where the point is taken to be, what it looked like and how well that fits around there; a
    transformer, along time and across points in turn, answers with all displacements at once. There is no visibility. Nothing
    encodes time, so frames may come in any order, and a still cine gives still points; likewise points in any order.

    Pick it where speed counts: in one pass it is some thirty times cheaper than CoTracker v1 (`CoTracker`, `TasNet`) and needs
    little memory, but the search is bounded by the reach of its coarsest correlation around the query, and without iterations
    it is less exact than the networks that refine.

    Coordinates inside are in feature cells (px / stride); a whole number lies on the edge between two cells.
    """

    def __init__(self, config: MyoTrackerConfig = MyoTrackerConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = PlainEncoder(
            c.in_channels, c.stem_width, c.stage_widths, c.fuse_width, c.feature_width, c.stride
        )
        iterative = c.n_iterations > 1
        self.transformer = _Transformer(c, out_width=2 + c.feature_width if iterative else 2)
        self.feature_norm = nn.LayerNorm(c.feature_width) if iterative else None
        self.feature_update = nn.Linear(c.feature_width, c.feature_width) if iterative else None

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int | None = None,
        features: Float[Tensor, "batch n_frames c h w"] | None = None,
    ) -> MyoTracks:
        """Follow points through all frames.

        Args:
            frames: Grey levels scaled to [0, 1]; height and width in multiples of the stride, at least
                stride * 2**(n_levels - 1) px; any number of frames from 1.
            queries: (frame, x, y) of each point: index of the frame it is given in, position in px with pixel centres at whole
                numbers. Points outside the image read zeros.
            n_iterations: Passes; None for those of the configuration. A network configured for one pass has no update of the
                appearance: further passes then only move the points.
            features: Of the frames, from `encode`, if known.

        Raises:
            ValueError: Wrong shapes, no points, a query frame that is none of the frames, no pass.
        """
        n_iterations = self.config.n_iterations if n_iterations is None else n_iterations
        self._check(frames, queries, n_iterations)
        if features is None:
            features = self.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        start_frame, start = queries[..., 0].long(), self._swapped(queries[..., 1:].to(features)) / self.config.stride
        estimates = self._refine(features, start_frame, start, n_iterations)
        in_px = [self._swapped(positions * self.config.stride) for positions in estimates]
        return MyoTracks(in_px[-1], in_px)

    def encode(
        self, frames: Float[Tensor, "n_frames channels height width"]
    ) -> Float[Tensor, "n_frames feature_width h w"]:
        """Features, h = height / stride, of frames scaled to [0, 1]."""
        return self.encoder(frames)

    def _refine(self, features: Tensor, start_frame: Tensor, start: Tensor, n_iterations: int) -> list[Tensor]:
        """Positions after each pass (batch, n_frames, n_points, 2), cells."""
        batch, n_frames = features.shape[:2]
        pyramid = feature_pyramid(features.flatten(0, 1), self.config.n_levels)
        at_start = at_own_frame(
            lambda maps, points: _sample(maps, points).transpose(1, 2), features, start_frame, start
        )
        appearance = at_start[:, None].expand(-1, n_frames, -1, -1)
        positions, estimates = start[:, None].expand(-1, n_frames, -1, -1), []
        for _ in range(n_iterations):
            positions = positions.detach()
            correlation = self._correlation(pyramid, appearance.flatten(0, 1), positions.flatten(0, 1))
            token = torch.cat([self._place(positions), appearance, correlation.unflatten(0, (batch, n_frames))], dim=-1)
            update = self.transformer(token.transpose(1, 2)).transpose(1, 2)
            positions = positions + update[..., :2]
            estimates.append(positions)
            if self.feature_update is not None:
                appearance = appearance + F.gelu(self.feature_update(self.feature_norm(update[..., 2:])))
        return estimates

    def _place(self, positions: Tensor) -> Tensor:
        """Sines and cosines of absolute positions; 4 n_place_frequencies columns."""
        frequencies = flow_frequencies(self.config.n_place_frequencies, self.config.place_spectrum).to(positions)
        return flow_sincos(positions, frequencies)[..., 2:]  # without the raw coordinates

    def _correlation(self, pyramid: list[Tensor], appearance: Tensor, positions: Tensor) -> Tensor:
        """Dot products over the number of channels around (x, y), zero outside: maps x points x columns, finest level first,
        x offset slow, y offset fast."""
        n_maps, n_points, channels = appearance.shape
        side = torch.arange(-self.config.radius, self.config.radius + 1).to(positions)
        offsets = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).reshape(-1, 2)
        columns = []
        for level, maps in enumerate(pyramid):
            product = torch.bmm(appearance / channels, maps.flatten(2)).reshape(-1, 1, *maps.shape[-2:])
            places = positions.reshape(-1, 1, 2) / 2**level + offsets
            columns.append(_sample(product, places).reshape(n_maps, n_points, -1))
        return torch.cat(columns, dim=-1)

    def _swapped(self, points: Tensor) -> Tensor:
        return points.flip(-1) if self.config.legacy_axis_swap else points

    def _check(self, frames: Tensor, queries: Tensor, n_iterations: int) -> None:
        c = self.config
        if frames.ndim != 5 or not frames.shape[0] or not frames.shape[1] or frames.shape[2] != c.in_channels:
            raise ValueError(
                f"frames must be (batch, n_frames, {c.in_channels}, height, width), none 0, got {tuple(frames.shape)}"
            )
        least = c.stride * 2 ** (c.n_levels - 1)
        if min(frames.shape[-2:]) < least or any(size % c.stride for size in frames.shape[-2:]):
            raise ValueError(
                f"height and width must be multiples of {c.stride} and >= {least} px, got {tuple(frames.shape[-2:])}"
            )
        check_queries(queries, *frames.shape[:2])
        if n_iterations < 1:
            raise ValueError(f"n_iterations must be >= 1, got {n_iterations}")


class _Transformer(nn.Module):
    """Tokens of (point, frame) to updates: attention over the frames of a point, then over the points of a frame, in turn."""

    def __init__(self, config: MyoTrackerConfig, out_width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(config.token_width, config.width)
        self.time_blocks = nn.ModuleList(_Block(config) for _ in range(config.n_blocks))
        self.space_blocks = nn.ModuleList(_Block(config) for _ in range(config.n_blocks))
        self.head = nn.Linear(config.width, out_width)

    def forward(
        self, tokens: Float[Tensor, "batch n_points n_frames in_width"]
    ) -> Float[Tensor, "batch n_points n_frames out_width"]:
        x = self.embed(tokens)
        batch, n_points = x.shape[:2]
        for along_time, across_points in zip(self.time_blocks, self.space_blocks, strict=True):
            x = along_time(x.flatten(0, 1)).unflatten(0, (batch, n_points))
            x = across_points(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, -1)).transpose(1, 2)
        return self.head(x)


class _Block(nn.Module):
    """Self-attention and MLP. Unlike the usual pre-norm block, the first normalisation also replaces the residual."""

    def __init__(self, config: MyoTrackerConfig) -> None:
        super().__init__()
        width, hidden = config.width, int(config.mlp_ratio * config.width)
        self.n_heads = config.n_heads
        self.scale = (width // config.n_heads) ** (-2 if config.attention_scale == "released" else -0.5)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        x = self.norm1(x)
        query, key, value = (
            project(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.contract(self.expand(self.norm2(x)).relu())


def _sample(
    maps: Float[Tensor, "n_maps c h w"], points: Float[Tensor, "n_maps n_points 2"]
) -> Float[Tensor, "n_maps c n_points"]:
    """Bilinear values at (x, y); zero outside. Coordinate 0 is the outer edge of the first cell, not its centre."""
    size = torch.tensor([maps.shape[-1], maps.shape[-2]]).to(points)
    grid = (2 * points / size - 1)[:, :, None]
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[..., 0]


class MyoTrackerTracker(PointNetworkTracker):
    """MyoTracker: one pass over all frames, with the smallest network of all.

    Take it where time counts most; `tas_net` and the refining peers are more precise. It gives no visibility: confidence is 1.
    """

    name = "myotracker"
    encodes_each_frame = True
    network_class, config_class = MyoTracker, MyoTrackerConfig
    small = {"n_iterations": 1}
    darkest = 0.0

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: Tensor | None = None
    ) -> Estimates:
        found = network(frames, queries(query), None, features)
        return Estimates(found.per_iteration, None)
