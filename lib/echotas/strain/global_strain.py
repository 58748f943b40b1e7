"""Global longitudinal strain of a tracked line.

    e(t) = 100 (L(t) - L(ED)) / L(ED)

Three numbers are in use under the one name "GLS"; `gls` returns all three under their own names: at end-systole
(Voigt 2015, the task-force default), peak systolic (Evain 2022) and peak over the cycle (EchoTracker2).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from echotas.records import StrainCurve

from .length import check_curve, check_frame, check_line, line_length, relative_change_percent
from .regional import segment_lengths, segment_weights, segmental_strain

__all__ = ["GlobalStrain", "gls", "longitudinal_strain", "strain_curve"]

# A curve that is not zero at ED was referred to another frame; text exports are rounded to 0.01 percent.
ZERO_AT_ED_PERCENT = 0.01


@dataclass(frozen=True)
class GlobalStrain:
    """The values of one global strain curve, percent of the length at ED, negative = shortening."""

    es_percent: float
    """Strain at end-systole."""
    es_frame: int
    """End-systole."""
    peak_systolic_percent: float
    """Lowest strain from ED to ES, both included; 0 if the line never shortens."""
    peak_systolic_frame: int
    """Its frame (the first, if tied)."""
    peak_percent: float
    """Lowest strain from ED to the end of the beat; later than ES where shortening is post-systolic."""
    peak_frame: int
    """Its frame (the first, if tied)."""


def longitudinal_strain(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    ed_frame: int,
    segment: Int[np.ndarray, " n_points"] | None = None,
    accepted: Bool[np.ndarray, "6"] | None = None,
) -> Float[np.ndarray, " n_frames"]:
    """Lagrangian strain of the whole line, percent of its length at ED.

    Args:
        points_mm: Ordered material points (x, y) in mm, base -> apex -> base.
        ed_frame: Frame of zero strain.
        segment: Segment 0..5 of each point; six equal arcs at ED, if None. Used only with `accepted`.
        accepted: Segments whose length enters numerator and denominator. All, if None.

    Returns:
        Strain per frame in percent, exactly 0 at `ed_frame`, negative = shortening.

    Raises:
        ValueError: A position is NaN, the line (or its accepted part) has no length at ED, `ed_frame` is outside,
            or no segment is accepted.

    Unit:
        percent of the length at ED

    Better:
        no direction (negative = shortening)

    Formula:
        e(t) = 100 (L(t) - L(ED)) / L(ED), L of the whole line or summed over accepted segments

    Pitfalls:
        The layer (endocardium, mid-wall, epicardium) changes the value: state it. Rejecting segments changes it too.
        For a tracker that starts at ES the length at ED is itself predicted.

    Known as:
        TAS-Net paper, EchoTracker2 -> GLS, of the mid-wall centre line; Evain 2022 -> S_L, of the endocardium
    """
    points_mm = check_line(points_mm)
    check_frame("ed_frame", ed_frame, len(points_mm))
    if accepted is None:
        return relative_change_percent(line_length(points_mm), ed_frame)
    accepted = np.asarray(accepted, dtype=bool)
    if accepted.shape != (6,):
        raise ValueError(f"accepted must have 6 values, got shape {accepted.shape}")
    if not accepted.any():
        raise ValueError("accepted must keep at least one segment, got all six rejected")
    lengths_mm = segment_lengths(points_mm, segment_weights(points_mm, ed_frame, segment))
    return relative_change_percent(lengths_mm[accepted].sum(axis=0), ed_frame, "accepted part of the line")


def gls(
    curve_percent: Float[np.ndarray, " n_frames"], ed_frame: int, es_frame: int, end_frame: int | None = None
) -> GlobalStrain:
    """End-systolic, peak-systolic and peak strain of a global curve.

    Args:
        curve_percent: Global strain in percent, zero at `ed_frame`.
        ed_frame: Start of the beat.
        es_frame: End-systole, not before `ed_frame`.
        end_frame: Last frame of the beat (the next ED). The last frame of the curve, if None.

    Raises:
        ValueError: The curve is NaN somewhere or not zero at `ed_frame`, or the frames are outside or out of order.

    Unit:
        percent of the length at ED

    Better:
        no direction (negative = shortening)

    Formula:
        es = e(ES), peak_systolic = min of e over ED..ES, peak = min of e over ED..end

    Pitfalls:
        Three numbers under one name, and peak <= peak_systolic <= es always: compare like with like. A minimum takes
        noise of the curve for shortening. One value per view; a patient's GLS is the mean of three views.

    Known as:
        Voigt 2015 -> GLS (end-systolic); Evain 2022 -> GLS (peak-systolic); EchoTracker2 -> peak GLS (to the minimum
        length); TAS-Net paper -> peak GLS (per view)
    """
    curve_percent = check_curve(curve_percent)
    end_frame = len(curve_percent) - 1 if end_frame is None else end_frame
    for name, frame in (("ed_frame", ed_frame), ("es_frame", es_frame), ("end_frame", end_frame)):
        check_frame(name, frame, len(curve_percent))
    if not ed_frame <= es_frame <= end_frame:
        raise ValueError(f"ed_frame <= es_frame <= end_frame must hold, got {ed_frame}, {es_frame}, {end_frame}")
    if abs(curve_percent[ed_frame]) > ZERO_AT_ED_PERCENT:
        raise ValueError(f"curve_percent must be 0 at ed_frame {ed_frame}, got {curve_percent[ed_frame]:.3f}")
    systolic = ed_frame + int(curve_percent[ed_frame : es_frame + 1].argmin())
    peak = ed_frame + int(curve_percent[ed_frame : end_frame + 1].argmin())
    return GlobalStrain(
        es_percent=float(curve_percent[es_frame]),
        es_frame=es_frame,
        peak_systolic_percent=float(curve_percent[systolic]),
        peak_systolic_frame=systolic,
        peak_percent=float(curve_percent[peak]),
        peak_frame=peak,
    )


def strain_curve(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    times_s: Float[np.ndarray, " n_frames"],
    ed_frame: int,
    es_frame: int,
    segment: Int[np.ndarray, " n_points"] | None = None,
    accepted: Bool[np.ndarray, "6"] | None = None,
) -> StrainCurve:
    """Global and segmental strain of one tracked line as a record.

    Args:
        points_mm: Ordered material points (x, y) in mm, base -> apex -> base.
        times_s: Time of each frame, s.
        ed_frame: Frame of zero strain.
        es_frame: End-systole.
        segment: Segment 0..5 of each point; six equal arcs at ED, if None.
        accepted: Segments that enter the *global* curve; all, if None. The segmental curves hold all six either way.

    Raises:
        ValueError: As `longitudinal_strain` and `segmental_strain`, or times and points differ in frames.
    """
    return StrainCurve(
        times_s=times_s,
        global_percent=longitudinal_strain(points_mm, ed_frame, segment, accepted),
        segment_percent=segmental_strain(points_mm, ed_frame, segment),
        ed_frame=ed_frame,
        es_frame=es_frame,
    )
