"""Classical trackers: one step from a frame to its neighbour, chained both ways from the query frame."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from echotas.records import Cine, check_spacing
from echotas.trackers.base import Query, Tracker

__all__ = ["ChainedTracker", "window_px"]


class ChainedTracker(Tracker):
    """Follows points frame by frame. A member implements `_prepare` (once per cine) and `_step` (two neighbouring frames).

    Confidence is that of the weakest step between the query frame and the frame in question, so it never rises with distance.
    """

    def skip(self, cine: Cine) -> str | None:
        return "spacing_mm must be known to size the window in mm, got None" if cine.spacing_mm is None else None

    @abstractmethod
    def _prepare(self, cine: Cine, query: np.ndarray) -> Any:
        """Whatever `_step` needs of this cine: crop, window in px."""

    def _begin_pair(self, context: Any, first: int, second: int, points: np.ndarray) -> None:
        """Work on a pair of frames that all starts share; `points` are those of all starts in frame `first`."""

    @abstractmethod
    def _step(self, context: Any, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions in frame `second` of points given in frame `first`, px, and the step's confidence in [0, 1]."""

    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._follow_all(cine, [Query(query, query_frame, uv)])[0]

    def _follow_all(self, cine: Cine, starts: Sequence[Query]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Frame pair by frame pair, all starts before the next pair, so that a member can keep a pair's motion field; each
        start joins in at its own frame and is stepped alone: points of one never influence another's."""
        context = self._prepare(cine, np.concatenate([start.points_px for start in starts]))
        limit = np.array(cine.frames.shape[:0:-1]) - 0.5
        paths = [np.repeat(start.points_px[None], cine.n_frames, axis=0) for start in starts]
        confidences = [np.ones(points.shape[:2]) for points in paths]
        for step, stop in ((1, cine.n_frames), (-1, -1)):
            frames = [start.frame for start in starts]
            for first in range(min(frames) if step > 0 else max(frames), stop - step, step):
                second = first + step
                active = [i for i, frame in enumerate(frames) if (first - frame) * step >= 0]
                self._begin_pair(context, first, second, np.concatenate([paths[i][first] for i in active]))
                for i in active:
                    moved, trust = self._step(context, first, second, paths[i][first])
                    # A point may leave the image with the tissue; beyond its edge there is nothing left to follow.
                    paths[i][second] = np.clip(moved, -0.5, limit)
                    confidences[i][second] = np.minimum(confidences[i][first], np.clip(trust, 0, 1))
        return list(zip(paths, confidences, strict=True))


def window_px(window_mm: float, cine: Cine) -> tuple[int, int]:
    """Window width and height as odd numbers of px >= 5, for a window in mm."""
    width, height = (max(5, 2 * round(window_mm / spacing / 2 - 0.5) + 1) for spacing in check_spacing(cine.spacing_mm))
    return width, height
