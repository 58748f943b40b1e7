"""Estimates the scanned sector of a cine that does not say where it is, from the fan of pixels that carry signal.

A pixel belongs to the fan if it is brighter than the picture's top corners and, in a cine, flickers: burnt-in text,
logos and scales do not. The fan has two long straight edges, found by consensus of its rows; they meet in the apex. An
approximate geometry to resample or simulate by, not a calibration; where edges are dark (poor contact) the true sector
is wider.
"""

from dataclasses import replace

import cv2
import numpy as np

from echotas.records import Cine, Sector

__all__ = ["active_pixels", "estimate_sector", "with_sector"]

_FRAMES_USED = 24
_DARK = 2.0
"""Mean grey level up to which a pixel is black; lossy compression leaves 0..2 outside the fan."""
_STILL = 0.4
"""Standard deviation over time, grey levels, up to which a pixel does not flicker."""
_SMALLEST_SHARE = 0.05
"""Smallest share of the image that a fan covers; below it there is no fan to see."""


def active_pixels(frames: np.ndarray, box_px: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """Largest connected area that carries moving signal, bool (height, width).

    Args:
        frames: u8 (n_frames, height, width); with one frame brightness alone decides.
        box_px: x0, y0, x1, y1 outside which nothing is looked at (the region of a DICOM file).

    Raises:
        ValueError: Wrong shape or type, or the area covers less than 5 % of the image.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(f"frames must be u8 (n_frames, height, width), got {frames.dtype} {frames.shape}")
    step = max(1, len(frames) // _FRAMES_USED)
    chosen = frames[::step].astype(np.float32)
    mean, still = chosen.mean(0), chosen.std(0) <= _STILL
    active = mean > _dark_level(mean)
    if len(chosen) > 1:
        active &= ~still
    if box_px is not None:
        x0, y0, x1, y1 = (int(round(value)) for value in box_px)
        keep = np.zeros_like(active)
        keep[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
        active &= keep
    # Opening cuts thin bridges to marks beside the fan, closing joins speckle to one area.
    size = max(3, round(min(active.shape) / 60)) | 1
    area = np.pad(active.astype(np.uint8), 2 * size)
    area = cv2.morphologyEx(area, cv2.MORPH_OPEN, np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8))
    area = cv2.morphologyEx(area, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    n_areas, labelled, table, _ = cv2.connectedComponentsWithStats(area[2 * size : -2 * size, 2 * size : -2 * size])
    if n_areas > 1:
        active = labelled == 1 + int(table[1:, cv2.CC_STAT_AREA].argmax())
    share = float(active.mean())
    if share < _SMALLEST_SHARE:
        raise ValueError(f"frames must show a fan of at least {_SMALLEST_SHARE:.0%} of the image, got {share:.1%}")
    return active


def estimate_sector(frames: np.ndarray, box_px: tuple[float, float, float, float] | None = None) -> Sector:
    """The sector that encloses the signal of a cine.

    Args:
        frames: u8 (n_frames, height, width).
        box_px: x0, y0, x1, y1 outside which nothing is looked at.

    Returns:
        Sector symmetric about the vertical through its apex: the half-angle is the mean of both edges.

    Raises:
        ValueError: No fan with two straight edges that meet above it is found; the message says what was found instead.
    """
    active = active_pixels(frames, box_px)
    height = active.shape[0]
    left, right = _edge(active, side=-1), _edge(active, side=1)
    # Edges are x = a y + b: they meet where a_l y + b_l = a_r y + b_r.
    if right[0] - left[0] < np.deg2rad(10):
        raise ValueError(
            f"frames must show a fan that widens downwards, got edges of {np.degrees(np.arctan(left[0])):.0f} and "
            f"{np.degrees(np.arctan(right[0])):.0f} degrees"
        )
    apex_y = (left[1] - right[1]) / (right[0] - left[0])
    apex_x = left[0] * apex_y + left[1]
    angles = np.degrees(np.arctan([-left[0], right[0]]))
    if abs(angles[1] - angles[0]) > 20 or not 5 < angles.mean() < 85 or apex_y > 0.5 * height:
        raise ValueError(
            f"frames must show an upright fan, got edges at {angles[0]:.0f} (left) and {angles[1]:.0f} degrees (right) "
            f"that meet at row {apex_y:.0f}"
        )
    row, column = np.nonzero(active)
    radius = np.hypot(column - apex_x, row - apex_y)
    radius_max = _outer_radius(radius, np.arctan2(column - apex_x, row - apex_y), np.radians(angles.mean()))
    nearest = float(radius.min())
    # A tip drawn up to the apex starts within a few px of it: that is no curved probe.
    radius_min = nearest if nearest > 0.03 * radius_max else 0.0
    return Sector((apex_x, apex_y), float(angles.mean()), radius_min, radius_max)


def with_sector(cine: Cine) -> Cine:
    """The cine with its sector: its own if it has one, else the estimate (`meta["sector_source"]` says which).

    Raises:
        ValueError: As `estimate_sector`.
    """
    if cine.sector is not None:
        return replace(cine, meta={**cine.meta, "sector_source": cine.meta.get("sector_source", "file")})
    sector = estimate_sector(cine.frames, cine.meta.get("region_px"))
    return replace(cine, sector=sector, meta={**cine.meta, "sector_source": "estimated"})


def _dark_level(mean: np.ndarray) -> float:
    """Grey level up to which a pixel counts as black: above the noise of the darker of the two top corners."""
    height, width = (max(2, size // 12) for size in mean.shape)
    corners = (mean[:height, :width], mean[:height, -width:])
    return max(_DARK, 2 * min(float(np.median(corner)) for corner in corners))


def _outer_radius(radius: np.ndarray, angle: np.ndarray, half_angle: float) -> float:
    """Longest imaged distance: a median over directions, so that one stray pixel does not set it."""
    bins = np.clip(((angle / half_angle + 1) * 20).astype(int), 0, 39)
    farthest = np.zeros(40)
    np.maximum.at(farthest, bins, radius)
    # The upper half of the directions: the others end early, in shadow or at the picture's border.
    return float(np.median(np.sort(farthest[farthest > 0])[-max(1, int((farthest > 0).sum()) // 2) :]))


def _edge(active: np.ndarray, side: int) -> tuple[float, float]:
    """Straight edge x = a y + b of the fan on one side (-1 left, 1 right): the line that most outline rows agree on."""
    width = active.shape[1]
    rows = np.flatnonzero(active.any(1))
    first = active.argmax(1) if side < 0 else width - 1 - active[:, ::-1].argmax(1)
    widest = rows[np.argmax(side * first[rows])]
    rows = rows[rows <= widest]
    # Where the picture cuts the fan off, its border is no edge of the fan.
    rows = rows[(first[rows] > 0) & (first[rows] < width - 1)]
    x, y = first[rows].astype(np.float64), rows.astype(np.float64)
    if len(rows) < 10:
        raise ValueError(f"frames must show a straight {'left' if side < 0 else 'right'} edge, got {len(rows)} rows")
    tolerance = 1.5
    best, best_score = None, -np.inf
    span = max(5, len(rows) // 8)
    for lower in range(0, len(rows) - span, max(1, len(rows) // 60)):
        for upper in range(lower + span, len(rows), max(1, len(rows) // 60)):
            a = (x[upper] - x[lower]) / (y[upper] - y[lower])
            if side * a <= 0:
                continue
            beyond = side * (x - (a * y + x[lower] - a * y[lower]))
            # Dark speckle leaves the border inside the fan's edge, hardly anything outside it.
            score = (np.abs(beyond) <= tolerance).sum() - 2 * (beyond > tolerance).sum()
            if score > best_score:
                best, best_score = np.abs(beyond) <= tolerance, score
    if best is None:
        raise ValueError(f"frames must show a {'left' if side < 0 else 'right'} edge that runs outwards, got none")
    a, b = np.polyfit(y[best], x[best], 1)
    return float(a), float(b)
