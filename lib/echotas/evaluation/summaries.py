"""From one row per recording to one row per tracker: estimates with patient-cluster bootstrap intervals and n."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from echotas import seeds
from echotas.metrics import SumStatistic, cluster_bootstrap, icc_a1, paired_comparison, patient_mean

__all__ = [
    "agreement_summary",
    "compare_with",
    "gls_summary",
    "mean_summary",
    "motion_summary",
    "regional_summary",
    "spread_of_difference",
    "three_view_means",
]

Statistic = Callable[[np.ndarray], float]
MIN_PATIENTS = 5
"""Fewer patients give no interval: three have ten different resamples, whose percentiles bound nothing."""


def _sd(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _about_the_mean(values: np.ndarray) -> np.ndarray:
    deviation = values - values.mean()
    return np.column_stack([deviation, deviation**2])


def _sd_of_sums(count: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 1, np.sqrt(np.maximum(second - first**2 / count, 0) / (count - 1)), np.nan)


spread_of_difference = SumStatistic(_sd, _about_the_mean, _sd_of_sums)
"""Sample standard deviation (ddof 1); NaN for a single value."""

mean_absolute = SumStatistic(
    lambda values: float(np.mean(np.abs(values))),
    lambda values: np.abs(values)[:, None],
    lambda count, total: total / count,
)
"""Mean of the magnitudes."""


def _icc_of_sums(count: np.ndarray, *sums: np.ndarray) -> np.ndarray:
    """ICC(A,1) of pairs from the sums of x, y, x^2, y^2 and x y; NaN where nothing varies."""
    x, y, xx, yy, xy = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        total = xx + yy - (x + y) ** 2 / (2 * count)
        rows = (xx + yy + 2 * xy) / 2 - (x + y) ** 2 / (2 * count)
        columns = (x - y) ** 2 / (2 * count)
        error = (total - rows - columns) / (count - 1)
        rows = rows / (count - 1)
        icc = (rows - error) / (rows + error + 2 / count * (columns - error))
    return np.where((count > 1) & (total > 1e-9 * (xx + yy)), icc, np.nan)


agreement_of_pairs = SumStatistic(
    lambda pairs: icc_a1(pairs).icc if len(pairs) > 1 else float("nan"),
    lambda pairs: np.column_stack([pairs, pairs**2, pairs[:, :1] * pairs[:, 1:]]),
    _icc_of_sums,
)
"""ICC(A,1) of pairs (first, second)."""


def _estimates(
    group: pd.DataFrame, columns: dict[str, tuple[str | list[str], Statistic]], seed: int, n_resamples: int
) -> dict[str, float]:
    """`{out: (column, statistic)}` -> out, out_low, out_high, resampling patients; no limits below `MIN_PATIENTS`."""
    row: dict[str, float] = {"n_patients": group["patient"].nunique(), "n": len(group)}
    for out, (column, statistic) in columns.items():
        interval = cluster_bootstrap(
            group[column].to_numpy(dtype=float),
            group["patient"].to_numpy(),
            statistic,
            n_resamples,
            rng=seeds.generator(seed, "bootstrap", out),
        )
        enough = interval.n_clusters >= MIN_PATIENTS
        row[out] = interval.estimate
        row |= {
            f"{out}_{end}": value if enough else float("nan")
            for end, value in (("low", interval.ci_low), ("high", interval.ci_high))
        }
    return row


def _rare(percent: float, n_patients: int, low: float, high: float) -> tuple[float, float]:
    """Limits of a share of recordings that is 0 or 100 %: every resample agrees, which is no certainty. The exact 95 % limits
    of as many patients instead; other shares keep theirs."""
    if percent not in (0.0, 100.0):
        return low, high
    rest = 100 * (1 - 0.025 ** (1 / n_patients))
    return (0.0, rest) if percent == 0 else (100 - rest, 100.0)


def _summary(
    table: pd.DataFrame, by: str, columns: dict[str, tuple[str | list[str], Statistic]], seed: int, n_resamples: int
) -> pd.DataFrame:
    """Every method gets the same resamples of patients, so that intervals of methods can be compared."""
    order = list(dict.fromkeys(table[by]))
    rows = {key: _estimates(table[table[by] == key], columns, seed, n_resamples) for key in order}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(by)


def motion_summary(table: pd.DataFrame, seed: int, n_resamples: int) -> pd.DataFrame:
    """Per tracker, from `motion_table`: mte_mm, ed_error_mm, p95_mm, along_mm, across_mm (means over recordings), folds
    (share of recordings with a fold, percent), each with 95 % limits `_low`, `_high`, and n_patients, n (recordings)."""
    table = table.assign(folds_percent=100.0 * table["folds"])
    names = ("mte_mm", "ed_error_mm", "p95_mm", "along_mm", "across_mm", "folds_percent")
    summary = _summary(table, "tracker", {name: (name, np.mean) for name in names}, seed, n_resamples)
    share = ["folds_percent", "n_patients", "folds_percent_low", "folds_percent_high"]
    summary[share[2:]] = [_rare(*values) for values in summary[share].itertuples(index=False)]
    return summary


def gls_summary(table: pd.DataFrame, seed: int, n_resamples: int, kind: str = "es") -> pd.DataFrame:
    """Per method, GLS against the truth in points of strain: bias (method - truth), mae, sd, with limits and n.

    Args:
        table: Rows of `global_strain_table`, of one start.
        seed: Run seed.
        n_resamples: Bootstrap resamples.
        kind: "es", "peak_systolic" or "peak".
    """
    table = table.assign(error=table[f"gls_{kind}"] - table[f"true_gls_{kind}"]).dropna(subset=["error"])
    columns = {
        "bias": ("error", np.mean),
        "mae": ("error", mean_absolute),
        "sd": ("error", spread_of_difference),
    }
    return _summary(table, "method", columns, seed, n_resamples)


def three_view_means(table: pd.DataFrame) -> pd.DataFrame:
    """GLS of an examination: the mean of its A4C, A2C and A3C, by method and start, truth alike.

    Args:
        table: Rows of `global_strain_table`.

    Returns:
        The same columns, one row per examination with all three views and no NaN among them; "recording" is the examination
        (its recordings' name without the view).
    """
    exam = [name.removesuffix(f"-{view}") for name, view in zip(table["recording"], table["view"], strict=True)]
    values = [name for name in table if name.startswith(("gls_", "true_gls_"))]
    kept = ["cohort", "patient", "population", "stratum"]
    groups = table.assign(recording=exam).groupby(["recording", "method", "start"], sort=False)
    means = groups.agg({**dict.fromkeys(kept, "first"), **{name: lambda x: x.mean(skipna=False) for name in values}})
    return means[groups["view"].nunique() == 3].reset_index().dropna(subset=values)


def agreement_summary(pairs: pd.DataFrame, seed: int, n_resamples: int) -> pd.DataFrame:
    """Per method, from `agreement_pairs` of one kind: mean_difference and sd (second - first, points), mae, icc
    (ICC(A,1) over patient-view pairs), with limits from resampled patients; sd_true, the spread that the truth itself has
    between the two recordings."""
    pairs = pairs.dropna(subset=["first", "second"])
    pairs = pairs.assign(difference=pairs["second"] - pairs["first"])
    columns = {
        "mean_difference": ("difference", np.mean),
        "sd": ("difference", spread_of_difference),
        "mae": ("difference", mean_absolute),
        "icc": (["first", "second"], agreement_of_pairs),
    }
    summary = _summary(pairs, "method", columns, seed, n_resamples)
    for method, group in pairs.groupby("method"):
        summary.loc[method, "sd_true"] = spread_of_difference((group["true_second"] - group["true_first"]).to_numpy())
    return summary


def regional_summary(table: pd.DataFrame, seed: int, n_resamples: int) -> pd.DataFrame:
    """Per method, segment strain against the truth at end-systole: bias, mae, sd (points), with limits; n is segments."""
    table = table.assign(error=table["strain_es"] - table["true_strain_es"]).dropna(subset=["error"])
    columns = {
        "bias": ("error", np.mean),
        "mae": ("error", mean_absolute),
        "sd": ("error", spread_of_difference),
    }
    return _summary(table, "method", columns, seed, n_resamples)


def compare_with(
    table: pd.DataFrame, value: str, baseline: str, others: Sequence[str], by: str = "tracker"
) -> pd.DataFrame:
    """Paired comparison of `others` with `baseline`: each patient's mean |value|, Wilcoxon signed-rank, Holm over the family.

    Returns:
        Index method; columns n_patients, relative_percent (mean over patients against the baseline's), shift (Hodges-Lehmann,
        other - baseline) with shift_low and shift_high (95 %; NaN below six patients), p, p_holm and p_least, the smallest
        p_holm that so many patients and methods allow.
    """
    means = {}
    for name in (baseline, *others):
        part = table[table[by] == name]
        means[name] = patient_mean(part[value].abs().to_numpy(dtype=float), part["patient"].to_numpy()).sort_index()
    results = paired_comparison(means[baseline].to_numpy(), {name: means[name].to_numpy() for name in others})
    base = means[baseline].mean()
    rows = {
        r.name: {
            "n_patients": r.n,
            "relative_percent": 100 * (means[r.name].mean() / base - 1) if base > 0 else float("nan"),
            "shift": r.shift,
            "shift_low": r.shift_low,
            "shift_high": r.shift_high,
            "p": r.p,
            "p_holm": r.p_holm,
            "p_least": min(1.0, len(results) * 2.0 ** (1 - r.n)),
        }
        for r in results
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def mean_summary(table: pd.DataFrame, columns: Sequence[str], seed: int, n_resamples: int) -> pd.DataFrame:
    """Per tracker, the mean over recordings of each column, with 95 % limits `_low`, `_high` from resampled patients, and n."""
    return _summary(table, "tracker", {name: (name, np.mean) for name in columns}, seed, n_resamples)
