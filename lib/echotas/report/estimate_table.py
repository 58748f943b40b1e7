"""Summary tables for notebooks: estimate and interval in one cell, n in the first columns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from echotas.report.tables import format_estimate

__all__ = ["estimate_table"]


def estimate_table(summary: pd.DataFrame, columns: Sequence[tuple[str, str, int]]) -> pd.DataFrame:
    """A summary as readers want to see it: "1.21 [1.10, 1.33]" cells under plain heads.

    Args:
        summary: One row per tracker or view; `c_low` and `c_high` beside a column `c` become its interval.
        columns: (column, head with unit, decimals).

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
    return pd.DataFrame(shown, index=summary.index)
