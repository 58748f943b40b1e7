"""Does it matter in which phase of the beat tracking starts? The same points, given in different frames.

SpeckNet's authors start in diastasis, TAS-Net at end-systole, EchoTracker in the first frame (end-diastole).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from echotas.geometry.mesh import mesh_uv
from echotas.metrics import point_errors_mm
from echotas.records import Cine, check_spacing
from echotas.store import read_recording
from echotas.strain import longitudinal_strain, slowest_diastolic_frame
from echotas.trackers.base import Query
from echotas.trackers.registry import create

__all__ = ["PHASES", "start_frame", "start_phase_table"]

PHASES = ("ED", "ES", "diastasis", "25 %", "50 %", "75 %")
"""Events, and shares of the beat."""


def start_frame(phase: str, cine: Cine, global_strain_percent: np.ndarray) -> int:
    """Frame of a phase: "ED", "ES", "diastasis" (from the strain curve) or a share of the beat such as "25 %".

    Raises:
        ValueError: The phase is unknown.
    """
    if phase == "ED":
        return cine.ed_frame
    if phase == "ES":
        return cine.es_frame
    if phase == "diastasis":
        return slowest_diastolic_frame(global_strain_percent, cine.es_frame)
    try:
        share = float(phase.removesuffix("%"))
    except ValueError:
        raise ValueError(f"phase must be ED, ES, diastasis or a share of the beat like '25 %', got {phase!r}") from None
    if not 0 <= share <= 100:
        raise ValueError(f"phase must lie in 0..100 % of the beat, got {phase!r}")
    return round(share / 100 * (cine.n_frames - 1))


def start_phase_table(
    paths: Iterable[Path],
    trackers: Mapping[str, tuple[str, dict[str, Any]]],
    phases: Sequence[str] = PHASES,
    n_jobs: int = -1,
) -> pd.DataFrame:
    """Error of trackers started from the true mesh in different phases.

    Args:
        paths: Recordings with a true mesh.
        trackers: Row name -> (name in the registry, configuration).
        phases: See `start_frame`.
        n_jobs: Processes that share the recordings; -1 for one per core.

    Returns:
        One row per recording, tracker and phase: recording, patient, tracker, phase, frame, mte_mm (all frames but the
        start), gls_error_percent (end-systolic, tracked minus true).
    """
    parts = Parallel(n_jobs=n_jobs)(delayed(_phase_rows)(path, trackers, phases) for path in paths)
    return pd.DataFrame([row for part in parts for row in part])


def _phase_rows(path: Path, trackers: Mapping[str, tuple[str, dict[str, Any]]], phases: Sequence[str]) -> list[dict]:
    recording = read_recording(path)
    cine, mesh = recording.cine, recording.mesh.points_px
    spacing = np.array(check_spacing(cine.spacing_mm))
    n_frames, n_long, n_rad = mesh.shape[:3]
    limit = [cine.frames.shape[2] - 1, cine.frames.shape[1] - 1]
    frames = [start_frame(phase, cine, recording.truth.global_percent) for phase in phases]
    queries = [Query(np.clip(mesh[f].reshape(-1, 2), 0, limit), f, mesh_uv(n_long, n_rad)) for f in frames]
    rows = []
    for name, (tracker, config) in trackers.items():
        followed = create(tracker, **config).track_all(cine, queries)
        for phase, frame, tracks in zip(phases, frames, followed, strict=True):
            errors = point_errors_mm(tracks.points_px, mesh.reshape(n_frames, -1, 2), cine.spacing_mm)
            line = tracks.points_px.reshape(mesh.shape)[:, :, n_rad // 2] * spacing
            strain = longitudinal_strain(line, cine.ed_frame)[cine.es_frame]
            rows.append(
                {
                    "recording": cine.recording_id,
                    "patient": cine.patient_id,
                    "tracker": name,
                    "phase": phase,
                    "frame": frame,
                    "mte_mm": float(np.delete(errors, frame, axis=0).mean()),
                    "gls_error_percent": float(strain - recording.truth.global_percent[cine.es_frame]),
                }
            )
    return rows
