"""Predicted errors against the errors made: strain with its intervals, and how often the intervals hold."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from .style import styled, tracker_look

__all__ = ["calibration_panels"]


@styled
def calibration_panels(table: pd.DataFrame, title: str = "") -> Figure:
    """Left: GLS of each recording with its predicted 95 % interval over the truth. Right: share of intervals that hold the
    truth over the share that should; above the diagonal intervals are too wide, below it too narrow.

    Args:
        table: Rows of `evaluation.interval_table`.
        title: Title of the figure.

    Raises:
        ValueError: No row.
    """
    if table.empty:
        raise ValueError("table must hold at least one row, got none")
    figure = Figure(figsize=(9.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    nominal = np.linspace(0.02, 0.99, 60)
    for name, group in table.groupby("tracker", sort=False):
        look = tracker_look(name)
        whole = group[group["what"] == "global"]
        left.errorbar(
            whole["true_strain_es"], whole["strain_es"], 1.96 * whole["predicted"], fmt=look.marker, ms=4, lw=1,
            color=look.color, alpha=0.8, label=name,
        )  # fmt: skip
        for what, line in (("global", "-"), ("segment", "--")):
            part = group[group["what"] == what]
            ratio = (part["error"].abs() / part["predicted"]).to_numpy()
            held = [100 * np.mean(ratio <= norm.ppf(0.5 + level / 2)) for level in nominal]
            label = f"{name}, {'GLS' if what == 'global' else 'segments'} (n = {len(part)})"
            right.plot(100 * nominal, held, line, color=look.color, label=label)
    whole = table[table["what"] == "global"]
    ends = [whole["true_strain_es"].min() - 1, whole["true_strain_es"].max() + 1]
    left.plot(ends, ends, color="0.5", lw=1, zorder=0.5)
    left.set(xlabel="true GLS (%)", ylabel="tracked GLS, 95 % interval (%)")
    right.plot([0, 100], [0, 100], color="0.5", lw=1, zorder=0.5)
    right.set(xlabel="nominal coverage (%)", ylabel="observed coverage (%)", xlim=(0, 100), ylim=(0, 101))
    right.legend(loc="upper left", fontsize=8)
    left.legend(loc="upper left", fontsize=8)
    figure.suptitle(title)
    return figure
