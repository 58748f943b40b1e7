"""Smoothness of tracked paths in time: jerk. How far a beat fails to close is `echotas.strain.cycle_closure_mm`."""

import numpy as np
from jaxtyping import Float

from echotas.records import check_spacing

__all__ = ["jerk_mm_per_s3"]


def jerk_mm_per_s3(
    points_px: Float[np.ndarray, "n_frames n_points 2"],
    times_s: Float[np.ndarray, " n_frames"],
    spacing_mm: tuple[float, float],
    tolerance: float = 0.01,
) -> float:
    """Root mean square jerk, the third time derivative of position, over all points and the whole recording.

    Third differences of four frames at a time: exact for paths that are cubic in time.

    Args:
        points_px: Paths of the points, (x, y) in px.
        times_s: Time of each frame, s.
        spacing_mm: Pixel size (dx, dy) in mm; dx and dy may differ.
        tolerance: Largest deviation of a frame interval from their mean, relative to it, >= 0. The default lets pass times
            rounded to tenths of a millisecond at the usual 40 to 80 Hz; whole milliseconds and dropped frames it does not.

    Returns:
        Jerk in mm/s^3. 0 for points that rest or move with even speed or acceleration.

    Raises:
        ValueError: Fewer than four frames, no point, a position or time that is not finite, times that do not increase or
            are not one per frame, uneven frame intervals, or a spacing or tolerance out of range.

    Unit:
        mm/s^3

    Better:
        lower, down to the jerk of the true motion; below it the tracker smooths away the beat.

    Formula:
        sqrt(mean_(t,i) |x_i(t+3) - 3 x_i(t+2) + 3 x_i(t+1) - x_i(t)|^2) / dt^3  with x in mm and dt in s.

    Pitfalls:
        Points that never move have jerk 0: smooth is not right. Print the jerk of the true paths beside it.
        Tracking noise that is independent from frame to frame, SD s in x and in y, has a jerk of s sqrt(40) / dt^3 of its own:
        eight times as much at twice the frame rate. Compare at one frame rate only.
        A single jump of one point sets the value; it is a root mean square, not a median.

    Known as:
        RMS jerk; not the dimensionless jerk of movement science, which divides by duration and amplitude.

    References:
        Flash and Hogan 1985.
    """
    points_px, spacing = np.asarray(points_px, dtype=np.float64), np.asarray(check_spacing(spacing_mm))
    if points_px.ndim != 3 or points_px.shape[-1] != 2 or points_px.shape[0] < 4 or points_px.shape[1] < 1:
        raise ValueError(f"points_px must be (n_frames >= 4, n_points >= 1, 2), got shape {points_px.shape}")
    if not np.isfinite(points_px).all():
        raise ValueError(f"points_px must be finite, got {int((~np.isfinite(points_px)).sum())} NaN or infinite values")
    interval_s = _even_interval_s(times_s, len(points_px), tolerance)
    third_mm = np.diff(points_px * spacing, n=3, axis=0)  # (n_frames - 3, n_points, 2)
    return float(np.sqrt((third_mm**2).sum(axis=-1).mean()) / interval_s**3)


def _even_interval_s(times_s: np.ndarray, n_frames: int, tolerance: float) -> float:
    """Time between frames, s, after checking that it is the same throughout."""
    times_s = np.asarray(times_s, dtype=np.float64)
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be finite and not negative, got {tolerance}")
    if times_s.shape != (n_frames,):
        raise ValueError(f"times_s must have one value per frame ({n_frames}), got shape {times_s.shape}")
    if not np.isfinite(times_s).all() or not (np.diff(times_s) > 0).all():
        raise ValueError("times_s must be finite and increase from frame to frame")
    intervals = np.diff(times_s)
    mean = float(times_s[-1] - times_s[0]) / (n_frames - 1)
    worst = float(np.abs(intervals / mean - 1).max())
    # The spare part covers the rounding of times that are even by construction.
    if worst > tolerance + 1e-9:
        raise ValueError(
            f"times_s must have even intervals within {100 * tolerance:g} %, got {1e3 * intervals.min():.3g} to "
            f"{1e3 * intervals.max():.3g} ms ({100 * worst:.2g} % off the mean): resample the paths first"
        )
    return mean
