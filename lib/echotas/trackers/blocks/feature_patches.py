"""Patches of features around points, and their products with patches around the same points elsewhere (CoTracker3)."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from echotas.trackers.blocks.point_queries import at_own_frame

__all__ = ["patch_products", "patches_in_frames", "sample_patches"]


def sample_patches(
    maps: Float[Tensor, "n_maps c h w"], points: Float[Tensor, "n_maps n_points 2"], radius: int
) -> Float[Tensor, "n_maps n_points cells c"]:
    """Features in a square window of whole-cell offsets around each point, bilinear; outside the map its edge.

    Args:
        maps: One map per group of points.
        points: (x, y) in cells of these maps.
        radius: Window radius, cells.

    Returns:
        (2 radius + 1)**2 cells per point; the x offset is the slow axis, the y offset the fast one.
    """
    height, breadth = maps.shape[-2:]
    side = torch.arange(-radius, radius + 1, dtype=points.dtype, device=points.device)
    offsets = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).flatten(0, 1)  # x slow
    size = torch.tensor([max(breadth - 1, 1), max(height - 1, 1)], dtype=points.dtype, device=points.device)
    grid = 2 * (points[:, :, None] + offsets) / size - 1
    values = F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return values.permute(0, 2, 3, 1)


def patches_in_frames(
    maps: Float[Tensor, "batch n_frames c h w"],
    frames: Int[Tensor, "batch n_points"],
    points: Float[Tensor, "batch n_points 2"],
    radius: int,
) -> Float[Tensor, "batch n_points cells c"]:
    """Patches around points that are each given in a frame of their own; cells as in `sample_patches`."""
    return at_own_frame(partial(sample_patches, radius=radius), maps, frames, points)


def patch_products(
    patches: Float[Tensor, "batch n_frames n_points cells c"], support: Float[Tensor, "batch n_points cells_there c"]
) -> Float[Tensor, "batch n_frames n_points columns"]:
    """Dot products of every cell of a patch with every cell of the point's support, without scale.

    Returns:
        cells * cells_there columns; the cell of the patch is the slow axis, that of the support the fast one.
    """
    return torch.matmul(patches, support[:, None].transpose(-2, -1)).flatten(-2)
