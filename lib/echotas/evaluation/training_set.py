"""Tracking error on simulated recordings: what a training is validated with, for any tracker."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from echotas.geometry.mesh import mesh_uv
from echotas.metrics import mean_trajectory_error_mm
from echotas.records import check_spacing
from echotas.store import read_recording
from echotas.trackers.registry import create

__all__ = ["validation_table"]


def validation_table(paths: Iterable[Path], trackers: Mapping[str, tuple[str, dict[str, Any]]]) -> pd.DataFrame:
    """Mean trajectory error (mm) of trackers on recordings with an exact mesh, started at end-systole.

    Args:
        paths: Recordings with mesh and ES frame.
        trackers: (registry name, configuration) by row name.

    Returns:
        Columns recording, patient, tracker, mte_mm. Points that leave the image at end-systole are not tracked.
    """
    rows = []
    for path in paths:
        recording = read_recording(path)
        cine, mesh = recording.cine, recording.mesh.points_px
        height, width = cine.frames.shape[1:]
        start = mesh[cine.es_frame].reshape(-1, 2)
        shown = ((start >= 0) & (start <= [width - 1, height - 1])).all(axis=1)
        uv = mesh_uv(*mesh.shape[1:3])[shown]
        truth = mesh.reshape(cine.n_frames, -1, 2)[:, shown]
        for name, (tracker, config) in trackers.items():
            tracks = create(tracker, **config).track(cine, start[shown], cine.es_frame, uv)
            error = mean_trajectory_error_mm(
                tracks.points_px, truth, check_spacing(cine.spacing_mm), query_frame=cine.es_frame
            )
            rows.append({"recording": path.stem, "patient": cine.patient_id, "tracker": name, "mte_mm": error})
    return pd.DataFrame(rows, columns=["recording", "patient", "tracker", "mte_mm"])
