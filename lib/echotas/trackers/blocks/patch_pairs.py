"""All-pairs correlation of two square patches of features, and its encoding (EchoTracker2, LocoTrack)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from echotas.trackers.blocks.point_queries import at_own_frame
from echotas.trackers.blocks.temporal_shift import pad_same

__all__ = ["PairEncoder", "pair_correlation", "patches_around", "patches_at"]


class PairEncoder(nn.Module):
    """Correlation of every cell of one patch with every cell of another, seen from both sides, to one vector.

    Args:
        side: Cells along a patch.
        widths: Channels of the convolutions, each of stride 2.
        kernels: Their sizes.
        group_width: Channels normalised together; divides all widths.
    """

    def __init__(
        self,
        side: int = 9,
        widths: Sequence[int] = (64, 128, 128),
        kernels: Sequence[int] = (3, 3, 2),
        group_width: int = 16,
    ) -> None:
        super().__init__()
        before = (side * side, *widths[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(inside, outside, kernel, stride=2)
            for inside, outside, kernel in zip(before, widths, kernels, strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(width // group_width, width) for width in widths)
        self.out_width = 2 * widths[-1]
        """Columns of the vector."""

    def forward(self, correlation: Float[Tensor, "n y1 x1 y2 x2"]) -> Float[Tensor, "n out_width"]:
        """First the cells of patch 1 as channels over patch 2, then the other way round."""
        return torch.cat([self._view(correlation.flatten(1, 2)), self._view(_swap(correlation).flatten(1, 2))], dim=-1)

    def _view(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(pad_same(x, conv.kernel_size[0], 2))))
        return x.mean((-2, -1))


def patches_around(
    maps: Float[Tensor, "n_maps c h w"], points: Float[Tensor, "n_maps n_points 2"], side: int, padding: str
) -> Float[Tensor, "n_maps c n_points cells"]:
    """Bilinear features in a patch of `side` x `side` cells around points, y slow and x fast.

    Args:
        maps: Feature maps.
        points: (x, y) in cells from the map's corner: the first cell's centre is (0.5, 0.5).
        side: Cells along the patch, odd.
        padding: What lies outside the map: "zeros" or "border".
    """
    reach = torch.arange(side, dtype=points.dtype, device=points.device) - side // 2
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    place = points[:, :, None] + torch.stack([x, y], dim=-1).flatten(0, 1)
    size = torch.tensor([maps.shape[-1], maps.shape[-2]], dtype=points.dtype, device=points.device)
    return F.grid_sample(maps, 2 * place / size - 1, mode="bilinear", padding_mode=padding, align_corners=False)


def patches_at(
    maps: Float[Tensor, "batch n_frames c h w"],
    frame: Int[Tensor, "batch n_points"],
    points: Float[Tensor, "batch n_points 2"],
    side: int,
) -> Float[Tensor, "batch c n_points cells"]:
    """Patches around points, each in its own frame; outside the map its edge."""

    def read(of_frame: Tensor, points: Tensor) -> Tensor:
        return patches_around(of_frame, points, side, "border").transpose(1, 2)

    return at_own_frame(read, maps, frame, points).transpose(1, 2)


def pair_correlation(
    first: Float[Tensor, "batch c n_points cells"], second: Float[Tensor, "batch n_frames c n_points cells"]
) -> Float[Tensor, "batch n_points n_frames side side side side"]:
    """Dot products of every cell of the first patch with every cell of the second, in every frame."""
    side = round(first.shape[-1] ** 0.5)
    product = torch.einsum("bcni,btcnj->bntij", first, second)
    return product.unflatten(-1, (side, side)).unflatten(-3, (side, side))


def _swap(correlation: Tensor) -> Tensor:
    return correlation.permute(0, 3, 4, 1, 2)
