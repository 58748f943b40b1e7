"""Strain curves and bull's-eye values of single recordings and patients, for the figures of the results notebooks."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tables import READER, lines
from echotas.evaluation.tracking import TRUE_START
from echotas.records import StrainCurve, View
from echotas.store import read_recording
from echotas.strain import strain_curve

__all__ = ["bullseye_values", "example_curves", "most_regional_patient"]


def example_curves(path: Path, tracks: Path, trackers: Sequence[str]) -> dict[str, StrainCurve]:
    """Strain of one recording by name: "truth", "reader" (the first observer's own line), then every tracker from the true mesh."""
    recording = read_recording(path)
    curves = {"truth": recording.truth}
    for line in lines(path, recording, tracks, trackers):
        wanted = line.start == TRUE_START if line.method != READER else READER not in curves
        if wanted:
            curves[line.method] = strain_curve(line.line_mm, recording.cine.times_s, line.ed_frame, line.es_frame)
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


def bullseye_values(
    table: pd.DataFrame, paths: Iterable[Path], names: Sequence[str]
) -> dict[str, dict[View, np.ndarray]]:
    """Six end-systolic segment strains per view, by name: "truth", "reader" (first observer) or a tracker from the true mesh."""
    recordings = {path.stem for path in paths}
    part = table[table["recording"].isin(recordings)]
    values: dict[str, dict[View, np.ndarray]] = {}
    for name in names:
        column = "true_strain_es" if name == TRUE_START else "strain_es"
        if name == TRUE_START:
            rows = part.drop_duplicates(["recording", "position"])
        elif name == READER:
            rows = part[part["method"] == READER]
            rows = rows[rows["start"] == rows["start"].min()]
        else:
            rows = part[(part["method"] == name) & (part["start"] == TRUE_START)]
        values[name] = {
            View(view): group.sort_values("position")[column].to_numpy() for view, group in rows.groupby("view")
        }
    return values
