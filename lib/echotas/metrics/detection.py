"""Detection: can a segment that contracts too little be told from one that contracts well?

A mean error in points of strain does not say it: an error of three points is harmless in a segment at -25 % and hides a
segment at -8 %. Strain is negative, so the *weaker* segment has the *higher* value, and higher speaks for impairment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from .bootstrap import Interval
from .resampling import check_resampling, draw_counts, percentile_ends

__all__ = ["MIN_PATIENTS", "Detection", "detect"]

MIN_PATIENTS = 5
"""Patients that must hold segments of a kind before a rate of them gets an interval. Four patients drawn again and again are
35 different samples, most of them far from the cohort: percentiles of so few say little about other patients."""


@dataclass(frozen=True)
class Detection:
    """How well impaired segments are found. In each interval `n_clusters` and `n_values` are the patients and segments
    that the rate counts (sensitivity: those with an impaired segment, and those segments)."""

    sensitivity: Interval
    """Share of impaired segments called impaired, 0-1; NaN if no segment is impaired."""
    specificity: Interval
    """Share of the other segments not called impaired, 0-1; NaN if all are impaired."""
    auc: Interval
    """Area under the ROC curve, 0-1, of all thresholds at once; NaN if no segment or every segment is impaired."""
    threshold_percent: float
    """A segment with a strain above (weaker than) this was called impaired."""
    n_patients: int
    """Patients."""
    n_segments: int
    """Segments, all patients and recordings together."""
    n_impaired: int
    """Segments that are impaired in truth."""
    n_patients_impaired: int
    """Patients with at least one such segment: the n behind the sensitivity."""


def detect(
    strain_percent: Float[np.ndarray, " n_segments"],
    impaired: Bool[np.ndarray, " n_segments"],
    patients: Sequence[object] | np.ndarray,
    threshold_percent: float,
    n_resamples: int = 5000,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Detection:
    """Sensitivity and specificity at a threshold, and the area under the ROC curve, with intervals over patients.

    A segment is called impaired if its strain is strictly above the threshold. Whole patients are resampled, for all three
    rates together, and the interval is that of the percentiles. The time needed grows with segments x resamples.

    Args:
        strain_percent: Measured strain, percent, negative = shortening; or any score that grows with impairment.
        impaired: Whether the segment is impaired in truth.
        patients: Patient of each segment.
        threshold_percent: In the unit of `strain_percent`.
        n_resamples: Bootstrap resamples.
        rng: Source of the draws; the same generator state gives the same intervals.
        confidence: Coverage of the intervals, 0-1.

    Returns:
        Sensitivity and AUC are NaN if no segment is impaired, specificity and AUC if all are: there is nothing to find, or
        nothing to spare. The ends of a rate's interval are NaN if fewer than `MIN_PATIENTS` patients have a segment that
        it counts (of each kind for the AUC), and if the rate is exactly 0 or 1: every resample repeats that, and the
        interval would have no width. Resamples in which a rate is undefined are left out of its interval and counted
        in `n_undefined`; with one patient in all nothing is resampled.

    Raises:
        ValueError: No segment, unequal counts, a strain or threshold that is not finite (leave the segment out and report
            it), `impaired` not True or False, a patient without a name, or `n_resamples` or `confidence` out of range.

    Unit:
        0-1, all three rates

    Better:
        higher; 0.5 is guessing for the AUC, for the other two it is sensitivity + specificity = 1.

    Formula:
        sensitivity = sum_p TP_p / sum_p P_p,  specificity = sum_p TN_p / sum_p N_p  over patients p;
        AUC = (pairs with e_i > e_j + half the pairs with e_i = e_j) / (P N)  over impaired i and other segments j.

    Pitfalls:
        Segments of one patient share everything, so n_segments is never the n; look at `n_patients_impaired`.
        The AUC pools pairs across patients: finding the sick heart counts as much as finding its sick wall.
        The AUC forgives a bias that moves all segments alike; sensitivity at a fixed threshold does not.
        A tracker that never moves calls every segment impaired: sensitivity 1, specificity 0, AUC 0.5.
        A rate of exactly 0 or 1 has no interval, and is not certain for it: percentiles cannot reach beyond what was seen.
        Predictive values depend on how many segments are impaired in the cohort and are therefore not given.

    Known as:
        Recall or true positive rate; true negative rate; AUROC, c statistic, Mann-Whitney U / (P N).

    References:
        Hanley and McNeil 1982 (area and rank sum); Rutter 2000 (bootstrap of clustered ROC data).
    """
    strain, impaired, member = _checked(strain_percent, impaired, patients)
    if not np.isfinite(threshold_percent):
        raise ValueError(f"threshold_percent must be finite, got {threshold_percent}")
    check_resampling(n_resamples, confidence)
    n_patients = int(member.max()) + 1
    called = strain > threshold_percent
    ranked = _Ranked.of(strain, impaired, member)
    counts = np.stack(
        [_per_patient(mask, member) for mask in (called & impaired, impaired, ~called & ~impaired, ~impaired)], axis=-1
    )  # (n_patients, 4)
    estimates = _rates(np.ones((1, n_patients)), counts, ranked)[:, 0]
    resampled = np.empty((3, 0))
    if n_patients > 1:
        draws = draw_counts(n_patients, n_resamples, rng)
        resampled = np.concatenate([_rates(drawn, counts, ranked) for drawn in draws], axis=1)
    ill, well = (int((counts[:, column] > 0).sum()) for column in (1, 3))
    n_segments, n_impaired = len(strain), int(impaired.sum())
    behind = ((ill, n_impaired), (well, n_segments - n_impaired), (n_patients, n_segments))
    enough = [count >= MIN_PATIENTS for count in (ill, well, min(ill, well))]
    bounded = [held and 0 < rate < 1 for held, rate in zip(enough, estimates, strict=True)]
    intervals = [_interval(*row, confidence) for row in zip(estimates, resampled, behind, bounded, strict=True)]
    return Detection(*intervals, float(threshold_percent), n_patients, n_segments, n_impaired, ill)


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Segments that are not impaired in order of strain, and where each impaired one would stand among them."""

    well: np.ndarray
    """Patient of each segment that is not impaired, as a number, from the strongest to the weakest segment."""
    ill: np.ndarray
    """Patient of each impaired segment."""
    below: np.ndarray
    """For each impaired segment, how many of `well` are strictly stronger."""
    tied: np.ndarray
    """The same, with equal ones counted too."""

    @classmethod
    def of(cls, strain: np.ndarray, impaired: np.ndarray, member: np.ndarray) -> "_Ranked":
        order = np.argsort(strain[~impaired], kind="stable")
        well = strain[~impaired][order]
        below, tied = (np.searchsorted(well, strain[impaired], side) for side in ("left", "right"))
        return cls(member[~impaired][order], member[impaired], below, tied)


def _rates(
    drawn: Float[np.ndarray, "n_resamples n_patients"], counts: Float[np.ndarray, "n_patients 4"], ranked: _Ranked
) -> Float[np.ndarray, "3 n_resamples"]:
    """Sensitivity, specificity and AUC where each patient counts as often as drawn; NaN where undefined."""
    found, ill, spared, well = (drawn @ counts).T
    weight = np.ascontiguousarray(drawn.T)  # whole rows are gathered and added below: several times faster
    stronger = np.zeros((len(ranked.well) + 1, len(drawn)))  # drawn others among the first 0, 1, 2, ... of them
    np.cumsum(weight[ranked.well], axis=0, out=stronger[1:])
    won = np.einsum("sr,sr->r", weight[ranked.ill], stronger[ranked.below] + stronger[ranked.tied]) / 2
    return np.stack([_share(found, ill), _share(spared, well), _share(won, ill * well)])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _interval(
    estimate: float, resampled: np.ndarray, behind: tuple[int, int], bounded: bool, confidence: float
) -> Interval:
    low, high, n_undefined = percentile_ends(resampled, confidence)
    if not bounded:
        low = high = float("nan")
    return Interval(float(estimate), low, high, *behind, n_undefined)


def _per_patient(mask: np.ndarray, member: np.ndarray) -> np.ndarray:
    return np.bincount(member, weights=mask, minlength=int(member.max()) + 1)


def _checked(
    strain: np.ndarray, impaired: np.ndarray, patients: Sequence[object] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    strain, impaired, patients = np.asarray(strain, dtype=np.float64), np.asarray(impaired), np.asarray(patients)
    if strain.ndim != 1 or len(strain) < 1:
        raise ValueError(f"strain_percent must hold one value per segment, at least one, got shape {strain.shape}")
    for name, array in (("impaired", impaired), ("patients", patients)):
        if array.shape != strain.shape:
            raise ValueError(f"{name} must have one entry per segment ({len(strain)}), got shape {array.shape}")
    if not np.isfinite(strain).all():
        raise ValueError(
            f"strain_percent must be finite, got {int((~np.isfinite(strain)).sum())} NaN or infinite values"
        )
    if impaired.dtype != bool:
        raise ValueError(f"impaired must be True or False for each segment, got {impaired.dtype}")
    if pd.isna(patients).any():
        raise ValueError(f"patients must name the patient of every segment, got {int(pd.isna(patients).sum())} missing")
    return strain, impaired, np.unique(patients, return_inverse=True)[1]
