"""Correlation of point features with a pyramid of feature maps, in windows around the points (CoTracker v1, PIPs)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["correlation_windows", "feature_pyramid", "sample_features"]


def feature_pyramid(features: Float[Tensor, "n_maps c h w"], n_levels: int) -> list[Tensor]:
    """The maps and their successive 2 x 2 averages (odd edges dropped), finest first."""
    levels = [features]
    for _ in range(n_levels - 1):
        if min(levels[-1].shape[-2:]) < 2:
            raise ValueError(
                f"features must keep >= 2 cells at {n_levels} levels, got {tuple(features.shape[-2:])} cells"
            )
        levels.append(F.avg_pool2d(levels[-1], 2, stride=2))
    return levels


def correlation_windows(
    pyramid: Sequence[Float[Tensor, "n_maps c _h _w"]],
    point_features: Float[Tensor, "n_maps n_points c"],
    points: Float[Tensor, "n_maps n_points 2"],
    radius: int,
) -> Float[Tensor, "n_maps n_points columns"]:
    """Scaled dot products of each point's feature with the maps around the point, bilinear, zero outside.

    Args:
        pyramid: Maps, finest first.
        point_features: One feature per map and point.
        points: (x, y) in cells of the finest level.
        radius: Window radius in cells of each level.

    Returns:
        Levels finest first; within a level the x offset is the slow axis, the y offset the fast one;
        n_levels * (2 radius + 1)**2 columns.
    """
    n_maps, n_points, width = point_features.shape
    side = torch.arange(-radius, radius + 1, dtype=points.dtype, device=points.device)
    offsets = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1)  # [i, j] = (x_i, y_j): x slow
    scaled = point_features / width**0.5
    columns = []
    for level, maps in enumerate(pyramid):
        height, breadth = maps.shape[-2:]
        product = torch.bmm(scaled, maps.flatten(2)).reshape(n_maps * n_points, 1, height, breadth)
        place = points.reshape(-1, 1, 1, 2) / 2**level + offsets
        size = torch.tensor([max(breadth - 1, 1), max(height - 1, 1)], dtype=points.dtype, device=points.device)
        window = F.grid_sample(product, 2 * place / size - 1, mode="bilinear", padding_mode="zeros", align_corners=True)
        columns.append(window.reshape(n_maps, n_points, -1))
    return torch.cat(columns, dim=-1)


def sample_features(
    maps: Float[Tensor, "n_maps c h w"], points: Float[Tensor, "n_maps n_points 2"]
) -> Float[Tensor, "n_maps n_points c"]:
    """Bilinear values of maps at points (x, y) in cells; outside the map its edge."""
    height, breadth = maps.shape[-2:]
    size = torch.tensor([max(breadth - 1, 1), max(height - 1, 1)], dtype=points.dtype, device=points.device)
    grid = (2 * points / size - 1)[:, :, None]
    values = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return values[..., 0].transpose(1, 2)
