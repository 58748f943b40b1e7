"""Points carried through a clip by dense flow between neighbouring frames (composition: Evain et al., c-PWC-Net, 2022)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Chained", "chain_flow"]


class Chained(NamedTuple):
    """Paths of points, chained from frame to frame."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in px; the given positions in the query frame."""
    disagreement: Float[Tensor, "batch n_frames n_points"]
    """Distance in px between a point and where the flow there and back takes it, for the step that led into each frame; 0 in
    the query frame, and everywhere without composition."""


def chain_flow(
    flows: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]],
    read: Callable[[Tensor, Tensor], Tensor],
    frames: Float[Tensor, "batch n_frames channels height width"],
    points: Float[Tensor, "batch n_points 2"],
    query_frame: int,
) -> Chained:
    """Carry points frame by frame, both ways from the query frame.

    A step is the mean of the forward flow at the point and of minus the backward flow where that leads; without a backward flow,
    the forward flow alone.

    Args:
        flows: (first frame, second frame) -> flow from the first to the second and, for composition, from the second to the first.
        read: (flow, points) -> motion (batch, n_points, 2) in px.
        frames: At least one.
        points: (x, y) in px of the query frame.
        query_frame: Frame in which the points are given.

    Raises:
        ValueError: Shapes do not fit.
    """
    if frames.ndim != 5 or frames.shape[1] < 1:
        raise ValueError(f"frames must be (batch, n_frames >= 1, channels, height, width), got {tuple(frames.shape)}")
    if points.ndim != 3 or len(points) != len(frames) or points.shape[1] < 1 or points.shape[2] != 2:
        raise ValueError(f"points must be ({len(frames)}, n_points >= 1, 2), got {tuple(points.shape)}")
    n_frames = frames.shape[1]
    if not 0 <= query_frame < n_frames:
        raise ValueError(f"query_frame must be in 0..{n_frames - 1}, got {query_frame}")
    positions = {query_frame: points}
    disagreement = {query_frame: torch.zeros_like(points[..., 0])}
    for step, stop in ((1, n_frames - 1), (-1, 0)):
        for frame in range(query_frame, stop, step):
            there, back = flows(frames[:, frame], frames[:, frame + step])
            forward = read(there, positions[frame])
            if back is None:
                moved, apart = forward, torch.zeros_like(forward[..., 0])
            else:
                backward = read(back, positions[frame] + forward)
                moved, apart = (forward - backward) / 2, (forward + backward).norm(dim=-1)
            positions[frame + step], disagreement[frame + step] = positions[frame] + moved, apart
    order = range(n_frames)
    return Chained(
        torch.stack([positions[frame] for frame in order], dim=1),
        torch.stack([disagreement[frame] for frame in order], dim=1),
    )
