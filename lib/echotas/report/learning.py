"""Loss over training steps."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .style import styled, tracker_look

__all__ = ["loss_curves"]


@styled
def loss_curves(
    histories: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]],
    label: str = "loss (px)",
    smooth_steps: int = 1,
    title: str = "",
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Training and validation loss of several runs, in the tracker's colour; training thin, validation with markers.

    Args:
        histories: By run (a tracker's name, or tracker/seed), by part ("training", "validation", or longer names that begin so
            and say what is measured): steps and losses.
        label: What the loss is, with unit.
        smooth_steps: Length of a running mean over training values; 1 draws them as they are.
        title: Title of the figure.
        levels: By name ("mean_motion" or longer, beginning with a tracker's name and a comma): losses to compare with that do not
            depend on the step, dashed.

    Raises:
        ValueError: No run, unequal lengths, a loss or level that is NaN, or a smoothing below 1.
    """
    if not histories or smooth_steps < 1:
        raise ValueError(
            f"histories must hold a run and smooth_steps be at least 1, got {len(histories)}, {smooth_steps}"
        )
    figure = Figure(figsize=(7.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for run, parts in histories.items():
        for part, (steps, losses) in parts.items():
            steps, losses = np.asarray(steps), np.asarray(losses, dtype=np.float64)
            if steps.shape != losses.shape or losses.size == 0 or not np.isfinite(losses).all():
                raise ValueError(
                    f"histories[{run!r}][{part!r}] must be equally many steps and finite losses, "
                    f"got {steps.shape} and {losses.shape} with {int((~np.isfinite(losses)).sum())} NaN"
                )
            color = tracker_look(run.split("/")[0]).color
            if part.startswith("validation"):
                axes.plot(steps, losses, "o-", ms=4, color=color, label=f"{run}, {part}")
            else:
                width = min(smooth_steps, len(losses))
                running = np.convolve(losses, np.full(width, 1 / width), mode="valid")
                axes.plot(steps[width - 1 :], running, lw=0.9, alpha=0.7, color=color, label=f"{run}, {part}")
    levels = levels or {}
    for name, level in levels.items():
        if not np.isfinite(level):
            raise ValueError(f"levels[{name!r}] must be a finite loss, got {level}")
        axes.axhline(level, ls="--", lw=1.2, color=tracker_look(name.split(",")[0]).color, label=name)
    # A log axis shows late progress; it cannot show a loss of zero.
    shown = [losses for parts in histories.values() for _, losses in parts.values()] + list(levels.values())
    if all((np.asarray(losses) > 0).all() for losses in shown):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="training step", ylabel=label, title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
