"""First estimate of a track, frame by frame: where the feature of the query is found again (TAPIR, LocoTrack)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Match", "Matcher", "Searched", "peak_position"]


class Match(NamedTuple):
    """Independent estimates of all frames."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in cells of the finer maps, the edge of the map at 0."""
    logits: Float[Tensor, "batch n_frames n_points 2"]
    """Occlusion, and expectation of a large error."""
    heatmaps: Float[Tensor, "batch n_frames n_points h w"]
    """Probabilities, sum 1 in each frame."""


class Searched(NamedTuple):
    """Feature maps of one level at the finer stride."""

    maps: Float[Tensor, "batch n_frames c h w"]
    """As they are."""
    filtered: Float[Tensor, "batch n_frames c h w"]
    """After the convolution that fuses the levels."""


class Matcher(nn.Module):
    """Cosine maps at two strides, fused by one convolution.

    Args:
        temperature: Factor of the fused map before the softmax.
        radius: Cells around the best one that take part in the position.
    """

    def __init__(self, temperature: float = 20.0, radius: float = 5.0) -> None:
        super().__init__()
        self.fuse = nn.Conv2d(2, 1, 3)  # its weights alone are used
        self.judge = nn.Linear(6, 2)
        self.temperature = temperature
        self.radius = radius

    def prepare(
        self,
        fine: Float[Tensor, "batch n_frames c_fine h w"],
        coarse: Float[Tensor, "batch n_frames c_coarse h_coarse w_coarse"],
    ) -> list[Searched]:
        """Both levels as they are searched, the coarse one first. Resizing and the fusing convolution treat every channel alike, so
        they are done to the features, once, instead of to the cosine map of every point."""
        size = tuple(fine.shape[-2:])
        resized = F.interpolate(coarse.flatten(0, 1), size, mode="bilinear", align_corners=False)
        levels = resized.unflatten(0, coarse.shape[:2]), fine
        return [Searched(maps, self._filtered(maps, index)) for index, maps in enumerate(levels)]

    def forward(
        self,
        levels: list[Searched],
        fine_query: Float[Tensor, "batch n_points c_fine"],
        coarse_query: Float[Tensor, "batch n_points c_coarse"],
    ) -> Match:
        """Matches of the query features in all frames of `prepare`."""
        size = tuple(levels[0].maps.shape[-2:])
        searched = list(zip(levels, (coarse_query, fine_query), strict=True))
        costs = [_cosines(level.maps, query) for level, query in searched]
        fused = sum(_cosines(level.filtered, query) for level, query in searched)
        heat = (self.temperature * (fused + self.fuse.bias)).softmax(-1)
        summary = (
            [cost.mean(-1) for cost in costs] + [cost.amax(-1) for cost in costs] + [cost.amin(-1) for cost in costs]
        )
        maps = heat.unflatten(-1, size)
        positions = peak_position(maps.flatten(0, 2), self.radius).unflatten(0, heat.shape[:3])
        return Match(positions, self.judge(torch.stack(summary, dim=-1)), maps)

    def _filtered(self, maps: Tensor, index: int) -> Tensor:
        """Every channel of the maps of one level convolved with the weights for that level."""
        channels = maps.shape[2]
        kernel = self.fuse.weight[:, index : index + 1].expand(channels, -1, -1, -1)
        found = F.conv2d(maps.flatten(0, 1), kernel, padding=kernel.shape[-1] // 2, groups=channels)
        return found.unflatten(0, maps.shape[:2])


def _cosines(
    maps: Float[Tensor, "batch n_frames c h w"], query: Float[Tensor, "batch n_points c"]
) -> Float[Tensor, "batch n_frames n_points cells"]:
    return query[:, None] @ maps.flatten(3)


def peak_position(heatmaps: Float[Tensor, "n_maps h w"], radius: float) -> Float[Tensor, "n_maps 2"]:
    """Mean cell centre (x, y), weighted by the map within `radius` (exclusive) of its maximum; the edge of the map at 0."""
    height, width = heatmaps.shape[1:]
    reach = math.ceil(radius)
    side = torch.arange(-reach, reach + 1, device=heatmaps.device)
    near = side.square()[:, None] + side.square() < radius**2
    dy, dx = (offset[near] for offset in torch.meshgrid(side, side, indexing="ij"))
    best = heatmaps.flatten(1).argmax(-1)[:, None]
    y, x = best // width + dy, best % width + dx
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    weight = heatmaps.flatten(1).gather(1, y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) * inside
    centre = torch.stack([x, y], dim=-1).to(heatmaps) + 0.5
    return (weight[..., None] * centre).sum(1) / weight.sum(1).clamp(min=1e-12)[:, None]
