"""Variants of one training: a dot per seed, a bar for their mean."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import styled

__all__ = ["seed_dots"]

MEAN_COLOR, DOT_COLOR = "#0072B2", "#333333"


@styled
def seed_dots(table: pd.DataFrame, panels: Mapping[str, str], title: str = "") -> Figure:
    """One panel per measure, one row per variant.

    Args:
        table: Rows with the columns variant, seed and those of `panels`; averaged over what is left.
        panels: Column -> axis label.
        title: Title of the figure.

    Raises:
        ValueError: No row.
    """
    if table.empty:
        raise ValueError("table must hold at least one row, got none")
    means = table.groupby(["variant", "seed"], sort=False)[list(panels)].mean()
    names = list(dict.fromkeys(table["variant"]))
    figure = Figure(figsize=(3.0 * len(panels) + 1.6, 0.42 * len(names) + 1.3), layout="constrained")
    for axes, (column, label) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for row, name in enumerate(names):
            values = means.loc[name, column].to_numpy(dtype=float)
            axes.plot([values.mean()] * 2, [row - 0.28, row + 0.28], color=MEAN_COLOR, lw=2.5)
            axes.scatter(values, np.full(len(values), row), s=18, color=DOT_COLOR, alpha=0.7, zorder=3)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(label)
    figure.suptitle(title)
    return figure
