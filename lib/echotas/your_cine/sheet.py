"""One page per patient: tracked walls, strain curves, bull's-eye and numbers of up to three apical views."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from echotas import __version__
from echotas.records import View
from echotas.report.bullseye import draw_bullseye
from echotas.report.cine import draw_panel, frame_panel
from echotas.report.curves import draw_strain_curves
from echotas.report.style import strain_color, strain_norm, styled
from echotas.your_cine.own_error import PLUS_MINUS
from echotas.your_cine.result import CineAnalysis

__all__ = ["average_gls", "patient_sheet"]

DISCLAIMER = "Research use only. Not for diagnosis."
MOST_VIEWS = 3
_ORDER = (View.A4C, View.A2C, View.A3C)
_LINES = 12
_WIDTH = 144
_NOTE_WIDTH = 140


def average_gls(analyses: Sequence[CineAnalysis]) -> tuple[float, int]:
    """Mean of the views' end-systolic GLS (percent), and the number of views behind it.

    Raises:
        ValueError: No view, one view twice, or different patients.
    """
    _check(analyses)
    return float(np.mean([item.gls_percent for item in analyses])), len(analyses)


@styled
def patient_sheet(analyses: Sequence[CineAnalysis], title: str = "", note: str = "") -> Figure:
    """The page, A4 upright; write it with `report.save` as PDF or PNG.

    Args:
        analyses: Results of one patient, one per view, at most three; any order.
        title: Who this is; the patient's and recordings' names, if empty.
        note: A line or two of your own under the title, e.g. how far the tracker is off on virtual patients.

    Returns:
        The page. Views that were not recorded stay empty and the average says how many views it is of. Segments that were
        rejected are hatched in the bull's-eye, pale in the curves and named. Results of virtual patients say so.

    Raises:
        ValueError: No view, more than three, one view twice, or different patients.
    """
    _check(analyses)
    shown = sorted(analyses, key=lambda item: _ORDER.index(item.cine.view) if item.cine.view in _ORDER else len(_ORDER))
    figure = Figure(figsize=(8.27, 11.69), layout="constrained")
    heading, pictures, curves, below, doubts = figure.subfigures(5, 1, height_ratios=(0.85, 1.8, 3.4, 2.95, 2.0))
    for part in figure.subfigs:
        part.patch.set_visible(
            False
        )  # white on white, and its corner is written as 0 or as -0 as memory happens to lie
    _heading(heading, shown, title, note)
    for axes, item in zip(_row(pictures), shown, strict=False):
        panel = frame_panel(item.cine, item.es_frame, f"{_name(item)}, ES", item.mesh.points_px)
        draw_panel(axes, panel)
    for axes, item in zip(_row(curves), shown, strict=False):
        draw_strain_curves(axes, item.strain, item.cine.view, item.accepted)
        axes.set_axis_on()
        axes.set_title(f"{_name(item)}: GLS {item.gls_percent:.1f} %")
        _segment_legend(axes, item)
    eye, table = below.subplots(1, 2, width_ratios=(1, 1.35))
    known = [item for item in shown if item.cine.view in _ORDER]
    any_rejected = draw_bullseye(
        eye,
        {item.cine.view: item.segment_es_percent for item in known},
        {item.cine.view: item.accepted for item in known},
        strain_norm(),
        strain_color(),
        ".0f",
    )
    eye.set_title("segment strain at ES (%)")
    if any_rejected:
        eye.text(0, -1.3, "hatched: rejected by the reader", fontsize=7, ha="center", va="top")
    _table(table, shown)
    _doubts(doubts, shown)
    return figure


def _check(analyses: Sequence[CineAnalysis]) -> None:
    if not 1 <= len(analyses) <= MOST_VIEWS:
        raise ValueError(f"analyses must hold one to {MOST_VIEWS} views, got {len(analyses)}")
    views = [item.cine.view for item in analyses]
    if len(set(views)) < len(views):
        raise ValueError(f"analyses must hold each view once, got {', '.join(map(str, views))}")
    patients = {item.cine.patient_id for item in analyses if item.cine.patient_id}
    if len(patients) > 1:
        raise ValueError(f"analyses must be of one patient, got {', '.join(sorted(patients))}")


def _name(item: CineAnalysis) -> str:
    return str(item.cine.view)


def _row(part: Figure) -> list[Axes]:
    """Three axes side by side; those of missing views stay blank."""
    row = list(part.subplots(1, MOST_VIEWS))
    for axes in row:
        axes.set_axis_off()
    return row


def _segment_legend(axes: Axes, item: CineAnalysis) -> None:
    """Which curve is which segment, with its value: the page's segment table."""
    strain, widths = item.segment_es_percent, item.half_width_percent
    rows = [
        f"{name} {value:.1f}{'' if widths is None else f' ± {widths[1 + i]:.1f}'}{'' if item.accepted[i] else ', rejected'}"
        for i, (name, value) in enumerate(zip(item.segment_names, strain, strict=True))
    ]
    curves, names = axes.get_legend_handles_labels()
    axes.legend(
        curves,
        [*rows, *names[len(rows) :]],
        title="at ES, %" + ("" if widths is None else ", ± 95 %"),
        fontsize=7,
        title_fontsize=7,
        loc="upper center",
        bbox_to_anchor=(0.45, -0.28),
        handlelength=2.2,
    )


def _heading(part: Figure, shown: Sequence[CineAnalysis], title: str, note: str) -> None:
    first = shown[0]
    title = title or first.cine.patient_id or first.cine.recording_id or "one patient"
    if any(item.virtual for item in shown) and "virtual" not in title:
        title += " (virtual)"
    value, n_views = average_gls(shown)
    part.text(0.02, 0.8, title, fontsize=14, weight="bold", va="center")
    part.text(0.98, 0.8, DISCLAIMER, fontsize=10, color="#B2182B", weight="bold", va="center", ha="right")
    of = "three apical views" if n_views == MOST_VIEWS else f"{n_views} of three apical views"
    without = ", without rejected segments" if any(item.rejected_names for item in shown) else ""
    trackers = ", ".join(dict.fromkeys(item.tracker for item in shown))
    part.text(0.02, 0.52, f"GLS {value:.1f} % at end-systole, mean of {of}{without}", fontsize=11, va="center")
    lines = textwrap.wrap(f"Tracker: {trackers}. {note}", _NOTE_WIDTH, max_lines=3, placeholder=" ...")
    part.text(0.02, 0.36, "\n".join(lines), fontsize=7.5, va="top", color="0.3")


def _table(axes: Axes, shown: Sequence[CineAnalysis]) -> None:
    axes.set_axis_off()
    rows = {
        "GLS at ES (%)": [f"{item.global_strain.es_percent:.1f}" for item in shown],
        **_error_row(shown),
        "peak systolic (%)": [f"{item.global_strain.peak_systolic_percent:.1f}" for item in shown],
        "peak (%)": [f"{item.global_strain.peak_percent:.1f}" for item in shown],
        "ED from": [item.ed_source for item in shown],
        "ES from": [item.es_source for item in shown],
        "ES after ED (ms)": [f"{1000 * _since_ed(item, item.es_frame):.0f}" for item in shown],
        "heart rate (per min)": ["not known" if (h := item.heart_rate_bpm) is None else f"{h:.0f}" for item in shown],
        "frames per s": [f"{item.cine.frame_rate:.0f}" for item in shown],
        "pixel (mm)": ["unknown" if (s := item.cine.spacing_mm) is None else f"{s[0]:.2f}" for item in shown],
        "drift (points)": ["unknown" if (d := item.drift_percent) is None else f"{d:+.1f}" for item in shown],
        "confidence": [f"{item.confidence.mean():.2f}" for item in shown],
        "folded triangles (%)": [f"{100 * item.folded_share:.1f}" for item in shown],
        "segments rejected": [f"{len(item.rejected_names)} of 6" for item in shown],
    }
    drawn = axes.table(
        list(rows.values()),
        rowLabels=list(rows),
        colLabels=[_name(item) for item in shown],
        loc="center right",
        cellLoc="right",
        colWidths=[0.2] * len(shown),
        edges="horizontal",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    drawn.scale(1, 1.1)


def _error_row(shown: Sequence[CineAnalysis]) -> dict[str, list[str]]:
    widths = [item.half_width_percent for item in shown]
    if all(width is None for width in widths):
        return {}
    return {"± tracking, 95 % (points)": ["none" if width is None else f"{width[0]:.1f}" for width in widths]}


def _since_ed(item: CineAnalysis, frame: int) -> float:
    return float(item.cine.times_s[frame] - item.cine.times_s[item.ed_frame])


def _doubts(part: Figure, shown: Sequence[CineAnalysis]) -> None:
    """What was rejected, and what to doubt, by view, as far as it fits; the rest is counted."""
    part.text(0.02, 0.98, "What was rejected, what to doubt", fontsize=10, weight="bold", va="top")
    rejected = "; ".join(f"{_name(item)} {', '.join(item.rejected_names)}" for item in shown if item.rejected_names)
    lines = textwrap.wrap(f"Rejected segments, left out of GLS: {rejected or 'none'}", _WIDTH, subsequent_indent="    ")
    for item in shown:
        for sentence in item.warnings or ("nothing stands out",):
            wrapped = textwrap.wrap(f"{_name(item)}: {sentence}", _WIDTH)
            lines += [wrapped[0], *(f"    {rest}" for rest in wrapped[1:])]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"... and {len(lines) - _LINES + 1} more lines: see `warnings` of the analyses"]
    part.text(0.02, 0.88, "\n".join(lines), fontsize=7, va="top", linespacing=1.35)
    part.text(
        0.02,
        0.02,
        f"EchoTAS {__version__}. Strain: change of the mid-wall line's length since end-diastole; negative is shortening.\n"
        + (
            "One cine and one line a view: no interval can be given."
            if all(item.strain_error_percent is None for item in shown)
            else f"{PLUS_MINUS}. What the drawn line misses is not in it."
        ),
        fontsize=7,
        color="0.35",
    )
