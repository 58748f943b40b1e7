"""Reads and writes EchoPAC "store full trace" CSV files: the tracked line of a reading, every frame, in mm from the
probe.

Line ends are CR or CRLF, each line is padded with commas to one width, localised exports use `;` between values and a
decimal comma. The block covers the whole stored clip. The `ES Time` of the header is unreliable (7 to 34 frames early
in the files looked at): prefer manual or ECG events.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from echotas.readers.errors import ReaderError, require_file

__all__ = ["FullTrace", "read_full_trace", "write_full_trace"]

_MARKERS = {
    "frame_rate": "FR",
    "left_marker_s": "Left Marker Time",
    "right_marker_s": "Right Marker Time",
    "es_time_s": "ES Time",
}
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_CLOSED_MM = 0.5
"""A line whose ends stay this close in every frame is closed; knots are 2.5 to 3 mm apart."""


@dataclass(frozen=True, eq=False)
class FullTrace:
    """One exported trace."""

    knots_mm: np.ndarray
    """(n_frames, n_knots, 2) mm: lateral (negative = image left), depth below the probe; in the order of clicking."""
    frame_rate: float
    """Hz."""
    left_marker_s: float
    """Start of the analysed beat, s from the start of the clip."""
    right_marker_s: float
    """End of the analysed beat, s."""
    es_time_s: float
    """End-systole as exported, s; unreliable."""
    view: str = ""
    """View as exported: 4CH, 2CH, APLAX, SAX-PM, ..."""
    closed: bool = False
    """Whether the line is a ring (short axis); the repeated first knot at its end is dropped."""
    header: dict[str, str] = field(default_factory=dict)
    """Remaining header fields, e.g. ID; they may identify a patient."""

    def __post_init__(self) -> None:
        knots = np.array(self.knots_mm, dtype=np.float64)
        if knots.ndim != 3 or knots.shape[-1] != 2 or 0 in knots.shape:
            raise ValueError(f"knots_mm must be (n_frames, n_knots, 2), got {knots.shape}")
        if not np.isfinite(knots).all():
            raise ValueError(f"knots_mm must be finite, got {int((~np.isfinite(knots)).sum())} NaN or infinite values")
        if not np.isfinite(self.frame_rate) or self.frame_rate <= 0:
            raise ValueError(f"frame_rate must be positive, got {self.frame_rate}")
        knots.setflags(write=False)
        object.__setattr__(self, "knots_mm", knots)

    def frame_at(self, time_s: float) -> int:
        """Frame nearest to a time in s from the start of the clip.

        Raises:
            ValueError: The time lies outside the clip.
        """
        frame = round(time_s * self.frame_rate)
        if not 0 <= frame < len(self.knots_mm):
            raise ValueError(
                f"time_s must lie in the clip of {len(self.knots_mm)} frames, got {time_s} (frame {frame})"
            )
        return frame

    def line_px(self, spacing_mm: tuple[float, float], probe_px: tuple[float, float]) -> np.ndarray:
        """Knots in px (n_frames, n_knots, 2) of a cine with this spacing and the probe at (x, y) px (its sector's
        apex)."""
        return self.knots_mm / np.asarray(spacing_mm, dtype=np.float64) + np.asarray(probe_px, dtype=np.float64)


def read_full_trace(path: str | Path) -> FullTrace:
    """Read one full trace.

    Raises:
        ReaderError: Missing, empty or foreign file, a header field is absent, the block has another size than
            announced, or a value is no number.
    """
    path = require_file(path)
    lines = [line.strip().strip(",;").strip() for line in re.split(r"\r\n|\r|\n", _text(path))]
    lines = [line for line in lines if line]
    if not any(line.lower().startswith("knot positions") for line in lines):
        raise ReaderError(path, "must be an EchoPAC full trace with a line 'Knot positions (X:Y) in mm', got none")

    markers = {name: _marker(path, lines, key) for name, key in _MARKERS.items()}
    counts_at = next((index for index, line in enumerate(lines) if re.match(r"Num Frames:", line)), None)
    counts = re.findall(r"\d+", lines[counts_at + 1]) if counts_at is not None and counts_at + 1 < len(lines) else []
    if len(counts) != 2:
        raise ReaderError(path, f"must state two counts under 'Num Frames:  Knots:', got {counts}")
    n_frames, n_knots = map(int, counts)

    block = lines[counts_at + 2 :]
    if len(block) != n_frames:
        raise ReaderError(path, f"must hold {n_frames} frames as its header says, got {len(block)} (truncated file?)")
    knots = np.array([_values(path, line, index, 2 * n_knots) for index, line in enumerate(block)])
    knots = knots.reshape(n_frames, n_knots, 2)
    closed = bool(n_knots > 3 and (np.linalg.norm(knots[:, 0] - knots[:, -1], axis=-1) < _CLOSED_MM).all())
    header = _header(lines[:counts_at])
    try:
        return FullTrace(
            knots_mm=knots[:, :-1] if closed else knots,
            view=header.pop("View", ""),
            closed=closed,
            header=header,
            **markers,
        )
    except ValueError as error:
        raise ReaderError(path, str(error)) from error


def write_full_trace(path: str | Path, trace: FullTrace, *, line_end: str = "\r\n", decimal: str = ".") -> Path:
    """Write a trace in EchoPAC's layout, e.g. to read simulated or tracked lines into clinical software.

    Coordinates are rounded to the format's two decimals.

    Args:
        path: Target file.
        trace: What to write; a closed line gets its first knot repeated at its end.
        line_end: CR, LF or both.
        decimal: "." with `,` between values, or "," with `;`.

    Raises:
        ValueError: Another decimal sign or line end.
    """
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    if line_end not in ("\r", "\n", "\r\n"):
        raise ValueError(f"line_end must be CR, LF or CRLF, got {line_end!r}")
    comma = "," if decimal == "." else ";"
    knots = trace.knots_mm
    if trace.closed:
        knots = np.concatenate([knots, knots[:, :1]], axis=1)

    def number(value: float, digits: int) -> str:
        return f"{value:.{digits}f}".replace(".", decimal)

    names = {"FName": "", "LName": "", "ID": "", "Exam.Date": "", "View": trace.view, "2DS Date": ""}
    lines = [f"{key}={trace.header.get(key, value)}" for key, value in names.items()]
    lines += [
        "Knot positions (X:Y) in mm (relative to probe position)",
        f"FR= {number(trace.frame_rate, 6)} Left Marker Time={number(trace.left_marker_s, 6)} "
        f"Right Marker Time={number(trace.right_marker_s, 6)} ES Time={number(trace.es_time_s, 6)}",
        "Num Frames:  Knots:",
        f"{len(knots):10d} {knots.shape[1]:8d}",
    ]
    padding = comma * (2 * knots.shape[1] - 1)
    lines = [line + padding for line in lines]
    lines += [comma.join(number(value, 2) for value in row.ravel()) for row in knots]
    path = Path(path)
    path.write_bytes((line_end.join(lines) + line_end).encode("latin-1", errors="replace"))
    return path


def _text(path: Path) -> str:
    content = path.read_bytes()
    if b"\x00" in content:
        raise ReaderError(path, "must be text, got binary data")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # what Windows exports of that age use


def _marker(path: Path, lines: list[str], key: str) -> float:
    for line in lines:
        if match := re.search(rf"(?:^|\s){key}\s*=\s*({_NUMBER})", line):
            return float(match.group(1).replace(",", "."))
    raise ReaderError(path, f"must state '{key}=' with a number, got none")


def _header(lines: list[str]) -> dict[str, str]:
    """Fields such as `View=4CH`, one a line or several on one line."""
    pattern = (
        r"(FName|LName|ID|Exam\.Date|View|2DS Date)=\s*(.*?)\s*(?=(?:FName|LName|\bID|Exam\.Date|View|2DS Date)=|$)"
    )
    return {key: value.strip(",; ") for line in lines for key, value in re.findall(pattern, line)}


def _values(path: Path, line: str, frame: int, count: int) -> list[float]:
    parts = [part.strip().replace(",", ".") for part in line.split(";")] if ";" in line else line.split(",")
    if len(parts) != count:
        raise ReaderError(path, f"every frame must have {count} values, got {len(parts)} in frame {frame}")
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise ReaderError(path, f"coordinates must be numbers, got {error.args[0]!r} in frame {frame}") from None
