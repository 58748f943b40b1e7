"""Figures of tracking error: over the beat, along the wall, and on the image."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from echotas.report.style import styled, tracker_look

__all__ = ["error_profile", "tracked_against_truth"]

TRUE_COLOR = "#FFFFFF"
CONTROL_COLOR = "#FFD400"
"""Controls are grey in the other figures, which is lost on a grey image."""


def _band(axes, frame: pd.DataFrame, x: str, color: str, name: str | None = None, line: str = "-") -> None:
    """Median over recordings with the 10-90 % band."""
    grouped = frame.groupby(x)["error_mm"]
    median, low, high = grouped.median(), grouped.quantile(0.1), grouped.quantile(0.9)
    axes.fill_between(median.index, low, high, color=color, alpha=0.15, lw=0)
    axes.plot(median.index, median, line, color=color, label=name)


@styled
def error_profile(by_frame: pd.DataFrame, by_place: pd.DataFrame, title: str = "", tracker: str = "") -> Figure:
    """Error over the beat (left) and along the wall (right): median over recordings, band from 10 to 90 %.

    Args:
        by_frame: Columns recording, phase (-1..1, 0 = the start frame), error_mm.
        by_place: Columns recording, u (0 left base, 0.5 apex, 1 right base), error_mm.
        title: Title; say n in it.
        tracker: Whose colour to use.
    """
    look = tracker_look(tracker)
    figure = Figure(figsize=(7.4, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _band(left, by_frame, "phase", look.color)
    left.set(xlabel="phase of the beat (-1 start, 0 end-systole, 1 end)", ylabel="error (mm)")
    left.axvline(0, color="0.6", lw=0.8)
    _band(right, by_place, "u", look.color)
    right.set(xlabel="place along the wall")
    right.set_xticks([0, 0.5, 1], ["left base", "apex", "right base"])
    left.set_ylim(bottom=0)
    figure.suptitle(title)
    return figure


@styled
def tracked_against_truth(
    examples: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], title: str = "", tracker: str = ""
) -> Figure:
    """Images with the true mesh (white: inner, middle and outer line) and the tracked one (in colour; controls yellow).

    Args:
        examples: By panel title: image (height, width), true mesh and tracked mesh (n_long, n_rad, 2) px.
        title: Title of the figure.
        tracker: Whose colour to use.

    Raises:
        ValueError: There is no example.
    """
    if not examples:
        raise ValueError("examples must hold at least one image, got none")
    n_columns = min(len(examples), 3)
    n_rows = -(-len(examples) // n_columns)
    figure = Figure(figsize=(3.0 * n_columns, 3.3 * n_rows), layout="constrained")
    color = tracker_look(tracker).color
    if len({color[1:3], color[3:5], color[5:7]}) == 1:
        color = CONTROL_COLOR
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(examples) :]:
        axes.set_axis_off()
    for axes, (name, (image, true_mesh, tracked)) in zip(grid.flat, examples.items(), strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        n_rad = true_mesh.shape[1]
        for mesh, line_color, width in ((true_mesh, TRUE_COLOR, 1.6), (tracked, color, 1.2)):
            for radial in (0, n_rad // 2, n_rad - 1):
                axes.plot(*mesh[:, radial].T, color=line_color, lw=width)
        low, high = true_mesh.reshape(-1, 2).min(0) - 25, true_mesh.reshape(-1, 2).max(0) + 25
        axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), title=name)
        axes.set_axis_off()
    figure.suptitle(title)
    return figure
