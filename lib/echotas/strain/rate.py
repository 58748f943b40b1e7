"""Strain rate: the slope of a strain curve.

Slope of a parabola fitted by least squares to the frames in a window of fixed *duration* around each frame
(Savitzky and Golay 1964, for any frame times), so that cines of different frame rate are smoothed alike.
"""

import numpy as np
from jaxtyping import Float

from .length import check_curve

__all__ = ["strain_rate"]


def strain_rate(
    curve_percent: Float[np.ndarray, " n_frames"], times_s: Float[np.ndarray, " n_frames"], window_s: float = 0.06
) -> Float[np.ndarray, " n_frames"]:
    """Lagrangian strain rate d(strain)/dt, 1/s, negative while shortening.

    Args:
        curve_percent: Strain in percent.
        times_s: Time of each frame, s, increasing; intervals may differ.
        window_s: Length of the window, s. Widened to the three nearest frames where the frame rate is too low.

    Returns:
        Strain rate per frame in 1/s (strain as a fraction, not percent).

    Raises:
        ValueError: Fewer than three frames, unequal lengths, times that do not increase, or a window of no length.

    Unit:
        1/s

    Better:
        no direction (negative while shortening)

    Formula:
        slope at t of the parabola fitted by least squares to e over the frames within window_s / 2 of t, over 100

    Pitfalls:
        Depends on window and frame rate; too few frames widen the window. Lagrangian: the Eulerian rate is this over (1
        + e). The first and last frames rest on one side only.

    Known as:
        no other name in the papers read
    """
    curve_percent = check_curve(curve_percent)
    times_s = np.asarray(times_s, dtype=np.float64)
    if len(curve_percent) < 3 or times_s.shape != curve_percent.shape:
        raise ValueError(
            f"curve_percent and times_s must have the same three or more frames, "
            f"got {curve_percent.shape} and {times_s.shape}"
        )
    if not (np.diff(times_s) > 0).all():
        raise ValueError("times_s must increase from frame to frame")
    if not window_s > 0:
        raise ValueError(f"window_s must be positive, got {window_s}")
    rate = np.empty_like(times_s)
    for frame, time_s in enumerate(times_s):
        away = np.abs(times_s - time_s)
        # Half a microsecond of slack keeps both edge frames of a symmetric window despite rounding of the times.
        near = away <= max(window_s / 2, np.partition(away, 2)[2]) + 5e-7
        rate[frame] = np.polynomial.polynomial.polyfit(times_s[near] - time_s, curve_percent[near], 2)[1] / 100
    return rate
