"""Intervals with the patient as the unit: resamples draw whole patients.

Frames, points, views and seeds of one patient are not independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .patients import finite_values

__all__ = ["Interval", "SumStatistic", "cluster_bootstrap"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval."""

    estimate: float
    """Statistic of all values."""
    ci_low: float
    """Lower end; NaN for one cluster: one patient bounds nothing."""
    ci_high: float
    """Upper end; NaN for one cluster."""
    n_clusters: int
    """Patients."""
    n_values: int
    """Values, all patients together."""
    n_undefined: int = 0
    """Resamples for which the statistic is NaN, left out of the interval."""


@dataclass(frozen=True)
class SumStatistic:
    """A statistic made of sums over rows: a resample adds up its clusters' sums and copies no row."""

    direct: Callable[[np.ndarray], float]
    """Values to the number."""
    parts: Callable[[np.ndarray], np.ndarray]
    """Values to the columns that are summed, (n_values, n_parts)."""
    combine: Callable[..., np.ndarray]
    """(count, *sums of the parts), each one value per resample, to the numbers; NaN where undefined."""

    def __call__(self, values: np.ndarray) -> float:
        return self.direct(values)


def cluster_bootstrap(
    values: Float[np.ndarray, "n_values ..."],
    clusters: Sequence[object] | np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    n_resamples: int = 5000,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic from resamples of whole clusters.

    Args:
        values: One row per observation; `statistic` receives rows of the drawn clusters, repeated as drawn.
        clusters: Patient of each row.
        statistic: Rows to a number. `np.mean` of one column and any `SumStatistic` are summed by cluster, which is much faster.
        n_resamples: Resamples.
        rng: Source of the draws; the same generator state gives the same interval.
        confidence: Coverage, 0-1.

    Returns:
        Ends are NaN for one cluster. A zero-width interval means that the statistic is the same in every resample.

    Raises:
        ValueError: No value, unequal counts, a NaN value, or `n_resamples` or `confidence` out of range.

    Unit:
        that of the statistic

    Better:
        no direction

    Formula:
        ends = percentiles 50 (1 - c) and 50 (1 + c) of the statistic over resamples
        a resample is n patients drawn with replacement, each with all its rows; c = confidence

    Pitfalls:
        The cluster is the patient: with frames, points or views as clusters the interval is too narrow. Resamples with
        an undefined statistic are left out, so look at `n_undefined`.

    Known as:
        no other name in the papers read
    """
    values, clusters = finite_values("values", values), np.asarray(clusters)
    if len(clusters) != len(values):
        raise ValueError(f"clusters must have one entry per value ({len(values)}), got {len(clusters)}")
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"n_resamples must be positive and confidence in (0, 1), got {n_resamples} and {confidence}")
    _, member = np.unique(clusters, return_inverse=True)
    n_clusters = int(member.max()) + 1
    estimate = float(statistic(values))
    if n_clusters == 1:
        return Interval(estimate, float("nan"), float("nan"), 1, len(values))
    drawn = rng.integers(n_clusters, size=(n_resamples, n_clusters))
    if statistic is np.mean and values.ndim == 1:
        sums, counts = np.bincount(member, weights=values), np.bincount(member)
        resampled = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    elif isinstance(statistic, SumStatistic):
        parts = np.column_stack([np.ones(len(values)), statistic.parts(values)])
        sums = np.stack([np.bincount(member, weights=column) for column in parts.T])
        resampled = statistic.combine(*(part[drawn].sum(axis=1) for part in sums))
    else:
        rows = [np.flatnonzero(member == cluster) for cluster in range(n_clusters)]
        resampled = np.array([statistic(values[np.concatenate([rows[c] for c in draw])]) for draw in drawn])
    defined = resampled[~np.isnan(resampled)]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
    return Interval(estimate, float(low), float(high), n_clusters, len(values), len(resampled) - len(defined))
