"""Tracking error on simulated recordings: what a training is validated with, for any tracker."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from echotas.geometry.mesh import mesh_uv
from echotas.metrics import mean_trajectory_error_mm
from echotas.records import check_spacing
from echotas.store import read_recording
from echotas.trackers.mean_motion import fit_mean_motion
from echotas.trackers.registry import create, fitted_config, fitted_file

__all__ = ["mean_motion_table", "read_validation", "validation_table"]


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


def mean_motion_table(training: Iterable[Path], validation: Iterable[Path]) -> pd.DataFrame:
    """`validation_table` of the mean-motion control fitted to the training recordings: what a training has to beat.

    The fitted file is not kept.

    Args:
        training: Recordings with mesh and ES frame.
        validation: The same, of other patients.

    Raises:
        ValueError: There is no training recording.
    """
    name = "mean_motion"
    recordings = (read_recording(path, images=False) for path in training)
    with TemporaryDirectory() as folder:
        fit_mean_motion(((item.cine, item.mesh) for item in recordings), Path(folder) / fitted_file(name))
        return validation_table(validation, {name: (name, fitted_config(name, folder))})


def read_validation(curve: pd.DataFrame, null_mm: float) -> str:
    """In words: how often a training was validated, whether that error fell, and on which side of the null it ended.

    Args:
        curve: Of a training: columns step and validation_error (mm, NaN where not measured).
        null_mm: Mean error of the mean-motion control on the same cines.
    """
    checked = curve.dropna(subset=["validation_error"]) if "validation_error" in curve else curve[:0]
    if checked.empty:
        return "This training was not validated on its way: whether its error fell cannot be said."
    steps, errors = checked["step"].to_numpy(), checked["validation_error"].to_numpy()
    against = f"{'below' if errors[-1] < null_mm else 'not below'} the null's {null_mm:.2f} mm (`mean_motion`)"
    if len(errors) == 1:
        return (
            f"Validated once, with {errors[0]:.3f} mm at step {steps[0]:.0f}, {against}; "
            "whether the error fell cannot be said from one value."
        )
    change = errors[-1] - errors[0]
    way = f"fell by {-change:.3f} mm" if change < 0 else f"did not fall: it rose by {change:.3f} mm"
    return (
        f"Validated {len(errors)} times. From the first ({errors[0]:.3f} mm at step {steps[0]:.0f}) to the last "
        f"({errors[-1]:.3f} mm at step {steps[-1]:.0f}) the error {way} ({100 * change / errors[0]:+.1f} %); "
        f"the last is {against}. The weights this training started from are not on the curve."
    )
