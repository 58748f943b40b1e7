"""Trackers that read a dense flow between neighbouring frames at the points, and chain it."""

from abc import abstractmethod
from typing import NamedTuple

import cv2
import numpy as np

from echotas.records import Cine
from echotas.trackers.blocks.chained import ChainedTracker, window_px
from echotas.trackers.blocks.patches import crop_box, patch_correlation

__all__ = ["DenseFlowTracker"]


class _Context(NamedTuple):
    frames: np.ndarray
    origin: np.ndarray
    window: tuple[int, int]
    latest: dict[tuple[int, int], np.ndarray]
    """Flow of the pair of frames worked on: it serves all queries of a cine."""


class DenseFlowTracker(ChainedTracker):
    """A member implements `_flow`. Confidence of a step is the normalised correlation of the windows around the point before and
    after.

    Args:
        window_mm: Window of the confidence, and of a member that averages over one.
        margin_mm: Flow is computed in the box of the query points with this margin.
    """

    def __init__(self, window_mm: float, margin_mm: float) -> None:
        for name, value in {"window_mm": window_mm, "margin_mm": margin_mm}.items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        self.window_mm, self.margin_mm = float(window_mm), float(margin_mm)

    @abstractmethod
    def _flow(self, before: np.ndarray, after: np.ndarray, window: tuple[int, int]) -> np.ndarray:
        """Displacement (height, width, 2), px, from u8 frame to u8 frame."""

    def _prepare(self, cine: Cine, query: np.ndarray) -> _Context:
        margin = tuple(self.margin_mm / spacing for spacing in cine.spacing_mm)
        top, bottom, left, right = crop_box(query, margin, cine.frames.shape[1:])
        frames = np.ascontiguousarray(cine.frames[:, top:bottom, left:right])
        return _Context(frames, np.array([left, top], dtype=np.float64), window_px(self.window_mm, cine), {})

    def _step(self, context: _Context, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before, after = context.frames[first], context.frames[second]
        if (first, second) not in context.latest:
            context.latest.clear()
            context.latest[first, second] = self._flow(before, after, context.window)
        flow = context.latest[first, second]
        local = points - context.origin
        x, y = (np.ascontiguousarray(column[:, None], dtype=np.float32) for column in local.T)
        step = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0].astype(np.float64)
        return points + step, patch_correlation(before, after, local, local + step, context.window)
