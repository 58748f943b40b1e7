"""Curved M-mode: strain as colour, time across, position along the wall from base over apex to base."""

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from echotas.geometry import SEGMENTS
from echotas.records import View

from .style import strain_color, strain_norm, styled

__all__ = ["strain_m_mode"]


@styled
def strain_m_mode(
    strain_percent: Float[np.ndarray, "n_positions n_frames"],
    times_s: Float[np.ndarray, " n_frames"],
    ed_frame: int,
    es_frame: int,
    view: View | str = View.OTHER,
    title: str = "",
) -> Figure:
    """Strain of every place of the wall over time, on the fixed colour scale.

    Args:
        strain_percent: Strain, rows base -> apex -> base: segments (6, n_frames) or links (`strain.local_strain`).
        times_s: Time of each frame, s.
        ed_frame: Marked, and zero of the time axis.
        es_frame: Marked.
        view: Names the six parts of the wall; numbered 1..6 in an unknown view.
        title: Title of the figure.

    Raises:
        ValueError: Strain and times differ in frames, or there are fewer than two frames.
    """
    strain_percent, times_s = np.asarray(strain_percent), np.asarray(times_s)
    if strain_percent.ndim != 2 or strain_percent.shape[1] != len(times_s) or len(times_s) < 2:
        raise ValueError(
            f"strain_percent must be (n_positions, n_frames >= 2) with one time per frame, "
            f"got {strain_percent.shape} and {times_s.shape}"
        )
    figure = Figure(figsize=(6.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    time_ms = 1000 * (times_s - times_s[ed_frame])
    edges = np.concatenate([[1.5 * time_ms[0] - 0.5 * time_ms[1]], (time_ms[1:] + time_ms[:-1]) / 2])
    edges = np.append(edges, 1.5 * time_ms[-1] - 0.5 * time_ms[-2])
    position = np.linspace(0, 6, len(strain_percent) + 1)
    norm, cmap = strain_norm(), strain_color()
    axes.pcolormesh(edges, position, strain_percent, norm=norm, cmap=cmap, rasterized=True)
    names = SEGMENTS.get(View(view), tuple(f"segment {i + 1}" for i in range(6)))
    axes.set_yticks(np.arange(6) + 0.5, names)
    axes.tick_params(axis="y", length=0)
    for cut in range(1, 6):
        axes.axhline(cut, color="0.4", lw=0.5)
    for name, frame in (("ED", ed_frame), ("ES", es_frame)):
        axes.axvline(time_ms[frame], color="black", lw=1, ls=(0, (4, 2)))
        axes.annotate(
            name,
            (time_ms[frame], 1),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
        )
    axes.grid(visible=False)
    axes.set(xlabel="time from ED (ms)", ylim=(6, 0))
    axes.set_title(title, pad=16)
    bar = figure.colorbar(
        ScalarMappable(norm, cmap), ax=axes, label="strain (%)", extend="both", spacing="proportional"
    )
    bar.set_ticks([-25, -20, -15, -10, -5, 0, 5])
    return figure
