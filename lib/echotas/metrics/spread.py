"""Does one method spread more than another on the same patients?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from .patients import finite_values

__all__ = ["SpreadComparison", "compare_spread"]


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
    first, second = finite_values("first", first), finite_values("second", second)
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
