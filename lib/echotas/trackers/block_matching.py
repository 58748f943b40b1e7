"""FFT block matching between neighbouring frames: PyMUST `sptrack`, several window sizes, robust smoothing.

Perrot and Garcia, IEEE IUS 2018 (standard PIV for speckle); Garcia, Comput. Stat. Data Anal. 2010 (the smoother).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from echotas.records import Cine
from echotas.trackers.blocks.chained import ChainedTracker
from echotas.trackers.blocks.patches import crop_box, patch_correlation

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # backslashes in PyMUST's docstrings, reported when it is first compiled
    import pymust

__all__ = ["BlockMatchingTracker"]

REACH_MM = 15.0  # tissue moves by less than this within a beat


class _Context(NamedTuple):
    frames: np.ndarray
    origin: np.ndarray
    scale: np.ndarray
    windows: tuple[int, ...]
    field: list[np.ndarray]
    """Motion field of the pair of frames worked on (it serves all queries of a cine): displacement, window centres x and y."""


class BlockMatchingTracker(ChainedTracker):
    """Fourier block matching (PyMUST sptrack) from coarse to fine windows, chained frame to frame.

    The classical PIV-style baseline: windowed cross-correlation, parabolic sub-pixel peak, robust smoothing with automatic
    strength. Confidence of a step is the normalised correlation of the finest window before and after.

    Args:
        windows_mm: Window sides from coarse to fine, mm, used as even numbers of px; at most 2/5 of the crop's shorter side.
            A second pass of the same size starts at the first one's result, which removes the pull of its window towards zero.
            (16, 8, 4) is the customary 32-16-8 px at 0.5 mm: 1.42 mm mean error where the default has 1.26 (9 virtual recordings),
            as windows of 4 mm hold too little speckle.
        overlap_percent: Overlap of neighbouring windows.
    """

    name = "block_matching"

    def __init__(self, windows_mm: tuple[float, ...] = (10.0, 10.0), overlap_percent: float = 50.0) -> None:
        sides = np.atleast_1d(np.asarray(windows_mm, dtype=np.float64))
        if sides.ndim != 1 or not len(sides) or not (sides > 0).all() or (np.diff(sides) > 0).any():
            raise ValueError(f"windows_mm must be positive and never grow, got {windows_mm}")
        if not 0 <= overlap_percent <= 90:
            raise ValueError(f"overlap_percent must be in [0, 90], got {overlap_percent}")
        self.windows_mm, self.overlap_percent = tuple(sides.tolist()), float(overlap_percent)

    def skip(self, cine: Cine) -> str | None:
        if min(cine.frames.shape[1:]) < 20:
            return f"frames must be at least 20 px high and wide, got {cine.frames.shape[1:]}"
        return super().skip(cine)

    def _prepare(self, cine: Cine, query: np.ndarray) -> _Context:
        spacing = np.array(cine.spacing_mm)
        pixel = float(spacing.min())
        scale = spacing / pixel  # px of the square-pixel work grid per px of the cine
        margin = REACH_MM + self.windows_mm[0]
        top, bottom, left, right = crop_box(query, tuple(margin / spacing), cine.frames.shape[1:])
        frames = cine.frames[:, top:bottom, left:right].astype(np.float64)
        if not np.allclose(scale, 1):
            rows, columns = (
                np.arange(int((n - 1) * k) + 1) / k for n, k in zip(frames.shape[1:], scale[::-1], strict=True)
            )
            grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
            frames = np.stack([map_coordinates(frame, grid, order=1, mode="nearest") for frame in frames])
        largest = 2 * int(min(frames.shape[1:]) / 5)
        windows = tuple(max(4, min(2 * round(side / pixel / 2), largest)) for side in self.windows_mm)
        return _Context(frames, np.array([left, top], dtype=np.float64), scale, windows, [])

    def _begin_pair(self, context: _Context, first: int, second: int, points: np.ndarray) -> None:
        # Match only windows that touch the tissue: what lies around it (blood, still background) would slow the field down.
        local = (points - context.origin) * context.scale
        reach = 0.75 * context.windows[0]  # a little over half a window's diagonal
        top, bottom, left, right = crop_box(local, (reach, reach), context.frames.shape[1:])
        near = _distance(local, context.frames.shape[1:])[top:bottom, left:right] <= reach
        # sptrack handles square images only, and skips windows that touch NaN: pad with NaN.
        side = max(bottom - top, right - left, 2 * context.windows[0] + 2)
        pair = np.full((side, side, 2), np.nan)
        for index, frame in enumerate((first, second)):
            part = context.frames[frame, top:bottom, left:right]
            pair[: bottom - top, : right - left, index] = np.where(near, part, np.nan)
        parameters = pymust.utils.Param()
        parameters.winsize = np.repeat(np.array(context.windows)[:, None], 2, axis=1)
        parameters.overlap = self.overlap_percent
        # Flat windows divide by zero inside sptrack; they carry weight 0 in its smoothing.
        with _quiet_smoother(), np.errstate(divide="ignore", invalid="ignore"):
            dx, dy, x, y = pymust.sptrack(pair, parameters)
        # sptrack calls the middle of pixels i .. i + m - 1 i + m / 2, half a px late.
        context.field[:] = [np.stack([dx, dy]), x[0] + left - 0.5, y[:, 0] + top - 0.5]

    def _step(self, context: _Context, first: int, second: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        local = (points - context.origin) * context.scale
        step = _read_grid(*context.field, local)
        size = (context.windows[-1] + 1,) * 2
        images = [context.frames[frame].astype(np.float32) for frame in (first, second)]
        return points + step / context.scale, patch_correlation(*images, local, local + step, size)


def _distance(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Distance of every pixel from the nearest point, px."""
    free = np.ones(shape, dtype=np.uint8)
    column, row = np.rint(points).astype(int).T
    free[np.clip(row, 0, shape[0] - 1), np.clip(column, 0, shape[1] - 1)] = 0
    return cv2.distanceTransform(free, cv2.DIST_L2, 5)


def _read_grid(field: np.ndarray, x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear value (n_points, 2) of a gridded field (2, n_y, n_x); holes take the nearest value, outside the edge's."""
    missing = ~np.isfinite(field).all(0)
    if missing.all():
        return np.zeros_like(points)
    if missing.any():
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        field = field[:, nearest[0], nearest[1]]
    column = np.interp(points[:, 0], x, np.arange(len(x)))
    row = np.interp(points[:, 1], y, np.arange(len(y)))
    return np.stack([map_coordinates(part, [row, column], order=1, mode="nearest") for part in field], axis=-1)


@contextmanager
def _quiet_smoother() -> Iterator[None]:
    """Drop the messages that PyMUST's smoother logs at every cine (its iteration limit); they are no fault of the input."""

    def keep(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("smoothn:")

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)
