"""Bull's-eye of 18, 17 or 16 segments: the left ventricle seen from its apex, base outside, apex inside.

Anterior wall on top, septum on the left, as in the AHA display (Cerqueira 2002). With 18 segments there are six apical ones, since each
apical view gives six segments; with 16 and 17 there are the AHA's four.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Wedge

from echotas.geometry import SEGMENTS
from echotas.records import View
from echotas.strain.segment_models import segment_model

from .style import strain_color, strain_norm, styled

__all__ = ["TIMING_SCALES", "bullseye", "bullseyes", "draw_bullseye"]

SixPerView = Mapping[View | str, np.ndarray]

# Middle of each wall, degrees counter-clockwise from the right.
_WALL_ANGLE_DEG = {
    "anterior": 90,
    "anteroseptal": 150,
    "inferoseptal": 210,
    "inferior": 270,
    "inferolateral": 330,
    "anterolateral": 30,
}
_RING = {"basal": (0.72, 1.0), "mid": (0.44, 0.72), "apical": (0.1, 0.44)}
_APICAL_ANGLE_DEG = {"anterior": 90, "septal": 180, "inferior": 270, "lateral": 0}
_CAP = 0.17  # radius of the seventeenth segment

# No strain is nearly white on the scale of strain, so that white cannot mean "nothing here".
MISSING_COLOR = "#DDDDDD"

TIMING_SCALES: dict[str, dict[str, Any]] = {
    "time_to_peak_ms": {
        "label": "time from ED to peak (ms)",
        "norm": Normalize(250, 500),
        "cmap": colormaps["cividis"],
        "missing": "never shortens",
    },
    "post_systolic_percent": {
        "label": "post-systolic index (%)",
        "norm": Normalize(0, 60),
        "cmap": colormaps["cividis"],
        "missing": "never shortens",
    },
}
"""Label, fixed scale and colours of the timing of segments by quantity of `evaluation.curves.timing_values`, as arguments of
`bullseyes`. Healthy segments peak at about 300-400 ms and shorten little after end-systole."""


@styled
def bullseye(
    values: SixPerView,
    accepted: SixPerView | None = None,
    title: str = "",
    label: str = "strain at ES (%)",
    norm: Normalize | None = None,
    cmap: Colormap | None = None,
    number_format: str = ".0f",
    n_segments: int = 18,
    missing: str = "not measured",
) -> Figure:
    """Bull's-eye of one patient.

    Args:
        values: Six values per apical view, base -> apex -> base; missing views and NaN stay grey and empty.
        accepted: Six flags per view; rejected segments keep their number and are hatched. All accepted, if None.
        title: Title of the figure.
        label: What the colour bar shows, with unit.
        norm: Colour scale. Fixed at -25..+5 percent, if None.
        cmap: Colours. Red for shortening, if None.
        number_format: Format of the number in each segment.
        n_segments: 18, 17 or 16 (`strain.segment_model`): a segment made of two is rejected if either is, and empty if either view
            is missing; the cap of the 17 is derived.
        missing: Why a segment is grey, for the note below.

    Raises:
        ValueError: A view has no segments, or has not six values, or there is no such model.
    """
    kept = {"": accepted} if accepted else None
    return bullseyes({"": values}, kept, title, label, norm, cmap, number_format, n_segments, missing)


@styled
def bullseyes(
    values: Mapping[str, SixPerView],
    accepted: Mapping[str, SixPerView] | None = None,
    title: str = "",
    label: str = "strain at ES (%)",
    norm: Normalize | None = None,
    cmap: Colormap | None = None,
    number_format: str = ".0f",
    n_segments: int = 18,
    missing: str = "not measured",
) -> Figure:
    """Bull's-eyes side by side with one colour scale, one per name (truth, tracker, reader).

    Arguments and errors as `bullseye`, each by name.
    """
    if not values:
        raise ValueError("values must name at least one bull's-eye, got none")
    norm, cmap = norm or strain_norm(), cmap or strain_color()
    n_columns = min(len(values), 4)
    n_rows = -(-len(values) // n_columns)
    figure = Figure(figsize=(max(3.4 * n_columns + 0.9, 4.2), 3.4 * n_rows + 0.2), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(values) :]:
        axes.set_axis_off()
    any_rejected, any_missing = False, False
    for axes, (name, of_views) in zip(grid.flat, values.items(), strict=False):
        kept = (accepted or {}).get(name) or {}
        any_rejected |= draw_bullseye(axes, of_views, kept, norm, cmap, number_format, n_segments)
        any_missing |= bool(np.isnan(list(segment_model(of_views, n_segments).values())).any())
        axes.set_title(name, pad=4)
    ends = "max" if norm.vmin == 0 else "both"  # what starts at zero never goes below
    bar = figure.colorbar(
        ScalarMappable(norm, cmap), ax=grid, label=label, shrink=0.8, extend=ends, spacing="proportional"
    )
    if norm.vmin < -1 < 1 < norm.vmax and isinstance(norm, type(strain_norm())):
        bar.set_ticks([-25, -20, -15, -10, -5, 0, 5])
    if title:
        figure.suptitle(title)
    notes = ["hatched: rejected by the reader"] * any_rejected + [f"grey: {missing}"] * any_missing
    notes += ["apical cap: mean of the four apical segments"] * (n_segments == 17)
    if notes:
        figure.supxlabel(", ".join(notes), fontsize=8)
    return figure


def draw_bullseye(
    axes: Axes,
    values: SixPerView,
    accepted: SixPerView,
    norm: Normalize,
    cmap: Colormap,
    number_format: str,
    n_segments: int = 18,
) -> bool:
    """The segments; returns whether one of them is rejected."""
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.18, 1.18), aspect="equal")
    axes.set_axis_off()
    cells = segment_model(values, n_segments)
    flags = {str(view): value for view, value in accepted.items()}
    kept = segment_model({view: np.asarray(flags.get(str(view), np.ones(6)), float) for view in SEGMENTS}, n_segments)
    any_rejected = False
    for name, (inner, outer, start, stop) in _places(n_segments).items():
        value = cells[name]
        shown = bool(np.isfinite(value))
        color = cmap(norm(value)) if shown else MISSING_COLOR
        rejected = shown and kept[name] < 1
        any_rejected |= rejected
        wedge = Wedge((0, 0), outer, start, stop, width=outer - inner, fc=color, ec="0.25", lw=0.8)
        if rejected:
            wedge.set_hatch("////")
        axes.add_patch(wedge)
        if shown:
            middle, turn = ((inner + outer) / 2 + 0.02) * (inner > 0), np.deg2rad((start + stop) / 2)
            # The label sits on its own patch so that hatching never hides a number.
            box = {"boxstyle": "round,pad=0.1", "fc": color, "ec": "none"} if rejected else None
            dark = np.dot(color[:3], (0.299, 0.587, 0.114)) < 0.5
            axes.text(
                middle * np.cos(turn),
                middle * np.sin(turn),
                _number(value, number_format),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
                bbox=box,
            )
    for wall, angle in _WALL_ANGLE_DEG.items():
        turn = np.deg2rad(angle)
        side = {90: "bottom", 270: "top"}.get(angle, "center")
        axes.text(
            1.03 * np.cos(turn),
            1.03 * np.sin(turn),
            wall,
            fontsize=7,
            color="0.3",
            ha="center",
            va=side if side != "center" else "bottom" if angle < 180 else "top",
            rotation={30: -60, 150: 60, 210: -60, 330: 60}.get(angle, 0) if side == "center" else 0,
            rotation_mode="default",
        )
    return any_rejected


def _number(value: float, number_format: str) -> str:
    """The value without the sign of a zero: "-0" reads as if something shortened."""
    text = format(value, number_format)
    return text if any(digit in text for digit in "123456789") else text.removeprefix("-")


def _places(n_segments: int) -> dict[str, tuple[float, float, float, float]]:
    """Inner and outer radius, first and last angle in degrees of each segment."""
    levels = _RING if n_segments == 18 else {level: _RING[level] for level in ("basal", "mid")}
    places = {
        f"{level} {wall}": (*radii, angle - 30, angle + 30)
        for level, radii in levels.items()
        for wall, angle in _WALL_ANGLE_DEG.items()
    }
    if n_segments == 18:
        return places
    inner = _CAP if n_segments == 17 else _RING["apical"][0]
    for wall, angle in _APICAL_ANGLE_DEG.items():
        places[f"apical {wall}"] = (inner, _RING["apical"][1], angle - 45, angle + 45)
    return places | ({"apex": (0.0, _CAP, 0, 360)} if n_segments == 17 else {})
