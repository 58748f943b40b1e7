"""What a network in training makes of a validation cine: true and tracked points, to be looked at beside its curve."""

import numpy as np
from matplotlib.figure import Figure

from echotas.records import Tracks

from .style import styled

__all__ = ["validation_picture"]

TRUE_COLOR, TRACKED_COLOR = "#56B4E9", "#E69F00"


@styled
def validation_picture(frames: np.ndarray, mesh_px: np.ndarray, tracks: Tracks, step: int, n_shown: int = 3) -> Figure:
    """Frames from the query frame to the one farthest from it, with true points, tracked points and what lies between.

    Args:
        frames: u8 (n_frames, height, width).
        mesh_px: True mesh (n_frames, n_long, n_rad, 2).
        tracks: Tracked points; each is drawn with the true point that it began at.
        step: Optimiser steps made.
        n_shown: Frames.
    """
    query = tracks.query_frame
    last = 0 if query >= len(frames) / 2 else len(frames) - 1
    shown = np.unique(np.linspace(query, last, n_shown).round().astype(int))[:: 1 if last > query else -1]
    points = mesh_px.reshape(len(mesh_px), -1, 2)
    nearest = np.linalg.norm(points[query][:, None] - tracks.points_px[query], axis=-1).argmin(axis=0)
    figure = Figure(figsize=(3.0 * len(shown), 3.4), layout="constrained")
    for axes, frame in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        axes.imshow(frames[frame], cmap="gray", vmin=0, vmax=255)
        true, found = points[frame][nearest], tracks.points_px[frame]
        axes.plot(*np.stack([true, found], axis=1).T, color="white", lw=0.5)
        axes.scatter(*true.T, s=3, color=TRUE_COLOR, label="true")
        axes.scatter(*found.T, s=3, color=TRACKED_COLOR, label="tracked")
        axes.set_title(f"frame {frame}" + (" (given)" if frame == query else ""))
        axes.set_axis_off()
    axes.legend(loc="lower right", fontsize=7)
    figure.suptitle(f"validation cine after {step} steps")
    return figure
