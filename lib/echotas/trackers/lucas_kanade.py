"""Pyramidal Lucas-Kanade optical flow of single points with a forward-backward check.

Lucas and Kanade, IJCAI 1981; Bouguet, Intel 2001 (pyramids; OpenCV's implementation); Kalal et al., ICPR 2010 (forward-backward).
"""

from typing import NamedTuple

import cv2
import numpy as np

from echotas.records import Cine, check_spacing
from echotas.trackers.blocks.chained import ChainedTracker, window_px

__all__ = ["LucasKanadeTracker"]


class _Context(NamedTuple):
    frames: np.ndarray
    window: tuple[int, int]
    spacing: np.ndarray


class LucasKanadeTracker(ChainedTracker):
    """Pyramidal Lucas-Kanade, chained frame to frame, forward and backward flow averaged.

    The classical method to beat in trajectory error. Each point moves on its own, so expect some folds;
    `lucas_kanade_mesh` adds smoothing. A point whose backward flow misses its start by more than `max_return_mm` is lost for
    this step: it moves with the median of the trusted points within `window_mm`, or of all trusted points.
    Confidence of a step = exp(-(return error / 1 mm)).

    Args:
        window_mm: Side of the square window. 10.5 mm is 21 px at 0.5 mm, tuned on simulated apical cines.
        levels: Pyramid levels above the image.
        max_return_mm: Largest forward-backward error of a trusted step.
    """

    name = "lucas_kanade"

    def __init__(self, window_mm: float = 10.5, levels: int = 3, max_return_mm: float = 1.5) -> None:
        if not window_mm > 0:
            raise ValueError(f"window_mm must be positive, got {window_mm}")
        if not (isinstance(levels, int) and 0 <= levels <= 8):
            raise ValueError(f"levels must be an integer in 0..8, got {levels!r}")
        if not max_return_mm > 0:
            raise ValueError(f"max_return_mm must be positive, got {max_return_mm}")
        self.window_mm, self.levels, self.max_return_mm = float(window_mm), levels, float(max_return_mm)

    def _prepare(self, cine: Cine, query: np.ndarray) -> _Context:
        return _Context(cine.frames, window_px(self.window_mm, cine), np.array(check_spacing(cine.spacing_mm)))

    def _step(self, context: _Context, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        displacement, trust = self._displacement(context, first, second, points)
        return points + displacement, trust

    def _displacement(
        self, context: _Context, first: int, second: int, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (n_points, 2) px, lost points filled from their neighbours, and confidence."""
        forward, found = self._flow(context, first, second, points)
        backward, found_back = self._flow(context, second, first, points + forward)
        return_mm = np.linalg.norm((forward + backward) * context.spacing, axis=1)
        trusted = found & found_back & (return_mm <= self.max_return_mm)
        displacement = np.where(trusted[:, None], (forward - backward) / 2, 0.0)
        for index in np.flatnonzero(~trusted):
            distance = np.linalg.norm((points - points[index]) * context.spacing, axis=1)
            near = trusted & (distance <= self.window_mm)
            near = near if near.any() else trusted
            if near.any():
                displacement[index] = np.median(displacement[near], axis=0)
        return displacement, np.where(found & found_back, np.exp(-return_mm), 0.0)

    def _flow(self, context: _Context, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = np.ascontiguousarray(points[:, None], dtype=np.float32)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.005)
        end, found, _ = cv2.calcOpticalFlowPyrLK(
            context.frames[first], context.frames[second], start, None,
            winSize=context.window, maxLevel=self.levels, criteria=criteria,
        )  # fmt: skip
        return (end - start)[:, 0].astype(np.float64), found[:, 0].astype(bool)
