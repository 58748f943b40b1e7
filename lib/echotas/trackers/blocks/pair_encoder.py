"""Correlation of all pairs of cells of two square patches to one vector (LocoTrack, EchoTracker2)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.preactivation import SameConv2d

__all__ = ["PairEncoder"]

Layer = tuple[int, int, int]
"""Kernel, stride and channels of a convolution."""


class PairEncoder(nn.Module):
    """A 4-D correlation to a vector: the cells of one patch as channels over the square of the other, in both roles.

    Args:
        side: Cells along both patches.
        layers: Convolutions; both roles go through the same ones.
        norm_channels: Channels that share a group of the group normalisation.
    """

    def __init__(self, side: int, layers: Sequence[Layer], norm_channels: int = 16) -> None:
        super().__init__()
        self.side = side
        stages, width = [], side**2
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
