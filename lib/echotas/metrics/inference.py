"""Intervals and tests with the patient as the unit.

Frames, points, views and seeds of one patient are not independent. Resampling draws whole patients; tests compare
one value per patient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .shift import hodges_lehmann_interval, hodges_lehmann_shift

__all__ = [
    "Equivalence",
    "Interval",
    "PairedComparison",
    "SpreadComparison",
    "SumStatistic",
    "cluster_bootstrap",
    "compare_spread",
    "equivalence",
    "holm",
    "paired_comparison",
    "patient_mean",
]


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
class PairedComparison:
    """A method against the baseline on the same patients."""

    name: str
    """The method compared."""
    n: int
    """Patients."""
    shift: float
    """Hodges-Lehmann estimate of method - baseline, in the unit of the values."""
    statistic: float
    """Wilcoxon signed-rank statistic."""
    p: float
    """Two-sided p value; 1 if all differences are zero."""
    p_holm: float
    """p value adjusted for all methods compared (Holm)."""
    shift_low: float = float("nan")
    """Lower end of the 95 % interval of the shift; NaN below six patients."""
    shift_high: float = float("nan")
    """Upper end."""


@dataclass(frozen=True)
class Equivalence:
    """Whether two methods differ by less than a margin stated beforehand."""

    n: int
    """Patients."""
    mean: float
    """Mean difference."""
    ci_low: float
    """Lower end of the interval whose coverage is 1 - 2 alpha."""
    ci_high: float
    """Upper end."""
    p: float
    """Larger p value of the two one-sided tests."""
    margin: float
    """The margin."""
    equivalent: bool
    """The interval lies within +- margin."""


@dataclass(frozen=True)
class SpreadComparison:
    """Whether two methods scatter differently about the same reference."""

    n: int
    """Patients."""
    ratio: float
    """Standard deviation of the first over that of the second."""
    t: float
    """Pitman-Morgan statistic, n - 2 degrees of freedom."""
    p: float
    """Two-sided p value."""


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
    values, clusters = _finite("values", values), np.asarray(clusters)
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


def paired_comparison(
    baseline: Float[np.ndarray, " n_patients"],
    others: Mapping[str, Float[np.ndarray, " _"]],
    zero_method: str = "pratt",
    method: str = "auto",
    correction: bool = False,
) -> list[PairedComparison]:
    """Wilcoxon signed-rank test of each method against the baseline, with Holm's adjustment over all of them.

    Args:
        baseline: One value per patient (mean absolute error over that patient's recordings and seeds, say).
        others: The same patients in the same order, by method name.
        zero_method: How zero differences enter, as in `scipy.stats.wilcoxon`; "pratt" ranks them.
        method: "auto", "exact" or "approx", as there.
        correction: Continuity correction, as there.

    Returns:
        One comparison per method, in the order given.

    Raises:
        ValueError: No method, unequal counts, or a NaN value.

    Unit:
        shift: that of the values; p: 0-1

    Better:
        no direction (of errors, a negative shift is better than the baseline)

    Formula:
        shift = Hodges-Lehmann estimate of method - baseline
        p = Wilcoxon signed-rank test of method - baseline; p_holm = p adjusted over all methods

    Pitfalls:
        Frames, points and recordings are never the n: average to one value per patient first. A p value above 0.05 does
        not show that two methods are equal (`equivalence`), nor does it compare their scatter (`compare_spread`).

    Known as:
        Evain 2022 -> Wilcoxon signed-rank test; the TAS-Net paper marks significance without naming its test

    References:
        Pratt 1959; Holm 1979; Hodges and Lehmann 1963.
    """
    baseline = _finite("baseline", baseline)
    if not others:
        raise ValueError("others must name at least one method to compare with the baseline")
    differences = {}
    for name, values in others.items():
        values = _finite(f"others[{name!r}]", values)
        if values.shape != baseline.shape or values.ndim != 1:
            raise ValueError(f"others[{name!r}] must have the baseline's shape {baseline.shape}, got {values.shape}")
        differences[name] = values - baseline
    tests = {name: _wilcoxon(d, zero_method, method, correction) for name, d in differences.items()}
    adjusted = holm([p for _, p in tests.values()])
    return [
        PairedComparison(
            name,
            len(baseline),
            hodges_lehmann_shift(differences[name]),
            statistic,
            p,
            float(p_holm),
            *hodges_lehmann_interval(differences[name]),
        )
        for (name, (statistic, p)), p_holm in zip(tests.items(), adjusted, strict=True)
    ]


def equivalence(differences: Float[np.ndarray, " n_patients"], margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided t tests: is the mean difference within +- margin?

    A p value above 0.05 of a test for a difference says nothing of the kind.

    Args:
        differences: One per patient, in the unit of the margin.
        margin: Largest difference that does not matter, > 0; to be stated before looking (1 point of strain, say).
        alpha: Level of each test.

    Returns:
        NaN interval and p, and not equivalent, for one patient; p is 0 or 1 if all differences are the same.

    Raises:
        ValueError: No value, a NaN, or margin or alpha out of range.

    Unit:
        that of the differences; p: 0-1

    Better:
        no direction (equivalent if the interval lies within the margin)

    Formula:
        interval = mean(d) +/- t(1 - alpha, n - 1) SD(d) / sqrt(n)
        p = P(T > (margin - |mean(d)|) sqrt(n) / SD(d))
        equivalent if -margin < low and high < margin

    Pitfalls:
        Worth nothing if the margin was chosen after looking. The interval covers 1 - 2 alpha (90 % as set), not 95 %.
        Not shown equivalent does not mean different.

    Known as:
        no other name in the papers read; elsewhere TOST

    References:
        Schuirmann 1987.
    """
    differences = _one_per_patient("differences", differences)
    if not margin > 0 or not 0 < alpha < 0.5:
        raise ValueError(f"margin must be positive and alpha in (0, 0.5), got {margin} and {alpha}")
    n, mean = len(differences), float(differences.mean())
    if n == 1:
        return Equivalence(1, mean, float("nan"), float("nan"), float("nan"), margin, False)
    error = float(differences.std(ddof=1)) / np.sqrt(n)
    half = float(stats.t.ppf(1 - alpha, n - 1)) * error
    room = margin - abs(mean)
    p = float(stats.t.sf(room / error, n - 1)) if error > 0 else float(room <= 0)
    low, high = mean - half, mean + half
    return Equivalence(n, mean, float(low), float(high), p, margin, bool(-margin < low and high < margin))


def compare_spread(
    first: Float[np.ndarray, " n_patients"], second: Float[np.ndarray, " n_patients"]
) -> SpreadComparison:
    """Pitman-Morgan test: do paired differences of two methods have the same variance?

    Variances of paired values differ exactly if their sums and differences correlate. Compares limits of agreement, which
    a test of mean errors does not.

    Args:
        first: Difference from the reference of one method, one per patient.
        second: The same patients by the other method.

    Returns:
        NaN statistic and p for fewer than three patients or where sums or differences do not vary.

    Raises:
        ValueError: No value, unequal counts, or a NaN.

    Unit:
        ratio: none; p: 0-1

    Better:
        no direction (a ratio below 1: the first scatters less)

    Formula:
        r = corr(first + second, first - second)
        t = r sqrt((n - 2) / (1 - r^2)), n - 2 degrees of freedom
        ratio = SD(first) / SD(second)

    Pitfalls:
        Says nothing about bias: a method may scatter little about a wrong value. A test of mean absolute errors answers
        another question.

    Known as:
        no other name in the papers read; elsewhere Pitman-Morgan test

    References:
        Pitman 1939; Morgan 1939.
    """
    first, second = _finite("first", first), _finite("second", second)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"first and second must hold one value per patient, got {first.shape} and {second.shape}")
    n, nan = len(first), float("nan")
    sd = [float(values.std(ddof=1)) if n > 1 else nan for values in (first, second)]
    ratio = sd[0] / sd[1] if n > 1 and sd[1] > 0 else nan
    total, change = first + second, first - second
    rounding = 1e-12 * max(np.abs(first).max(), np.abs(second).max())
    if n < 3 or np.ptp(total) <= rounding or np.ptp(change) <= rounding:
        return SpreadComparison(n, ratio, nan, nan)
    r = float(np.corrcoef(total, change)[0, 1])
    t = r * np.sqrt((n - 2) / (1 - r**2)) if abs(r) < 1 else float(np.copysign(np.inf, r))
    return SpreadComparison(n, ratio, float(t), float(2 * stats.t.sf(abs(t), n - 2)))


def holm(p_values: Sequence[float] | np.ndarray) -> Float[np.ndarray, " n_tests"]:
    """p values adjusted for the number of tests, in the order given (Holm 1979).

    Raises:
        ValueError: A p value is NaN or outside 0..1.

    Unit:
        p value, 0-1

    Better:
        no direction

    Formula:
        p_(1) <= ... <= p_(m): adjusted p_(i) = min(1, max over j <= i of (m - j + 1) p_(j))

    Pitfalls:
        Only the p values passed together count as the family: split over several calls, the number of tests is too
        small.

    Known as:
        no other name in the papers read
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p_values must lie in 0..1, got {p_values.tolist()}")
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def patient_mean(values: Float[np.ndarray, " n_values"], patients: Sequence[object] | np.ndarray) -> pd.Series:
    """Mean of each patient's values, indexed by patient in sorted order.

    Args:
        values: One value per recording.
        patients: Patient of each value.

    Raises:
        ValueError: Counts differ, or a value is NaN (leave the recording out and report it).

    Unit:
        that of the values

    Better:
        no direction (that of the values)

    Formula:
        mean over the recordings of one patient

    Pitfalls:
        Signed errors cancel within a patient: take |error| first for a mean absolute error. A patient with a view
        missing is averaged over the views that are left.

    Known as:
        no other name in the papers read
    """
    values = _finite("values", values)
    if len(values) != len(patients):
        raise ValueError(f"patients must have one entry per value ({len(values)}), got {len(patients)}")
    return pd.Series(values).groupby(np.asarray(patients), sort=True).mean()


def _wilcoxon(differences: np.ndarray, zero_method: str, method: str, correction: bool) -> tuple[float, float]:
    if not differences.any():
        # scipy returns NaN here; no difference at all is no evidence of one.
        return 0.0, 1.0
    result = stats.wilcoxon(differences, zero_method=zero_method, method=method, correction=correction)
    return float(result.statistic), float(result.pvalue)


def _one_per_patient(name: str, values: np.ndarray) -> np.ndarray:
    values = _finite(name, values)
    if values.ndim != 1:
        raise ValueError(f"{name} must hold one value per patient, got shape {values.shape}")
    return values


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim < 1 or len(values) < 1:
        raise ValueError(f"{name} must hold at least one value, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return values
