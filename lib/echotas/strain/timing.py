"""When segments shorten: time to peak, post-systolic shortening, mechanical dispersion; and when nothing does: diastasis."""

import numpy as np
from jaxtyping import Float

from .global_strain import ZERO_AT_ED_PERCENT
from .length import check_curve, check_frame

__all__ = ["mechanical_dispersion_ms", "post_systolic_index", "slowest_diastolic_frame", "time_to_peak_s"]


def time_to_peak_s(
    curve_percent: Float[np.ndarray, " n_frames"],
    times_s: Float[np.ndarray, " n_frames"],
    ed_frame: int,
    end_frame: int | None = None,
) -> float:
    """Time from ED to the lowest strain of the beat, s.

    Args:
        curve_percent: Strain in percent, zero at ED.
        times_s: Time of each frame, s.
        ed_frame: Start of the beat.
        end_frame: Last frame of the beat. The last frame, if None.

    Returns:
        The first such time, if tied; NaN for a segment that shortens by less than 0.01 %: it has no peak.

    Raises:
        ValueError: Lengths differ, the curve is NaN somewhere or not zero at `ed_frame`, times do not increase, or the
            frames are outside or out of order.

    Unit:
        s

    Better:
        no direction

    Formula:
        t(peak) - t(ED), peak = frame of the minimum of e over ED..end

    Pitfalls:
        Resolved to one frame only. Where the curve is flat or has two minima of like depth, noise decides.

    Known as:
        no other name in the papers read
    """
    curve, times, end = _beat(curve_percent, times_s, ed_frame, end_frame)
    peak = ed_frame + int(curve[ed_frame : end + 1].argmin())
    return float(times[peak] - times[ed_frame]) if _shortens(curve[peak]) else float("nan")


def post_systolic_index(
    curve_percent: Float[np.ndarray, " n_frames"], ed_frame: int, es_frame: int, end_frame: int | None = None
) -> float:
    """Share of the peak shortening that happens after end-systole, percent: 100 (e_peak - e_ES) / e_peak.

    0 if the peak is not after ES; above 100 for a segment that is longer at ES than at ED and shortens afterwards; NaN for
    one that shortens by less than 0.01 %.

    Args:
        curve_percent: Strain in percent, zero at ED.
        ed_frame: Start of the beat.
        es_frame: End-systole (aortic valve closure).
        end_frame: Last frame of the beat. The last frame, if None.

    Raises:
        ValueError: The frames are outside or out of order.

    Unit:
        percent of the peak

    Better:
        no direction

    Formula:
        PSI = 100 (e_peak - e_ES) / e_peak if the peak is after ES, else 0

    Pitfalls:
        Depends on the ES frame. Where a segment hardly shortens, a small difference is divided by a small peak.

    Known as:
        PLOS ONE 0273419 -> PSI

    References:
        Kukulski et al. 2003; requirements 4.4.
    """
    curve, _, end = _beat(curve_percent, np.arange(len(curve_percent)), ed_frame, end_frame)
    check_frame("es_frame", es_frame, len(curve))
    if not ed_frame <= es_frame <= end:
        raise ValueError(f"ed_frame <= es_frame <= end_frame must hold, got {ed_frame}, {es_frame}, {end}")
    peak = ed_frame + int(curve[ed_frame : end + 1].argmin())
    if not _shortens(curve[peak]):
        return float("nan")
    return float(100 * (curve[peak] - curve[es_frame]) / curve[peak]) if peak > es_frame else 0.0


def mechanical_dispersion_ms(times_to_peak_s: Float[np.ndarray, " n_segments"]) -> float:
    """Sample standard deviation (ddof 1) of the segments' times to peak, ms.

    Args:
        times_to_peak_s: From `time_to_peak_s`, of 16 to 18 segments by convention; NaN (no peak, rejected) is left out.

    Returns:
        NaN for fewer than two segments with a peak.

    Raises:
        ValueError: Not one value per segment, or one is infinite.

    Unit:
        ms

    Better:
        no direction

    Formula:
        SD over segments of the time from ED to peak, n - 1

    Pitfalls:
        Segments without a peak are left out, so state how many entered. One wrong peak in a flat curve counts much.

    Known as:
        no other name in the papers read

    References:
        Haugaa et al. 2010.
    """
    times = np.asarray(times_to_peak_s, dtype=np.float64)
    if times.ndim != 1 or np.isinf(times).any():
        raise ValueError(f"times_to_peak_s must be finite or NaN, one per segment, got {times_to_peak_s!r}")
    times = times[~np.isnan(times)]
    return float(1000 * times.std(ddof=1)) if len(times) > 1 else float("nan")


def _shortens(peak_percent: float) -> bool:
    """A curve that is zero but for rounding has no peak: sums of equal lengths differ in the last digit on some processors."""
    return peak_percent < -ZERO_AT_ED_PERCENT


def _beat(
    curve: np.ndarray, times: np.ndarray, ed_frame: int, end_frame: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    curve, times = check_curve(curve), np.asarray(times, dtype=np.float64)
    if times.shape != curve.shape or not (np.diff(times) > 0).all():
        raise ValueError(f"times_s must increase, one per frame ({len(curve)}), got shape {times.shape}")
    end = len(curve) - 1 if end_frame is None else end_frame
    for name, frame in (("ed_frame", ed_frame), ("end_frame", end)):
        check_frame(name, frame, len(curve))
    if end < ed_frame:
        raise ValueError(f"end_frame must not come before ed_frame {ed_frame}, got {end}")
    if abs(curve[ed_frame]) > ZERO_AT_ED_PERCENT:
        raise ValueError(f"curve_percent must be 0 at ed_frame {ed_frame}, got {curve[ed_frame]:.3f}")
    return curve, times, end


def slowest_diastolic_frame(global_strain_percent: np.ndarray, es_frame: int) -> int:
    """Frame after end-systole in which the strain curve is flattest: the middle of diastasis, or what is left of it.

    Half-way through the longest run of frames whose rate is within a tenth of the fastest one after end-systole; the
    frame of the slowest rate if there is none. The last three frames of the beat (A wave) never count.
    """
    rate = np.abs(np.gradient(np.asarray(global_strain_percent, dtype=float)))
    first, last = es_frame + 2, max(len(rate) - 3, es_frame + 3)
    late = rate[first:last]
    if not len(late):
        return min(es_frame + 1, len(rate) - 1)
    slow = late <= 0.1 * late.max()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], slow.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return first + int(late.argmin())
    begin, end = runs[np.diff(runs, axis=1).ravel().argmax()]
    return first + int(begin + end - 1) // 2
