"""Run one tracker over one recording, from the true contour and from each observer's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from echotas.geometry.contour import resample_line
from echotas.geometry.mesh import mesh_uv, radial_mesh
from echotas.records import Cine, check_spacing
from echotas.store import Recording, read_recording, write_tracks
from echotas.trackers.base import Query
from echotas.trackers.registry import create, required

__all__ = ["TRUE_START", "Start", "starting_meshes", "track_recording"]

TRUE_START = "truth"
"""Name of the tracks that start from the true mesh."""


@dataclass(frozen=True)
class Start:
    """A mesh to follow and the frame in which it was drawn."""

    mesh_px: np.ndarray
    """(n_long, n_rad, 2) px."""
    frame: int
    """Query frame: the observer's (or the true) end-systole."""


def _inside_image(points: np.ndarray, cine: Cine) -> np.ndarray:
    """Points moved to the nearest pixel of the image: an observer's contour may leave the picture by a few px."""
    height, width = cine.frames.shape[1:]
    return np.clip(points, 0, [width - 1, height - 1])


def starting_meshes(recording: Recording, n_long: int, n_rad: int, wall_thickness_mm: float) -> dict[str, Start]:
    """The meshes a tracker is asked to follow.

    `"truth"`: the true mesh at the true end-systole (for trajectory error). One more per observer, under the observer's
    name: a radial mesh of constant thickness around the line the observer drew at *their* end-systole (for strain
    agreement; TAS-Net paper, joint-tracking support mesh).

    Raises:
        ValueError: The recording has neither truth nor readings, or its true mesh has other nodes.
    """
    starts = {}
    if recording.mesh is not None and recording.mesh.points_px.shape[1:3] != (n_long, n_rad):
        own = " x ".join(map(str, recording.mesh.points_px.shape[1:3]))
        raise ValueError(
            f"mesh must have the {own} nodes of recording {recording.cine.recording_id!r}, got n_long = {n_long}, n_rad = {n_rad}"
        )
    if recording.mesh is not None and recording.cine.es_frame is not None:
        frame = recording.cine.es_frame
        starts[TRUE_START] = Start(_inside_image(recording.mesh.points_px[frame], recording.cine), frame)
    thickness_px = wall_thickness_mm / float(np.mean(check_spacing(recording.cine.spacing_mm)))
    for reading in recording.readings:
        line = resample_line(reading.line_px[reading.es_frame], n_long)
        mesh = radial_mesh(line, thickness_px, n_long, n_rad)
        starts[reading.observer] = Start(_inside_image(mesh, recording.cine), reading.es_frame)
    if not starts:
        raise ValueError(f"recording {recording.cine.recording_id!r} must have a true mesh or readings to start from")
    return starts


def track_recording(
    path: Path, out: Path, tracker: str, config: dict[str, Any], n_long: int, n_rad: int, wall_thickness_mm: float
) -> Path:
    """Track one recording from every start and write the named tracks; the unit of work of the track stage.

    A tracker that cannot be made without `truth` (the oracle control) gets the recording's own.
    """
    recording = read_recording(path)
    if "truth" in required(tracker):
        config = {**config, "truth": recording.mesh}
    follow = create(tracker, **config)
    starts = starting_meshes(recording, n_long, n_rad, wall_thickness_mm)
    queries = [Query(start.mesh_px.reshape(-1, 2), start.frame, mesh_uv(n_long, n_rad)) for start in starts.values()]
    tracks = dict(zip(starts, follow.track_all(recording.cine, queries), strict=True))
    attributes = {"tracker": tracker, "n_long": n_long, "n_rad": n_rad, "error_length": follow.error_length}
    return write_tracks(out, tracks, attributes)
