"""Control: nothing moves."""

import numpy as np

from echotas.records import Cine
from echotas.trackers.base import Tracker

__all__ = ["FrozenTracker"]


class FrozenTracker(Tracker):
    """Keeps every point where it was given: zero motion, zero strain.

    The lower end of every table; any tracker has to beat it before its other numbers mean anything.
    """

    name = "frozen"

    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        points = np.repeat(query[None], cine.n_frames, axis=0)
        return points, np.ones(points.shape[:2])
