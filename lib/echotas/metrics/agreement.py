"""Agreement of two or more readings of the same patients: Bland-Altman, ICC(A,1), within-subject variation.

The unit is the patient: pass one value per patient and reader. Several views of one patient are not independent;
average them first (`patient_mean`), or bootstrap over patients (`cluster_bootstrap`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

__all__ = [
    "BlandAltman",
    "Icc",
    "bland_altman",
    "icc_a1",
    "minimal_detectable_change",
    "within_subject_cv",
    "within_subject_sd",
]

# Half-width of the limits in SD: 95 % of a normal distribution, as printed in every Bland-Altman plot.
LIMITS_SD = 1.96


@dataclass(frozen=True)
class BlandAltman:
    """Agreement of a method with a reference; differences are method - reference, in the unit of the measure."""

    n: int
    """Pairs."""
    bias: float
    """Mean difference."""
    sd: float
    """SD of the differences (n - 1); NaN for one pair."""
    loa_low: float
    """Lower limit of agreement, bias - 1.96 SD; NaN for one pair."""
    loa_high: float
    """Upper limit of agreement, bias + 1.96 SD; NaN for one pair."""
    bias_ci: tuple[float, float]
    """Interval of the bias; (NaN, NaN) for one pair: one patient bounds nothing."""
    loa_low_ci: tuple[float, float]
    """Interval of the lower limit."""
    loa_high_ci: tuple[float, float]
    """Interval of the upper limit."""


@dataclass(frozen=True)
class Icc:
    """Intraclass correlation, two-way, absolute agreement, single reading: ICC(A,1), also called ICC(2,1)."""

    icc: float
    """Point estimate, at most 1; may be negative. NaN if undefined (see `icc_a1`)."""
    ci_low: float
    """Lower end of the interval."""
    ci_high: float
    """Upper end of the interval."""
    n_subjects: int
    """Subjects (patients)."""
    n_readings: int
    """Readings of each."""


def bland_altman(
    method: Float[np.ndarray, " n_patients"], reference: Float[np.ndarray, " n_patients"], confidence: float = 0.95
) -> BlandAltman:
    """Bias and limits of agreement with their intervals.

    d = method - reference; limits mean(d) +/- 1.96 SD(d); intervals from Student's t with standard errors
    SD/sqrt(n) for the bias and SD sqrt(3/n) for a limit.

    Args:
        method: One value per patient.
        reference: The other value of the same patients.
        confidence: Coverage of the intervals, 0-1.

    Returns:
        Zero-width limits and intervals if all differences are equal; NaN limits and intervals for one patient.

    Raises:
        ValueError: No value, unequal counts, a NaN value, or a confidence outside (0, 1).

    Unit:
        that of the measure

    Better:
        nearer to zero (the bias); narrower limits

    Formula:
        d = method - reference
        bias = mean(d), limits = bias +/- 1.96 SD(d), SD with n - 1
        intervals: bias +/- t SD / sqrt(n), limit +/- t SD sqrt(3 / n)

    Pitfalls:
        Several views of one patient are not independent: pass one value per patient. A bias that grows with the measure
        does not show in these numbers. Strain is negative, so a positive bias of strain is shortening under-estimated.

    Known as:
        TAS-Net paper -> bias (mu) and SD (sigma); EchoTracker2 -> mean difference and SD of differences; Evain 2022 ->
        bias and sigma

    References:
        Bland and Altman 1986, 1999.
    """
    method, reference = _values("method", method, 1), _values("reference", reference, 1)
    if method.shape != reference.shape:
        raise ValueError(f"method and reference must have equal counts, got {len(method)} and {len(reference)}")
    _check_confidence(confidence)
    difference, n = method - reference, len(method)
    bias = float(difference.mean())
    sd = float(difference.std(ddof=1)) if n > 1 else float("nan")
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sd / np.sqrt(n) if n > 1 else float("nan")
    low, high = bias - LIMITS_SD * sd, bias + LIMITS_SD * sd
    return BlandAltman(
        n=n,
        bias=bias,
        sd=sd,
        loa_low=low,
        loa_high=high,
        bias_ci=_around(bias, half),
        loa_low_ci=_around(low, np.sqrt(3) * half),
        loa_high_ci=_around(high, np.sqrt(3) * half),
    )


def icc_a1(readings: Float[np.ndarray, "n_patients n_readings"], confidence: float = 0.95) -> Icc:
    """ICC(A,1) with its interval.

    With the mean squares of rows (subjects) MSR, columns (readings) MSC and error MSE, k readings and n subjects,

        ICC = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n)

    Args:
        readings: One row per patient, one column per reading.
        confidence: Coverage of the interval, 0-1.

    Returns:
        NaN throughout for one patient or if all values are equal: nothing varies, so nothing is explained.
        1 with interval (1, 1) if readings agree exactly and patients differ.

    Raises:
        ValueError: Fewer than two readings, no patient, a NaN value, or a confidence outside (0, 1).

    Unit:
        none, at most 1

    Better:
        higher

    Formula:
        ICC = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n)
        mean squares of n subjects MSR, of k readings MSC, of the error MSE

    Pitfalls:
        It grows with the spread between patients, so cohorts of different spread do not compare. Not ICC(C,1) =
        ICC(3,1), which lets a constant bias between readings pass.

    Known as:
        no other name in the papers read; elsewhere ICC(2,1), in older releases of pingouin ICC2

    References:
        McGraw and Wong 1996, table 4 case 2A and table 7.
    """
    readings = _readings(readings)
    _check_confidence(confidence)
    n, k = readings.shape
    nan = float("nan")
    if n == 1 or _only_rounding(readings):
        return Icc(nan, nan, nan, n, k)
    mean = readings.mean()
    rows, columns = readings.mean(axis=1) - mean, readings.mean(axis=0) - mean
    rest = readings - mean - rows[:, None] - columns
    msr, msc = k * (rows**2).sum() / (n - 1), n * (columns**2).sum() / (k - 1)
    mse = (rest**2).sum() / ((n - 1) * (k - 1))
    # Where readings agree exactly, what is left of MSC and MSE is rounding of the mean.
    if np.ptp(readings, axis=1).max() <= 1e-12 * np.abs(readings).max():
        return Icc(1.0, 1.0, 1.0, n, k)
    icc = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    a = k * icc / (n * (1 - icc))
    b = 1 + a * (n - 1)
    dof = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    f_low = stats.f.ppf((1 + confidence) / 2, n - 1, dof)
    f_high = stats.f.ppf((1 + confidence) / 2, dof, n - 1)
    spread = k * msc + (k * n - k - n) * mse
    low = n * (msr - f_low * mse) / (f_low * spread + n * msr)
    high = n * (f_high * msr - mse) / (spread + n * f_high * msr)
    return Icc(float(icc), float(low), float(high), n, k)


def within_subject_sd(readings: Float[np.ndarray, "n_patients n_readings"]) -> float:
    """SD of repeated readings of one patient, in the unit of the measure; a bias between readers counts.

    Square root of the mean within-patient variance; for pairs with difference d, sqrt(sum d^2 / (2 n)).

    Args:
        readings: One row per patient, one column per reading.

    Raises:
        ValueError: Fewer than two readings, no patient, or a NaN value.

    Unit:
        that of the measure

    Better:
        lower

    Formula:
        s_w = sqrt(mean over patients of the variance of the readings, k - 1)
        pairs with difference d: s_w = sqrt(sum d^2 / (2 n))

    Pitfalls:
        A tracker that ignores the image repeats perfectly: no evidence without accuracy. A constant bias between
        readings enters; SD(d) / sqrt(2) leaves it out.

    Known as:
        no other name in the papers read; elsewhere SEM
    """
    return float(np.sqrt(_readings(readings).var(axis=1, ddof=1).mean()))


def within_subject_cv(readings: Float[np.ndarray, "n_patients n_readings"]) -> float:
    """Within-subject SD in percent of the size of the mean of all readings. Arguments as `within_subject_sd`.

    Raises:
        ValueError: As `within_subject_sd`, or the mean is zero.

    Unit:
        percent of the mean

    Better:
        lower

    Formula:
        CV = 100 s_w / |mean of all readings|

    Pitfalls:
        The same scatter gives a larger value where the mean is small. Not the RMS of the patients' own CVs. As for
        `within_subject_sd`, ignoring the image repeats perfectly.

    Known as:
        EchoTracker2 -> CV (its formula is inferred from its numbers)
    """
    readings = _readings(readings)
    mean = abs(float(readings.mean()))
    if mean == 0:
        raise ValueError("readings must not average to 0 for a coefficient of variation")
    return 100 * within_subject_sd(readings) / mean


def minimal_detectable_change(readings: Float[np.ndarray, "n_patients n_readings"], confidence: float = 0.95) -> float:
    """Smallest change of one patient that readings can tell from noise: z sqrt(2) s_w, 2.77 s_w at 95 %.

    Args:
        readings: One row per patient, one column per reading.
        confidence: 0-1.

    Raises:
        ValueError: As `within_subject_sd`, or a confidence outside (0, 1).

    Unit:
        that of the measure

    Better:
        lower

    Formula:
        MDC = z sqrt(2) s_w, z = 1.96 at 95 %

    Pitfalls:
        Speaks of one patient, not of the mean of a group. A bias between readings enters through s_w; without it MDC =
        1.96 SD(d). A tracker that ignores the image has the smallest of all and detects nothing.

    Known as:
        Nyberg 2024 -> MDC; elsewhere smallest detectable change

    References:
        Weir 2005.
    """
    _check_confidence(confidence)
    return float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(2)) * within_subject_sd(readings)


def _only_rounding(values: np.ndarray) -> bool:
    """Whether values differ by no more than rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _around(centre: float, half: float) -> tuple[float, float]:
    return float(centre - half), float(centre + half)


def _readings(readings: np.ndarray) -> np.ndarray:
    readings = _values("readings", readings, 2)
    if readings.shape[1] < 2:
        raise ValueError(f"readings must have two or more columns, got shape {readings.shape}")
    return readings


def _values(name: str, values: np.ndarray, n_dims: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != n_dims or len(values) < 1:
        raise ValueError(f"{name} must have {n_dims} dimensions and at least one patient, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return values


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
