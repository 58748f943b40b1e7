"""Bland-Altman panels and scatter plots, with n, bias, limits and their intervals."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echotas.metrics.agreement import BlandAltman, bland_altman, icc_a1

from .style import styled

__all__ = ["bland_altman_grid", "bland_altman_panel", "scatter_panel"]

BIAS_COLOR, LIMIT_COLOR, POINT_COLOR = "#0072B2", "#D55E00", "#333333"


@styled
def bland_altman_panel(
    method: Float[np.ndarray, " n_patients"],
    reference: Float[np.ndarray, " n_patients"],
    title: str = "",
    quantity: str = "GLS",
    unit: str = "%",
    names: tuple[str, str] = ("method", "reference"),
    color: str = POINT_COLOR,
) -> Figure:
    """Difference against mean of two readings, with bias, limits of agreement and their 95 % intervals.

    Args:
        method: One value per patient (or per recording; then say so in the title).
        reference: The other value of the same patients. The difference is method - reference.
        title: Title; n is added.
        quantity: What is measured, for the axis labels.
        unit: Its unit.
        names: What `method` and `reference` are called on the axes.
        color: Colour of the points.

    Returns:
        The figure. With one patient the bias is drawn without limits: there are none.

    Raises:
        ValueError: As `metrics.bland_altman`.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    result = _draw(axes, np.asarray(method), np.asarray(reference), color, size=16.0)
    axes.set(
        xlabel=f"mean {quantity} of {names[0]} and {names[1]} ({unit})",
        ylabel=f"{names[0]} - {names[1]} ({unit})",
        title=f"{title}  (n = {result.n})" if title else f"n = {result.n}",
    )
    _label_lines(axes, result)
    return figure


@styled
def bland_altman_grid(
    pairs: Mapping[str, tuple[np.ndarray, np.ndarray]],
    title: str = "",
    unit: str = "%",
    names: tuple[str, str] = ("method", "reference"),
    n_columns: int = 6,
    color: str = POINT_COLOR,
) -> Figure:
    """Small Bland-Altman panels with common axes, one per name (the 18 segments, say).

    Args:
        pairs: (method, reference) by panel name; a panel without values is left empty and says so.
        title: Title of the figure.
        unit: Unit of the measure.
        names: What method and reference are called.
        n_columns: Panels per row.
        color: Colour of the points.

    Raises:
        ValueError: No panel, or as `metrics.bland_altman`.
    """
    if not pairs:
        raise ValueError("pairs must name at least one panel, got none")
    n_columns = min(n_columns, len(pairs))
    n_rows = -(-len(pairs) // n_columns)
    figure = Figure(figsize=(2.0 * n_columns + 0.6, 1.9 * n_rows + 0.7), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(pairs) :]:
        axes.set_axis_off()
    reach = 0.0
    for axes, (name, (method, reference)) in zip(grid.flat, pairs.items(), strict=False):
        if len(method) == 0 and len(reference) == 0:
            axes.set_title(f"{name}\nn = 0", fontsize=8)
            continue
        result = _draw(axes, np.asarray(method), np.asarray(reference), color, size=5.0)
        axes.set_title(
            f"{name}\nn = {result.n}, {_signed(result.bias)} [{_signed(result.loa_low)}, {_signed(result.loa_high)}]",
            fontsize=8,
        )
        axes.tick_params(labelsize=7)
        shown = [*np.abs(np.asarray(method) - np.asarray(reference)), abs(result.loa_low), abs(result.loa_high)]
        reach = max(reach, np.nanmax(shown))
    if reach > 0:
        # Points and limits decide: the interval of a limit from three pairs would flatten every panel.
        grid.flat[0].set_ylim(-1.1 * reach, 1.1 * reach)
    figure.supxlabel(f"mean of {names[0]} and {names[1]} ({unit})", fontsize=9)
    figure.supylabel(f"{names[0]} - {names[1]} ({unit})", fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


@styled
def scatter_panel(
    method: Float[np.ndarray, " n_patients"],
    reference: Float[np.ndarray, " n_patients"],
    title: str = "",
    quantity: str = "GLS",
    unit: str = "%",
    names: tuple[str, str] = ("method", "reference"),
    color: str = POINT_COLOR,
) -> Figure:
    """Method against reference with the line of identity and ICC(A,1). Arguments and errors as `bland_altman_panel`."""
    method, reference = np.asarray(method, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    icc = icc_a1(np.column_stack([method, reference]))
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(reference, method, s=16, color=color, alpha=0.8, zorder=3)
    both = np.concatenate([method, reference])
    margin = 0.06 * (np.ptp(both) or 1)
    limits = both.min() - margin, both.max() + margin
    axes.plot(limits, limits, color="0.5", lw=1, label="identity")
    agreement = "ICC(A,1) undefined"
    if np.isfinite(icc.icc):
        agreement = f"ICC(A,1) = {icc.icc:.2f} [{icc.ci_low:.2f}, {icc.ci_high:.2f}]"
    axes.set(
        xlim=limits,
        ylim=limits,
        aspect="equal",
        xlabel=f"{quantity}, {names[1]} ({unit})",
        ylabel=f"{quantity}, {names[0]} ({unit})",
        title=f"{title}\n{agreement}, n = {len(method)}".strip(),
    )
    axes.legend(loc="upper left")
    return figure


def _draw(axes: Axes, method: np.ndarray, reference: np.ndarray, color: str, size: float) -> BlandAltman:
    result = bland_altman(method, reference)
    axes.scatter((method + reference) / 2, method - reference, s=size, color=color, alpha=0.75, lw=0, zorder=3)
    axes.axhline(0, color="0.6", lw=0.8)
    lines = [(result.bias, result.bias_ci, BIAS_COLOR, "-")]
    lines += [(result.loa_low, result.loa_low_ci, LIMIT_COLOR, "--")]
    lines += [(result.loa_high, result.loa_high_ci, LIMIT_COLOR, "--")]
    for value, interval, line_color, style in lines:
        if np.isfinite(value):
            axes.axhline(value, color=line_color, lw=1.4, ls=style)
        if np.isfinite(interval).all():
            axes.axhspan(*interval, color=line_color, alpha=0.15, lw=0)
    return result


def _label_lines(axes: Axes, result: BlandAltman) -> None:
    """Names and values beside the axes, where they cover no point, the limits moved off the bias if too close."""
    low, high = axes.get_ylim()
    gap = 0.13 * (high - low)
    rows = [(result.bias, result.bias, result.bias_ci, "bias", BIAS_COLOR)]
    if np.isfinite(result.sd):
        above, below = max(result.loa_high, result.bias + gap), min(result.loa_low, result.bias - gap)
        rows.append((above, result.loa_high, result.loa_high_ci, "upper limit", LIMIT_COLOR))
        rows.append((below, result.loa_low, result.loa_low_ci, "lower limit", LIMIT_COLOR))
    for place, value, interval, name, color in rows:
        text = f"{name} {_signed(value, 2)}\n"
        text += f"[{_signed(interval[0], 2)}, {_signed(interval[1], 2)}]" if result.n > 1 else "no limits: one pair"
        axes.annotate(
            text,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=color,
            annotation_clip=False,
        )


def _signed(value: float, digits: int = 1) -> str:
    # Adding zero turns -0.0 into +0.0.
    return "n/a" if not np.isfinite(value) else f"{round(value, digits) + 0.0:+.{digits}f}"
