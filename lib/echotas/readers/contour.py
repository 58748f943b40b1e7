"""Reads and writes a drawn wall line: CSV with the columns point, frame, x_px, y_px, one row a point."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echotas.readers.errors import ReaderError, require_file

__all__ = ["Contour", "read_contour", "write_contour"]

COLUMNS = ("point", "frame", "x_px", "y_px")
FEWEST_POINTS = 4


@dataclass(frozen=True, eq=False)
class Contour:
    """A line drawn in one frame."""

    line_px: np.ndarray
    """(n_points, 2) px, base -> apex -> base, left image wall first."""
    frame: int
    """Frame it was drawn in, 0-based."""

    def __post_init__(self) -> None:
        line = np.array(self.line_px, dtype=np.float64)
        if line.ndim != 2 or line.shape[-1] != 2 or len(line) < FEWEST_POINTS:
            raise ValueError(f"line_px must be (n_points >= {FEWEST_POINTS}, 2), got {line.shape}")
        if not np.isfinite(line).all():
            raise ValueError(f"line_px must be finite, got {int((~np.isfinite(line)).any(1).sum())} points with NaN")
        if self.frame < 0:
            raise ValueError(f"frame must be 0 or later, got {self.frame}")
        line.setflags(write=False)
        object.__setattr__(self, "line_px", line)


def read_contour(path: str | Path) -> Contour:
    """Read a drawn line; rows are put in the order of `point`.

    Whether it lies inside an image and runs the right way is checked where it meets its cine (`your_cine.analyse`).

    Raises:
        ReaderError: Missing or empty file, missing columns, text or NaN in place of a number, fewer than 4 points, or
            points of several frames.
    """
    path = require_file(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
                raise ReaderError(
                    path, f"must have the columns {', '.join(COLUMNS)}, got none named {', '.join(missing)}"
                )
            rows = [
                row for row in reader if any((value or "").strip() for value in row.values() if isinstance(value, str))
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReaderError(path, f"must be a CSV text file, got other data ({error})") from None
    if len(rows) < FEWEST_POINTS:
        raise ReaderError(path, f"must hold at least {FEWEST_POINTS} points, got {len(rows)}")
    values = np.array([_numbers(path, number, row) for number, row in enumerate(rows, start=2)])
    frames = np.unique(values[:, 1])
    if len(frames) != 1 or frames[0] != int(frames[0]):
        raise ReaderError(path, f"all points must belong to one frame, got frames {frames.tolist()}")
    if len(np.unique(values[:, 0])) != len(values):
        raise ReaderError(path, "every point number must appear once, got one twice")
    try:
        return Contour(line_px=values[np.argsort(values[:, 0]), 2:], frame=int(frames[0]))
    except ValueError as error:
        raise ReaderError(path, str(error)) from error


def write_contour(path: str | Path, contour: Contour) -> Path:
    """Write a drawn line, positions to a hundredth of a px; the folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{index},{contour.frame},{x:.2f},{y:.2f}" for index, (x, y) in enumerate(contour.line_px)]
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def _numbers(path: Path, line_number: int, row: dict[str, str]) -> list[float]:
    try:
        values = [float(row[name]) for name in COLUMNS]
    except (TypeError, ValueError):
        raise ReaderError(
            path, f"line {line_number} must hold four numbers, got {[row[name] for name in COLUMNS]}"
        ) from None
    if not np.isfinite(values).all():
        raise ReaderError(path, f"positions must be finite, got {values} in line {line_number}")
    return values
