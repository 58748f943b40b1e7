"""Bland-Altman agreement where a patient has several recordings: views, observers, beats.

Pairs of one patient are not independent. Treated as if they were, the limits come out a little too narrow (more so where
patients have unequal numbers of pairs) and the intervals far too narrow. Here the differences are taken apart into what
belongs to the patient and what belongs to the recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from .agreement import LIMITS_SD
from .resampling import check_resampling, draw_counts, percentile_ends

__all__ = ["RepeatedBlandAltman", "bland_altman_repeated"]


@dataclass(frozen=True)
class RepeatedBlandAltman:
    """Agreement over repeated pairs; differences are method - reference, in the unit of the measure."""

    n_patients: int
    """Patients: the n of every interval."""
    n_pairs: int
    """Pairs, all patients together."""
    bias: float
    """Mean of all differences."""
    sd: float
    """SD of the difference of one new recording of a new patient; NaN for one patient."""
    between_sd: float
    """SD of the patients' own mean differences; NaN for one patient or one pair per patient (not separable)."""
    within_sd: float
    """SD of the differences within a patient; NaN for one pair per patient (not separable)."""
    loa_low: float
    """Lower limit of agreement, bias - 1.96 SD; NaN for one patient."""
    loa_high: float
    """Upper limit of agreement, bias + 1.96 SD; NaN for one patient."""
    bias_ci: tuple[float, float]
    """Interval of the bias; (NaN, NaN) for one patient: one patient bounds nothing."""
    loa_low_ci: tuple[float, float]
    """Interval of the lower limit."""
    loa_high_ci: tuple[float, float]
    """Interval of the upper limit."""


def bland_altman_repeated(
    method: Float[np.ndarray, " n_pairs"],
    reference: Float[np.ndarray, " n_pairs"],
    patients: Sequence[object] | np.ndarray,
    n_resamples: int = 5000,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> RepeatedBlandAltman:
    """Bias and limits of agreement from variance components, with intervals from resampled patients.

    For pairs in which the true value may change from pair to pair (three views of one heart, say). With one pair per patient
    bias, SD and limits are those of `bland_altman`, which then has the closed-form intervals.

    Args:
        method: One value per recording.
        reference: The other value of the same recordings.
        patients: Patient of each recording.
        n_resamples: Bootstrap resamples.
        rng: Source of the draws; the same generator state gives the same intervals.
        confidence: Coverage of the intervals, 0-1.

    Returns:
        Zero-width limits if all differences are equal. One patient: bias and within_sd only, all else NaN. One pair per patient:
        between_sd and within_sd are NaN, their sum is not. between_sd is 0 where patients differ less than their
        recordings would make them differ by chance (an estimate below zero is cut off there).

    Raises:
        ValueError: No pair, unequal counts, a value that is not finite, a patient without a name, or `n_resamples` or
            `confidence` out of range.

    Unit:
        that of the measure (points of strain, say)

    Better:
        nearer to zero (the bias); narrower limits

    Formula:
        One-way analysis of variance of d = method - reference, patient i of n with m_i of the N pairs:
        s_w^2 = MS_within,  s_b^2 = max(0, (MS_between - MS_within) / lambda),
        lambda = (N^2 - sum m_i^2) / ((n - 1) N),  limits = mean(d) +/- 1.96 sqrt(s_b^2 + s_w^2).

    Pitfalls:
        The limits are for one new recording; the mean of a patient's three views scatters less.
        The bias weighs a patient by the number of recordings: misleading where the sick are recorded more often.
        A difference between views (not chance within a patient) ends up in within_sd; then report per view as well.
        With few patients n the percentile intervals are too narrow: a resample's variance is too small by (n - 1) / n.

    Known as:
        Limits of agreement with multiple observations per individual, true value varies; repeated-measures
        Bland-Altman.

    References:
        Bland and Altman 1999, section 5.3, as corrected in Bland and Altman 2007, section 3.
    """
    difference, member = _checked(method, reference, patients)
    check_resampling(n_resamples, confidence)
    n_patients, n_pairs = int(member.max()) + 1, len(difference)
    # About the overall mean, so that squares do not cancel.
    centre = float(difference.mean())
    sums = _sums(difference - centre, member)
    shift, between, within = (float(values[0]) for values in _components(np.ones((1, n_patients)), sums))
    bias, sd = centre + shift, float(np.sqrt(between + within))
    single = n_pairs == n_patients
    nan = (float("nan"), float("nan"))
    ends = (nan, nan, nan)
    if n_patients > 1:
        draws = draw_counts(n_patients, n_resamples, rng)
        shifts, *parts = np.concatenate([_components(drawn, sums) for drawn in draws], axis=1)
        half = LIMITS_SD * np.sqrt(parts[0] + parts[1])
        resampled = (centre + shifts, centre + shifts - half, centre + shifts + half)
        ends = tuple(percentile_ends(values, confidence)[:2] for values in resampled)
    return RepeatedBlandAltman(
        n_patients=n_patients,
        n_pairs=n_pairs,
        bias=bias,
        sd=sd,
        between_sd=float("nan") if single else float(np.sqrt(between)),
        within_sd=float("nan") if single else float(np.sqrt(within)),
        loa_low=bias - LIMITS_SD * sd,
        loa_high=bias + LIMITS_SD * sd,
        bias_ci=ends[0],
        loa_low_ci=ends[1],
        loa_high_ci=ends[2],
    )


def _sums(difference: np.ndarray, member: np.ndarray) -> Float[np.ndarray, "n_patients 5"]:
    """What a resample has to add up, by patient: m, m^2, sum d, (sum d)^2 / m, and squares about the patient's mean."""
    m = np.bincount(member).astype(np.float64)
    total = np.bincount(member, weights=difference)
    spread = np.bincount(member, weights=(difference - (total / m)[member]) ** 2)
    return np.stack([m, m**2, total, total**2 / m, spread], axis=-1)


def _components(
    drawn: Float[np.ndarray, "n_resamples n_patients"], sums: Float[np.ndarray, "n_patients 5"]
) -> Float[np.ndarray, "3 n_resamples"]:
    """Mean difference and the variances between and within patients, drawn twice being two patients.

    Where every patient has one pair the variances cannot be told apart: all of it is returned as between.
    Between is NaN for one patient.
    """
    n = drawn.sum(axis=1)
    pairs, squared, total, own, spread = (drawn @ sums).T
    undefined = np.full(len(n), np.nan)
    between_ms = np.divide(np.maximum(own - total**2 / pairs, 0), n - 1, out=undefined.copy(), where=n > 1)
    within = np.divide(spread, pairs - n, out=np.zeros(len(n)), where=pairs > n)
    scale = np.divide(pairs**2 - squared, (n - 1) * pairs, out=undefined, where=n > 1)
    return np.stack([total / pairs, np.maximum((between_ms - within) / scale, 0), within])


def _checked(
    method: np.ndarray, reference: np.ndarray, patients: Sequence[object] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    method, reference = np.asarray(method, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    patients = np.asarray(patients)
    if method.ndim != 1 or len(method) < 1:
        raise ValueError(f"method must hold one value per recording, at least one, got shape {method.shape}")
    for name, array in (("reference", reference), ("patients", patients)):
        if array.shape != method.shape:
            raise ValueError(f"{name} must have one entry per value of method ({len(method)}), got shape {array.shape}")
    for name, array in (("method", method), ("reference", reference)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
    if pd.isna(patients).any():
        raise ValueError(f"patients must name the patient of every value, got {int(pd.isna(patients).sum())} missing")
    return method - reference, np.unique(patients, return_inverse=True)[1]
