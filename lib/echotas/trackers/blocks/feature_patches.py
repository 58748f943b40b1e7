"""Square patches of features around points, and their products with vectors of the points: CoTracker3, LocoTrack, EchoTrackers.

All cells of a patch lie equally far from whole cells of the map. So whole cells are read, one more along each side, and blended
once with one weight per axis; products are taken first and blended afterwards, which is the same and less to blend.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from echotas.trackers.blocks.point_queries import at_own_frame

__all__ = ["Outside", "patch_products", "query_patches", "to_read"]

Outside = Literal["zeros", "edge"]
"""What lies outside a map."""


def to_read(maps: Float[Tensor, "batch n_frames c h w"]) -> Float[Tensor, "batch n_frames c h w"]:
    """The same maps with the features of a cell side by side in memory, as they are read; for maps that are read several times."""
    return maps.movedim(2, -1).contiguous().movedim(-1, 2)


def query_patches(
    maps: Float[Tensor, "batch n_frames c h w"],
    frame: Int[Tensor, "batch n_points"],
    points: Float[Tensor, "batch n_points 2"],
    radius: int,
    x_slow: bool = False,
) -> Float[Tensor, "batch n_points cells c"]:
    """Bilinear features around points that are each given in a frame of their own; outside the map its edge.

    Args:
        maps: Feature maps.
        frame: Frame of each point.
        points: (x, y) in cells, the centre of the first one at 0.
        radius: Cells from the point to the last of its (2 radius + 1)**2 cells along an axis.
        x_slow: Cells of one x after the other, instead of row by row.
    """

    def read(of_frame: Tensor, points: Tensor) -> Tensor:
        corners = _corners(points[:, :, None], of_frame.shape[-2:], radius, "edge", x_slow)
        return _blend(_features(of_frame[:, None], corners), corners)[:, :, 0]

    return at_own_frame(read, maps, frame, points)


def patch_products(
    maps: Float[Tensor, "batch n_frames c h w"],
    points: Float[Tensor, "batch n_frames n_points 2"],
    vectors: Float[Tensor, "batch n_points n_frames_or_1 n_vectors c"],
    radius: int,
    outside: Outside = "zeros",
    x_slow: bool = False,
) -> Float[Tensor, "batch n_points n_frames cells n_vectors"]:
    """Dot products of every cell around a point, in every frame, with vectors of that point; arguments as in `query_patches`.

    Args:
        vectors: The same for all frames, or for each its own.
        outside: What lies outside the map: zeros or its edge.
    """
    corners = _corners(points.transpose(1, 2), maps.shape[-2:], radius, outside, x_slow)
    features = _features(maps, corners)
    transposed = vectors.transpose(-1, -2)
    if vectors.shape[2] == 1:
        # One product for a point, not one for each of its frames.
        found = (features.flatten(2, 3) @ transposed[:, :, 0]).unflatten(2, features.shape[2:4])
    else:
        found = features @ transposed
    return _blend(found, corners)


class _Corners(NamedTuple):
    """Whole cells around patches, and how much each counts; `side` is 2 radius + 1, of an axis or of both."""

    cell: Int[Tensor, "batch n_points n_frames side_and_1_squared"]
    """Index into the cells of a map, row by row."""
    slow: tuple[Float[Tensor, "batch n_points n_frames _side"], Float[Tensor, "batch n_points n_frames _side"]]
    """Weights of the cells before and after, along the slow axis."""
    fast: tuple[Float[Tensor, "batch n_points n_frames _side"], Float[Tensor, "batch n_points n_frames _side"]]
    """The same along the fast axis."""


def _corners(points: Tensor, size: tuple[int, int], radius: int, outside: Outside, x_slow: bool) -> _Corners:
    """Of points (batch, n_points, n_frames, 2) in maps of this (height, width)."""
    height, width = size
    x, *x_weights = _axis(points[..., 0], width, radius, outside)
    y, *y_weights = _axis(points[..., 1], height, radius, outside)
    if x_slow:
        return _Corners((x[..., :, None] + width * y[..., None, :]).flatten(-2), tuple(x_weights), tuple(y_weights))
    return _Corners((width * y[..., :, None] + x[..., None, :]).flatten(-2), tuple(y_weights), tuple(x_weights))


def _axis(place: Tensor, size: int, radius: int, outside: Outside) -> tuple[Tensor, Tensor, Tensor]:
    """Whole cells along an axis, one more than a patch has, and the weights of those before and after each of its cells."""
    # Farther out than any patch reaches nothing changes, and whole numbers must hold it.
    place = place.clamp(-radius - 2, size + radius + 1)
    low = place.floor()
    index = low.long()[..., None] + torch.arange(-radius, radius + 2, device=place.device)
    inside = index.clamp(0, size - 1)
    after = (place - low)[..., None]
    before = 1 - after
    if outside == "zeros":
        counts = (index == inside).to(place)
        before, after = before * counts[..., :-1], after * counts[..., 1:]
    return inside, before, after


def _features(maps: Float[Tensor, "batch n_frames c h w"], corners: _Corners) -> Tensor:
    """Features (batch, n_points, n_frames, (side + 1)**2, c) of the whole cells."""
    batch, n_frames, width, *size = maps.shape
    rows = maps.permute(0, 1, 3, 4, 2).reshape(-1, width)  # no copy of maps from `to_read`
    first = torch.arange(batch * n_frames, device=maps.device).reshape(batch, 1, n_frames, 1) * (size[0] * size[1])
    index = first + corners.cell
    return rows.index_select(0, index.flatten()).unflatten(0, index.shape)


def _blend(values: Tensor, corners: _Corners) -> Tensor:
    """Values (batch, n_points, n_frames, (side + 1)**2, k) of whole cells to those of the patch (..., side**2, k)."""
    side = round(values.shape[-2] ** 0.5)
    values = values.unflatten(-2, (side, side))
    before, after = (weight[..., None, None] for weight in corners.slow)
    values = torch.addcmul(values[..., :-1, :, :] * before, values[..., 1:, :, :], after)
    before, after = (weight[..., None, :, None] for weight in corners.fast)
    return torch.addcmul(values[..., :-1, :] * before, values[..., 1:, :], after).flatten(-3, -2)
