"""Tracked lines without images: CSV, HDF5, or a folder of EchoPAC "full trace" files.

CSV, one row per point and frame, with a header: `patient, recording, view, method, observer, frame, time_s, point, x_mm, y_mm,
ed_frame, es_frame` and, if wanted, `accepted` (six digits 0 or 1, base -> apex -> base). Rows of one line share patient,
recording, view, method and observer; `frame` and `point` count from 0 without gaps.

HDF5, one group per line: datasets `line_mm` (n_frames, n_points, 2) and `times_s` (n_frames,), attributes `patient,
recording, view, method, observer, ed_frame, es_frame` and, if wanted, `accepted`.

EchoPAC, a folder with the exported `.CSV` files and an `events.csv`: `file, view, Q1, AVC, Q2` (start of the beat, aortic valve
closure and end of the beat, frames of the stored clip; the export's own `ES Time` is unreliable) and, if wanted, `patient,
recording, method, observer, accepted, flip` (1: the line was clicked from the right base).
"""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from echotas.readers.echopac import read_full_trace
from echotas.readers.errors import ReaderError, require_file

__all__ = ["TrackedLine", "read_tracked_lines"]

IDENTITY = ("patient", "recording", "view", "method", "observer")
EVENTS = ("ed_frame", "es_frame")
POINTS = ("frame", "time_s", "point", "x_mm", "y_mm")
ECHOPAC_VIEWS = {"4CH": "A4C", "2CH": "A2C", "APLAX": "A3C", "A4C": "A4C", "A2C": "A2C", "A3C": "A3C"}
DEFAULT_METHOD = "reader"


@dataclass(frozen=True, eq=False)
class TrackedLine:
    """One line through the wall, tracked over one recording by one method from one observer's start."""

    patient: str
    recording: str
    view: str
    """"A4C", "A2C" or "A3C"."""
    method: str
    """Tracker or "reader"."""
    observer: str
    """Whose line or start it is."""
    line_mm: Float[np.ndarray, "n_frames n_points 2"]
    """Material points in mm, left base -> apex -> right base."""
    times_s: Float[np.ndarray, " n_frames"]
    """Time of each frame, s."""
    ed_frame: int
    """End-diastole."""
    es_frame: int
    """End-systole, after it."""
    accepted: Bool[np.ndarray, "6"] = field(default_factory=lambda: np.ones(6, bool))
    """Segments that the reader accepts."""

    def __post_init__(self) -> None:
        if self.view not in ("A4C", "A2C", "A3C"):
            raise ValueError(f"view must be A4C, A2C or A3C, got {self.view!r}")
        line, times = np.array(self.line_mm, dtype=np.float64), np.array(self.times_s, dtype=np.float64)
        if line.ndim != 3 or line.shape[-1] != 2 or len(line) < 2 or line.shape[1] < 2:
            raise ValueError(f"line_mm must be (n_frames >= 2, n_points >= 2, 2), got {line.shape}")
        if not np.isfinite(line).all():
            raise ValueError(f"line_mm must be finite, got {int((~np.isfinite(line)).sum())} NaN or infinite values")
        if times.shape != line.shape[:1] or not (np.diff(times) > 0).all():
            raise ValueError(f"times_s must increase over the {len(line)} frames, got shape {times.shape}")
        if not 0 <= self.ed_frame < self.es_frame < len(line):
            raise ValueError(
                f"0 <= ed_frame < es_frame < {len(line)} must hold, got {self.ed_frame} and {self.es_frame}"
            )
        extent = np.linalg.norm(np.ptp(line.reshape(-1, 2), axis=0))
        if not 20 <= extent <= 400:
            raise ValueError(f"line_mm must span a ventricle in mm (20 to 400), got {extent:.3g}: metres or px?")
        accepted = np.asarray(self.accepted, dtype=bool)
        if accepted.shape != (6,):
            raise ValueError(f"accepted must hold six values, got shape {accepted.shape}")
        for name, value in (("line_mm", line), ("times_s", times), ("accepted", accepted)):
            object.__setattr__(self, name, value)


def read_tracked_lines(path: str | Path) -> tuple[list[TrackedLine], dict[str, str]]:
    """All lines of a file or folder, and what had to be left out: why, by line.

    Args:
        path: `.csv` (or `.csv.gz`), `.h5` / `.hdf5`, or a folder with EchoPAC exports and `events.csv`.

    Returns:
        Lines in the order of the file; a line that breaks a rule is left out and named with the reason, so that one bad
        line does not stop a study.

    Raises:
        ReaderError: The file is missing or of another kind, or lacks columns.
    """
    path = Path(path)
    if path.is_dir():
        return _echopac(path)
    require_file(path)
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return _csv(path)
    if name.endswith((".h5", ".hdf5")):
        return _hdf5(path)
    raise ReaderError(path, "must be .csv, .csv.gz, .h5, .hdf5 or a folder of EchoPAC exports with events.csv")


def _csv(path: Path) -> tuple[list[TrackedLine], dict[str, str]]:
    text = dict.fromkeys((*IDENTITY, "accepted"), str)
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={name: [""] for name in POINTS})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError, OSError) as error:
        raise ReaderError(path, f"must be a CSV table, got: {error}") from error
    _require(path, table, (*IDENTITY, *POINTS, *EVENTS))
    lines, left_out = [], {}
    for identity, rows in table.groupby(list(IDENTITY), sort=False):
        name = " ".join(identity)
        try:
            lines.append(_line(dict(zip(IDENTITY, identity, strict=True)), rows))
        except ValueError as error:
            left_out[name] = str(error)
    return lines, left_out


def _line(identity: dict[str, str], rows: pd.DataFrame) -> TrackedLine:
    for name in (*EVENTS, *(["accepted"] if "accepted" in rows else [])):
        if rows[name].nunique() != 1:
            raise ValueError(
                f"{name} must be the same in all rows of a line, got {sorted(map(str, rows[name].unique()))}"
            )
    n_frames, n_points = int(rows["frame"].max()) + 1, int(rows["point"].max()) + 1
    cells = rows.set_index(["frame", "point"]).sort_index()
    if len(rows) != n_frames * n_points or cells.index.has_duplicates:
        raise ValueError(
            f"every frame must hold every point once ({n_frames} x {n_points} = {n_frames * n_points} rows), got {len(rows)}"
        )
    per_frame = rows.groupby("frame")["time_s"].agg(["min", "max"])
    if (per_frame["min"] != per_frame["max"]).any():
        raise ValueError("time_s must be one number per frame")
    extra = {"accepted": _accepted(rows["accepted"].iloc[0])} if "accepted" in rows else {}
    return TrackedLine(
        **identity,
        line_mm=cells[["x_mm", "y_mm"]].to_numpy(dtype=np.float64).reshape(n_frames, n_points, 2),
        times_s=per_frame["min"].to_numpy(),
        ed_frame=int(rows["ed_frame"].iloc[0]),
        es_frame=int(rows["es_frame"].iloc[0]),
        **extra,
    )


def _hdf5(path: Path) -> tuple[list[TrackedLine], dict[str, str]]:
    lines, left_out = [], {}
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ReaderError(path, f"must be an HDF5 file, got: {error}") from error
    with file:
        for name, group in file.items():
            try:
                missing = [key for key in (*IDENTITY, *EVENTS) if key not in group.attrs]
                missing += [key for key in ("line_mm", "times_s") if key not in group]
                if missing:
                    raise ValueError(f"must hold {', '.join(missing)}")
                extra = {"accepted": _accepted(group.attrs["accepted"])} if "accepted" in group.attrs else {}
                lines.append(
                    TrackedLine(
                        **{key: str(group.attrs[key]) for key in IDENTITY},
                        **{key: int(group.attrs[key]) for key in EVENTS},
                        line_mm=group["line_mm"][()],
                        times_s=group["times_s"][()],
                        **extra,
                    )
                )
            except (ValueError, TypeError, OSError) as error:
                left_out[name] = str(error)
    return lines, left_out


def _echopac(folder: Path) -> tuple[list[TrackedLine], dict[str, str]]:
    events_path = require_file(folder / "events.csv")
    events = pd.read_csv(events_path, dtype=str, keep_default_na=False)
    _require(events_path, events, ("file", "view", "Q1", "AVC", "Q2"))
    lines, left_out = [], {}
    for row in events.to_dict("records"):
        name = row["file"]
        try:
            view = ECHOPAC_VIEWS.get(row["view"].upper())
            if view is None:
                raise ValueError(f"view must be apical ({', '.join(ECHOPAC_VIEWS)}), got {row['view']!r}")
            trace = read_full_trace(folder / name)
            first, closure, last = (int(row[key]) for key in ("Q1", "AVC", "Q2"))
            if not 0 <= first < closure <= last < len(trace.knots_mm):
                raise ValueError(
                    f"0 <= Q1 < AVC <= Q2 < {len(trace.knots_mm)} frames must hold, got {first}, {closure}, {last}"
                )
            knots = trace.knots_mm[first : last + 1]
            stem = Path(name).stem
            lines.append(
                TrackedLine(
                    patient=row.get("patient") or stem,
                    recording=row.get("recording") or stem,
                    view=view,
                    method=row.get("method") or DEFAULT_METHOD,
                    observer=row.get("observer") or DEFAULT_METHOD,
                    line_mm=knots[:, ::-1] if row.get("flip") == "1" else knots,
                    times_s=np.arange(len(knots)) / trace.frame_rate,
                    ed_frame=0,
                    es_frame=closure - first,
                    accepted=_accepted(row.get("accepted") or "111111"),
                )
            )
        except ValueError as error:
            left_out[name] = str(error)
    return lines, left_out


def _accepted(value: object) -> np.ndarray:
    """Six flags from "110111" or six numbers."""
    digits = list(value.strip()) if isinstance(value, str) else [str(int(flag)) for flag in np.ravel(value)]
    if len(digits) != 6 or set(digits) - {"0", "1"}:
        raise ValueError(f"accepted must be six digits 0 or 1, got {value!r}")
    return np.array([digit == "1" for digit in digits])


def _require(path: Path, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise ReaderError(path, f"must have the columns {', '.join(missing)}, got {', '.join(map(str, table.columns))}")
