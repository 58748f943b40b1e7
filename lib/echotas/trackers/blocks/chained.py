"""Classical trackers: one step from a frame to its neighbour, chained both ways from the query frame."""

from abc import abstractmethod
from typing import Any

import numpy as np

from echotas.records import Cine, check_spacing
from echotas.trackers.base import Tracker

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

    @abstractmethod
    def _step(
        self, context: Any, first: int, second: int, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions in frame `second` of points given in frame `first`, px, and the step's confidence in [0, 1]."""

    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        context = self._prepare(cine, query)
        limit = np.array(cine.frames.shape[:0:-1]) - 0.5
        points = np.repeat(query[None], cine.n_frames, axis=0)
        confidence = np.ones(points.shape[:2])
        for step, stop in ((1, cine.n_frames), (-1, -1)):
            for second in range(query_frame + step, stop, step):
                first = second - step
                moved, trust = self._step(context, first, second, points[first])
                # A point may leave the image with the tissue; beyond its edge there is nothing left to follow.
                points[second] = np.clip(moved, -0.5, limit)
                confidence[second] = np.minimum(confidence[first], np.clip(trust, 0, 1))
        return points, confidence


def window_px(window_mm: float, cine: Cine) -> tuple[int, int]:
    """Window width and height as odd numbers of px >= 5, for a window in mm."""
    width, height = (max(5, 2 * round(window_mm / spacing / 2 - 0.5) + 1) for spacing in check_spacing(cine.spacing_mm))
    return width, height
