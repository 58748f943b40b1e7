"""Drift over one beat: tissue returns to where it began, tracked points do not.

    drift = e(end) - e(ED),    e_c(t) = e(t) - (t - t_ED) / (t_end - t_ED) drift

Vendors remove drift without saying so. Here it is off unless asked for, and every function that removes it returns it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .length import check_curve, check_frame, check_line

__all__ = ["DriftFree", "compensate_drift", "compensate_point_drift", "cycle_closure_mm", "drift_percent"]


@dataclass(frozen=True, eq=False)
class DriftFree:
    """What is left after linear drift compensation, together with what was taken away."""

    values: np.ndarray
    """Compensated curve (n_frames,) in percent, or compensated points (n_frames, n_points, 2) in mm."""
    drift: float
    """Drift that was removed: percent for a curve, mean distance in mm for points."""


def drift_percent(curve_percent: Float[np.ndarray, " n_frames"], ed_frame: int, end_frame: int | None = None) -> float:
    """Strain left at the end of the beat, where it should be zero again.

    Args:
        curve_percent: Strain in percent.
        ed_frame: Start of the beat.
        end_frame: End of the beat (the next ED). The last frame, if None.

    Raises:
        ValueError: The curve is NaN somewhere, or `end_frame` is not after `ed_frame`.

    Unit:
        points of strain

    Better:
        nearer to zero

    Formula:
        drift = e(end) - e(ED)

    Pitfalls:
        A frozen line has no drift, and errors of opposite sign along the wall cancel (`cycle_closure_mm` does not let
        them). `end_frame` must be the next ED: the last frame of a recording cut elsewhere is not.

    Known as:
        no other name in the papers read
    """
    curve_percent = check_curve(curve_percent)
    end_frame = _end(ed_frame, end_frame, len(curve_percent))
    return float(curve_percent[end_frame] - curve_percent[ed_frame])


def compensate_drift(
    curve_percent: Float[np.ndarray, " n_frames"], ed_frame: int, end_frame: int | None = None
) -> DriftFree:
    """The curve with a straight line through ED and the end of the beat removed, and the drift.

    The line is extended to frames outside the beat. Arguments and errors as `drift_percent`.
    """
    curve_percent = check_curve(curve_percent)
    end_frame = _end(ed_frame, end_frame, len(curve_percent))
    drift = drift_percent(curve_percent, ed_frame, end_frame)
    return DriftFree(curve_percent - _ramp(len(curve_percent), ed_frame, end_frame) * drift, drift)


def compensate_point_drift(
    points_mm: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int, end_frame: int | None = None
) -> DriftFree:
    """Every point with its own straight-line drift removed, and the mean drift in mm.

    Not the same as compensating the curve: length is not linear in position. Arguments and errors as
    `cycle_closure_mm`.
    """
    points_mm = check_line(points_mm)
    end_frame = _end(ed_frame, end_frame, len(points_mm))
    step = points_mm[end_frame] - points_mm[ed_frame]
    ramp = _ramp(len(points_mm), ed_frame, end_frame)
    return DriftFree(points_mm - ramp[:, None, None] * step, cycle_closure_mm(points_mm, ed_frame, end_frame))


def cycle_closure_mm(
    points_mm: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int, end_frame: int | None = None
) -> float:
    """Mean distance between the points at ED and at the end of the beat, mm.

    Breathing and probe motion add to it, so it bounds the tracking drift from above only.

    Args:
        points_mm: Tracked points (x, y) in mm.
        ed_frame: Start of the beat.
        end_frame: End of the beat (the next ED). The last frame, if None.

    Raises:
        ValueError: A position is NaN, or `end_frame` is not after `ed_frame`.

    Unit:
        mm

    Better:
        lower

    Formula:
        mean over points of |x(end) - x(ED)|

    Pitfalls:
        A frozen line closes perfectly. Breathing and probe motion count as error. `end_frame` must be the next ED: the
        last frame of a recording cut elsewhere is not.

    Known as:
        no other name in the papers read
    """
    points_mm = check_line(points_mm)
    end_frame = _end(ed_frame, end_frame, len(points_mm))
    return float(np.linalg.norm(points_mm[end_frame] - points_mm[ed_frame], axis=-1).mean())


def _end(ed_frame: int, end_frame: int | None, n_frames: int) -> int:
    end_frame = n_frames - 1 if end_frame is None else end_frame
    check_frame("ed_frame", ed_frame, n_frames)
    check_frame("end_frame", end_frame, n_frames)
    if end_frame <= ed_frame:
        raise ValueError(f"end_frame must come after ed_frame {ed_frame}, got {end_frame}")
    return end_frame


def _ramp(n_frames: int, ed_frame: int, end_frame: int) -> Float[np.ndarray, " n_frames"]:
    return (np.arange(n_frames) - ed_frame) / (end_frame - ed_frame)
