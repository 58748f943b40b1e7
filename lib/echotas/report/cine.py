"""Still pictures of cines: frames with tracked lines and meshes, side by side or by size of error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from echotas.records import Cine

from .overlay import paint_mesh, quantity_scale
from .style import styled, tracker_look

__all__ = ["Panel", "draw_panel", "frame_panel", "image_panels", "worst_case_gallery"]

SCALE_BAR_MM = 20
# Screen px per image px of the painted mesh: smooth edges at print size.
PAINTED_PX = 3.0


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture and what is drawn on it."""

    image: np.ndarray
    """Grey levels, u8 (height, width)."""
    spacing_mm: tuple[float, float] | None = None
    """Pixel size (dx, dy) in mm; None draws square pixels and no scale bar."""
    title: str = ""
    """Title of the panel."""
    mesh_px: np.ndarray | None = None
    """Mesh (n_long, n_rad, 2) in px."""
    values: np.ndarray | None = None
    """Value at each mesh node (n_long, n_rad); without it only the outline of the mesh is drawn."""
    lines_px: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Lines (n_points, 2) in px by tracker name ("truth", "reader" included), in the tracker's colour."""

    def __post_init__(self) -> None:
        if np.ndim(self.image) != 2 or np.asarray(self.image).dtype != np.uint8:
            raise ValueError(f"image must be u8 (height, width), got shape {np.shape(self.image)}")
        if self.values is not None and (self.mesh_px is None or np.shape(self.values) != np.shape(self.mesh_px)[:2]):
            raise ValueError(
                f"values must be (n_long, n_rad) of mesh_px, got {np.shape(self.values)} for {np.shape(self.mesh_px)}"
            )


def frame_panel(
    cine: Cine,
    frame: int,
    title: str = "",
    mesh_px: np.ndarray | None = None,
    values: np.ndarray | None = None,
    lines_px: Mapping[str, np.ndarray] | None = None,
) -> Panel:
    """The panel of one frame of a cine.

    Args:
        cine: The cine.
        frame: Frame to show.
        title: Title; recording and frame, if empty.
        mesh_px: Mesh over the cine (n_frames, n_long, n_rad, 2) in px.
        values: Values at its nodes, (n_frames, n_long, n_rad).
        lines_px: Lines over the cine by name, (n_frames, n_points, 2) in px.

    Raises:
        ValueError: `frame` is outside, or a mesh, value or line has another number of frames than the cine.
    """
    if not 0 <= frame < cine.n_frames:
        raise ValueError(f"frame must be in 0..{cine.n_frames - 1}, got {frame}")
    lines_px = lines_px or {}
    over_time = {
        "mesh_px": mesh_px,
        "values": values,
        **{f"lines_px[{name!r}]": line for name, line in lines_px.items()},
    }
    for name, array in over_time.items():
        if array is not None and len(array) != cine.n_frames:
            raise ValueError(f"{name} must have the {cine.n_frames} frames of the cine, got {len(array)}")
    return Panel(
        cine.frames[frame],
        cine.spacing_mm,
        title or f"{cine.recording_id} frame {frame}".strip(),
        None if mesh_px is None else mesh_px[frame],
        None if values is None else values[frame],
        {name: line[frame] for name, line in lines_px.items()},
    )


@styled
def image_panels(panels: Sequence[Panel], quantity: str = "strain", title: str = "", n_columns: int = 4) -> Figure:
    """Panels side by side with one colour scale.

    Args:
        panels: What to draw.
        quantity: What the mesh values are: "strain" (%), "confidence" (0-1) or "error" (mm).
        title: Title of the figure.
        n_columns: Panels per row.

    Raises:
        ValueError: No panel, or an unknown quantity.
    """
    if not panels:
        raise ValueError("panels must hold at least one panel, got none")
    norm, cmap, label = quantity_scale(quantity)
    n_columns = min(n_columns, len(panels))
    n_rows = -(-len(panels) // n_columns)
    coloured = any(panel.values is not None for panel in panels)
    height, width = np.max([_size(panel) for panel in panels], axis=0)
    row_height = float(np.clip(3.2 * height / width, 2.4, 4.4)) + 0.3
    figure = Figure(figsize=(3.2 * n_columns + 0.8 * coloured, row_height * n_rows + 0.5), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw_panel(axes, panel, quantity)
    if coloured:
        extend = {"strain": "both", "error": "max"}.get(quantity, "neither")
        figure.colorbar(
            ScalarMappable(norm, cmap), ax=grid, label=label, shrink=0.8, extend=extend, spacing="proportional"
        )
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines_px))
    if names:
        handles = [Line2D([], [], color=_line_color(name), ls=tracker_look(name).line, label=name) for name in names]
        # Dark as the images are: the line of the truth is white.
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(len(names), 5),
            frameon=True,
            facecolor="0.2",
            framealpha=1,
            labelcolor="white",
        )
    if title:
        figure.suptitle(title)
    return figure


def worst_case_gallery(
    panels: Mapping[str, Panel],
    errors: Mapping[str, float],
    n_worst: int = 4,
    unit: str = "mm",
    quantity: str = "strain",
    title: str = "",
) -> Figure:
    """The recordings with the largest errors, worst first, with the error in the title.

    Args:
        panels: Panel of each recording.
        errors: Error of each recording of `panels`; NaN counts as no result and is refused.
        n_worst: How many to show.
        unit: Unit of the errors.
        quantity: As `image_panels`.
        title: Title of the figure; n is added.

    Raises:
        ValueError: A recording without panel or with a NaN error.
    """
    missing = sorted(set(errors) - set(panels))
    undefined = sorted(name for name, error in errors.items() if not np.isfinite(error))
    if missing or undefined or not errors:
        raise ValueError(
            f"errors must be finite and have a panel each, got no panel for {missing}, NaN for {undefined}"
        )
    worst = sorted(errors, key=lambda name: (-errors[name], name))[:n_worst]
    chosen = [
        Panel(p.image, p.spacing_mm, f"{name}: {errors[name]:.2f} {unit}", p.mesh_px, p.values, p.lines_px)
        for name, p in ((name, panels[name]) for name in worst)
    ]
    heading = (
        f"{title}: worst {len(worst)} of n = {len(errors)}" if title else f"worst {len(worst)} of n = {len(errors)}"
    )
    return image_panels(chosen, quantity, heading)


def draw_panel(axes: Axes, panel: Panel, quantity: str = "strain") -> None:
    """One panel of `image_panels` into axes."""
    height, width = panel.image.shape
    dx, dy = panel.spacing_mm or (1.0, 1.0)
    extent = (-0.5 * dx, (width - 0.5) * dx, (height - 0.5) * dy, -0.5 * dy)
    scale = (PAINTED_PX, PAINTED_PX * dy / dx)
    colored = None if panel.values is None else panel.mesh_px
    axes.imshow(paint_mesh(panel.image, colored, panel.values, quantity, scale), extent=extent)
    if panel.mesh_px is not None:
        mesh = np.asarray(panel.mesh_px) * (dx, dy)
        border = np.concatenate([mesh[:, 0], mesh[-1, 1:], mesh[-2::-1, -1], mesh[0, -2::-1]])
        axes.plot(*border.T, color="white", lw=0.7)
    for name, line in panel.lines_px.items():
        axes.plot(*(np.asarray(line) * (dx, dy)).T, ls=tracker_look(name).line, color=_line_color(name), lw=1.4)
    axes.set(xlim=extent[:2], ylim=extent[2:], title=panel.title)
    axes.set_axis_off()
    if panel.spacing_mm is not None:
        left, bottom = 0.04 * width * dx, 0.96 * height * dy
        axes.plot([left, left + SCALE_BAR_MM], [bottom, bottom], color="white", lw=2.5, solid_capstyle="butt")
        axes.annotate(
            f"{SCALE_BAR_MM} mm", (left, bottom), (0, 3), textcoords="offset points", color="white", fontsize=7
        )


def _line_color(name: str) -> str:
    # Black is invisible on an ultrasound image.
    return {"truth": "#FFFFFF", "reader": "#FF99DD"}.get(name, tracker_look(name).color)


def _size(panel: Panel) -> tuple[float, float]:
    dx, dy = panel.spacing_mm or (1.0, 1.0)
    return panel.image.shape[0] * dy, panel.image.shape[1] * dx
