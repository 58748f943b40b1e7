"""Dense optical flow by polynomial expansion (Farneback, SCIA 2003; OpenCV's implementation)."""

from typing import NamedTuple

import cv2
import numpy as np

from echotas.records import Cine
from echotas.trackers.blocks.chained import ChainedTracker, window_px
from echotas.trackers.blocks.patches import crop_box, patch_correlation

__all__ = ["FarnebackTracker"]


class _Context(NamedTuple):
    frames: np.ndarray
    origin: np.ndarray
    window: tuple[int, int]
    latest: dict[tuple[int, int], np.ndarray]
    """Flow of the pair of frames worked on: it serves all queries of a cine."""


class FarnebackTracker(ChainedTracker):
    """Farneback flow between neighbouring frames, read at the points and chained.

    A dense classical method: higher trajectory error than `lucas_kanade`, but little strain bias. Confidence of a step is the
    normalised correlation of the windows around the point before and after.

    Args:
        window_mm: Averaging window. OpenCV has one side length: the smaller of both axes in px.
        levels: Pyramid levels.
        iterations: Iterations per level.
        poly_n: Neighbourhood of the polynomial expansion, px.
        poly_sigma: Its Gaussian weight, px.
        margin_mm: Flow is computed in the box of the query points with this margin.
    """

    name = "farneback"

    def __init__(
        self,
        window_mm: float = 12.0,
        levels: int = 4,
        iterations: int = 3,
        poly_n: int = 7,
        poly_sigma: float = 1.5,
        margin_mm: float = 20.0,
    ) -> None:
        for name, value in {"window_mm": window_mm, "poly_sigma": poly_sigma, "margin_mm": margin_mm}.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        for name, value in {"levels": levels, "iterations": iterations, "poly_n": poly_n}.items():
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.window_mm, self.margin_mm = float(window_mm), float(margin_mm)
        self.levels, self.iterations = levels, iterations
        self.poly_n, self.poly_sigma = poly_n, float(poly_sigma)

    def _prepare(self, cine: Cine, query: np.ndarray) -> _Context:
        margin = tuple(self.margin_mm / spacing for spacing in cine.spacing_mm)
        top, bottom, left, right = crop_box(query, margin, cine.frames.shape[1:])
        frames = np.ascontiguousarray(cine.frames[:, top:bottom, left:right])
        return _Context(frames, np.array([left, top], dtype=np.float64), window_px(self.window_mm, cine), {})

    def _step(self, context: _Context, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before, after = context.frames[first], context.frames[second]
        if (first, second) not in context.latest:
            context.latest.clear()
            context.latest[first, second] = cv2.calcOpticalFlowFarneback(
                before, after, None, 0.5, self.levels, min(context.window), self.iterations,
                self.poly_n, self.poly_sigma, cv2.OPTFLOW_FARNEBACK_GAUSSIAN,
            )  # fmt: skip
        flow = context.latest[first, second]
        local = points - context.origin
        x, y = (np.ascontiguousarray(column[:, None], dtype=np.float32) for column in local.T)
        step = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0].astype(np.float64)
        return points + step, patch_correlation(before, after, local, local + step, context.window)
