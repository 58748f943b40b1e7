"""How near a virtual cohort comes to real ones: shape, speckle that is lost, difficulty, diseases that can be told apart."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from echotas.geometry import inside
from echotas.phantom import PhantomSettings, RecordingPlan, build, build_beat, plan
from echotas.phantom.measure import MEASURED_A4C, shape_and_contraction
from echotas.phantom.recognise import PATTERNS, recognise, segments_of_views
from echotas.phantom.truth import true_strain
from echotas.records import StrainCurve, View, check_spacing
from echotas.store import Recording, read_recording
from echotas.strain import longitudinal_strain
from echotas.trackers.registry import create

__all__ = [
    "PLACES",
    "block_matching_bias",
    "coherence_table",
    "disease_curves",
    "recognition_table",
    "shape_table",
    "without_twist",
]

PLACES = ("left base", "left mid", "left apical", "right apical", "right mid", "right base")
"""Sixths of the wall, left hinge to right hinge."""
CLASS_POPULATION = {"EF>50": "normal", "EF35-50": "hfmref", "EF<35": "hfref"}
TYPICAL_VIEW = {
    "infarct_rca": View.A2C,
    "infarct_lcx": View.A3C,
    "lbbb": View.A4C,
    "hypertrophic": View.A4C,
}


def shape_table(n_patients: int, seed: int) -> pd.DataFrame:
    """Size and contraction of virtual patients drawn without images, beside those measured on CAMUS.

    Args:
        n_patients: Patients of each class of ejection fraction, A4C.
        seed: Run seed.

    Returns:
        One row per quantity; columns (class, "virtual") and (class, "CAMUS"), text "mean +- SD".
    """
    columns = {}
    for ef_class, population in CLASS_POPULATION.items():
        drawn = plan("V-HUNT-A", n_patients, seed, views=["A4C"], population=population)
        table = pd.DataFrame([shape_and_contraction(build_beat(one)) for one in drawn])
        measured = MEASURED_A4C[ef_class]
        columns[ef_class, "virtual"] = {
            name: f"{table[name].mean():.1f} +- {table[name].std():.1f}" for name in measured
        }
        columns[ef_class, "CAMUS"] = {name: f"{mean:.1f} +- {sd:.1f}" for name, (mean, sd) in measured.items()}
    return pd.DataFrame(columns)


def disease_curves(populations: Iterable[str], seed: int) -> dict[str, tuple[StrainCurve, View]]:
    """True strain of one patient per population, in a view that shows the disease."""
    curves = {}
    for population in populations:
        view = TYPICAL_VIEW.get(population, View.A4C)
        beat = build_beat(plan("V-HUNT-A", 1, seed, views=[view], population=population)[0])
        curves[population] = (
            true_strain(beat.mesh_mm[:, :, beat.mesh_mm.shape[2] // 2], beat.times_s, beat.es_frame),
            view,
        )
    return curves


def recognition_table(n_patients: int, seed: int) -> pd.DataFrame:
    """How often `phantom.recognise` names the disease from the 18 true end-systolic strains alone.

    Returns:
        Row: disease; columns: what the rule said, counts of patients.
    """
    table = pd.DataFrame(0, index=list(PATTERNS), columns=list(PATTERNS))
    for disease in PATTERNS:
        views: dict[str, dict] = {}
        for one in plan("V-HUNT-A", n_patients, seed, population=disease):
            beat = build_beat(one)
            truth = true_strain(beat.mesh_mm[:, :, beat.mesh_mm.shape[2] // 2], beat.times_s, beat.es_frame)
            views.setdefault(one.patient_id, {})[one.view] = truth.segment_percent[:, beat.es_frame]
        for heart in views.values():
            table.loc[disease, recognise(segments_of_views(heart))] += 1
    return table.rename_axis("true disease")


def _window_inside(recording: Recording, window_mm: float = 10.0) -> np.ndarray:
    """Mesh points (n_long, n_rad) whose correlation window lies in the sector at ES and at ED.

    The edge of the sector stands still and is sharp: a window that holds it correlates by it, not by speckle.
    """
    points = recording.mesh.points_px[[recording.cine.es_frame, recording.cine.ed_frame]]
    if recording.cine.sector is None:
        return np.ones(points.shape[1:3], bool)
    half = 0.5 * window_mm / np.array(check_spacing(recording.cine.spacing_mm))
    corners = points[..., None, :] + half * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    return inside(recording.cine.sector, corners).all(axis=(0, -1))


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _coherence_row(recording: Recording, coherence: np.ndarray) -> dict[str, float]:
    es, ed = recording.cine.es_frame, recording.cine.ed_frame
    counted = _window_inside(recording)
    middle = np.where(counted, coherence[ed], np.nan)[:, coherence.shape[2] // 2]
    near = [_median(coherence[min(es + k, len(coherence) - 1)][counted]) for k in (1, 2, 3)]
    sixths = [part[np.isfinite(part)] for part in np.array_split(middle, len(PLACES))]
    seen = middle[np.isfinite(middle)]
    return {
        **{f"{k + 1} frames after ES": value for k, value in enumerate(near)},
        "ED": _median(seen),
        "ED, 10th percentile": float(np.percentile(seen, 10)) if seen.size else float("nan"),
        **{name: _median(part) for name, part in zip(PLACES, sixths, strict=True)},
    }


def coherence_table(paths: Iterable[Path]) -> pd.DataFrame:
    """Speckle correlation with end-systole that is present in every cine that stores it, one row per recording.

    Points whose window leaves the scanned sector are not counted; NaN where a place has no other.

    Columns: recording, stratum, "1 frames after ES" ... 3 (median over the wall), ED (median over the mid-wall line),
    its 10th percentile, and the median at ED by place.
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        if recording.coherence is None or recording.cine.es_frame is None or recording.cine.ed_frame is None:
            continue
        identity = {"recording": recording.cine.recording_id, "stratum": recording.cine.meta.get("stratum", "standard")}
        rows.append(identity | _coherence_row(recording, recording.coherence))
    return pd.DataFrame(rows)


def without_twist(paths: Iterable[Path], cache_dir: Path) -> pd.DataFrame:
    """Correlation of the same recordings rendered again without twist, beside the stored one; virtual ones only.

    Returns:
        Two rows per recording, column twist "as it is" or "switched off".
    """
    parts = _on_all_cores(delayed(_twist_rows)(path, cache_dir) for path in paths)
    return pd.DataFrame([row for part in parts for row in part])


def _on_all_cores(tasks: Iterable) -> list:
    """Results in the order of the tasks; a single task starts no process."""
    tasks = list(tasks)
    return Parallel(n_jobs=min(len(tasks), cpu_count()) or 1)(tasks)


def _twist_rows(path: Path, cache_dir: Path) -> list[dict]:
    recording = read_recording(path)
    if recording.coherence is None or "plan" not in recording.attributes:
        return []
    wanted = RecordingPlan(**recording.attributes["plan"])
    settings = replace(PhantomSettings(**recording.attributes["settings"]), twist=0.0)
    still = build(replace(wanted, view=View(wanted.view)), settings, cache_dir)
    return [
        {"recording": wanted.recording_id, "twist": twist} | _coherence_row(recording, coherence)
        for twist, coherence in (("as it is", recording.coherence), ("switched off", still.coherence))
    ]


def block_matching_bias(paths: Iterable[Path]) -> pd.DataFrame:
    """GLS of PyMUST's block matching (`sptrack`) against the truth, from the true centre line at end-systole.

    Returns:
        One row per recording: recording, patient, stratum, gls_true_percent, gls_percent, bias_percent (positive: strain is
        under-estimated).
    """
    return pd.DataFrame(_on_all_cores(delayed(_block_matching_row)(path) for path in paths))


def _block_matching_row(path: Path) -> dict:
    recording = read_recording(path)
    cine = recording.cine
    line = recording.mesh.midwall_px
    tracks = create("block_matching").track(cine, line[cine.es_frame], cine.es_frame, None)
    measured = longitudinal_strain(tracks.points_px * np.array(check_spacing(cine.spacing_mm)), cine.ed_frame)
    truth = float(recording.truth.global_percent[cine.es_frame])
    return {
        "recording": cine.recording_id,
        "patient": cine.patient_id,
        "stratum": cine.meta.get("stratum", "standard"),
        "gls_true_percent": truth,
        "gls_percent": float(measured[cine.es_frame]),
        "bias_percent": float(measured[cine.es_frame]) - truth,
    }
