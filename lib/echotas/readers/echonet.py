"""Reads EchoNet-Dynamic (A4C, 112 x 112 avi) and its tracings.

No pixel size exists and the aspect ratio was altered on export: neither millimetres nor strain can be taken from these
cines (`meta["square_pixels"]` is False). They serve to check that a reader or tracker survives varied images.
Data: Ouyang et al., Nature 2020 (agreement needed; none is shipped here).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from echotas.readers.errors import ReaderError, require_file
from echotas.readers.video import read_video
from echotas.records import Cine, View

__all__ = ["Tracing", "polygon_area_px", "read_echonet", "read_file_list", "read_tracings"]


@dataclass(frozen=True, eq=False)
class Tracing:
    """The cavity as traced in one frame."""

    polygon_px: np.ndarray
    """Closed outline without repetition of its first point, (n_points, 2) px."""
    long_axis_px: np.ndarray | None
    """Base mid-point and apex, (2, 2) px; None where only a polygon was stored (EchoNet-Pediatric)."""

    @property
    def area_px(self) -> float:
        """Enclosed area, px^2."""
        return polygon_area_px(self.polygon_px)


def polygon_area_px(polygon_px: np.ndarray) -> float:
    """Area, px^2, inside a polygon (n_points, 2), by the shoelace formula; independent of direction and start."""
    x, y = np.asarray(polygon_px, dtype=np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def read_file_list(path: str | Path) -> dict[str, dict[str, str]]:
    """Rows of `FileList.csv` by FileName without `.avi`, values as text.

    Raises:
        ReaderError: Missing file or columns (FileName, FPS, NumberOfFrames, Split).
    """
    rows = _rows(path, {"FileName", "FPS", "NumberOfFrames", "Split"})
    return {row["FileName"].removesuffix(".avi"): row for row in rows}


def read_tracings(path: str | Path) -> dict[str, dict[int, Tracing]]:
    """Tracings of `VolumeTracings.csv` by file name (without `.avi`) and frame.

    Per frame the first row is the long axis and the others are chords across it; the outline runs down their first ends
    and back up their second ends. A table `FileName,X,Y,Frame` (EchoNet-Pediatric) holds the outline itself. Frames
    count from 0, as in the public loader. Cines with fewer than two traced frames are left out.

    Raises:
        ReaderError: Missing file or columns, a coordinate that is no number, or a frame with fewer than 3 outline
            points.
    """
    path = require_file(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        columns = set(next(csv.reader(file), []))
    chords = {"X1", "Y1", "X2", "Y2"} <= columns
    keys = ("X1", "Y1", "X2", "Y2") if chords else ("X", "Y")
    points: dict[str, dict[int, list]] = {}
    for row in _rows(path, {"FileName", "Frame", *keys}):
        try:
            values, frame = [float(row[key]) for key in keys], int(float(row["Frame"]))
        except (TypeError, ValueError):
            raise ReaderError(path, f"coordinates and Frame must be numbers, got {row}") from None
        if not np.isfinite(values).all():
            raise ReaderError(path, f"coordinates must be finite, got {values} for {row['FileName']}")
        points.setdefault(row["FileName"].removesuffix(".avi"), {}).setdefault(frame, []).append(values)
    return {
        name: {frame: _tracing(path, name, frame, np.array(rows), chords) for frame, rows in sorted(frames.items())}
        for name, frames in points.items()
        if len(frames) >= 2
    }


def read_echonet(
    path: str | Path,
    *,
    file_list: Mapping[str, Mapping[str, str]] | None = None,
    tracings: Mapping[str, Mapping[int, Tracing]] | None = None,
) -> Cine:
    """One cine, with frame rate, split and volumes of `read_file_list` and ED, ES of `read_tracings`, where given.

    ED is the traced frame with the larger area.

    Raises:
        ReaderError: The video is damaged, is not listed, or has another number of frames than listed.
    """
    path = require_file(path)
    name, rate, extra = path.stem, None, {}
    if file_list is not None:
        if name not in file_list:
            raise ReaderError(path, f"must be listed in FileList ({len(file_list)} names), got {name!r}")
        row = file_list[name]
        try:
            rate, listed = float(row["FPS"]), int(float(row["NumberOfFrames"]))
        except ValueError:
            raise ReaderError(path, f"FPS and NumberOfFrames must be numbers in FileList, got {row}") from None
        extra = {key: row[key] for key in ("Split", "EF", "ESV", "EDV") if row.get(key)}
    cine = read_video(
        path, frame_rate=rate, view=View.A4C, patient_id=f"echonet-{name}", recording_id=f"echonet-{name}"
    )
    if file_list is not None and listed != cine.n_frames:
        raise ReaderError(path, f"must have {listed} frames as listed, got {cine.n_frames}")
    ed = es = None
    if tracings is not None and name in tracings:
        by_area = sorted(tracings[name], key=lambda frame: tracings[name][frame].area_px)
        ed, es = by_area[-1], by_area[0]
        if not 0 <= min(ed, es) <= max(ed, es) < cine.n_frames:
            raise ReaderError(path, f"traced frames must lie in 0..{cine.n_frames - 1}, got {sorted(tracings[name])}")
    meta = {**cine.meta, **extra, "release": "echonet-dynamic", "square_pixels": False}
    if rate is not None:
        meta["frame_rate_source"] = "file"
    return replace(cine, ed_frame=ed, es_frame=es, meta=meta)


def _rows(path: str | Path, needed: set[str]) -> list[dict[str, str]]:
    path = require_file(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = sorted(needed - set(reader.fieldnames or []))
        if missing:
            raise ReaderError(path, f"must have the columns {sorted(needed)}, {missing} missing")
        return list(reader)


def _tracing(path: Path, name: str, frame: int, rows: np.ndarray, chords: bool) -> Tracing:
    if len(rows) < 3:
        raise ReaderError(path, f"a traced frame needs at least 3 rows, got {len(rows)} for {name} frame {frame}")
    if not chords:
        return Tracing(polygon_px=rows, long_axis_px=None)
    across = rows[1:]
    return Tracing(polygon_px=np.concatenate([across[:, :2], across[::-1, 2:]]), long_axis_px=rows[0].reshape(2, 2))
