"""Strain over time: six segments with the global curve, or the global curves of several trackers."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echotas.geometry import SEGMENTS
from echotas.records import StrainCurve, View

from .style import SEGMENT_COLORS, SEGMENT_LINES, styled, tracker_look

__all__ = ["draw_strain_curves", "global_curves", "strain_curves", "strain_panels"]


@styled
def strain_curves(
    curve: StrainCurve,
    view: View | str = View.OTHER,
    accepted: Bool[np.ndarray, "6"] | None = None,
    reference: StrainCurve | None = None,
    title: str = "",
    es_name: str = "ES",
) -> Figure:
    """Six segment curves and the bold global curve of one recording, with ED, ES and the peak marked.

    A segment's own peak is marked where it comes after ES (post-systolic shortening).

    Args:
        curve: Strain in percent.
        view: Names the segments; numbered 1..6 in an unknown view.
        accepted: Segments the reader accepted; the others are drawn thin, pale and marked "rejected".
        reference: Global curve to draw beside it (the truth), dotted.
        title: Title of the figure.
        es_name: What the line at ES is called: "ES (AVC)", if it is aortic valve closure, as in virtual patients' truth.

    Raises:
        ValueError: `accepted` has not six values.
    """
    figure = Figure(figsize=(7.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    draw_strain_curves(axes, curve, view, accepted, reference, es_name)
    axes.set_title(title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_strain_curves(
    axes: Axes,
    curve: StrainCurve,
    view: View | str = View.OTHER,
    accepted: Bool[np.ndarray, "6"] | None = None,
    reference: StrainCurve | None = None,
    es_name: str = "ES",
) -> None:
    """The curves of `strain_curves` into axes, without a legend."""
    accepted = np.ones(6, dtype=bool) if accepted is None else np.asarray(accepted, dtype=bool)
    if accepted.shape != (6,):
        raise ValueError(f"accepted must have 6 values, got shape {accepted.shape}")
    names = SEGMENTS.get(View(view), tuple(f"segment {i + 1}" for i in range(6)))
    time_ms = _time_ms(curve)
    for i, name in enumerate(names):
        axes.plot(
            time_ms,
            curve.segment_percent[i],
            SEGMENT_LINES[i],
            color=SEGMENT_COLORS[i],
            alpha=1 if accepted[i] else 0.45,
            lw=1.5 if accepted[i] else 0.8,
            label=name if accepted[i] else f"{name} (rejected)",
        )
    axes.plot(time_ms, curve.global_percent, color="black", lw=3, label="global")
    if reference is not None:
        axes.plot(_time_ms(reference), reference.global_percent, ":", color="0.35", lw=2, label="global, reference")
    peak = curve.ed_frame + int(np.argmin(curve.global_percent[curve.ed_frame :]))
    axes.plot(
        time_ms[peak], curve.global_percent[peak], "o", mfc="white", mec="black", zorder=4, label="peak of the global"
    )
    _mark_late_peaks(axes, curve, accepted)
    _mark_events(axes, curve, es_name)
    axes.set(xlabel="time from ED (ms)", ylabel="longitudinal strain (%)")


@styled
def strain_panels(panels: Mapping[str, tuple[StrainCurve, View]], columns: int = 4, title: str = "") -> Figure:
    """Small multiples of segment curves, one panel per case, with common axes.

    Args:
        panels: Title -> (strain, view). The six segments keep their colours and lines; which wall they are, left base to
            right base of the view, stands in the title's view.
        columns: Panels in a row.
        title: Title of the figure.

    Raises:
        ValueError: No panel.
    """
    if not panels:
        raise ValueError("panels must hold at least one case, got none")
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.9 * columns, 2.3 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, (curve, view)) in zip(grid.flat, panels.items(), strict=False):
        for i, values in enumerate(curve.segment_percent):
            label = f"{('left', 'right')[i // 3]} {('base', 'mid', 'apical', 'apical', 'mid', 'base')[i]}"
            axes.plot(_time_ms(curve), values, SEGMENT_LINES[i], color=SEGMENT_COLORS[i], lw=1.2, label=label)
        axes.plot(_time_ms(curve), curve.global_percent, color="black", lw=2, label="global")
        axes.axhline(0, color="0.6", lw=0.8, zorder=0.5)
        axes.axvline(_time_ms(curve)[curve.es_frame], color="0.4", lw=1, ls=(0, (4, 2)), label="end-systole")
        axes.set_title(f"{name}, {View(view)}", fontsize=9)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("time from ED (ms)", fontsize=9)
    figure.supylabel("longitudinal strain (%)", fontsize=9)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8)
    figure.suptitle(title)
    return figure


@styled
def global_curves(curves: Mapping[str, StrainCurve | Sequence[StrainCurve]], title: str = "") -> Figure:
    """Global strain over time for several trackers, each in its own colour.

    Args:
        curves: Strain by tracker name ("truth" and "reader" included): one recording, or several, drawn as thin lines.
            ED and ES are those of "truth", if it is one recording, else marked if all curves agree on them.
        title: Title of the figure.

    Raises:
        ValueError: No curve.
    """
    every = {name: [item] if isinstance(item, StrainCurve) else list(item) for name, item in curves.items()}
    if not any(every.values()):
        raise ValueError("curves must hold at least one strain curve, got none")
    figure = Figure(figsize=(7.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for name, items in every.items():
        look = tracker_look(name)
        for i, item in enumerate(items):
            label = (name if len(items) == 1 else f"{name} (n = {len(items)})") if i == 0 else None
            weight = {"lw": 2.5 if name == "truth" else 1.5} if len(items) == 1 else {"lw": 0.8, "alpha": 0.6}
            axes.plot(_time_ms(item), item.global_percent, look.line, color=look.color, label=label, **weight)
    together = [item for items in every.values() for item in items]
    marked = every["truth"] if every.get("truth") else together
    events = {(item.times_s[item.es_frame] - item.times_s[item.ed_frame]).round(4) for item in marked}
    if len(events) == 1:
        _mark_events(axes, marked[0])
    else:
        axes.axhline(0, color="0.6", lw=0.8, zorder=0.5)
    axes.set(xlabel="time from ED (ms)", ylabel="global longitudinal strain (%)", title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _time_ms(curve: StrainCurve) -> np.ndarray:
    return 1000 * (curve.times_s - curve.times_s[curve.ed_frame])


def _mark_late_peaks(axes: Axes, curve: StrainCurve, accepted: np.ndarray) -> None:
    look = {"marker": "v", "ms": 5, "mec": "black", "mew": 0.6, "ls": "none"}
    peaks = curve.ed_frame + np.argmin(curve.segment_percent[:, curve.ed_frame :], axis=1)
    lowest = curve.segment_percent[np.arange(6), peaks]
    late = np.flatnonzero((peaks > curve.es_frame) & (lowest < 0))
    for i in late:
        shade = 1 if accepted[i] else 0.45
        axes.plot(_time_ms(curve)[peaks[i]], lowest[i], mfc=SEGMENT_COLORS[i], alpha=shade, zorder=4, **look)
    if len(late):
        axes.plot([], [], mfc="white", label="peak of a segment, after ES", **look)


def _mark_events(axes: Axes, curve: StrainCurve, es_name: str = "ES") -> None:
    axes.axhline(0, color="0.6", lw=0.8, zorder=0.5)
    # Room above the curves for the names of the events.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.08 * (high - low))
    for name, frame in (("ED", curve.ed_frame), (es_name, curve.es_frame)):
        at = _time_ms(curve)[frame]
        axes.axvline(at, color="0.4", lw=1, ls=(0, (4, 2)))
        axes.annotate(
            name,
            (at, 1),
            (3, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            va="top",
            color="0.3",
        )
