"""Tables of motion and strain error, one row per recording: what every results notebook starts from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tracking import TRUE_START
from echotas.geometry.segments import SEGMENTS
from echotas.metrics import count_folds, mean_trajectory_error_mm, point_errors_mm, wall_error_mm
from echotas.records import Mesh, Tracks, check_spacing
from echotas.store import Recording, read_recording, read_tracks
from echotas.strain import gls, longitudinal_strain, segmental_strain

__all__ = [
    "Line",
    "READER",
    "agreement_pairs",
    "global_strain_table",
    "gls_columns",
    "lines",
    "motion_errors",
    "motion_table",
    "segment_strain_table",
]

READER = "reader"
"""Row name of the observers' own strain, beside the trackers."""
GLS_KINDS = ("es", "peak_systolic", "peak")


def _identity(path: Path, recording: Recording) -> dict:
    cine = recording.cine
    return {
        "cohort": path.parent.name,
        "recording": cine.recording_id,
        "patient": cine.patient_id,
        "view": str(cine.view),
        "population": cine.meta.get("population", "unknown"),
        "stratum": cine.meta.get("stratum", "standard"),
    }


def _tracks(folder: Path, tracker: str, path: Path) -> tuple[dict[str, Tracks], tuple[int, int]]:
    tracks, attributes = read_tracks(folder / tracker / path.parent.name / path.name)
    return tracks, (attributes["n_long"], attributes["n_rad"])


def _midwall_px(item: Tracks, shape: tuple[int, int]) -> np.ndarray:
    """Centre line (n_frames, n_long, 2) of tracked mesh points."""
    return Mesh(item.points_px.reshape(-1, *shape, 2)).midwall_px


def motion_table(paths: Iterable[Path], tracks: Path, trackers: Iterable[str]) -> pd.DataFrame:
    """Motion error of every tracker on every recording, tracked from the true mesh.

    Columns: cohort, recording, patient, view, population, stratum, tracker, mte_mm (mean over points and frames but the
    query frame), ed_error_mm (at end-diastole), p95_mm (95th percentile over points and frames), along_mm and
    across_mm (mean absolute error of the mid-wall line along and across the wall), folds (any triangle folded against
    the query frame), folded_percent (share of triangles that fold), confidence (mean).
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        cine = recording.cine
        for tracker in trackers:
            named, shape = _tracks(tracks, tracker, path)
            errors = motion_errors(named[TRUE_START], shape, recording.mesh, cine.spacing_mm, cine.ed_frame)
            rows.append(_identity(path, recording) | {"tracker": tracker} | errors)
    return pd.DataFrame(rows)


def motion_errors(
    item: Tracks, shape: tuple[int, int], mesh: Mesh, spacing_mm: tuple[float, float] | None, ed_frame: int
) -> dict[str, float | bool]:
    """Motion error of one tracked mesh: the measured columns of `motion_table`.

    Args:
        item: Tracked mesh points, index order l * n_rad + r.
        shape: (n_long, n_rad) of the tracked mesh.
        mesh: True mesh of the same size.
        spacing_mm: Pixel size (dx, dy); None is refused.
        ed_frame: End-diastole.
    """
    spacing = check_spacing(spacing_mm)
    truth = mesh.points_px.reshape(len(mesh.points_px), -1, 2)
    keep = np.arange(len(truth)) != item.query_frame
    errors = point_errors_mm(item.points_px, truth, spacing)
    wall = wall_error_mm(_midwall_px(item, shape), mesh.midwall_px, spacing, query_frame=item.query_frame)
    folds = count_folds(item.points_px.reshape(-1, *shape, 2), item.query_frame)
    return {
        "mte_mm": mean_trajectory_error_mm(item.points_px, truth, spacing, query_frame=item.query_frame),
        "ed_error_mm": float(errors[ed_frame].mean()),
        "p95_mm": float(np.percentile(errors[keep], 95)),
        "along_mm": wall.along_mm,
        "across_mm": wall.across_mm,
        "folds": folds.any_fold,
        "folded_percent": 100 * folds.folded_triangles,
        "confidence": float(item.confidence[keep].mean()),
    }


@dataclass(frozen=True)
class Line:
    """A tracked centre line and the frames it is measured in."""

    method: str
    start: str
    line_mm: np.ndarray
    ed_frame: int
    es_frame: int
    segment: np.ndarray | None = None
    accepted: np.ndarray = field(default_factory=lambda: np.ones(6, dtype=bool))


def lines(path: Path, recording: Recording, tracks: Path, trackers: Iterable[str]) -> Iterator[Line]:
    """Every line of a recording: each observer's own, then each tracker's from every start."""
    spacing = np.array(check_spacing(recording.cine.spacing_mm))
    readings = {reading.observer: reading for reading in recording.readings}
    for name, item in readings.items():
        line = item.line_px * spacing
        yield Line(READER, name, line, item.ed_frame, item.es_frame, item.segment, item.accepted)
    for tracker in trackers:
        named, shape = _tracks(tracks, tracker, path)
        for start, item in named.items():
            line = _midwall_px(item, shape) * spacing
            if start in readings:
                reading = readings[start]
                yield Line(tracker, start, line, reading.ed_frame, reading.es_frame, None, reading.accepted)
            else:
                yield Line(tracker, start, line, recording.truth.ed_frame, recording.truth.es_frame)


def gls_columns(curve: np.ndarray, ed_frame: int, es_frame: int, prefix: str = "") -> dict[str, float]:
    """The three kinds of GLS of a strain curve (percent) as columns `gls_es`, `gls_peak_systolic`, `gls_peak`; NaN where the
    curve holds NaN."""
    if not np.isfinite(curve).all():
        return {f"{prefix}gls_{kind}": float("nan") for kind in GLS_KINDS}
    result = gls(curve, ed_frame, es_frame)
    return {f"{prefix}gls_{kind}": getattr(result, f"{kind}_percent") for kind in GLS_KINDS}


def global_strain_table(paths: Iterable[Path], tracks: Path, trackers: Iterable[str]) -> pd.DataFrame:
    """Global longitudinal strain of every tracker and start, beside the truth and the reader's own value.

    One row per recording, method and start ("truth" or an observer's name); the reader's own line appears as method
    "reader", measured on the segments the reader accepted (requirements 4.1: rejected ones leave numerator and
    denominator); a reader who rejected all six gives NaN. Trackers are measured on the whole line.
    Columns beside the identity: method, start, gls_es, gls_peak_systolic, gls_peak (percent), drift_percent (strain left
    at the last frame) and true_gls_es, true_gls_peak_systolic, true_gls_peak.
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        truth = recording.truth
        shared = _identity(path, recording)
        true = gls_columns(truth.global_percent, truth.ed_frame, truth.es_frame, prefix="true_")
        for line in lines(path, recording, tracks, trackers):
            if line.accepted.any():
                accepted = line.accepted if line.method == READER else None
                curve = longitudinal_strain(line.line_mm, line.ed_frame, line.segment, accepted)
            else:
                curve = np.full(len(line.line_mm), np.nan)
            values = gls_columns(curve, line.ed_frame, line.es_frame)
            rows.append(
                shared | {"method": line.method, "start": line.start} | values | {"drift_percent": curve[-1]} | true
            )
    return pd.DataFrame(rows)


def segment_strain_table(paths: Iterable[Path], tracks: Path, trackers: Iterable[str]) -> pd.DataFrame:
    """End-systolic strain of the six segments of every recording, by method and start.

    Columns beside the identity: method, start, segment (name), position (0..5), strain_es (percent), true_strain_es,
    accepted (by the observer whose start it is; True for the true start).
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        shared = _identity(path, recording)
        true = recording.truth.segment_percent[:, recording.truth.es_frame]
        names = SEGMENTS[recording.cine.view]
        for line in lines(path, recording, tracks, trackers):
            strain = segmental_strain(line.line_mm, line.ed_frame, line.segment)[:, line.es_frame]
            for position, name in enumerate(names):
                rows.append(
                    shared
                    | {"method": line.method, "start": line.start, "segment": name, "position": position}
                    | {"strain_es": strain[position], "true_strain_es": true[position]}
                    | {"accepted": bool(line.accepted[position])}
                )
    return pd.DataFrame(rows)


def agreement_pairs(table: pd.DataFrame, value: str = "gls_peak") -> pd.DataFrame:
    """Pairs of readings of one patient and view, from a strain table.

    Two kinds: "agreement" (one recording, two observers) and "test-retest" (two recordings of one patient and view, the
    first read by the first observer and the second by the second, as in the TAS-Net paper's SSHF and HUNT).

    Returns:
        Columns kind, method, patient, view, first, second (percent) and, for test-retest, true_first and true_second.
    """
    table = table[table["start"] != TRUE_START]
    rows = []
    for (method, patient, view), group in table.groupby(["method", "patient", "view"], sort=True):
        recordings = sorted(group["recording"].unique())
        observers = sorted(group["start"].unique())
        if len(observers) < 2:
            continue
        cell = group.set_index(["recording", "start"])
        if len(recordings) == 1:
            keys, kind = [(recordings[0], observers[0]), (recordings[0], observers[1])], "agreement"
        else:
            keys, kind = [(recordings[0], observers[0]), (recordings[1], observers[1])], "test-retest"
        if not all(key in cell.index for key in keys):
            continue
        first, second = (cell.loc[key] for key in keys)
        rows.append(
            {
                "kind": kind,
                "cohort": first["cohort"],
                "method": method,
                "patient": patient,
                "view": view,
                "first": first[value],
                "second": second[value],
                "true_first": first[f"true_{value}"],
                "true_second": second[f"true_{value}"],
            }
        )
    return pd.DataFrame(rows)
