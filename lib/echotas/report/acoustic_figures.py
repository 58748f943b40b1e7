"""Figures of the acoustic engines: fields, echoes of points, envelopes, decorrelation, time."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from echotas.acoustics import Scan
from echotas.report.style import styled

__all__ = [
    "decorrelation_curves",
    "engine_times",
    "envelope_histogram",
    "envelope_panels",
    "point_widths",
    "pressure_map",
    "signals",
]

MARKERS = ("o-", "s--", "^:", "d-.")


@styled
def envelope_panels(
    images: Mapping[str, np.ndarray],
    scan: Scan,
    depth_m: tuple[float, float],
    half_angle_deg: float,
    range_db: float = 40.0,
) -> Figure:
    """Log envelopes side by side on one scale, each relative to its own maximum.

    Args:
        images: IQ (n_beams, n_ranges) by name.
        scan: Their scan.
        depth_m: Depths shown, m.
        half_angle_deg: Angles shown, +- degrees.
        range_db: Range of grey levels, dB.
    """
    beams = np.abs(np.degrees(scan.angles_rad)) <= half_angle_deg
    samples = (scan.ranges_m >= depth_m[0]) & (scan.ranges_m <= depth_m[1])
    figure = Figure(figsize=(2.5 * len(images) + 0.8, 3.2), layout="constrained")
    axes_list = figure.subplots(1, len(images), sharey=True, squeeze=False)[0]
    for axes, (name, iq) in zip(axes_list, images.items(), strict=True):
        envelope = np.abs(iq[np.ix_(beams, samples)]).T
        shown = 20 * np.log10(np.maximum(envelope / envelope.max(), 1e-6))
        extent = (-half_angle_deg, half_angle_deg, 1e3 * depth_m[1], 1e3 * depth_m[0])
        picture = axes.imshow(shown, cmap="gray", vmin=-range_db, vmax=0, extent=extent, aspect="auto")
        axes.set(title=name, xlabel="angle (deg)")
        axes.grid(False)
    axes_list[0].set_ylabel("range (mm)")
    figure.colorbar(picture, ax=axes_list, label="dB")
    return figure


@styled
def pressure_map(
    pressure: np.ndarray, x_mm: np.ndarray, z_mm: np.ndarray, focus_mm: tuple[float, float], range_db: float = 40.0
) -> Figure:
    """Pressure in dB below its maximum beyond the first centimetre, over lateral position and depth.

    Args:
        pressure: (n_z, n_x), any linear unit.
        x_mm: (n_x,) lateral positions.
        z_mm: (n_z,) depths.
        focus_mm: (lateral, depth) of the transmit focus, marked.
        range_db: Range of the colours, dB.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    level = 20 * np.log10(np.maximum(pressure / pressure[z_mm > 10].max(), 1e-9))
    picture = axes.pcolormesh(
        x_mm, z_mm, level, vmin=-range_db, vmax=0, cmap="magma", shading="nearest", rasterized=True
    )
    axes.plot(*focus_mm, "+", color="#56B4E9", markersize=12, label="focus")
    axes.set(xlabel="lateral (mm)", ylabel="depth (mm)", aspect="equal")
    axes.invert_yaxis()
    axes.grid(False)
    axes.legend(loc="upper right", labelcolor="white")
    figure.colorbar(picture, ax=axes, label="RMS pressure (dB)")
    return figure


@styled
def signals(time_us: np.ndarray, traces: Mapping[str, np.ndarray], title: str) -> Figure:
    """Signals over one another, the later ones dashed.

    Args:
        time_us: (n,).
        traces: (n,) by name, in one linear unit.
        title: What is shown.
    """
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.add_subplot()
    largest = max(np.abs(values).max() for values in traces.values())
    for style, (name, values) in zip(("-", "--", ":"), traces.items(), strict=False):
        axes.plot(time_us, values / largest, style, label=name, linewidth=1.6)
    axes.set(xlabel="time (us)", ylabel="echo (of the largest)", title=title)
    axes.legend()
    return figure


@styled
def point_widths(depth_mm: np.ndarray, widths_mm: Mapping[str, np.ndarray]) -> Figure:
    """Axial and lateral width of a point's echo over depth.

    Args:
        depth_mm: (n,).
        widths_mm: (n, 2), axial and lateral, by engine.
    """
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    largest = np.max([np.max(values, axis=0) for values in widths_mm.values()], axis=0)
    for column, axes in enumerate(figure.subplots(1, 2)):
        for style, (name, values) in zip(MARKERS, widths_mm.items(), strict=False):
            axes.plot(depth_mm, values[:, column], style, label=name)
        axes.set(
            xlabel="depth (mm)",
            ylabel=f"{('axial', 'lateral')[column]} width at half maximum (mm)",
            ylim=(0, 1.15 * largest[column]),
        )
    axes.legend()
    return figure


@styled
def envelope_histogram(envelopes: Mapping[str, np.ndarray]) -> Figure:
    """Distribution of speckle envelopes over their mean, beside Rayleigh's.

    Args:
        envelopes: (n,) by engine.
    """
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    edges = np.linspace(0, 3.5, 36)
    for style, (name, values) in zip(("-", "--", ":", "-."), envelopes.items(), strict=False):
        density, _ = np.histogram(values / values.mean(), edges, density=True)
        axes.plot((edges[:-1] + edges[1:]) / 2, density, style, label=name)
    x = np.linspace(0, 3.5, 200)
    axes.plot(
        x,
        np.pi / 2 * x * np.exp(-np.pi / 4 * x**2),
        color="#999999",
        zorder=0,
        linewidth=4,
        alpha=0.5,
        label="Rayleigh",
    )
    axes.set(xlabel="envelope over its mean", ylabel="density")
    axes.legend()
    return figure


@styled
def decorrelation_curves(panels: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]]) -> Figure:
    """Correlation with the first frame against displacement, one panel per motion, one curve per engine.

    Args:
        panels: Axis label with unit -> (displacement (n,), correlation (n,) by engine).
    """
    figure = Figure(figsize=(2.6 * len(panels) + 0.6, 2.8), layout="constrained")
    axes_list = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (label, (displacement, curves)) in zip(axes_list, panels.items(), strict=True):
        for style, (name, values) in zip(MARKERS, curves.items(), strict=False):
            axes.plot(displacement, values, style, label=name)
        axes.set(xlabel=label, ylim=(-0.15, 1.05))
    axes_list[0].set_ylabel("correlation of the envelope")
    axes_list[0].legend()
    return figure


@styled
def engine_times(seconds: Mapping[str, float], reference: str) -> Figure:
    """Seconds per frame on a logarithmic axis, each with its ratio to the reference.

    Args:
        seconds: By engine, top to bottom.
        reference: The engine that the others are compared with.
    """
    figure = Figure(figsize=(6.4, 0.34 * len(seconds) + 0.9), layout="constrained")
    axes = figure.add_subplot()
    names, values = list(seconds), np.array(list(seconds.values()))
    place = np.arange(len(names))
    axes.barh(
        place,
        values,
        height=0.6,
        left=values.min() / 3,
        color=["#999999" if n == reference else "#33658a" for n in names],
    )
    for row, name, value in zip(place, names, values, strict=True):
        ratio = "" if name == reference else f",  {seconds[reference] / value:,.0f} times faster"
        axes.annotate(f" {_time(value)}{ratio}", (value + values.min() / 3, row), va="center", fontsize=8)
    axes.set(xscale="log", xlabel="seconds per frame", yticks=place, yticklabels=names)
    axes.set_xlim(values.min() / 3, values.max() * 300)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


def _time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.0f} ms"
