"""Speckle correlation with the reference frame over time: real cine beside simulations."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .style import strategy_color, styled

__all__ = ["correlation_bands"]


@styled
def correlation_bands(
    curves: Mapping[str, Float[np.ndarray, "n_frames ..."]],
    times_s: Float[np.ndarray, " n_frames"],
    reference_frame: int,
    quantiles: tuple[float, float] = (0.1, 0.9),
    title: str = "",
) -> Figure:
    """Median over mesh points of the correlation with the reference frame, with a quantile band, by strategy.

    Args:
        curves: Correlation (n_frames, ...mesh) by name: "real", "S1", "S2", "S3" or a chain such as "S1>S2". NaN points
            (outside the sector) are left out; the number of points that remain is printed.
        times_s: Time of each frame, s.
        reference_frame: Frame of the template window (end-systole), zero of the time axis.
        quantiles: Ends of the band, 0-1.
        title: Title of the figure.

    Raises:
        ValueError: No curve, a curve of other length than the times, or a frame without any value.
    """
    if not curves:
        raise ValueError("curves must name at least one set of correlation curves, got none")
    times_ms = 1000 * (np.asarray(times_s) - times_s[reference_frame])
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for name, values in curves.items():
        flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        flat = flat[:, np.isfinite(flat).any(axis=0)]
        if len(flat) != len(times_ms) or flat.size == 0 or np.isnan(flat).all(axis=1).any():
            raise ValueError(
                f"curves[{name!r}] must have values in each of the {len(times_ms)} frames, got shape {np.shape(values)}"
            )
        low, middle, high = np.nanquantile(flat, [quantiles[0], 0.5, quantiles[1]], axis=1)
        color = strategy_color(name)
        axes.fill_between(times_ms, low, high, color=color, alpha=0.15, lw=0)
        axes.plot(
            times_ms, middle, color=color, lw=2.2 if name == "real" else 1.5, label=f"{name} ({flat.shape[1]} points)"
        )
    axes.axvline(0, color="0.4", lw=1, ls=(0, (4, 2)))
    share = f"{100 * quantiles[0]:.0f}-{100 * quantiles[1]:.0f} %"
    axes.set(
        xlabel="time from the reference frame (ms)",
        ylabel="speckle correlation",
        ylim=(min(0.0, axes.get_ylim()[0]), 1.03),
        title=title,
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=f"median, {share} band", title_fontsize=8)
    return figure
