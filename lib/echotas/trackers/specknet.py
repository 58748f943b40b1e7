"""SpeckNet: every point found anew in every frame, where the similarity maps of several strides agree.

Azad et al., "Taming modern point tracking for speckle tracking echocardiography via impartial motion", 2025. Written from its
description and that of the released network; every size is an argument. Departure: neighbouring frames never come from another clip.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import check_queries

__all__ = ["COMBINATIONS", "SpeckNet", "SpeckNetConfig", "SpeckNetTracker"]

COMBINATIONS = ("product", "sum", "concatenation")


@dataclass(frozen=True)
class SpeckNetConfig:
    """Sizes of the network; the defaults are those of the released one."""

    in_channels: int = 1
    """Channels of a frame."""
    unshuffle: int = 2
    """Side of the pixel blocks that become channels before the stem."""
    stem_width: int = 32
    """Channels of the stem."""
    stage_widths: tuple[int, ...] = (32, 64, 64, 64)
    """Channels of the encoder stages."""
    stage_strides: tuple[int, ...] = (1, 2, 1, 2)
    """Stride of each stage, 1 or 2; the stem has 2 by itself."""
    n_blocks: int = 2
    """Residual blocks per stage."""
    levels: tuple[int, ...] = (3, 2, 1)
    """Stages whose features are compared, of one width. The release can be set to (3,), (3, 2) or (3, 2, 1)."""
    n_context_blocks: int = 5
    """Blocks that mix neighbouring frames, shared by all levels."""
    context_width: int = 256
    """Hidden channels of these blocks."""
    temporal_context: bool = True
    """Let them see the previous and the next frame, as released. False: each frame by itself (other weights), as the paper words it."""
    gamma: float = 4.0
    """Power of the cosine similarity of each level: 4 as released; the paper states 15."""
    combination: str = "product"
    """How levels are joined: "product" or "sum" of the powers, or "concatenation" of the features, whose cosine is the mean over levels."""
    final_power: float = 2.0
    """Power of the joined map: 2 as released; 1 for the paper's formula."""
    keep_negative: bool = True
    """An even gamma counts opposite features as alike, as released. False sets negative cosines to 0 first and allows any gamma."""
    cost_stride: int = 8
    """Pixels per cell of the joined map."""
    window: float = 5.0
    """Cells around the best one over which the centre of mass is taken."""

    def __post_init__(self) -> None:
        for name in ("stage_widths", "stage_strides", "levels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.stage_widths or len(self.stage_widths) != len(self.stage_strides):
            raise ValueError(f"stage_strides must have one value per stage, got {self.stage_strides}")
        if not set(self.stage_strides) <= {1, 2}:
            raise ValueError(f"stage_strides must be 1 or 2, got {self.stage_strides}")
        if not self.levels or not set(self.levels) <= set(range(len(self.stage_widths))):
            raise ValueError(f"levels must name stages 0..{len(self.stage_widths) - 1}, got {self.levels}")
        if len({self.stage_widths[level] for level in self.levels}) > 1:
            raise ValueError(f"levels must have one width, got stages {self.levels} of widths {self.stage_widths}")
        if self.combination not in COMBINATIONS:
            raise ValueError(f"combination must be one of {COMBINATIONS}, got {self.combination!r}")
        if min(self.gamma, self.final_power, self.window) < 1:
            raise ValueError("gamma, final_power and window must be >= 1")
        if self.keep_negative and self.gamma % 2:
            raise ValueError(f"gamma must be even unless keep_negative is False, got {self.gamma}")
        if self.stride % self.cost_stride:
            raise ValueError(f"cost_stride must divide the stride {self.stride}, got {self.cost_stride}")

    @property
    def stride(self) -> int:
        """Pixels per cell of the last stage; frames must be multiples of it."""
        return 2 * self.unshuffle * math.prod(self.stage_strides)

    @property
    def feature_width(self) -> int:
        """Channels of the compared features."""
        return self.stage_widths[self.levels[0]]


class SpeckNet(nn.Module):
    """Point tracking by matching alone: no iterations, no motion state, no visibility.

    A small residual encoder gives features at a few strides; blocks that look at a frame and its two neighbours refine them; the
    feature of a point in its query frame is compared with every cell of every frame (cosine similarity), the maps are sharpened
    by a power and joined across strides, and the centre of mass around the best cell is the position. Points and distant frames
    do not influence each other. Pick it where an error must not be carried along (long or gated cines, large motion between frames,
    any query frame) or where memory and speed matter; pick EchoTracker2 or CoTracker where look-alike speckle needs points and time
    to agree, and where the position is wanted finer than the cells allow.

    Pixels are counted as in the release: (0, 0) is the outer corner of the first pixel, its centre is (0.5, 0.5). A caller with
    centres at integers adds 0.5 to the queries and subtracts it from the positions.
    """

    def __init__(self, config: SpeckNetConfig = SpeckNetConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = _Encoder(c)
        self.context = nn.Sequential(
            *(_ContextBlock(c.feature_width, c.context_width, c.temporal_context) for _ in range(c.n_context_blocks))
        )

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "batch n_points 3"],
        n_at_once: int = 64,
    ) -> Float[Tensor, "batch n_frames n_points 2"]:
        """Positions of the queried points in every frame.

        Args:
            frames: Grey levels scaled to [-1, 1]; height and width multiples of the stride (16 by default). One frame is enough.
            queries: (frame, x, y) of each point, px; the frame is a whole number. A point outside the image takes the feature of its edge.
            n_at_once: Points whose maps are held in memory together; no influence on the result.

        Returns:
            (x, y) in px; in its own frame a point is where it was queried.

        Raises:
            ValueError: Shapes or query frames that do not fit.
        """
        features = self.encode(frames)
        queries = queries.to(frames)
        check_queries(queries, *frames.shape[:2])
        size = (frames.shape[-2] // self.config.cost_stride, frames.shape[-1] // self.config.cost_stride)
        parts = [self.locate(self.similarity(features, some, size), some) for some in queries.split(n_at_once, dim=1)]
        return torch.cat(parts, dim=2)

    def encode(
        self, frames: Float[Tensor, "batch n_frames channels height width"]
    ) -> list[Float[Tensor, "batch n_frames c _h _w"]]:
        """Features of unit length, one map per level and frame, in the order of `config.levels`.

        Raises:
            ValueError: Frames of another rank or channel count, or with a side that is no multiple of the stride.
        """
        c = self.config
        if frames.ndim != 5 or frames.shape[2] != c.in_channels or not frames.shape[1]:
            raise ValueError(
                f"frames must be (batch, n_frames >= 1, {c.in_channels}, height, width), got {tuple(frames.shape)}"
            )
        height, width = frames.shape[-2:]
        if height % c.stride or width % c.stride or height * width <= c.stride**2:
            raise ValueError(
                f"frames must have sides that are multiples of {c.stride}, more than one, got {height} x {width} px"
            )
        stages = self.encoder(frames.flatten(0, 1))
        refined = [self.context(stages[level].unflatten(0, frames.shape[:2])) for level in c.levels]
        return [F.normalize(maps, dim=2) for maps in refined]

    def similarity(
        self,
        features: Sequence[Float[Tensor, "batch n_frames c _h _w"]],
        queries: Float[Tensor, "batch n_points 3"],
        size: tuple[int, int],
    ) -> Float[Tensor, "batch n_frames n_points h w"]:
        """Joined similarity maps on a grid of `size` (rows, columns), >= 0; cells cover the image evenly."""
        c = self.config
        joined = None
        for maps in features:
            cosine = torch.einsum("btchw,bnc->btnhw", maps, self._query_features(maps, queries, size))
            if c.combination == "concatenation":
                one = _resize(cosine, size) / len(features)
            else:
                one = _resize(self._sharpen(cosine), size)
            if joined is None:
                joined = one
            elif c.combination == "product":
                joined = joined * one
            else:
                joined = joined + one
        if c.combination == "concatenation":
            joined = self._sharpen(joined)
        return joined**c.final_power

    def locate(
        self,
        similarity: Float[Tensor, "batch n_frames n_points h w"],
        queries: Float[Tensor, "batch n_points 3"],
    ) -> Float[Tensor, "batch n_frames n_points 2"]:
        """Centre of mass of each map around its best cell, (x, y) px; in its own frame the query itself."""
        rows, columns = similarity.shape[-2:]
        flat = similarity.flatten(-2)
        index = torch.arange(rows * columns, device=flat.device)
        cells = torch.stack([index % columns, index // columns], dim=-1).to(flat)  # (cells, 2), x first
        peak, best = flat.max(-1)
        best = cells[best]
        tiny = torch.finfo(flat.dtype).tiny
        away = cells - best[..., None, :]
        # Steep powers leave little of the floats' range: relative to the peak, a weak map counts as much as a strong one.
        weight = flat / peak.detach().clamp(min=tiny)[..., None] * (away.square().sum(-1) < self.config.window**2)
        total = weight.sum(-1, keepdim=True).clamp(min=tiny)  # an empty map: the offset is 0
        offset = (weight[..., None, :] @ away)[..., 0, :] / total
        found = (best + offset + 0.5) * self.config.cost_stride
        frame = torch.arange(similarity.shape[1], device=flat.device)
        own = frame[None, :, None] == queries[:, None, :, 0]
        return torch.where(own[..., None], queries[:, None, :, 1:], found)

    def _query_features(self, maps: Tensor, queries: Tensor, size: tuple[int, int]) -> Tensor:
        """Features (batch, n_points, c) at the queries, bilinear, edge repeated."""
        stride = self.config.cost_stride
        extent = queries.new_tensor([maps.shape[1], size[1] * stride, size[0] * stride])
        middle = queries + queries.new_tensor([0.5, 0.0, 0.0])  # a whole frame number is the middle of that frame
        grid = (2 * middle / extent - 1)[:, :, None, None, [1, 2, 0]]
        # One trilinear look-up over (frame, row, column) serves points of all query frames.
        values = F.grid_sample(maps.transpose(1, 2), grid, padding_mode="border", align_corners=False)
        return values[..., 0, 0].transpose(1, 2)

    def _sharpen(self, cosine: Tensor) -> Tensor:
        return (cosine if self.config.keep_negative else cosine.clamp(min=0)) ** self.config.gamma


class _Encoder(nn.Module):
    """Frames to the maps of all stages: pixel blocks to channels, strided stem, pre-activation residual stages; no biases."""

    def __init__(self, c: SpeckNetConfig) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(c.unshuffle)
        self.stem = nn.Conv2d(c.in_channels * c.unshuffle**2, c.stem_width, 7, stride=2, bias=False)
        stages, before = [], c.stem_width
        for width, stride in zip(c.stage_widths, c.stage_strides, strict=True):
            first = _ResidualBlock(before, width, stride, project=True)
            rest = [_ResidualBlock(width, width) for _ in range(c.n_blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, frames: Float[Tensor, "n_frames channels height width"]) -> list[Tensor]:
        x = self.stem(F.pad(self.unshuffle(frames), (2, 4, 2, 4)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class _ResidualBlock(nn.Module):
    """Normalisation and ReLU before each of two 3 x 3 convolutions; the projected skip starts after the first ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.InstanceNorm2d(in_channels, affine=True)
        self.norm2 = nn.InstanceNorm2d(out_channels, affine=True)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False) if project else None
        # Cells of a strided map lie over the corner of their block, so the border is added right and below only.
        self.border = (1, 1, 1, 1) if stride == 1 else (0, 2, 0, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(x))
        shortcut = x if self.skip is None else self.skip(y)
        y = F.relu(self.norm2(self.conv1(F.pad(y, self.border))))
        return shortcut + self.conv2(y)


class _ContextBlock(nn.Module):
    """Two 3 x 3 convolutions over a frame and, with temporal context, its neighbours; the first and last frame are their own."""

    def __init__(self, width: int, hidden: int, temporal: bool) -> None:
        super().__init__()
        self.temporal = temporal
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Conv2d((3 if temporal else 1) * width, hidden, 3, padding=1)
        self.contract = nn.Conv2d(hidden, width, 3, padding=1)

    def forward(
        self, maps: Float[Tensor, "batch n_frames c height width"]
    ) -> Float[Tensor, "batch n_frames c height width"]:
        x = self.norm(maps.movedim(2, -1)).movedim(-1, 2)
        seen = x
        if self.temporal:
            previous = torch.cat([x[:, :1], x[:, :-1]], dim=1)
            following = torch.cat([x[:, 1:], x[:, -1:]], dim=1)
            seen = torch.cat([x, previous, following], dim=2)
        change = self.contract(F.gelu(self.expand(seen.flatten(0, 1)), approximate="tanh"))
        return x + change.unflatten(0, maps.shape[:2])  # the sum starts from the normalised maps


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (batch, n_frames, n_points, h, w) on another grid of the same image, bilinear."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    resized = F.interpolate(maps.flatten(0, 1), size, mode="bilinear", align_corners=False)
    return resized.unflatten(0, maps.shape[:2])


class SpeckNetTracker(PointNetworkTracker):
    """SpeckNet: cosine similarity with the query at several levels, raised to a power, and the centre of its peak; no refinement.

    Take it for what it shows, where its similarity map peaks; its steps do not see each other, so that tracks are rougher than those of
    the refining peers. It gives no visibility: confidence is 1.
    """

    name = "specknet"
    points_interact = False
    network_class, config_class = SpeckNet, SpeckNetConfig
    small = {
        "stem_width": 16,
        "stage_widths": (16, 32, 32, 32),
        "n_context_blocks": 2,
        "context_width": 64,
        "cost_stride": 4,
    }

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: None = None
    ) -> Estimates:
        return Estimates([network(frames, queries(query))], None)
