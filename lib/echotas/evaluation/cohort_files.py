"""Where the recordings of a cohort lie: `<data>/<cohort>/<recording_id>.h5`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.path import Path as MplPath

from echotas.geometry.mesh import boundary
from echotas.store import StoreError, read_recording

__all__ = ["cohort_table", "recording_paths", "wall_and_cavity_grey"]


def recording_paths(data: str | Path, cohorts: Iterable[str]) -> list[Path]:
    """Recording files of the named cohorts, sorted by cohort, then file name.

    Raises:
        ValueError: A cohort has no folder or no recording; the message lists the cohorts that exist.
    """
    data = Path(data)
    paths = []
    for cohort in cohorts:
        found = sorted((data / cohort).glob("*.h5"))
        if not found:
            known = sorted(path.name for path in data.iterdir() if path.is_dir()) if data.is_dir() else []
            raise ValueError(f"cohort {cohort!r} must have recordings in {data / cohort}, found none (known: {known})")
        paths += found
    return paths


def cohort_table(paths: Iterable[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    """One row per readable recording, and the reason for every file left out.

    Returns:
        Table with columns cohort, recording, patient, view, population, quality, stratum, n_frames, frame_rate_hz, heart_rate_bpm,
        depth_mm, n_readings, gls_true_percent (NaN without truth); and {file name: reason} of the refused ones.
    """
    rows, refused = [], {}
    for path in paths:
        try:
            recording = read_recording(path)
        except StoreError as error:
            refused[path.name] = str(error).replace(str(path), path.name)
            continue
        cine, truth = recording.cine, recording.truth
        depth = float("nan")
        if cine.sector is not None and cine.spacing_mm is not None:
            depth = cine.sector.radius_max_px * cine.spacing_mm[1]
        rows.append(
            {
                "cohort": path.parent.name,
                "recording": cine.recording_id,
                "patient": cine.patient_id,
                "view": str(cine.view),
                "population": cine.meta.get("population", "unknown"),
                "quality": cine.meta.get("quality", "unknown"),
                "stratum": cine.meta.get("stratum", "standard"),
                "n_frames": cine.n_frames,
                "frame_rate_hz": round(cine.frame_rate, 1),
                "heart_rate_bpm": cine.meta.get("heart_rate_bpm", float("nan")),
                "depth_mm": round(depth, 1),
                "n_readings": len(recording.readings),
                "gls_true_percent": float("nan") if truth is None else float(truth.global_percent[truth.es_frame]),
            }
        )
    return pd.DataFrame(rows), refused


def wall_and_cavity_grey(paths: Iterable[Path]) -> pd.DataFrame:
    """Mean grey level (0-255) of the wall and of the cavity at end-diastole, one row per recording with a mesh.

    The wall is the mesh; the cavity what the endocardial line and the chord between its ends enclose.
    """
    rows = []
    for path in paths:
        recording = read_recording(path)
        if recording.mesh is None or recording.cine.ed_frame is None:
            continue
        frame = recording.cine.frames[recording.cine.ed_frame]
        mesh = recording.mesh.points_px[recording.cine.ed_frame]
        rows.append(
            {
                "recording": recording.cine.recording_id,
                "wall": _mean_inside(frame, boundary(mesh)),
                "cavity": _mean_inside(frame, mesh[:, 0]),
            }
        )
    return pd.DataFrame(rows, columns=["recording", "wall", "cavity"])


def _mean_inside(frame: np.ndarray, polygon: np.ndarray) -> float:
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    inside = MplPath(polygon).contains_points(np.stack([columns.ravel(), rows.ravel()], axis=1))
    return float(frame.ravel()[inside].mean()) if inside.any() else float("nan")
