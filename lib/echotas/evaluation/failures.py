"""Where a tracker lost a recording, in a sentence: where it is off, which way, and how much of the speckle there was kept."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tracking import TRUE_START
from echotas.geometry import SEGMENTS, segment_of_arc
from echotas.records import Mesh, check_spacing
from echotas.store import read_recording, read_tracks

__all__ = ["CHANGED", "SAME", "WHOLE_WALL", "explain_failures"]

WHOLE_WALL = 0.5
"""Share of the mean error at end-diastole that must vanish without the common shift for the whole wall to be called shifted."""
CHANGED, SAME = 0.4, 0.7
"""Speckle correlation with the start below which the speckle counts as lost, and from which on as largely kept."""

UNRELATED = 0.3
"""What speckle of unrelated places of one wall reaches, because the best match within the search counts; see notebook 00."""


def explain_failures(paths: Iterable[Path], tracks: Path, tracker: str, recordings: Iterable[str]) -> pd.DataFrame:
    """One row per recording: recording, error_ed_mm (mean over the mid-wall at end-diastole), segment (the one that is off most),
    segment_mm, along (share of that segment's error along the wall, 0-1), shift_mm (common to the whole wall), correlation (speckle
    of that segment with the start; NaN if not stored) and why, a sentence made of them. A correlation says how much of the pattern
    is left, not whether it could have been followed.

    Args:
        paths: Recording files with a true mesh.
        tracks: Folder of the track stage.
        tracker: Row name.
        recordings: Which, in this order.
    """
    by_name = {path.stem: path for path in paths}
    return pd.DataFrame([_explain(by_name[name], tracks, tracker) for name in recordings])


def _explain(path: Path, tracks: Path, tracker: str) -> dict:
    recording = read_recording(path, images=False)
    cine, ed_frame = recording.cine, recording.cine.ed_frame
    named, attributes = read_tracks(tracks / tracker / path.parent.name / path.name)
    shape = attributes["n_long"], attributes["n_rad"]
    spacing = np.array(check_spacing(cine.spacing_mm))
    true = recording.mesh.midwall_px[ed_frame] * spacing
    found = Mesh(named[TRUE_START].points_px.reshape(-1, *shape, 2)).midwall_px[ed_frame] * spacing
    off = found - true
    size = np.linalg.norm(off, axis=-1)
    tangent = np.gradient(true, axis=0)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    along = np.abs((off * tangent).sum(-1))
    segment = segment_of_arc(true)
    worst = int(np.argmax([size[segment == index].mean() for index in range(6)]))
    here = segment == worst
    share = float((along[here] ** 2).sum() / max((size[here] ** 2).sum(), 1e-12))
    shift = off.mean(axis=0)
    correlation = float("nan")
    if recording.coherence is not None:
        correlation = float(recording.coherence[ed_frame][here].mean())
    values = {
        "recording": cine.recording_id,
        "error_ed_mm": float(size.mean()),
        "segment": SEGMENTS[cine.view][worst] if cine.view in SEGMENTS else f"segment {worst + 1}",
        "segment_mm": float(size[here].mean()),
        "along": share,
        "shift_mm": float(np.linalg.norm(shift)),
        "correlation": correlation,
    }
    left = np.linalg.norm(off - shift, axis=-1).mean()
    whole = bool(left < (1 - WHOLE_WALL) * size.mean())
    return values | {"why": _sentence(values, shift, whole, cine.meta.get("quality"))}


def _sentence(values: dict, shift: np.ndarray, whole: bool, quality: str | None) -> str:
    if whole:
        ways = (("left", "right"), ("up", "down"))
        axis = int(np.argmax(np.abs(shift)))
        where = f"the whole wall lies {values['shift_mm']:.1f} mm too far {ways[axis][int(shift[axis] > 0)]}"
    else:
        way = "along the wall" if values["along"] > 0.6 else "across it" if values["along"] < 0.4 else "both ways"
        where = f"{values['segment']} is off by {values['segment_mm']:.1f} mm, {way}"
    speckle = f"the speckle of {values['segment']}" if whole else "the speckle there"
    if np.isnan(values["correlation"]):
        cause = f"how much of {speckle} is kept is not known"
    elif values["correlation"] < CHANGED:
        cause = (
            f"{speckle} is lost (correlation {values['correlation']:.2f}; unrelated speckle reaches about {UNRELATED})"
        )
    elif values["correlation"] < SAME:
        cause = f"{speckle} is partly kept (correlation {values['correlation']:.2f})"
    else:
        cause = f"{speckle} is largely kept (correlation {values['correlation']:.2f})"
    image = f"; image quality {quality}" if quality else ""
    return f"At end-diastole {where}; {cause}{image}."
