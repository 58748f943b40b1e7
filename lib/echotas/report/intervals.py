"""Estimates with intervals, one row per tracker: the picture of a results table."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .style import styled, tracker_look
from .tables import format_estimate

__all__ = ["interval_plot"]


@styled
def interval_plot(
    estimates: Mapping[str, tuple[float, float, float]],
    label: str,
    n_patients: int,
    title: str = "",
    reference: float | None = None,
    reference_label: str = "",
) -> Figure:
    """Estimate and interval of each tracker, in the tracker's colour.

    Args:
        estimates: (estimate, low, high) by tracker name, drawn from top to bottom. NaN ends draw no interval.
        label: What is estimated, with unit.
        n_patients: Patients behind the estimates.
        title: Title; n is added.
        reference: Value to mark (a published one, or the readers').
        reference_label: What it is.

    Raises:
        ValueError: No row, or an estimate is NaN.
    """
    undefined = [name for name, (value, _, _) in estimates.items() if not np.isfinite(value)]
    if not estimates or undefined:
        raise ValueError(f"estimates must hold at least one finite row, got {len(estimates)} rows, NaN for {undefined}")
    figure = Figure(figsize=(7.0, 0.32 * len(estimates) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    for row, (name, (value, low, high)) in enumerate(estimates.items()):
        look = tracker_look(name)
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [row, row], color=look.color, lw=2)
        axes.plot(value, row, look.marker, color=look.color, ms=7)
        axes.annotate(
            format_estimate(value, low, high),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color="0.2",
        )
    if reference is not None:
        axes.axvline(reference, color="0.3", ls=(0, (4, 2)), lw=1, label=reference_label)
        if reference_label:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    axes.set_yticks(range(len(estimates)), list(estimates))
    axes.grid(visible=False, axis="y")
    axes.set(xlabel=f"{label}, 95 % interval", ylim=(len(estimates) - 0.5, -0.5))
    figure.suptitle(f"{title}  (n = {n_patients} patients)" if title else f"n = {n_patients} patients")
    return figure
