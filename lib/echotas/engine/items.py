"""The data engine's steps on one recording: file in, file out, nothing shared, so that a stage can run them in any order.

A motion file is a tracks file with one set of tracks, "mesh". TAS-Net paper, section III-B: stage 0 takes the motion from
2-D + time masks; every later stage takes it from the tracker that the stage before has trained.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from echotas import seeds
from echotas.geometry.mesh import mesh_from_mask, mesh_uv
from echotas.records import Mesh, Tracks
from echotas.simulation import SimulationConfig, masks_to_mesh, simulate_sequence, tracks_to_mesh
from echotas.store import Recording, StoreError, read_recording, read_tracks, write_recording, write_tracks
from echotas.trackers.registry import create

__all__ = ["motion_from_masks", "read_motion", "simulate_template", "track_template"]

MOTION = "mesh"


def _template(path: Path, needs_labels: bool) -> Recording:
    recording = read_recording(path)
    if recording.cine.es_frame is None:
        raise StoreError(f"{path.name}: a template must have an end-systolic frame, got none")
    if needs_labels and recording.labels is None:
        raise StoreError(f"{path.name}: a template must have masks (labels), got none")
    return recording


def _write_motion(out: Path, mesh: Mesh, confidence: np.ndarray, es_frame: int, source: str) -> Path:
    n_frames, n_long, n_rad, _ = mesh.points_px.shape
    tracks = Tracks(mesh.points_px.reshape(n_frames, -1, 2), confidence, es_frame)
    return write_tracks(out, {MOTION: tracks}, {"source": source, "n_long": n_long, "n_rad": n_rad})


def motion_from_masks(path: Path, out: Path, n_long: int, n_rad: int) -> Path:
    """Stage 0: the mesh of every frame's mask, smoothed in time. Not material motion: masks show no slip along the wall."""
    recording = _template(path, needs_labels=True)
    mesh = masks_to_mesh(recording.labels, n_long, n_rad)
    return _write_motion(out, mesh, np.ones((len(mesh.points_px), n_long * n_rad)), recording.cine.es_frame, "masks")


def read_motion(path: Path) -> Mesh:
    """Mesh of a motion file."""
    tracks, attributes = read_tracks(path)
    return tracks_to_mesh(tracks[MOTION], attributes["n_long"], attributes["n_rad"])


def simulate_template(
    path: Path,
    out: Path,
    motion_of: Mapping[Path, Path],
    strategy: str,
    config: SimulationConfig,
    seed: int,
    stage: str,
    cache_dir: Path | None,
) -> Path:
    """Simulate one template with its motion file's mesh; writes the synthetic cine with its exact mesh and correlation.

    The stored `coherence` is the speckle correlation of the *synthetic* cine with its ES frame: what a tracker's
    visibility is trained on.
    """
    recording = _template(path, needs_labels=False)
    item_seed = int(seeds.generator(seed, f"simulate {stage}", recording.cine.recording_id).integers(2**31))
    result = simulate_sequence(
        recording.cine, read_motion(motion_of[path]), strategy, config, seed=item_seed, cache_dir=cache_dir
    )
    realism = None if result.realism_mae is None else round(float(result.realism_mae), 6)
    return write_recording(
        out,
        cine=result.cine,
        mesh=result.mesh,
        coherence=np.clip(result.correlation_simulated, 0, 1),
        attributes={"strategy": strategy, "stage": stage, "seed": item_seed, "realism_mae": realism},
    )


def track_template(path: Path, out: Path, tracker: str, config: dict[str, Any], n_long: int, n_rad: int) -> Path:
    """Follow the template's end-systolic mask (the one segmentation a later stage needs) through the real cine."""
    recording = _template(path, needs_labels=True)
    cine = recording.cine
    mesh = mesh_from_mask(recording.labels[cine.es_frame], n_long, n_rad)
    height, width = cine.frames.shape[1:]
    query = np.clip(mesh.reshape(-1, 2), 0, [width - 1, height - 1])
    tracks = create(tracker, **config).track(cine, query, cine.es_frame, mesh_uv(n_long, n_rad))
    return _write_motion(out, tracks_to_mesh(tracks, n_long, n_rad), tracks.confidence, cine.es_frame, tracker)
