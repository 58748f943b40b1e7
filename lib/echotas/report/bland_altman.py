"""Bland-Altman panels and scatter plots, with n, bias, limits and their intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echotas import seeds
from echotas.metrics.agreement import BlandAltman, bland_altman, icc_a1
from echotas.metrics.repeated import RepeatedBlandAltman, bland_altman_repeated

from .style import styled

__all__ = ["MIN_PAIRS", "MIN_PATIENTS", "bland_altman_grid", "bland_altman_panel", "scatter_panel"]

MIN_PAIRS, MIN_PATIENTS = 10, 4
"""With fewer of either only points and bias are drawn: the limits would be a guess (a limit's standard error is SD sqrt(3 / n))."""

# No colour of a tracker: the points have that one.
BIAS_COLOR, LIMIT_COLOR, POINT_COLOR = "#000000", "#444444", "#333333"
BIAS_BAND, LIMIT_BAND = "#CCCCCC", "#E8E8E8"


@styled
def bland_altman_panel(
    method: Float[np.ndarray, " n_pairs"],
    reference: Float[np.ndarray, " n_pairs"],
    title: str = "",
    quantity: str = "GLS",
    unit: str = "%",
    names: tuple[str, str] = ("method", "reference"),
    color: str = POINT_COLOR,
    patients: Sequence[object] | np.ndarray | None = None,
    counted: tuple[str, str] = ("pairs", "patients"),
    seed: int = 0,
) -> Figure:
    """Difference against mean of two readings, with bias, limits of agreement and their 95 % intervals.

    Args:
        method: One value per pair (a patient, or a recording: then name `patients`).
        reference: The other value of the same pairs. The difference is method - reference.
        title: Title; n is added.
        quantity: What is measured, for the axis labels.
        unit: Its unit; a difference of percents is in points.
        names: What `method` and `reference` are called on the axes.
        color: Colour of the points.
        patients: Patient of each pair. Where patients repeat, bias and limits are those of `metrics.bland_altman_repeated`; each
            pair is a patient of its own, if None.
        counted: What pairs and patients are called in the title, where patients are named.
        seed: Run seed of the intervals, which are from resampled patients where these repeat.

    Returns:
        The figure. Points and bias only, and "too few for limits", with fewer than `MIN_PAIRS` pairs or `MIN_PATIENTS` patients.

    Raises:
        ValueError: As `metrics.bland_altman` or `metrics.bland_altman_repeated`.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    result = _draw(axes, np.asarray(method), np.asarray(reference), patients, color, 16.0, seed)
    n = f"n = {result.n}"
    if patients is not None:
        n += f" {counted[0]} of {result.n_patients} {counted[1]}"
    axes.set(
        xlabel=f"mean {quantity} of {names[0]} and {names[1]} ({unit})",
        ylabel=f"{names[0]} - {names[1]} ({_difference_unit(unit)})",
        title=f"{title}  ({n})" if title else n,
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
    patients: Mapping[str, Sequence[object] | np.ndarray] | None = None,
    row_names: Sequence[str] = (),
    seed: int = 0,
) -> Figure:
    """Small Bland-Altman panels with common axes, one per name (the 18 segments, say).

    Args:
        pairs: (method, reference) by panel name; a panel without values is left empty and says so.
        title: Title of the figure.
        unit: Unit of the measure; a difference of percents is in points.
        names: What method and reference are called.
        n_columns: Panels per row.
        color: Colour of the points.
        patients: Patient of each pair, by panel name; as in `bland_altman_panel`.
        row_names: What the rows are (the views, say), written on their left.
        seed: Run seed of the intervals, as in `bland_altman_panel`.

    Returns:
        The figure; each panel says n, bias and [limits], or which of them there are too few pairs for.

    Raises:
        ValueError: No panel, other than one name per row, or as `bland_altman_panel`.
    """
    if not pairs:
        raise ValueError("pairs must name at least one panel, got none")
    n_columns = min(n_columns, len(pairs))
    n_rows = -(-len(pairs) // n_columns)
    if row_names and len(row_names) != n_rows:
        raise ValueError(f"row_names must name each of the {n_rows} rows, got {len(row_names)}")
    figure = Figure(figsize=(2.0 * n_columns + 0.6, 2.0 * n_rows + 0.7), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(pairs) :]:
        axes.set_axis_off()
    reach = 0.0
    for axes, (name, (method, reference)) in zip(grid.flat, pairs.items(), strict=False):
        if len(method) == 0 and len(reference) == 0:
            axes.set_title(f"{name}\nn = 0\n", fontsize=8)
            continue
        members = None if patients is None else patients[name]
        result = _draw(axes, np.asarray(method), np.asarray(reference), members, color, 5.0, seed)
        n = f"n = {result.n}" + (f" of {result.n_patients} patients" if members is not None else "")
        limits = (
            f" [{_signed(result.loa_low)}, {_signed(result.loa_high)}]" if result.bounded else ", too few for limits"
        )
        axes.set_title(f"{name}\n{n}\n{_signed(result.bias)}{limits}", fontsize=8)
        axes.tick_params(labelsize=7)
        shown = [*np.abs(np.asarray(method) - np.asarray(reference)), abs(result.loa_low), abs(result.loa_high)]
        reach = max(reach, np.nanmax(shown))
    if reach > 0:
        # Points and limits decide: the interval of a limit from ten pairs would flatten every panel.
        grid.flat[0].set_ylim(-1.1 * reach, 1.1 * reach)
    for axes, name in zip(grid[:, 0], row_names, strict=False):
        axes.set_ylabel(name, fontsize=10, weight="bold")
    figure.supxlabel(f"mean of {names[0]} and {names[1]} ({unit})", fontsize=9)
    figure.supylabel(f"{names[0]} - {names[1]} ({_difference_unit(unit)})", fontsize=9)
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


@dataclass(frozen=True)
class _Drawn:
    """What a panel shows; limits and all intervals are NaN where there are too few pairs or patients for them."""

    n: int
    n_patients: int
    bounded: bool
    bias: float
    loa_low: float
    loa_high: float
    bias_ci: tuple[float, float]
    loa_low_ci: tuple[float, float]
    loa_high_ci: tuple[float, float]


def _agreement(
    method: np.ndarray, reference: np.ndarray, patients: Sequence[object] | np.ndarray | None, seed: int
) -> _Drawn:
    n = len(method)
    n_patients = n if patients is None else len(np.unique(np.asarray(patients)))
    result: BlandAltman | RepeatedBlandAltman
    if patients is None or n_patients == n == len(patients):
        result = bland_altman(method, reference)
    else:
        rng = seeds.generator(seed, "bootstrap", "bland_altman")
        result = bland_altman_repeated(method, reference, patients, rng=rng)
    if n < MIN_PAIRS or n_patients < MIN_PATIENTS:
        nan = float("nan")
        return _Drawn(n, n_patients, False, result.bias, nan, nan, (nan, nan), (nan, nan), (nan, nan))
    limits = result.loa_low, result.loa_high
    return _Drawn(n, n_patients, True, result.bias, *limits, result.bias_ci, result.loa_low_ci, result.loa_high_ci)


def _draw(
    axes: Axes,
    method: np.ndarray,
    reference: np.ndarray,
    patients: Sequence[object] | np.ndarray | None,
    color: str,
    size: float,
    seed: int,
) -> _Drawn:
    result = _agreement(method, reference, patients, seed)
    axes.scatter((method + reference) / 2, method - reference, s=size, color=color, alpha=0.75, lw=0, zorder=3)
    axes.axhline(0, color="0.6", lw=0.8)
    lines = [(result.loa_low, result.loa_low_ci, LIMIT_COLOR, LIMIT_BAND, "--")]
    lines += [(result.loa_high, result.loa_high_ci, LIMIT_COLOR, LIMIT_BAND, "--")]
    lines += [(result.bias, result.bias_ci, BIAS_COLOR, BIAS_BAND, "-")]  # last: its band lies on those of the limits
    for value, interval, line_color, band_color, style in lines:
        if np.isfinite(value):
            axes.axhline(value, color=line_color, lw=1.2, ls=style, zorder=2.5)
        if np.isfinite(interval).all():
            axes.axhspan(*interval, color=band_color, lw=0)
    return result


def _label_lines(axes: Axes, result: _Drawn) -> None:
    """Names and values beside the axes, where they cover no point, the limits moved off the bias if too close."""
    low, high = axes.get_ylim()
    gap = 0.13 * (high - low)
    rows = [(result.bias, result.bias, result.bias_ci, "bias", BIAS_COLOR)]
    if result.bounded:
        above, below = max(result.loa_high, result.bias + gap), min(result.loa_low, result.bias - gap)
        rows.append((above, result.loa_high, result.loa_high_ci, "upper limit", LIMIT_COLOR))
        rows.append((below, result.loa_low, result.loa_low_ci, "lower limit", LIMIT_COLOR))
    for place, value, interval, name, color in rows:
        text = f"{name} {_signed(value, 2)}\n"
        text += f"[{_signed(interval[0], 2)}, {_signed(interval[1], 2)}]" if result.bounded else "too few for limits"
        axes.annotate(
            text,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=color,
            annotation_clip=False,
        )


def _difference_unit(unit: str) -> str:
    """Percents differ by points: "-2 %" of -20 % would be read as a ratio."""
    return "points" if unit == "%" else unit


def _signed(value: float, digits: int = 1) -> str:
    # Adding zero turns -0.0 into +0.0.
    return "n/a" if not np.isfinite(value) else f"{round(value, digits) + 0.0:+.{digits}f}"
