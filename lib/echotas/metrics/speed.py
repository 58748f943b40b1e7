"""Time a tracker takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Speed", "measure_ms_per_frame"]


@dataclass(frozen=True)
class Speed:
    """Run time of one call, per frame."""

    median_ms: float
    """Median over the repeats, ms per frame."""
    min_ms: float
    """Fastest repeat, ms per frame."""
    max_ms: float
    """Slowest repeat, ms per frame."""
    n_frames: int
    """Frames processed by one call."""
    n_repeats: int
    """Timed calls."""


def measure_ms_per_frame(
    call: Callable[[], object],
    n_frames: int,
    n_repeats: int = 5,
    n_warm_up: int = 1,
    synchronize: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Wall-clock time of `call` per frame; the median of the repeats is the number to report.

    Args:
        call: The work, without arguments (`lambda: tracker.track(...)`).
        n_frames: Frames that one call processes.
        n_repeats: Timed calls.
        n_warm_up: Calls before the first timed one (caches, kernel selection).
        synchronize: Called before each reading of the clock (`torch.cuda.synchronize` on a GPU).
        clock: Seconds since any fixed time.

    Raises:
        ValueError: `n_frames` or `n_repeats` is not positive, or `n_warm_up` is negative.

    Unit:
        ms per frame

    Better:
        lower

    Formula:
        median over repeats of (end - start) / n_frames

    Pitfalls:
        A property of the machine as well as of the method: compare numbers of one machine. Without `synchronize`, work
        that a GPU still does is not counted. Cost per call weighs more in short cines.

    Known as:
        EchoTracker2, SpeckNet -> AIT (EchoTracker2: seconds per video)
    """
    if n_frames < 1 or n_repeats < 1 or n_warm_up < 0:
        raise ValueError(
            f"n_frames and n_repeats must be positive and n_warm_up not negative, "
            f"got {n_frames}, {n_repeats} and {n_warm_up}"
        )
    for _ in range(n_warm_up):
        call()
    took_ms = []
    for _ in range(n_repeats):
        start = _now(clock, synchronize)
        call()
        took_ms.append(1000 * (_now(clock, synchronize) - start) / n_frames)
    return Speed(float(np.median(took_ms)), min(took_ms), max(took_ms), n_frames, n_repeats)


def _now(clock: Callable[[], float], synchronize: Callable[[], object] | None) -> float:
    if synchronize is not None:
        synchronize()
    return clock()
