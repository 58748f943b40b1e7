"""EchoTracker2: paths through an echocardiographic cine refined from all-pairs patch correlation, points with neighbours."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from echotas.trackers.blocks.feature_patches import patch_products, query_patches, to_read
from echotas.trackers.blocks.iteration_loss import iteration_loss
from echotas.trackers.blocks.joint_attention import JointTransformer, listed_neighbours, nearest_neighbours
from echotas.trackers.blocks.pair_encoder import PairEncoder
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import check_queries
from echotas.trackers.blocks.temporal_shift import ShiftedEncoder
from echotas.trackers.echotracker import EchoTracks

__all__ = ["EchoTracker2", "EchoTracker2Config", "EchoTracker2Tracker"]

UNITS = (
    1,
    3,
    0,
)  # groups of the encoder that are correlated, at strides 4, 8 and 2, in the order of the published weights
STRIDE = 8  # px per cell of the coarsest map
PATCHES_AT_ONCE = 2048  # bounds the memory of the correlation; the result is the same


@dataclass(frozen=True)
class EchoTracker2Config:
    """Sizes and choices of the network; the defaults are the published size and what the paper describes.

    `released_batches` and `released_loss` bring back the public code where it differs from the paper.
    """

    in_channels: int = 3
    """Channels of a frame; grey frames are repeated."""
    encoder_widths: tuple[int, int, int, int] = (64, 128, 256, 256)
    """Groups of the encoder, at strides 2, 4, 8 and 8."""
    n_encoder_blocks: int = 2
    """Residual blocks per group."""
    neighbour_frames: bool = True
    """Mix features with the frames before and after (three times: a field of 7 frames)."""
    patch_size: int = 9
    """Cells along the patches that are correlated, odd."""
    pair_widths: tuple[int, ...] = (64, 128, 128)
    """Convolutions of the encoders of the correlation."""
    pair_kernels: tuple[int, ...] = (3, 3, 2)
    """Their sizes."""
    pair_group_width: int = 16
    """Channels normalised together there."""
    n_octaves: int = 10
    """Octaves of the encoding of steps."""
    width: int = 384
    """Transformer width."""
    n_heads: int = 6
    """Attention heads, even."""
    n_layers: int = 3
    """Transformer layers."""
    mlp_ratio: float = 4.0
    """Hidden over width in the MLPs."""
    point_attention: bool = True
    """Attend across points."""
    n_neighbours: int | None = 21
    """Points that a point attends to, itself included; None for all."""
    neighbours: str = "listed"
    """"listed": next to each other in the list of points, as in the public code (order them along the wall);
    "nearest": closest at their queries, whatever the order."""
    head_width: int = 386
    """Columns of the head; the first two are the update, the rest serve the published weights only (2 to drop them)."""
    resolution: tuple[int, int] | None = (256, 256)
    """Height and width of the frames in whose px updates are predicted; None for those of the given frames."""
    released_batches: bool = False
    """Follow points in chunks of `chunk_size`, and let attention and features run from one clip of a batch into the next."""
    chunk_size: int = 64
    """Points followed together with `released_batches`."""
    released_loss: bool = False
    """Train on the last iteration only, as the public code does; the paper weights all iterations."""
    loss_decay: float = 0.8
    """Weight of an iteration in the loss relative to the next."""
    head_std: float | None = None
    """Initial standard deviation of the motion head; None as released, 0.001 when training from scratch."""

    def __post_init__(self) -> None:
        for name in ("encoder_widths", "pair_widths", "pair_kernels", "resolution"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        if len(self.encoder_widths) != 4:
            raise ValueError(f"encoder_widths must have four values, got {self.encoder_widths}")
        if len(self.pair_widths) != len(self.pair_kernels) or not self.pair_widths:
            raise ValueError(
                f"pair_kernels must be as many as pair_widths = {self.pair_widths}, got {self.pair_kernels}"
            )
        if any(width % self.pair_group_width for width in self.pair_widths):
            raise ValueError(f"pair_widths must be multiples of {self.pair_group_width}, got {self.pair_widths}")
        if self.patch_size < 1 or self.patch_size % 2 == 0:
            raise ValueError(f"patch_size must be odd, got {self.patch_size}")
        if self.n_neighbours is not None and (self.n_neighbours < 1 or self.n_neighbours % 2 == 0):
            raise ValueError(f"n_neighbours must be odd or None, got {self.n_neighbours}")
        if self.neighbours not in ("listed", "nearest"):
            raise ValueError(f"neighbours must be 'listed' or 'nearest', got {self.neighbours!r}")
        if self.head_width < 2:
            raise ValueError(f"head_width must be >= 2, got {self.head_width}")
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size must be >= 1, got {self.chunk_size}")

    @property
    def token_width(self) -> int:
        """Columns of a token: correlation of the three levels, steps and their encoding."""
        return len(UNITS) * 2 * self.pair_widths[-1] + 4 * (1 + 2 * self.n_octaves)


class EchoTracker2(nn.Module):
    """Point tracker for echocardiography that refines whole paths jointly.

    Every point starts at its query in all frames. Each iteration correlates the patch around the query with the patch around
    the current position, all cells with all cells, at three strides, and a transformer turns that and the shape of the path
    into an update; it attends along time and across a few neighbouring points at once. Features see a few frames before and
    after, which steadies them against speckle decorrelation. "EchoTracker2", arXiv:2605.12140, 2026, successor of EchoTracker
    (Azad et al., 2024) and built on LocoTrack without its initial stage. Pick it over both for points along the wall, which
    neighbours help to hold, and over CoTracker where visibility is not needed; EchoTracker is faster and reaches further in
    one step.

    Positions are px of the frames; a position is read from a map with cells counted from its corner, as in LocoTrack.
    """

    def __init__(self, config: EchoTracker2Config = EchoTracker2Config()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = ShiftedEncoder(c.in_channels, c.encoder_widths, c.n_encoder_blocks, c.neighbour_frames)
        layers = list(zip(c.pair_kernels, c.pair_widths, strict=True))
        self.pair_encoders = nn.ModuleList(
            PairEncoder(c.patch_size, [(kernel, 2, width) for kernel, width in layers], c.pair_group_width)
            for _ in UNITS
        )
        self.transformer = JointTransformer(
            c.token_width, c.head_width, c.width, c.n_heads, c.n_layers, c.mlp_ratio, c.point_attention, c.head_std
        )

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int = 4,
    ) -> EchoTracks:
        """Follow points through all frames.

        Args:
            frames: Grey levels scaled to [-1, 1], one channel or `config.in_channels`; height and width multiples of 8, at
                least 16. Any number of frames; a single one is legal.
            queries: (frame, x, y) of each point, px. With "listed" neighbours, points that follow each other in the list
                should lie next to each other.
            n_iterations: Refinements.

        Returns:
            Paths, points in the order of the queries; one stage per iteration, gradients stay within a stage. The query frame is
            predicted like every other.

        Raises:
            ValueError: A shape does not fit, or a query lies in no frame.
        """
        if n_iterations < 1:
            raise ValueError(f"n_iterations must be >= 1, got {n_iterations}")
        self._check(frames, queries)
        maps = self.encode(frames)
        size = frames.shape[-2:]
        if not self.config.released_batches:
            stages = self._follow(maps, size, queries, n_iterations)
        else:
            chunks = [self._follow(maps, size, part, n_iterations) for part in queries.split(self.config.chunk_size, 1)]
            stages = [torch.cat(parts, dim=2) for parts in zip(*chunks, strict=True)]
        return EchoTracks(stages[-1], stages)

    def encode(
        self, frames: Float[Tensor, "batch n_frames channels height width"]
    ) -> list[Float[Tensor, "batch n_frames _c _h _w"]]:
        """Feature maps of unit length at strides 4, 8 and 2."""
        batch = len(frames)
        frames = frames.expand(-1, -1, self.config.in_channels, -1, -1)
        if self.config.released_batches:
            frames = frames.flatten(0, 1)[None]
        units = self.encoder(frames)
        return [_unit_length(units[unit]).flatten(0, 1).unflatten(0, (batch, -1)) for unit in UNITS]

    def loss(
        self,
        tracks: EchoTracks,
        true_px: Float[Tensor, "batch n_frames n_points 2"],
        valid: Float[Tensor, "batch n_frames n_points"] | None = None,
    ) -> Float[Tensor, ""]:
        """Training loss, px, over all iterations or the last one as the configuration says; see `iteration_loss`."""
        stages = tracks.stages[-1:] if self.config.released_loss else tracks.stages
        return iteration_loss(stages, true_px, valid, self.config.loss_decay)

    def _follow(
        self, maps: list[Tensor], size: tuple[int, int], queries: Tensor, n_iterations: int
    ) -> list[Float[Tensor, "batch n_frames n_points 2"]]:
        """Positions after each iteration, px."""
        start_frame, start = queries[..., 0].long(), queries[..., 1:]
        maps = [to_read(level) for level in maps]
        width_height = start.new_tensor([size[1], size[0]])
        supports = [
            query_patches(level, start_frame, _cells(start, level, size), self.config.patch_size // 2)[:, :, None]
            for level in maps
        ]
        neighbours = self._neighbours(start)
        unit = 1.0
        if self.config.resolution is not None:
            unit = width_height / start.new_tensor(self.config.resolution[::-1])
        positions = start[:, None].expand(-1, maps[0].shape[1], -1, -1)
        stages = []
        for _ in range(n_iterations):
            positions = positions.detach()
            steps = step_octaves(positions / width_height, self.config.n_octaves).transpose(1, 2)
            token = torch.cat([self._correlation(maps, size, supports, positions), steps], dim=-1)
            positions = positions + unit * self._update(token, neighbours)
            stages.append(positions)
        return stages

    def _correlation(
        self, maps: list[Tensor], size: tuple[int, int], supports: list[Tensor], positions: Tensor
    ) -> Float[Tensor, "batch n_points n_frames columns"]:
        """Encoded correlation of the three levels, some points at a time."""
        at_once = max(1, PATCHES_AT_ONCE // (positions.shape[0] * positions.shape[1]))
        columns = []
        for level, support, encoder in zip(maps, supports, self.pair_encoders, strict=True):
            parts = []
            for some, given in zip(positions.split(at_once, 2), support.split(at_once, 1), strict=True):
                parts.append(
                    encoder(patch_products(level, _cells(some, level, size), given, self.config.patch_size // 2))
                )
            columns.append(torch.cat(parts, dim=1))
        return torch.cat(columns, dim=-1)

    def _update(self, token: Tensor, neighbours: Tensor) -> Float[Tensor, "batch n_frames n_points 2"]:
        if self.config.released_batches:
            update = self.transformer(token.flatten(0, 1)[None], neighbours)[0].unflatten(0, token.shape[:2])
        else:
            update = self.transformer(token, neighbours)
        return update[..., :2].transpose(1, 2)

    def _neighbours(self, start: Float[Tensor, "batch n_points 2"]) -> Bool[Tensor, "batch n_points n_points"]:
        """Which points attend to which; one row of all points of all clips with `released_batches`."""
        if self.config.released_batches:
            start = start.flatten(0, 1)[None]
        if self.config.neighbours == "nearest":
            return nearest_neighbours(start, self.config.n_neighbours)
        mask = listed_neighbours(start.shape[1], self.config.n_neighbours).to(start.device)
        return mask.expand(len(start), -1, -1)

    def _check(self, frames: Tensor, queries: Tensor) -> None:
        channels = self.config.in_channels
        if frames.ndim != 5 or frames.shape[2] not in (1, channels) or 0 in frames.shape:
            raise ValueError(
                f"frames must be (batch, n_frames, 1 or {channels}, height, width), got {tuple(frames.shape)}"
            )
        if any(size % STRIDE or size < 2 * STRIDE for size in frames.shape[-2:]):
            raise ValueError(
                f"frames must be multiples of {STRIDE} px and >= {2 * STRIDE} px, got {tuple(frames.shape[-2:])}"
            )
        check_queries(queries, len(frames), frames.shape[1])


def step_octaves(
    positions: Float[Tensor, "batch n_frames n_points 2"], n_octaves: int
) -> Float[Tensor, "batch n_frames n_points columns"]:
    """Way back from the next frame and on from the previous one (0 at the ends), then their sines at 1, 2, 4, ... rad, then
    the cosines; octave by octave, 4 (1 + 2 n_octaves) columns. Positions are fractions of the frame."""
    step = positions.diff(dim=1)
    none = torch.zeros_like(positions[:, :1])
    values = torch.cat([torch.cat([-step, none], dim=1), torch.cat([none, step], dim=1)], dim=-1)
    octaves = 2 ** torch.arange(n_octaves, dtype=values.dtype, device=values.device)
    phase = (octaves[:, None] * values[..., None, :]).flatten(-2)
    return torch.cat([values, phase.sin(), (phase + math.pi / 2).sin()], dim=-1)


def _unit_length(maps: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
    return maps * maps.square().sum(-3, keepdim=True).clamp(min=1e-12).rsqrt()


def _cells(points: Tensor, level: Tensor, size: tuple[int, int]) -> Tensor:
    """Points in px to cells of a level, the centre of the first one at 0."""
    return points * points.new_tensor([level.shape[-1] / size[1], level.shape[-2] / size[0]]) - 0.5


class EchoTracker2Tracker(PointNetworkTracker):
    """EchoTracker2: local four-dimensional correlation, neighbouring frames in the features, attention between points.

    Take it over `locotrack` where points belong together; over `echotracker` always. It gives no visibility: confidence is 1.
    """

    name = "echotracker2"
    network_class, config_class = EchoTracker2, EchoTracker2Config
    small = {
        "in_channels": 1, "encoder_widths": (16, 32, 48, 48), "n_encoder_blocks": 1, "patch_size": 5, "pair_widths": (16, 32),
        "pair_kernels": (3, 2), "width": 96, "n_heads": 4, "n_layers": 2, "head_width": 96, "neighbours": "nearest",
        "resolution": None, "head_std": 1e-3,
    }  # fmt: skip
    iterations = 2

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: None = None
    ) -> Estimates:
        found = network(frames, queries(query), n_iterations)
        return Estimates(found.stages, None)
