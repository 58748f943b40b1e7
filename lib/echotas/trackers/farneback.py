"""Dense optical flow by polynomial expansion (Farneback, SCIA 2003; OpenCV's implementation)."""

import cv2
import numpy as np

from echotas.trackers.blocks.dense import DenseFlowTracker

__all__ = ["FarnebackTracker"]


class FarnebackTracker(DenseFlowTracker):
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
        super().__init__(window_mm, margin_mm)
        if not poly_sigma > 0:
            raise ValueError(f"poly_sigma must be positive, got {poly_sigma}")
        for name, value in {"levels": levels, "iterations": iterations, "poly_n": poly_n}.items():
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.levels, self.iterations = levels, iterations
        self.poly_n, self.poly_sigma = poly_n, float(poly_sigma)

    def _flow(self, before: np.ndarray, after: np.ndarray, window: tuple[int, int]) -> np.ndarray:
        return cv2.calcOpticalFlowFarneback(
            before, after, None, 0.5, self.levels, min(window), self.iterations,
            self.poly_n, self.poly_sigma, cv2.OPTFLOW_FARNEBACK_GAUSSIAN,
        )  # fmt: skip
