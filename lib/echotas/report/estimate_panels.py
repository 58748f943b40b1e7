"""Several quantities of all trackers side by side, estimates with intervals: the figure behind every summary table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from echotas.report.style import styled, tracker_look

__all__ = ["estimate_panels"]


@styled
def estimate_panels(summary: pd.DataFrame, columns: Sequence[tuple[str, str]], title: str = "") -> Figure:
    """One panel per quantity, one row per tracker: point estimate and 95 % interval, with zero marked.

    Args:
        summary: Index tracker or method; for every column `c` also `c_low` and `c_high` (NaN: no interval is drawn).
        columns: (column, axis label with unit) per panel.
        title: Title of the figure; say n in it.

    Raises:
        ValueError: A column is missing, or there is no row.
    """
    if summary.empty or not columns:
        raise ValueError(f"summary must have rows and columns to show, got {summary.shape} and {len(columns)} columns")
    needed = [name for column, _ in columns for name in (column, f"{column}_low", f"{column}_high")]
    missing = [name for name in needed if name not in summary]
    if missing:
        raise ValueError(f"summary must have the columns {missing}, got {list(summary.columns)}")
    figure = Figure(figsize=(2.2 + 2.6 * len(columns), 1.1 + 0.3 * len(summary)), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    rows = np.arange(len(summary))[::-1]
    for axes, (column, label) in zip(panels, columns, strict=True):
        for row, (name, values) in zip(rows, summary.iterrows(), strict=True):
            look = tracker_look(str(name))
            low, high = values[f"{column}_low"], values[f"{column}_high"]
            if np.isfinite([low, high]).all():
                axes.plot([low, high], [row, row], color=look.color, lw=2)
            axes.plot(values[column], row, look.marker, color=look.color, ms=6)
        axes.axvline(0, color="0.6", lw=0.8)
        axes.set_xlabel(label)
        axes.margins(y=0.08)
    panels[0].set_yticks(rows, [str(name).replace("_", " ") for name in summary.index])
    figure.suptitle(title)
    return figure
