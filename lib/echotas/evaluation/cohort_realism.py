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
    "shape_differences",
    "shape_table",
    "shape_values",
    "shape_verdict",
    "without_twist",
]

PLACES = ("left base", "left mid", "left apical", "right apical", "right mid", "right base")
"""Sixths of the wall, left hinge to right hinge."""
CLASS_POPULATION = {"EF>50": "normal", "EF35-50": "hfmref", "EF<35": "hfref"}
QUANTITIES = {
    "length_mm": "ED long axis (mm)",
    "annulus_mm": "ED annulus (mm)",
    "width_25_mm": "ED cavity width at 25 % from the base (mm)",
    "width_50_mm": "ED cavity width at 50 % (mm)",
    "width_75_mm": "ED cavity width at 75 % (mm)",
    "volume_ml": "ED volume (ml, area-length)",
    "endo_strain_percent": "endocardial strain (%)",
    "epi_strain_percent": "epicardial strain (%)",
    "shortening_percent": "change of the long axis (%)",
    "ejection_fraction_percent": "ejection fraction (%, area-length)",
}
"""Names with units of what `MEASURED_A4C` compares."""
TYPICAL_VIEW = {
    "infarct_rca": View.A2C,
    "infarct_lcx": View.A3C,
    "lbbb": View.A4C,
    "hypertrophic": View.A4C,
}


def shape_values(n_patients: int, seed: int) -> pd.DataFrame:
    """Size and contraction of virtual patients drawn without images, beside those measured on CAMUS in A4C.

    CAMUS is sorted by the ejection fraction measured, the virtual patients by the population they were drawn from.

    Args:
        n_patients: Virtual patients of each population, A4C.
        seed: Run seed.

    Returns:
        One row per population and quantity: population, ef_class (of CAMUS, its counterpart), quantity (key of `QUANTITIES`),
        virtual_mean, virtual_sd, camus_mean, camus_sd.
    """
    rows = []
    for ef_class, population in CLASS_POPULATION.items():
        drawn = plan("V-HUNT-A", n_patients, seed, views=["A4C"], population=population)
        table = pd.DataFrame([shape_and_contraction(build_beat(one)) for one in drawn])
        for name, (mean, sd) in MEASURED_A4C[ef_class].items():
            virtual = {"virtual_mean": table[name].mean(), "virtual_sd": table[name].std()}
            identity = {"population": population, "ef_class": ef_class, "quantity": name}
            rows.append(identity | virtual | {"camus_mean": mean, "camus_sd": sd})
    return pd.DataFrame(rows)


def shape_table(values: pd.DataFrame) -> pd.DataFrame:
    """`shape_values` to read: a row per quantity with its unit, a column per population and per EF class, text "mean +- SD"."""
    columns: dict[str, dict[str, str]] = {}
    for row in values.itertuples():
        name = QUANTITIES[row.quantity]
        virtual, measured = f"virtual {row.population}", f"CAMUS {row.ef_class} %"
        columns.setdefault(virtual, {})[name] = f"{row.virtual_mean:.1f} +- {row.virtual_sd:.1f}"
        columns.setdefault(measured, {})[name] = f"{row.camus_mean:.1f} +- {row.camus_sd:.1f}"
    return pd.DataFrame(columns)


def shape_verdict(values: pd.DataFrame) -> str:
    """In a sentence: whether the virtual hearts of `shape_values` are larger than CAMUS's (ED volume) and contract more (strain)."""
    by_quantity = values.set_index("quantity")
    difference = by_quantity["virtual_mean"] - by_quantity["camus_mean"]
    mixed = "in some classes, {} in others,"
    size = _all_one_way(difference["volume_ml"], "larger", "smaller", "larger " + mixed.format("smaller"))
    force = _all_one_way(-difference["endo_strain_percent"], "more", "less", "more " + mixed.format("less"))
    return f"The virtual hearts are {size} than those of CAMUS and contract {force.rstrip(',')}."


def _all_one_way(values: pd.Series, more: str, less: str, mixed: str) -> str:
    return more if (values > 0).all() else less if (values < 0).all() else mixed


def shape_differences(values: pd.DataFrame) -> str:
    """In words, per population of `shape_values`: volume, strain and ejection fraction against those of its EF class in CAMUS."""
    parts = []
    for (population, ef_class), rows in values.groupby(["population", "ef_class"], sort=False):
        virtual, camus = (rows.set_index("quantity")[name] for name in ("virtual_mean", "camus_mean"))
        volume = 100 * (virtual["volume_ml"] / camus["volume_ml"] - 1)
        fractions = [mean["ejection_fraction_percent"] for mean in (virtual, camus)]
        strains = [mean["endo_strain_percent"] for mean in (virtual, camus)]
        parts.append(
            f"`{population}` against {ef_class} %: ED volume {volume:+.0f} %, endocardial strain {strains[0]:.1f} against "
            f"{strains[1]:.1f} %, ejection fraction {fractions[0]:.1f} against {fractions[1]:.1f} %"
        )
    return "; ".join(parts) + "."


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

    Only conditions that have a pattern are drawn. The patterns are those by which the generator weakens the wall, and the strain is
    the true one: this shows that the generator keeps its word, not that a reader or a tracker would recognise the disease.

    Args:
        n_patients: Virtual patients of each of these conditions.
        seed: Run seed.

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
