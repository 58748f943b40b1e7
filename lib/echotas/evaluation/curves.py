"""Strain curves and bull's-eye values of single recordings and patients, for the figures of the results notebooks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tables import READER, lines
from echotas.evaluation.tracking import TRUE_START
from echotas.records import StrainCurve, View
from echotas.store import read_recording
from echotas.strain import mechanical_dispersion_ms, post_systolic_index, strain_curve, time_to_peak_s

__all__ = [
    "bullseye_accepted",
    "bullseye_values",
    "dispersion_ms",
    "example_curves",
    "most_regional_patient",
    "timing_values",
]

SixPerView = dict[View, np.ndarray]


def example_curves(path: Path, tracks: Path, trackers: Sequence[str]) -> dict[str, StrainCurve]:
    """Strain of one recording by name: "truth", "reader" (the first observer's own line and segments), then every tracker from the
    true mesh."""
    recording = read_recording(path)
    curves = {"truth": recording.truth}
    for line in lines(path, recording, tracks, trackers):
        wanted = line.start == TRUE_START if line.method != READER else READER not in curves
        if wanted:
            times = recording.cine.times_s
            curves[line.method] = strain_curve(line.line_mm, times, line.ed_frame, line.es_frame, line.segment)
    return curves


def most_regional_patient(paths: Iterable[Path], table: pd.DataFrame) -> tuple[str, list[Path]]:
    """Patient whose true segments differ most (SD over 18), and one recording path per view.

    Args:
        paths: Recordings of the cohort.
        table: Rows of `segment_strain_table`.
    """
    truth = table.drop_duplicates(["recording", "position"])
    patient = truth.groupby("patient")["true_strain_es"].std().idxmax()
    first = truth[truth["patient"] == patient].sort_values("recording").drop_duplicates("view")["recording"]
    by_name = {path.stem: path for path in paths}
    return str(patient), [by_name[name] for name in first]


def bullseye_values(table: pd.DataFrame, paths: Iterable[Path], names: Sequence[str]) -> dict[str, SixPerView]:
    """Six end-systolic segment strains per view, by name: "truth", "reader" (first observer) or a tracker from the true mesh."""
    values = {}
    for name, rows in _rows_by_name(table, paths, names).items():
        values[name] = _six_per_view(rows, "true_strain_es" if name == TRUE_START else "strain_es")
    return values


def bullseye_accepted(table: pd.DataFrame, paths: Iterable[Path], names: Sequence[str]) -> dict[str, SixPerView]:
    """Which of the segments of `bullseye_values` the observer accepted; all, for the truth and a tracker from the true mesh."""
    flags = {}
    for name, rows in _rows_by_name(table, paths, names).items():
        accepted = rows["accepted"].astype(bool) | (name == TRUE_START)
        flags[name] = _six_per_view(rows.assign(accepted=accepted), "accepted")
    return flags


def timing_values(
    paths: Iterable[Path], tracks: Path, names: Sequence[str]
) -> dict[str, dict[str, dict[View, np.ndarray]]]:
    """When the segments of one patient shorten, for bull's-eyes.

    Each curve has its own ED and ES; the beat ends with the recording, which holds one.

    Args:
        paths: Recordings of the patient, one per view.
        tracks: Folder of the tracks.
        names: "truth", "reader" (first observer) or a tracker, which starts from the true mesh.

    Returns:
        Quantity -> name -> view -> six values: "time_to_peak_ms" (from ED) and "post_systolic_percent" (of the peak). NaN for a segment
        that never shortens. Segments that a reader rejected are not left out: `bullseye_accepted` says which.
    """
    trackers = [name for name in names if name not in (TRUE_START, READER)]
    found: dict[str, dict[str, SixPerView]] = {
        quantity: {name: {} for name in names} for quantity in ("time_to_peak_ms", "post_systolic_percent")
    }
    for path in paths:
        view = read_recording(path, images=False).cine.view
        curves = example_curves(path, tracks, trackers)
        for name in names:
            curve = curves[name]
            times = [time_to_peak_s(strain, curve.times_s, curve.ed_frame) for strain in curve.segment_percent]
            after = [post_systolic_index(strain, curve.ed_frame, curve.es_frame) for strain in curve.segment_percent]
            found["time_to_peak_ms"][name][view] = 1000 * np.array(times)
            found["post_systolic_percent"][name][view] = np.array(after)
    return found


def dispersion_ms(
    time_to_peak_ms: Mapping[View, np.ndarray], accepted: Mapping[View, np.ndarray] | None = None
) -> tuple[float, int]:
    """Mechanical dispersion over the segments of all views, and how many segments entered.

    Args:
        time_to_peak_ms: Six per view, from `timing_values`; NaN (no peak) is left out.
        accepted: Six flags per view; rejected segments are left out. All accepted, if None.

    Returns:
        Sample SD in ms, NaN for fewer than two segments, and the number of segments.
    """
    kept = [
        np.where(True if accepted is None else np.asarray(accepted[view], dtype=bool), times, np.nan)
        for view, times in time_to_peak_ms.items()
    ]
    times = np.concatenate(kept)
    return mechanical_dispersion_ms(times / 1000), int(np.isfinite(times).sum())


def _rows_by_name(table: pd.DataFrame, paths: Iterable[Path], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Rows of these recordings that a name stands for, one per segment."""
    part = table[table["recording"].isin({path.stem for path in paths})]
    rows = {}
    for name in names:
        if name == TRUE_START:
            rows[name] = part.drop_duplicates(["recording", "position"])
        elif name == READER:
            read = part[part["method"] == READER]
            rows[name] = read[read["start"] == read["start"].min()]
        else:
            rows[name] = part[(part["method"] == name) & (part["start"] == TRUE_START)]
    return rows


def _six_per_view(rows: pd.DataFrame, column: str) -> SixPerView:
    return {View(view): group.sort_values("position")[column].to_numpy() for view, group in rows.groupby("view")}
