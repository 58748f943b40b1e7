"""Figures of the acoustic engines: envelopes in beams and ranges, decorrelation against displacement."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from echotas.acoustics import Scan
from echotas.report.style import styled

__all__ = ["decorrelation_curves", "engine_times", "envelope_panels"]

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
def decorrelation_curves(displacement: np.ndarray, curves: Mapping[str, np.ndarray], label: str) -> Figure:
    """Correlation against displacement, one curve per engine.

    Args:
        displacement: (n,) in the unit that `label` names.
        curves: (n,) by name.
        label: Axis label with unit.
    """
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.add_subplot()
    for style, (name, values) in zip(MARKERS, curves.items(), strict=False):
        axes.plot(displacement, values, style, label=name)
    axes.set(xlabel=label, ylabel="correlation of the envelope", ylim=(-0.1, 1.05))
    axes.legend()
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
