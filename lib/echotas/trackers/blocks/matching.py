"""First estimate of a track, frame by frame: where the feature of the query is found again (TAPIR, LocoTrack)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.preactivation import SameConv2d

__all__ = ["Match", "Matcher", "peak_position"]


class Match(NamedTuple):
    """Independent estimates of all frames."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in cells of the finer maps, the edge of the map at 0."""
    logits: Float[Tensor, "batch n_frames n_points 2"]
    """Occlusion, and expectation of a large error."""
    heatmaps: Float[Tensor, "batch n_frames n_points h w"]
    """Probabilities, sum 1 in each frame."""


class Matcher(nn.Module):
    """Cosine maps at two strides, fused by one convolution.

    Args:
        temperature: Factor of the fused map before the softmax.
        radius: Cells around the best one that take part in the position.
    """

    def __init__(self, temperature: float = 20.0, radius: float = 5.0) -> None:
        super().__init__()
        self.fuse = SameConv2d(2, 1, 3)
        self.judge = nn.Linear(6, 2)
        self.temperature = temperature
        self.radius = radius

    def forward(
        self,
        fine: Float[Tensor, "batch n_frames c_fine h w"],
        coarse: Float[Tensor, "batch n_frames c_coarse h_coarse w_coarse"],
        fine_query: Float[Tensor, "batch n_points c_fine"],
        coarse_query: Float[Tensor, "batch n_points c_coarse"],
    ) -> Match:
        """Matches of the query features in all frames."""
        costs = [
            torch.einsum("btchw,bnc->btnhw", maps, query)
            for maps, query in ((coarse, coarse_query), (fine, fine_query))
        ]
        shape = costs[0].shape[:3]
        size = tuple(fine.shape[-2:])
        resized = F.interpolate(costs[0].flatten(0, 1), size, mode="bilinear", align_corners=False)
        stacked = torch.stack([resized.flatten(0, 1), costs[1].flatten(0, 2)], dim=1)
        fused = self.fuse(stacked)[:, 0]
        heat = (self.temperature * fused.flatten(1)).softmax(-1).unflatten(1, size)
        summary = torch.cat([stacked.mean((-2, -1)), stacked.amax((-2, -1)), stacked.amin((-2, -1))], dim=-1)
        return Match(
            peak_position(heat, self.radius).unflatten(0, shape),
            self.judge(summary).unflatten(0, shape),
            heat.unflatten(0, shape),
        )


def peak_position(heatmaps: Float[Tensor, "n_maps h w"], radius: float) -> Float[Tensor, "n_maps 2"]:
    """Mean cell centre (x, y), weighted by the map within `radius` (exclusive) of its maximum; the edge of the map at 0."""
    height, width = heatmaps.shape[1:]
    y = torch.arange(height, dtype=heatmaps.dtype, device=heatmaps.device) + 0.5
    x = torch.arange(width, dtype=heatmaps.dtype, device=heatmaps.device) + 0.5
    best = heatmaps.flatten(1).argmax(-1)
    dy = y[None, :, None] - y[best // width][:, None, None]
    dx = x[None, None, :] - x[best % width][:, None, None]
    weight = heatmaps * (dx.square() + dy.square() < radius**2)
    total = weight.sum((-2, -1)).clamp(min=1e-12)
    return torch.stack([(weight.sum(-2) * x).sum(-1), (weight.sum(-1) * y).sum(-1)], dim=-1) / total[:, None]
