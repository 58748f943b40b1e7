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
]

Statistic = Callable[[np.ndarray], float]


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


def _estimates(
    group: pd.DataFrame, columns: dict[str, tuple[str, Statistic]], seed: int, n_resamples: int
) -> dict[str, float]:
    """`{out: (column, statistic)}` -> out, out_low, out_high, resampling patients."""
    row: dict[str, float] = {"n_patients": group["patient"].nunique(), "n": len(group)}
    for out, (column, statistic) in columns.items():
        interval = cluster_bootstrap(
            group[column].to_numpy(dtype=float),
            group["patient"].to_numpy(),
            statistic,
            n_resamples,
            rng=seeds.generator(seed, "bootstrap", out),
        )
        row |= {out: interval.estimate, f"{out}_low": interval.ci_low, f"{out}_high": interval.ci_high}
    return row


def _summary(
    table: pd.DataFrame, by: str, columns: dict[str, tuple[str, Statistic]], seed: int, n_resamples: int
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
    return _summary(table, "tracker", {name: (name, np.mean) for name in names}, seed, n_resamples)


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


def agreement_summary(pairs: pd.DataFrame, seed: int, n_resamples: int) -> pd.DataFrame:
    """Per method, from `agreement_pairs` of one kind: mean_difference and sd (second - first, points), mae, with limits;
    icc (ICC(A,1) over patient-view pairs) and sd_true, the spread that the truth itself has between the two recordings."""
    pairs = pairs.dropna(subset=["first", "second"])
    pairs = pairs.assign(difference=pairs["second"] - pairs["first"])
    columns = {
        "mean_difference": ("difference", np.mean),
        "sd": ("difference", spread_of_difference),
        "mae": ("difference", mean_absolute),
    }
    summary = _summary(pairs, "method", columns, seed, n_resamples)
    for method, group in pairs.groupby("method"):
        icc = icc_a1(group[["first", "second"]].to_numpy()) if len(group) > 1 else None
        summary.loc[method, "icc"] = float("nan") if icc is None else icc.icc
        summary.loc[method, "icc_low"] = float("nan") if icc is None else icc.ci_low
        summary.loc[method, "icc_high"] = float("nan") if icc is None else icc.ci_high
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
        Index method; columns n (patients), shift (Hodges-Lehmann, other - baseline), p, p_holm.
    """
    means = {}
    for name in (baseline, *others):
        part = table[table[by] == name]
        means[name] = patient_mean(part[value].abs().to_numpy(dtype=float), part["patient"].to_numpy()).sort_index()
    results = paired_comparison(means[baseline].to_numpy(), {name: means[name].to_numpy() for name in others})
    return pd.DataFrame(
        {r.name: {"n": r.n, "shift": r.shift, "p": r.p, "p_holm": r.p_holm} for r in results}
    ).T.rename_axis("method")


def mean_summary(table: pd.DataFrame, columns: Sequence[str], seed: int, n_resamples: int) -> pd.DataFrame:
    """Per tracker, the mean over recordings of each column, with 95 % limits `_low`, `_high` from resampled patients, and n."""
    return _summary(table, "tracker", {name: (name, np.mean) for name in columns}, seed, n_resamples)
