"""Directions of motion as polar histograms."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from echotas.report.style import styled

__all__ = ["direction_roses"]


@styled
def direction_roses(table: pd.DataFrame, title: str = "") -> Figure:
    """A rose per augmentation (columns) and view (rows); the circle is what equal shares in all directions would give.

    Args:
        table: Columns augmentation, view, angle_deg and share, as `directions_of_motion` returns them.
        title: Title of the figure.
    """
    names, views = list(dict.fromkeys(table["augmentation"])), sorted(set(table["view"]))
    figure = Figure(figsize=(2.6 * len(names), 2.7 * len(views) + 0.4), layout="constrained")
    figure.get_layout_engine().set(hspace=0.15)  # the layout overlooks the labels around a rose
    axes = figure.subplots(len(views), len(names), squeeze=False, subplot_kw={"projection": "polar"})
    top = 1.05 * table["share"].max()
    for row, view in zip(axes, views, strict=True):
        for axis, name in zip(row, names, strict=True):
            part = table[(table["view"] == view) & (table["augmentation"] == name)]
            width = 2 * np.pi / len(part)
            axis.bar(np.radians(part["angle_deg"]), part["share"], width=0.95 * width, color="#0072B2")
            circle = np.linspace(0, 2 * np.pi, 181)
            axis.plot(circle, np.full(181, 1 / len(part)), color="0.3", linewidth=0.8, linestyle="--")
            axis.set(ylim=(0, top), yticklabels=[], title=f"{name}\n{view}")
            axis.set_xticks(np.radians([0, 90, 180, 270]), ["right", "up", "left", "down"], fontsize=7)
    figure.suptitle(title)
    return figure
