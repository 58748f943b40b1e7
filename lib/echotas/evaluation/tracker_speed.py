"""Time and memory of trackers on one cine: by points, frames and image size, each tracker in a process of its own."""

import resource
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from echotas.metrics import measure_ms_per_frame
from echotas.records import Cine, Mesh
from echotas.trackers.registry import create, required

__all__ = ["CASES", "resized", "tracker_speed_row", "tracker_speed_table"]

CASES = {
    "ms_per_frame": (None, None, None),
    "ms_73_points": (73, None, None),
    "ms_8_frames": (None, 8, None),
    "ms_256_px": (None, None, 256),
}
"""Column to (points, all if None; frames from the query on; side of the image in px, as stored if None)."""


def tracker_speed_table(
    cine: Cine,
    mesh: Mesh,
    query_frame: int,
    uv: np.ndarray,
    trackers: Mapping[str, tuple[str, dict[str, Any]]],
    n_repeats: int = 3,
) -> pd.DataFrame:
    """Times of trackers.

    Args:
        cine: What to track in.
        mesh: Its true mesh; points are queried where it is in `query_frame`.
        query_frame: Where they are given.
        uv: (u, v) of the mesh points.
        trackers: Row name -> (name in the registry, configuration).
        n_repeats: Timed calls after one to warm up; the median counts.

    Returns:
        Index tracker; the columns of `CASES`, ms per frame, and peak_mb: the most memory of the process while it tracked all points
        through all frames, libraries and weights included (about 300 MB without torch).
    """
    rows = {}
    for name, (tracker, config) in trackers.items():
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            rows[name] = pool.submit(
                tracker_speed_row, tracker, config, cine, mesh, query_frame, uv, n_repeats
            ).result()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("tracker")


def tracker_speed_row(
    tracker: str, config: dict[str, Any], cine: Cine, mesh: Mesh, query_frame: int, uv: np.ndarray, n_repeats: int
) -> dict[str, float]:
    """One row of `tracker_speed_table`, measured in this process; its peak memory is that of the first case."""
    row: dict[str, float] = {}
    for column, (n_points, n_frames, side) in CASES.items():
        frames = slice(None) if n_frames is None else slice(query_frame, query_frame + n_frames)
        shown, points, start = cine, mesh.points_px, query_frame
        if n_frames is not None:
            shown, points, start = _cut(cine, frames), points[frames], 0
        if side is not None:
            shown, points = resized(shown, points, side)
        truth = {"truth": Mesh(points)} if "truth" in required(tracker) else {}
        follow = create(tracker, **config, **truth)
        query = points[start].reshape(-1, 2)
        chosen = np.linspace(0, len(query) - 1, n_points or len(query)).round().astype(int)
        call = partial(follow.track, shown, query[chosen], start, uv[chosen])
        row[column] = measure_ms_per_frame(call, shown.n_frames, n_repeats).median_ms
        if "peak_mb" not in row:
            row["peak_mb"] = _peak_mb()
    return row


def _peak_mb() -> float:
    """Most memory this process has held; on Linux not what `getrusage` says, which counts the process that started it too."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resized(cine: Cine, points_px: np.ndarray, side: int) -> tuple[Cine, np.ndarray]:
    """The cine on `side` x `side` px (pixels no longer square where the image was not), and points in it."""
    height, width = cine.frames.shape[1:]
    scale = np.array([side / width, side / height])
    frames = np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in cine.frames])
    spacing = None if cine.spacing_mm is None else tuple(np.array(cine.spacing_mm) / scale)
    # Pixel centres are at integers: the image's edge, half a px before the first, is what stays.
    return replace(cine, frames=frames, spacing_mm=spacing, sector=None), (points_px + 0.5) * scale - 0.5


def _cut(cine: Cine, frames: slice) -> Cine:
    """Some frames of a cine that begin with end-systole."""
    return replace(cine, frames=cine.frames[frames], times_s=cine.times_s[frames], es_frame=0, ed_frame=None)
