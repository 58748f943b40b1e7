"""Queries (frame, x, y) of points that may start in different frames."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["at_own_frame", "at_query_frame", "check_queries", "is_query_frame"]


def check_queries(queries: Tensor, batch: int, n_frames: int) -> None:
    """Raise `ValueError` unless queries are (batch, n_points >= 1, 3) and their frames whole numbers in 0 .. n_frames - 1."""
    if queries.ndim != 3 or queries.shape[0] != batch or queries.shape[1] < 1 or queries.shape[2] != 3:
        raise ValueError(
            f"queries must be (batch = {batch}, n_points >= 1, 3) with (frame, x, y), got {tuple(queries.shape)}"
        )
    if torch.compiler.is_exporting():
        return  # a graph holds no check of values
    frame = queries[..., 0]
    if not ((frame >= 0) & (frame < n_frames) & (frame == frame.round())).all():
        raise ValueError(f"query frames must be whole numbers in 0..{n_frames - 1}, got {frame.unique().tolist()}")


def at_own_frame(
    read: Callable[[Tensor, Tensor], Tensor],
    maps: Float[Tensor, "batch n_frames c h w"],
    frame: Int[Tensor, "batch n_points"],
    points: Float[Tensor, "batch n_points 2"],
) -> Float[Tensor, "batch n_points *rest"]:
    """What `read(maps of one frame, points)` finds for each point in the frame of that point.

    Reads all points in each of the distinct frames, which are few. A graph cannot hold such a list: one that is being exported has
    all points in frame 0, as every tracker here gives them.
    """
    exporting = torch.compiler.is_exporting()
    distinct = [0] if exporting else frame.unique().tolist()
    values = read(maps[:, distinct[0]], points)
    for index in distinct[1:]:
        found = read(maps[:, index], points)
        here = (frame == index).reshape(*frame.shape, *[1] * (found.ndim - 2))
        values = torch.where(here, found, values)
    return values


def at_query_frame(
    paths: Float[Tensor, "batch n_frames n_points c"], frame: Int[Tensor, "batch n_points"]
) -> Float[Tensor, "batch n_points c"]:
    """Values of each path in the frame of its query."""
    index = frame[:, None, :, None].expand(-1, -1, -1, paths.shape[-1])
    return paths.gather(1, index)[:, 0]


def is_query_frame(frame: Int[Tensor, "batch n_points"], n_frames: int) -> Tensor:
    """Mask (batch, n_frames, n_points): true in the frame of each point's query."""
    return torch.arange(n_frames, device=frame.device)[:, None] == frame[:, None]
