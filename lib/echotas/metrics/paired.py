"""Tests of a method against another on the same patients, one value per patient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from .patients import finite_values, one_per_patient
from .shift import hodges_lehmann_interval, hodges_lehmann_shift

__all__ = ["Equivalence", "PairedComparison", "equivalence", "holm", "paired_comparison"]


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
    baseline = finite_values("baseline", baseline)
    if not others:
        raise ValueError("others must name at least one method to compare with the baseline")
    differences = {}
    for name, values in others.items():
        values = finite_values(f"others[{name!r}]", values)
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
    differences = one_per_patient("differences", differences)
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


def _wilcoxon(differences: np.ndarray, zero_method: str, method: str, correction: bool) -> tuple[float, float]:
    if not differences.any():
        # scipy returns NaN here; no difference at all is no evidence of one.
        return 0.0, 1.0
    result = stats.wilcoxon(differences, zero_method=zero_method, method=method, correction=correction)
    return float(result.statistic), float(result.pvalue)
