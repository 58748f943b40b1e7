"""Points carried through a clip by dense flow between neighbouring frames (composition: Evain et al., c-PWC-Net, 2022)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Chained", "chain_flow"]

PAIRS = 4  # of frames seen by the network at once: coarse levels are too small to be worth a call each

Flows = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]


class Chained(NamedTuple):
    """Paths of points, chained from frame to frame."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in px; the given positions in the query frame."""
    disagreement: Float[Tensor, "batch n_frames n_points"]
    """Distance in px between a point and where the flow there and back takes it, for the step that led into each frame; 0 in
    the query frame, and everywhere without composition."""


def chain_flow(
    flows: Flows,
    read: Callable[[Tensor, Tensor], Tensor],
    frames: Float[Tensor, "batch n_frames channels height width"],
    points: Float[Tensor, "batch n_points 2"],
    query_frame: int | Sequence[int],
) -> Chained:
    """Carry points frame by frame, both ways from the frame in which each is given.

    A step is the mean of the forward flow at the point and of minus the backward flow where that leads; without a backward flow,
    the forward flow alone. Flow between two frames is found once, for all points and both ways.

    Args:
        flows: Frames and their neighbours, (n_pairs, channels, height, width) each -> flow from the first to the second and, for
            composition, from the second to the first, (n_pairs, ...) each.
        read: (flow, points) -> motion (batch, n_points, 2) in px.
        frames: At least one.
        points: (x, y) in px of the query frame.
        query_frame: Frame in which all points are given, or that of each.

    Raises:
        ValueError: Shapes do not fit.
    """
    if frames.ndim != 5 or frames.shape[1] < 1:
        raise ValueError(f"frames must be (batch, n_frames >= 1, channels, height, width), got {tuple(frames.shape)}")
    if points.ndim != 3 or len(points) != len(frames) or points.shape[1] < 1 or points.shape[2] != 2:
        raise ValueError(f"points must be ({len(frames)}, n_points >= 1, 2), got {tuple(points.shape)}")
    n_frames, n_points = frames.shape[1], points.shape[1]
    starts = [query_frame] * n_points if isinstance(query_frame, int) else list(query_frame)
    if len(starts) != n_points or not all(0 <= start < n_frames for start in starts):
        raise ValueError(f"query_frame must be in 0..{n_frames - 1}, one or {n_points}, got {query_frame}")
    neighbours = _Neighbours(flows, frames)
    positions = [points] * n_frames
    disagreement = [torch.zeros_like(points[..., 0])] * n_frames
    for step, begin, stop in ((1, min(starts), n_frames - 1), (-1, max(starts), 0)):
        for frame in range(begin, stop, step):
            there, back = neighbours.flow(frame, step)
            forward = read(there, positions[frame])
            if back is None:
                moved, apart = forward, torch.zeros_like(forward[..., 0])
            else:
                backward = read(back, positions[frame] + forward)
                moved, apart = (forward - backward) / 2, (forward + backward).norm(dim=-1)
            # Points that are given further on wait where they are given.
            begun = torch.tensor([(frame - start) * step >= 0 for start in starts], device=points.device)
            positions[frame + step] = torch.where(begun[:, None], positions[frame] + moved, positions[frame + step])
            disagreement[frame + step] = torch.where(begun, apart, disagreement[frame + step])
    return Chained(torch.stack(positions, dim=1), torch.stack(disagreement, dim=1))


class _Neighbours:
    """Flow between neighbouring frames, found when first asked for, together with that of the pairs that follow."""

    def __init__(self, flows: Flows, frames: Tensor) -> None:
        self.flows, self.frames = flows, frames
        self.found: dict[tuple[int, int], tuple[Tensor, Tensor | None]] = {}

    def flow(self, frame: int, step: int) -> tuple[Tensor, Tensor | None]:
        """Flow from the frame to its neighbour and, for composition, from there to the frame."""
        if (frame, step) not in self.found:
            self._find(frame, step)
        return self.found[frame, step]

    def _find(self, frame: int, step: int) -> None:
        n_frames = self.frames.shape[1]
        last = min(frame + PAIRS, n_frames - 1) if step > 0 else max(frame - PAIRS, 0)
        firsts = list(range(frame, last, step))
        pairs = (self.frames[:, [first + offset for first in firsts]].flatten(0, 1) for offset in (0, step))
        there, back = (
            None if flow is None else flow.unflatten(0, (len(self.frames), len(firsts))) for flow in self.flows(*pairs)
        )
        for index, first in enumerate(firsts):
            ahead, behind = there[:, index], None if back is None else back[:, index]
            self.found[first, step] = ahead, behind
            if behind is not None:
                self.found[first + step, -step] = behind, ahead
