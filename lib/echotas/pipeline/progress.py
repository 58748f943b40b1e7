"""What is being done, how far, and how long to go: lines for the terminal and the stage log, never for the notebook."""

import os
import sys
import time
from pathlib import Path
from types import TracebackType

__all__ = ["LOG_VARIABLE", "Progress", "say"]

LOG_VARIABLE = "ECHOTAS_STAGE_LOG"
"""Environment variable with the stage log's path; the notebook runner sets it and shows new lines in the terminal."""

_SECONDS_BETWEEN_LINES = 2.0


def say(line: str) -> None:
    """One line to the stage log, or to stderr outside of a stage."""
    log = os.environ.get(LOG_VARIABLE)
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8") as file:
            file.write(line.rstrip("\n") + "\n")
    else:
        print(line, file=sys.stderr, flush=True)


class Progress:
    """Counts finished steps and says so every few seconds: `simulate S2  12/40  30 %  0:31 gone, 1:12 to go`.

    Time to go is the mean pace of this process, so that steps resumed from an earlier one do not make it optimistic.
    """

    def __init__(self, label: str, total: int, already_done: int = 0) -> None:
        """Start counting.

        Args:
            label: What is being done.
            total: Number of steps, >= 0.
            already_done: Steps that an earlier, interrupted process finished.
        """
        if total < 0 or not 0 <= already_done <= total:
            raise ValueError(f"already_done must lie in 0..total, got {already_done} of {total}")
        self.label, self.total, self.done = label, total, already_done
        self._resumed_at = already_done
        self._started = time.monotonic()
        self._last_line = -float("inf")
        if already_done:
            say(f"{label}  {already_done}/{total} found from an earlier run")

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` steps are finished; `note` adds a few words, e.g. the current loss."""
        self.done = done
        now = time.monotonic()
        if done < self.total and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        say(self._line(now - self._started, note))

    def step(self, note: str = "") -> None:
        """One more step is finished."""
        self.update(self.done + 1, note)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            say(f"{self.label}  stopped at {self.done}/{self.total}")

    def _line(self, elapsed_s: float, note: str) -> str:
        percent = 100 * self.done / self.total if self.total else 100.0
        line = f"{self.label}  {self.done}/{self.total}  {percent:.0f} %  {_clock(elapsed_s)} gone"
        fresh = self.done - self._resumed_at
        if fresh > 0 and self.done < self.total:
            line += f", {_clock(elapsed_s / fresh * (self.total - self.done))} to go"
        return f"{line}  {note}" if note else line


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
