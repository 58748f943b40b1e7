"""All-pairs correlation between the surroundings of a query and those of its estimate (LocoTrack, EchoTracker2).

Coordinates here are in cells with the edge of the map at 0, so the centre of the first cell lies at 0.5.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from echotas.trackers.blocks.point_queries import at_own_frame
from echotas.trackers.blocks.preactivation import SameConv2d

__all__ = ["PairEncoder", "pair_correlation", "patches", "query_patches"]

Layer = tuple[int, int, int]
"""Kernel, stride and channels of a convolution."""


def patches(
    maps: Float[Tensor, "n_maps c h w"],
    centres: Float[Tensor, "n_maps n_points 2"],
    radius: int,
    padding: str,
) -> Float[Tensor, "n_maps n_points cells c"]:
    """Bilinear features on a square of (2 radius + 1)**2 points, one cell apart, around each centre (x, y).

    Cells are row by row: y slow, x fast. Outside the map 0 (`padding` "zeros") or its edge ("border").
    """
    height, breadth = maps.shape[-2:]
    side = torch.arange(-radius, radius + 1, dtype=centres.dtype, device=centres.device)
    y, x = torch.meshgrid(side, side, indexing="ij")
    place = centres[:, :, None] + torch.stack([x, y], dim=-1).reshape(-1, 2)  # (n_maps, n_points, cells, 2)
    size = torch.tensor([breadth, height], dtype=centres.dtype, device=centres.device)
    values = F.grid_sample(maps, 2 * place / size - 1, mode="bilinear", padding_mode=padding, align_corners=False)
    return values.permute(0, 2, 3, 1)


def query_patches(
    maps: Float[Tensor, "batch n_frames c h w"],
    frame: Int[Tensor, "batch n_points"],
    centres: Float[Tensor, "batch n_points 2"],
    radius: int,
) -> Float[Tensor, "batch n_points cells c"]:
    """Patches around the queries, each in its own frame; outside the map its edge."""

    def read(of_frame: Tensor, centres: Tensor) -> Tensor:
        return patches(of_frame, centres, radius, "border")

    return at_own_frame(read, maps, frame, centres)


def pair_correlation(
    maps: Float[Tensor, "batch n_frames c h w"],
    support: Float[Tensor, "batch n_points cells c"],
    centres: Float[Tensor, "batch n_frames n_points 2"],
    radius: int,
) -> Float[Tensor, "batch n_frames n_points track_cells cells"]:
    """Dot products of every cell around the estimate (zeros outside the map) with every cell around the query."""
    around = patches(maps.flatten(0, 1), centres.flatten(0, 1), radius, "zeros").unflatten(0, maps.shape[:2])
    return around @ support.transpose(-1, -2)[:, None]


class PairEncoder(nn.Module):
    """A 4-D correlation to a vector: the cells of one side as channels over the square of the other, in both roles.

    Args:
        radius: Radius of both squares.
        layers: Convolutions; both roles go through the same ones.
        norm_channels: Channels that share a group of the group normalisation.
    """

    def __init__(self, radius: int, layers: Sequence[Layer], norm_channels: int = 16) -> None:
        super().__init__()
        self.side = 2 * radius + 1
        stages, width = [], self.side**2
        for kernel, stride, channels in layers:
            convolution = SameConv2d(width, channels, kernel, stride=stride)
            stages.append(nn.Sequential(convolution, nn.GroupNorm(channels // norm_channels, channels), nn.ReLU()))
            width = channels
        self.stages = nn.Sequential(*stages)

    def forward(self, correlation: Float[Tensor, "*rest track_cells cells"]) -> Float[Tensor, "*rest columns"]:
        """Means over the squares: first the track's square, then the query's; twice the channels of the last layer."""
        rest = correlation.shape[:-2]
        flat = correlation.flatten(0, -3) if rest else correlation[None]
        over_track = flat.transpose(1, 2).unflatten(2, (self.side, self.side))
        over_query = flat.unflatten(2, (self.side, self.side))
        vector = torch.cat([self.stages(view).mean((-2, -1)) for view in (over_track, over_query)], dim=-1)
        return vector.reshape(*rest, -1)
