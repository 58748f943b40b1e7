"""Accuracy against speed of all trackers."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from echotas.report.style import styled, tracker_look

__all__ = ["accuracy_and_speed"]


@styled
def accuracy_and_speed(rows: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Mean error (mm, with its interval) over milliseconds per frame, one point per tracker.

    Args:
        rows: "name", "mte_mm", "ms_per_frame" (None: not measured, left out and said), optionally "mte_mm_low" and "_high".
        title: Title of the figure.

    Raises:
        ValueError: No row.
    """
    if not rows:
        raise ValueError("rows must hold at least one tracker, got none")
    timed = [row for row in rows if row.get("ms_per_frame")]
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for row in timed:
        look = tracker_look(row["name"])
        low, high = row.get("mte_mm_low"), row.get("mte_mm_high")
        if low is not None and high is not None:
            axes.plot([row["ms_per_frame"]] * 2, [low, high], color=look.color, lw=1.5)
        axes.plot(row["ms_per_frame"], row["mte_mm"], look.marker, color=look.color, ms=8, label=row["name"])
    axes.set(xscale="log", xlabel="time (ms per frame, 180 points)", ylabel="mean error (mm)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    left_out = [row["name"] for row in rows if row not in timed]
    if timed:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    if left_out:
        axes.text(
            0.01, 0.01, fill(f"not timed: {', '.join(left_out)}", 50), transform=axes.transAxes, fontsize=7, va="bottom"
        )
    figure.suptitle(title)
    return figure
