"""Summary tables for notebooks: estimate and interval in one cell, n in the first columns, and what a control can do too."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from echotas.report.tables import format_estimate

__all__ = ["BLIND_CONTROLS", "estimate_table"]

BLIND_CONTROLS = ("frozen", "mean_motion")
"""Controls that never look at the image."""
UNRANKED = ("n", "sd_true", "predicted", "rmse", "jerk")


def estimate_table(
    summary: pd.DataFrame,
    columns: Sequence[tuple[str, str, int]],
    higher: Collection[str] = (),
    warn: bool = True,
) -> pd.DataFrame:
    """A summary as readers want to see it: "1.21 [1.10, 1.33]" cells under plain heads.

    Args:
        summary: One row per tracker or view; `c_low` and `c_high` beside a column `c` become its interval.
        columns: (column, head with unit, decimals).
        higher: Columns in which more is better; in the others the smaller magnitude is.
        warn: Add the column "a blind control does as well in" where the summary has such controls: the heads under which frozen
            points or mean motion are at least as good as this row, so that its score there is no evidence of tracking.

    Returns:
        Strings, with the columns "patients" and "n" first where the summary has n_patients and n.
    """
    shown = {}
    for source, head in (("n_patients", "patients"), ("n", "n")):
        if source in summary:
            shown[head] = summary[source].map("{:.0f}".format)
    none = pd.Series(np.nan, index=summary.index)
    for column, head, digits in columns:
        low, high = summary.get(f"{column}_low", none), summary.get(f"{column}_high", none)
        shown[head] = [
            format_estimate(*map(float, values), digits) for values in zip(summary[column], low, high, strict=True)
        ]
    table = pd.DataFrame(shown, index=summary.index)
    controls = [name for name in BLIND_CONTROLS if name in summary.index]
    if warn and controls:
        ranked = [(column, head.split(",")[0]) for column, head, _ in columns if column not in UNRANKED]
        table["a blind control does as well in"] = [
            "" if name in controls or name == "oracle" else _reached(summary, name, controls, ranked, higher)
            for name in summary.index
        ]
    return table


def _reached(
    summary: pd.DataFrame, name: str, controls: list[str], ranked: list[tuple[str, str]], higher: Collection[str]
) -> str:
    heads = []
    for column, head in ranked:
        sign = -1 if column in higher else 1
        own = sign * abs(float(summary.loc[name, column]))
        if any(sign * abs(float(summary.loc[control, column])) <= own for control in controls):
            heads.append(head)
    return ", ".join(heads)
