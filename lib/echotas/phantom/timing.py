"""When things happen in a beat: heart rate, valve events and the strain of one segment over time.

Intervals and template knots follow the virtual-patient numbers (section 6): Copenhagen City Heart intervals, a
Weissler-type regression of ejection time on heart rate, and a template read from two exported strain curves.
All times in ms from end-diastole (the start of the beat); every curve is exactly periodic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

__all__ = ["BeatTiming", "SegmentKnots", "draw_timing", "evaluate_knots", "segment_knots", "twist_course"]

SHORTEST_KNOT_MS = 4.0
"""Knots closer than this are dropped, so that interpolation never sees a step."""


@dataclass(frozen=True)
class BeatTiming:
    """Events of one beat, ms after end-diastole, in increasing order."""

    heart_rate_bpm: float
    """Heart rate, 1/min."""
    cycle_ms: float
    """Length of the beat."""
    aortic_opening_ms: float
    """Aortic valve opens: end of isovolumic contraction."""
    aortic_closure_ms: float
    """Aortic valve closes: end-systole."""
    mitral_opening_ms: float
    """Mitral valve opens: end of isovolumic relaxation."""
    early_filling_end_ms: float
    """The wall stops lengthening after the E wave; may pass the A wave's start at high heart rates."""
    atrial_start_ms: float
    """The A wave begins, or would begin."""
    atrial_wave: bool = True
    """Whether the atrium contracts; it does not in atrial fibrillation."""

    @property
    def ejection_ms(self) -> float:
        """Ejection time, ms."""
        return self.aortic_closure_ms - self.aortic_opening_ms


@dataclass(frozen=True)
class SegmentKnots:
    """Strain of one segment at a few times of the beat; PCHIP between them."""

    times_ms: tuple[float, ...]
    """Increasing, 0 first, shorter than the cycle; the curve returns to the first value at the end of the cycle."""
    strain_percent: tuple[float, ...]
    """Strain at those times, percent, 0 first."""


def draw_timing(
    rng: np.random.Generator, heart_rate_bpm: float, female: bool = False, atrial_wave: bool = True
) -> BeatTiming:
    """Valve events of a patient at one heart rate.

    The random part is that of the intervals; so with the same generator state a second acquisition at another heart
    rate keeps the patient's own deviation.

    Args:
        rng: Random generator of the patient's timing.
        heart_rate_bpm: 40..130 per minute.
        female: Ejection is 5 ms longer in women.
        atrial_wave: False in atrial fibrillation: filling is early only.

    Raises:
        ValueError: The heart rate is outside 40..130.

    References:
        Intervals: Copenhagen City Heart study (IVCT 40 +- 10, IVRT 96 +- 19 ms). E and A shorten by 18 and 16 % when
        the heart rate doubles (Chung 2004).
    """
    if not 40 <= heart_rate_bpm <= 130:
        raise ValueError(f"heart_rate_bpm must be in 40..130, got {heart_rate_bpm}")
    cycle = 60000.0 / heart_rate_bpm
    contraction = float(np.clip(rng.normal(40, 10), 20, 60))
    ejection = 413 - 1.7 * heart_rate_bpm + (5 if female else 0) + float(np.clip(rng.normal(0, 12), -25, 25))
    relaxation = float(np.clip(rng.normal(96, 19), 59, 134)) * min(1.0, (75 / heart_rate_bpm) ** 0.5)
    excess = max(0.0, (heart_rate_bpm - 60) / 60)
    closure = contraction + ejection
    mitral = closure + relaxation
    return BeatTiming(
        heart_rate_bpm=float(heart_rate_bpm),
        cycle_ms=cycle,
        aortic_opening_ms=contraction,
        aortic_closure_ms=closure,
        mitral_opening_ms=mitral,
        early_filling_end_ms=mitral + 150 * (1 - 0.18 * excess),
        atrial_start_ms=cycle - 110 * (1 - 0.16 * excess),
        atrial_wave=atrial_wave,
    )


def _ordered(cycle_ms: float, times: Sequence[float], values: Sequence[float]) -> SegmentKnots:
    """Knots that keep their distance from each other and from the end of the cycle; earlier knots win."""
    kept_times, kept_values = [0.0], [0.0]
    for time, value in zip(times, values, strict=True):
        if time - kept_times[-1] >= SHORTEST_KNOT_MS and cycle_ms - time >= SHORTEST_KNOT_MS:
            kept_times.append(float(time))
            # A strain below any meaning would make PCHIP divide by a subnormal slope.
            kept_values.append(float(value) if abs(value) > 1e-12 else 0.0)
    return SegmentKnots(tuple(kept_times), tuple(kept_values))


def segment_knots(
    timing: BeatTiming,
    strain_percent: float,
    *,
    lag_ms: float = 0.0,
    post_systolic_percent: float = 0.0,
    early_stretch_percent: float = 0.0,
    plateau: float = 0.20,
    jitter: Float[np.ndarray, "8"] | None = None,
) -> SegmentKnots:
    """Template curve of one segment, scaled to its strain at aortic valve closure.

    Args:
        timing: Events of the beat.
        strain_percent: Strain at aortic closure (negative = shortening, positive = systolic stretch).
        lag_ms: Peak this much later than closure (negative: earlier); the strain at the peak is `strain_percent`.
        post_systolic_percent: Further shortening after closure (>= 0), reached about 90 ms later.
        early_stretch_percent: Passive stretch (>= 0) in early ejection, added to the shortening.
        plateau: Fraction of the peak left in diastasis, 0.20 +- 0.06; 0.3-0.4 in slow relaxation.
        jitter: Eight relative deviations of the knots' values (about 0.1 each), none if None.

    Returns:
        Knots in increasing time; in fused filling (fast hearts) those of the plateau give way to the A wave.
    """
    a = timing
    wobble = np.ones(8) if jitter is None else 1 + jitter
    opening, closure, ejection = a.aortic_opening_ms, a.aortic_closure_ms, a.ejection_ms
    filling = a.early_filling_end_ms - a.mitral_opening_ms
    peak_ms = closure + lag_ms
    fractions = np.clip(np.array([0.10, 0.46, 0.74, 0.92]) * wobble[:4], 0.02, 0.99)
    stretch = early_stretch_percent * np.array([0.7, 1.0, 0.5, 0.2])
    times = [opening, *(opening + ejection * np.array([0.15, 0.40, 0.60, 0.80])), peak_ms]
    values = [0.3 * (wobble[7] - 1) * strain_percent + 0.4 * early_stretch_percent]
    values += list(strain_percent * fractions + stretch)
    values += [strain_percent]
    if post_systolic_percent > 0:
        # The dip after closure must fit before filling takes over.
        late_ms = min(peak_ms + 90, a.mitral_opening_ms + 0.35 * filling)
        times += [late_ms]
        values += [strain_percent - post_systolic_percent]
    base = min(strain_percent, 0.0) - 0.5 * post_systolic_percent
    after = max(a.mitral_opening_ms, times[-1] + 15)
    fused = a.early_filling_end_ms > a.atrial_start_ms - 15
    times += [after, after + 0.5 * max(a.early_filling_end_ms - after, 40)]
    values += [base * 0.97 if post_systolic_percent == 0 else values[-1] * 0.9, base * 0.55 * wobble[4]]
    if not a.atrial_wave:
        # The passive end of filling: a slow creep back to the length at end-diastole.
        times += [min(a.early_filling_end_ms, 0.9 * a.cycle_ms)]
        values += [base * plateau * wobble[5]]
    elif fused:
        times += [a.atrial_start_ms + 10]
        values += [base * (plateau + 0.06) * wobble[5]]
    else:
        times += [a.early_filling_end_ms, a.atrial_start_ms]
        values += [base * plateau * wobble[5], base * max(plateau - 0.03, 0.05) * wobble[5]]
    return _ordered(a.cycle_ms, times, values)


def evaluate_knots(
    knots: Sequence[SegmentKnots], times_ms: Float[np.ndarray, " n_times"], cycle_ms: float
) -> Float[np.ndarray, "n_segments n_times"]:
    """Strain of several segments at given times, percent; periodic, and exactly 0 at every multiple of the cycle."""
    phase = np.mod(np.asarray(times_ms, dtype=float), cycle_ms)
    # A time one rounding below the cycle's end is the start of the next beat.
    phase = np.where(cycle_ms - phase < 1e-9 * cycle_ms, 0.0, phase)
    curves = []
    for one in knots:
        t, v = np.array(one.times_ms), np.array(one.strain_percent)
        around_t = np.concatenate([t - cycle_ms, t, t + cycle_ms])
        curves.append(PchipInterpolator(around_t, np.tile(v, 3))(phase))
    return np.array(curves)


def twist_course(timing: BeatTiming, times_ms: Float[np.ndarray, " n_times"]) -> Float[np.ndarray, " n_times"]:
    """Twist over the beat, 0 at end-diastole and 1 at its peak near aortic closure; periodic.

    A brief opposite turn in isovolumic contraction; almost half of the untwisting is over before the mitral valve
    opens, which is why speckle changes right after end-systole although the wall hardly shortens or lengthens then.
    """
    t = timing
    filling = t.early_filling_end_ms - t.mitral_opening_ms
    knots = _ordered(
        t.cycle_ms,
        [
            t.aortic_opening_ms,
            t.aortic_opening_ms + 0.4 * t.ejection_ms,
            t.aortic_closure_ms - 15,
            t.mitral_opening_ms,
            t.mitral_opening_ms + 0.5 * filling,
            min(t.early_filling_end_ms, t.cycle_ms - 30),
        ],
        [-0.06, 0.45, 1.0, 0.55, 0.2, 0.06],
    )
    return evaluate_knots([knots], times_ms, t.cycle_ms)[0]
