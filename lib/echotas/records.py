"""The records that pass between families: cine, mesh, tracks, reading, strain curve.

Frozen and checked when built; arrays are made read-only. Positions are (x, y) = (column, row) in px on the last axis,
pixel centres at integers. A missing spacing stays `None`: no function may turn it into 1.0.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

__all__ = ["Cine", "Mesh", "Reading", "Sector", "StrainCurve", "Tracks", "View"]


class View(StrEnum):
    """Apical view of a cine."""

    A2C = "A2C"
    A3C = "A3C"
    A4C = "A4C"
    OTHER = "other"


def _frozen(name: str, value: Any, dtype: Any, n_dims: int) -> np.ndarray:
    array = np.array(value, dtype=dtype)
    if array.ndim != n_dims:
        raise ValueError(f"{name} must have {n_dims} dimensions, got shape {array.shape}")
    array.setflags(write=False)
    return array


def _finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")


def _frame_index(name: str, frame: int | None, n_frames: int) -> None:
    if frame is not None and not 0 <= frame < n_frames:
        raise ValueError(f"{name} must be in 0..{n_frames - 1}, got {frame}")


def check_spacing(spacing_mm: Any) -> tuple[float, float]:
    """Spacing as (dx, dy) floats in mm per px; refuses None, non-positive or non-finite values."""
    if spacing_mm is None:
        raise ValueError("spacing_mm must be known to measure in millimetres, got None")
    pair = tuple(float(value) for value in np.atleast_1d(spacing_mm))
    if len(pair) != 2 or not all(np.isfinite(value) and value > 0 for value in pair):
        raise ValueError(f"spacing_mm must be two positive numbers (dx, dy), got {spacing_mm!r}")
    return pair


@dataclass(frozen=True, eq=False)
class Sector:
    """Where the scanned sector lies in an image."""

    apex_px: tuple[float, float]
    """Probe centre (x, y), px; may lie outside the image."""
    half_angle_deg: float
    """Angle between the axis (straight down) and each edge, degrees, in (0, 90)."""
    radius_min_px: float
    """Shortest imaged distance from the apex, px, >= 0."""
    radius_max_px: float
    """Longest imaged distance from the apex, px."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "apex_px", tuple(float(value) for value in self.apex_px))
        if len(self.apex_px) != 2 or not np.isfinite(self.apex_px).all():
            raise ValueError(f"apex_px must be two finite numbers (x, y), got {self.apex_px!r}")
        if not 0 < self.half_angle_deg < 90:
            raise ValueError(f"half_angle_deg must be in (0, 90), got {self.half_angle_deg}")
        if not 0 <= self.radius_min_px < self.radius_max_px:
            raise ValueError(
                f"radius_min_px must be in [0, radius_max_px), got {self.radius_min_px} and {self.radius_max_px}"
            )


@dataclass(frozen=True, eq=False)
class Cine:
    """One recorded loop."""

    frames: np.ndarray
    """Grey levels, u8 (n_frames, height, width); rows go down from the probe."""
    spacing_mm: tuple[float, float] | None
    """Pixel size (dx, dy) in mm; None if unknown."""
    times_s: np.ndarray
    """Time of each frame, s (n_frames,), strictly increasing."""
    view: View = View.OTHER
    """Apical view."""
    ed_frame: int | None = None
    """End-diastole (start of the beat), 0-based."""
    es_frame: int | None = None
    """End-systole, 0-based."""
    patient_id: str = ""
    """Patient; the unit of every split and every interval."""
    recording_id: str = ""
    """Recording, unique in its data set."""
    sector: Sector | None = None
    """Scanned area; None if unknown."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Anything else, JSON-serialisable (population, quality, heart rate, source)."""

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.ndim != 3 or frames.dtype != np.uint8:
            raise ValueError(f"frames must be u8 (n_frames, height, width), got {frames.dtype} {frames.shape}")
        if 0 in frames.shape:
            raise ValueError(f"frames must not be empty, got shape {frames.shape}")
        object.__setattr__(self, "frames", _frozen("frames", frames, np.uint8, 3))
        if self.spacing_mm is not None:
            object.__setattr__(self, "spacing_mm", check_spacing(self.spacing_mm))
        times = _frozen("times_s", self.times_s, np.float64, 1)
        if len(times) != len(frames):
            raise ValueError(f"times_s must have one value per frame ({len(frames)}), got {len(times)}")
        _finite("times_s", times)
        if (np.diff(times) <= 0).any():
            raise ValueError("times_s must increase from frame to frame")
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "view", View(self.view))
        _frame_index("ed_frame", self.ed_frame, len(frames))
        _frame_index("es_frame", self.es_frame, len(frames))

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frames)

    @property
    def frame_rate(self) -> float:
        """Frames per second, from the median frame interval; NaN for a single frame."""
        return float(1 / np.median(np.diff(self.times_s))) if self.n_frames > 1 else float("nan")


@dataclass(frozen=True, eq=False)
class Mesh:
    """A structured mesh of the myocardium that follows the tissue."""

    points_px: np.ndarray
    """(n_frames, n_long, n_rad, 2) px; longitudinal base -> apex -> base, left image wall first; radial endo -> epi."""

    def __post_init__(self) -> None:
        points = _frozen("points_px", self.points_px, np.float64, 4)
        if points.shape[-1] != 2 or points.shape[1] < 2 or points.shape[2] < 2:
            raise ValueError(f"points_px must be (n_frames, n_long >= 2, n_rad >= 2, 2), got {points.shape}")
        _finite("points_px", points)
        object.__setattr__(self, "points_px", points)

    @property
    def midwall_px(self) -> np.ndarray:
        """Centre line, (n_frames, n_long, 2) px: the middle radial line (mean of the two middle ones if even)."""
        n_rad = self.points_px.shape[2]
        return (self.points_px[:, :, (n_rad - 1) // 2] + self.points_px[:, :, n_rad // 2]) / 2


@dataclass(frozen=True, eq=False)
class Tracks:
    """Points followed through a cine."""

    points_px: np.ndarray
    """(n_frames, n_points, 2) px."""
    confidence: np.ndarray
    """(n_frames, n_points) in [0, 1]: how far the speckle is still the same."""
    query_frame: int
    """Frame in which the points were given."""
    error_mm: np.ndarray | None = None
    """(n_frames, n_points) predicted standard error of each coordinate, mm; None from a tracker that predicts none."""

    def __post_init__(self) -> None:
        points = _frozen("points_px", self.points_px, np.float64, 3)
        confidence = _frozen("confidence", self.confidence, np.float64, 2)
        if points.shape[-1] != 2 or confidence.shape != points.shape[:2]:
            raise ValueError(
                f"points_px must be (n_frames, n_points, 2) and confidence (n_frames, n_points), "
                f"got {points.shape} and {confidence.shape}"
            )
        _finite("points_px", points)
        _finite("confidence", confidence)
        if confidence.size and (confidence.min() < 0 or confidence.max() > 1):
            raise ValueError(f"confidence must lie in [0, 1], got {confidence.min():.3g}..{confidence.max():.3g}")
        _frame_index("query_frame", self.query_frame, len(points))
        object.__setattr__(self, "points_px", points)
        object.__setattr__(self, "confidence", confidence)
        if self.error_mm is not None:
            error = _frozen("error_mm", self.error_mm, np.float64, 2)
            _finite("error_mm", error)
            if error.shape != confidence.shape or (error.size and error.min() < 0):
                raise ValueError(
                    f"error_mm must be {confidence.shape} and >= 0, got {error.shape}, least {error.min():.3g}"
                )
            object.__setattr__(self, "error_mm", error)


@dataclass(frozen=True, eq=False)
class Reading:
    """One observer's tracked centre line."""

    line_px: np.ndarray
    """(n_frames, n_points, 2) px, base -> apex -> base, left image wall first."""
    segment: np.ndarray
    """Segment 0..5 of each point, int (n_points,), in the order of `geometry.segments`."""
    accepted: np.ndarray
    """Segments the observer accepts, bool (6,)."""
    observer: str
    """Who read."""
    ed_frame: int
    """The observer's end-diastole."""
    es_frame: int
    """The observer's end-systole."""

    def __post_init__(self) -> None:
        line = _frozen("line_px", self.line_px, np.float64, 3)
        segment = _frozen("segment", self.segment, np.int64, 1)
        accepted = _frozen("accepted", self.accepted, bool, 1)
        if line.shape[-1] != 2 or len(segment) != line.shape[1]:
            raise ValueError(
                f"line_px must be (n_frames, n_points, 2) with one segment per point, got {line.shape} and {segment.shape}"
            )
        _finite("line_px", line)
        if len(segment) and (segment.min() < 0 or segment.max() > 5):
            raise ValueError(f"segment must lie in 0..5, got {segment.min()}..{segment.max()}")
        if accepted.shape != (6,):
            raise ValueError(f"accepted must have 6 values, got {accepted.shape}")
        _frame_index("ed_frame", self.ed_frame, len(line))
        _frame_index("es_frame", self.es_frame, len(line))
        object.__setattr__(self, "line_px", line)
        object.__setattr__(self, "segment", segment)
        object.__setattr__(self, "accepted", accepted)


@dataclass(frozen=True, eq=False)
class StrainCurve:
    """Longitudinal strain over a cine, global and by segment."""

    times_s: np.ndarray
    """(n_frames,) s."""
    global_percent: np.ndarray
    """(n_frames,) percent of the length at ED, negative = shortening."""
    segment_percent: np.ndarray
    """(6, n_frames) percent, segments in the order of `geometry.segments`."""
    ed_frame: int
    """Frame with zero strain."""
    es_frame: int
    """End-systole."""

    def __post_init__(self) -> None:
        times = _frozen("times_s", self.times_s, np.float64, 1)
        curve = _frozen("global_percent", self.global_percent, np.float64, 1)
        segments = _frozen("segment_percent", self.segment_percent, np.float64, 2)
        if curve.shape != times.shape or segments.shape != (6, len(times)):
            raise ValueError(
                f"global_percent must be (n_frames,) and segment_percent (6, n_frames) for {len(times)} times, "
                f"got {curve.shape} and {segments.shape}"
            )
        _frame_index("ed_frame", self.ed_frame, len(times))
        _frame_index("es_frame", self.es_frame, len(times))
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "global_percent", curve)
        object.__setattr__(self, "segment_percent", segments)
