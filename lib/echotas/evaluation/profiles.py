"""Where and when a tracker goes wrong: error against distance from the start, and along the wall."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tracking import TRUE_START
from echotas.metrics import point_errors_mm
from echotas.records import check_spacing
from echotas.store import read_recording, read_tracks

__all__ = ["best_and_worst", "error_by_frame", "error_by_place", "examples_at_ed"]

PHASES = np.linspace(-1, 1, 21)
"""Grid of beat phases: -1 at the start of the beat, 0 at end-systole, 1 at its end."""


def _errors(path: Path, tracks: Path, tracker: str) -> tuple[np.ndarray, int, tuple[int, int]]:
    recording = read_recording(path, images=False)
    named, attributes = read_tracks(tracks / tracker / path.parent.name / path.name)
    item = named[TRUE_START]
    truth = recording.mesh.points_px.reshape(recording.cine.n_frames, -1, 2)
    errors = point_errors_mm(item.points_px, truth, check_spacing(recording.cine.spacing_mm))
    return errors, item.query_frame, (attributes["n_long"], attributes["n_rad"])


def error_by_frame(paths: Iterable[Path], tracks: Path, tracker: str) -> pd.DataFrame:
    """Mean error over the beat, one row per recording and phase: columns recording, phase (-1..1, 0 = start), error_mm."""
    rows = []
    for path in paths:
        errors, start, _ = _errors(path, tracks, tracker)
        frame = np.arange(len(errors)) - start
        phase = np.where(frame < 0, frame / max(start, 1), frame / max(len(errors) - 1 - start, 1))
        curve = np.interp(PHASES, phase, errors.mean(axis=1))
        rows += [{"recording": path.stem, "phase": p, "error_mm": e} for p, e in zip(PHASES, curve, strict=True)]
    return pd.DataFrame(rows)


def error_by_place(paths: Iterable[Path], tracks: Path, tracker: str) -> pd.DataFrame:
    """Mean error along the wall, one row per recording and place: columns recording, u (0..1), error_mm."""
    rows = []
    for path in paths:
        errors, start, shape = _errors(path, tracks, tracker)
        keep = np.arange(len(errors)) != start
        along = errors[keep].reshape(-1, *shape).mean(axis=(0, 2))
        places = np.linspace(0, 1, shape[0])
        rows += [{"recording": path.stem, "u": u, "error_mm": e} for u, e in zip(places, along, strict=True)]
    return pd.DataFrame(rows)


def best_and_worst(table: pd.DataFrame, n: int = 3, value: str = "mte_mm") -> dict[str, str]:
    """The n recordings with the lowest and the n with the highest value of one tracker's table, worst last.

    Returns:
        {"best": id, "2nd best": id, ..., "worst": id}; fewer, and none twice, from a table of fewer than 2 n recordings.
    """
    ordered = table.sort_values([value, "recording"])["recording"].tolist()
    n = min(n, len(ordered) // 2)
    rank = ["", "2nd ", "3rd ", *(f"{k}th " for k in range(4, n + 1))]
    best = {f"{rank[k]}best": ordered[k] for k in range(max(n, 1))}
    return best | {f"{rank[k]}worst": ordered[-1 - k] for k in reversed(range(n))}


def examples_at_ed(
    paths: Iterable[Path], tracks: Path, tracker: str, picked: Mapping[str, str]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each picked recording: the end-diastolic frame, the true and the tracked mesh in it ((n_long, n_rad, 2) px)."""
    by_name = {path.stem: path for path in paths}
    examples = {}
    for label, name in picked.items():
        path = by_name[name]
        recording = read_recording(path)
        named, attributes = read_tracks(tracks / tracker / path.parent.name / path.name)
        ed_frame = recording.cine.ed_frame
        tracked = named[TRUE_START].points_px[ed_frame].reshape(attributes["n_long"], attributes["n_rad"], 2)
        examples[label] = (recording.cine.frames[ed_frame], recording.mesh.points_px[ed_frame], tracked)
    return examples
