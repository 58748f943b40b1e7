"""Correlation of several templates per point with feature maps: over a whole map, or in windows that all templates share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from echotas.trackers.blocks.correlation import sample_features
from echotas.trackers.blocks.feature_patches import patch_products
from echotas.trackers.blocks.point_queries import at_own_frame

__all__ = ["features_at", "map_correlation", "window_correlations"]


def features_at(
    maps: Float[Tensor, "batch n_frames c h w"],
    frame: Int[Tensor, "batch n_points"],
    points: Float[Tensor, "batch n_points 2"],
) -> Float[Tensor, "batch n_points c"]:
    """Bilinear values at points (x, y) in cells, each in its own frame; outside the map its edge."""
    return at_own_frame(sample_features, maps, frame, points)


def map_correlation(
    pyramid: Sequence[Float[Tensor, "batch n_frames c _h _w"]],
    templates: Float[Tensor, "batch n_points c"],
    size: tuple[int, int],
) -> Float[Tensor, "batch n_points n_frames columns"]:
    """Mean over the levels of the scaled dot products with every cell, each level resized to `size` (height, width).

    Rows first (y slow, x fast).
    """
    templates = templates / templates.shape[-1] ** 0.5
    batch, n_points = templates.shape[:2]
    total = 0
    for maps in pyramid:
        product = torch.einsum("bnc,btchw->bnthw", templates, maps).flatten(0, 1)
        total = total + F.interpolate(product, size, mode="bilinear", align_corners=True)
    return (total / len(pyramid)).flatten(2).unflatten(0, (batch, n_points))


def window_correlations(
    pyramid: Sequence[Float[Tensor, "batch n_frames c _h _w"]],
    templates: Float[Tensor, "batch n_points n_frames n_templates c"],
    points: Float[Tensor, "batch n_frames n_points 2"],
    radius: int,
) -> Float[Tensor, "batch n_points n_frames columns"]:
    """Scaled dot products of every template of a point with the maps around the point, bilinear, zero outside.

    Each template gives what `correlation_windows` gives. There the product with the whole map is sampled; here features are read
    first, once for all templates, which costs far less where maps are fine and points few.

    Args:
        pyramid: Maps, finest first.
        templates: Features to look for.
        points: (x, y) in cells of the finest level.
        radius: Window radius in cells of each level.

    Returns:
        Template by template, levels finest first, the x offset slow and the y offset fast;
        n_templates * n_levels * (2 radius + 1)**2 columns.
    """
    scaled = templates / templates.shape[-1] ** 0.5
    columns = [
        patch_products(maps, points / 2**level, scaled, radius, x_slow=True).transpose(-1, -2)
        for level, maps in enumerate(pyramid)
    ]
    return torch.cat(columns, dim=-1).flatten(-2)
