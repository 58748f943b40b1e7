"""The engines side by side: seconds per frame, peak memory, and how far each is from the exact image.

The standard case is a cardiac sector scan: 64 elements at 2.5 MHz, 128 beams focused at half depth over 75 degrees, 0.5 to
15 cm, five scatterers per square wavelength (194,000). Every engine runs in a process of its own, so that memory is its own
and nothing is warm but what a user would have warm: the response table on disk. PyMUST is timed on a few thousand
scatterers and one transmit and extrapolated, which is fair because its time is linear in both.
"""

import contextlib
import math
import os
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float

from echotas.acoustics.engine import simulate
from echotas.acoustics.exact import simulate_exact
from echotas.acoustics.probe import phased_2p5_mhz
from echotas.acoustics.pymust_reference import pymust_channels
from echotas.acoustics.scan import Scan

__all__ = [
    "EngineCase",
    "EngineRun",
    "image_error",
    "run_engine",
    "standard_scan",
    "standard_scatterers",
    "time_pymust",
]


@dataclass(frozen=True)
class EngineCase:
    """One engine with its settings."""

    name: str
    """Row name."""
    method: str
    """"exact", "fast" or "cole"."""
    rank: int = 12
    """Separable kernels of "fast"."""
    offset_deg: float = 12.0
    """Table window of "fast" and "cole"."""
    beam_window_deg: float | None = None
    """Beam window of "exact"; None is all beams."""
    elevation: bool = False
    """3-D law with the elevation lens."""
    n_frames: int = 1
    """Frames of one call, each with scatterers of its own places; seconds are per frame."""


@dataclass(frozen=True, eq=False)
class EngineRun:
    """What one engine did with one frame."""

    iq: Complex[np.ndarray, "n_beams n_ranges"]
    """The frame."""
    seconds: tuple[float, ...]
    """Wall time per frame of each repeat, after a first call that is not counted when there is more than one repeat."""
    table_seconds: float
    """Time to build or load the response table, first call only; of "exact", what the first call takes longer than the
    others (its patches), 0 if there is one call only."""
    peak_mb: float
    """Peak memory of the process beyond what it held before the first call, MB."""

    @property
    def median_s(self) -> float:
        """Median over the repeats."""
        return float(np.median(self.seconds))


def standard_scan(**changes) -> Scan:
    """The standard sector scan; `changes` replace fields."""
    return Scan(**({"probe": phased_2p5_mhz(), "n_beams": 128, "sector_deg": 75.0, "start_m": 5e-3} | changes))


def standard_scatterers(
    rng: np.random.Generator, scan: Scan, per_wavelength2: float = 5.0, slab_m: float = 0.0, n: int | None = None
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Scatterers uniform over the scan's sector (and a slab of +- `slab_m`), with normal reflectivities.

    Args:
        rng: Random numbers.
        scan: The scan.
        per_wavelength2: Scatterers per square wavelength of the sector.
        slab_m: Half thickness of the slab, m.
        n: Their number, instead of the density.
    """
    half = math.radians(scan.sector_deg) / 2
    area = half * (scan.depth_m**2 - scan.start_m**2)
    count = n or round(per_wavelength2 * area / scan.probe.wavelength_m**2)
    r = np.sqrt(rng.uniform(scan.start_m**2, scan.depth_m**2, count))
    angle, y = rng.uniform(-half, half, count), rng.uniform(-slab_m, slab_m, count)
    return np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1), rng.standard_normal(count)


def run_engine(
    case: EngineCase,
    positions_m: np.ndarray,
    reflectivity: np.ndarray,
    scan: Scan,
    n_repeats: int = 1,
    cache_dir: str | Path | None = None,
    n_threads: int | None = None,
) -> EngineRun:
    """Simulate one frame with one engine in a process of its own.

    Args:
        case: The engine.
        positions_m: Scatterers, (n, 3) m.
        reflectivity: (n,).
        scan: The scan.
        n_repeats: Timed calls.
        cache_dir: Folder of response tables.
        n_threads: Threads of torch; one per core if None.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_run, case, positions_m, reflectivity, scan, n_repeats, cache_dir, n_threads).result()


def _run(case, positions, reflectivity, scan, n_repeats, cache_dir, n_threads) -> EngineRun:
    import torch

    torch.set_num_threads(n_threads or os.cpu_count() or 1)
    before, table_seconds = _peak_mb(reset=True), 0.0
    # Every frame is moved by a tenth of a millimetre, so that none can be taken for the one before.
    frames = positions + 1e-4 * np.arange(case.n_frames)[:, None, None] * np.array([1.0, 0.0, 0.0])

    def once() -> np.ndarray:
        if case.method == "exact":
            return simulate_exact(frames, reflectivity, scan, case.elevation, beam_window_deg=case.beam_window_deg)
        return simulate(
            frames, reflectivity, scan, case.method, case.rank, case.elevation, cache_dir=cache_dir,
            offset_deg=case.offset_deg,
        )  # fmt: skip

    if case.method != "exact":
        # One scatterer: what is left is the table.
        one = np.array([[[0.0, 0.0, scan.depth_m / 2]]])
        start = time.perf_counter()
        simulate(
            one, np.ones((1, 1)), scan, case.method, case.rank, case.elevation, cache_dir=cache_dir,
            offset_deg=case.offset_deg,
        )  # fmt: skip
        table_seconds = time.perf_counter() - start
    first_seconds = None
    if n_repeats > 1:
        start = time.perf_counter()
        once()
        first_seconds = (time.perf_counter() - start) / case.n_frames
    seconds = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        iq = once()
        seconds.append((time.perf_counter() - start) / case.n_frames)
    if case.method == "exact" and first_seconds is not None:
        table_seconds = max(0.0, first_seconds - float(np.median(seconds)))
    return EngineRun(iq[0], tuple(seconds), table_seconds, _peak_mb() - before)


def _peak_mb(reset: bool = False) -> float:
    """Largest resident memory of this process so far, MB; counted anew from here with `reset`, where Linux allows it."""
    status = Path("/proc/self/status")
    if not status.exists():  # elsewhere the parent's peak is part of it
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def time_pymust(
    positions_m: np.ndarray, reflectivity: np.ndarray, scan: Scan, counts: Sequence[int] = (2000, 8000)
) -> dict[int, float]:
    """Seconds that PyMUST's `simus` takes for one transmit of the scan's middle beam, by number of scatterers.

    The first `n` scatterers are used, in 2-D.
    """
    taken = {}
    for n in counts:
        start = time.perf_counter()
        pymust_channels(positions_m[:n], reflectivity[:n], scan, scan.n_beams // 2)
        taken[int(n)] = time.perf_counter() - start
    return taken


def image_error(
    iq: Complex[np.ndarray, "n_beams n_ranges"],
    reference: Complex[np.ndarray, "n_beams n_ranges"],
    scan: Scan,
    from_m: float = 0.03,
    dynamic_range_db: float = 60.0,
    fit_gain: bool = False,
) -> dict[str, float]:
    """How far a frame is from the exact one, before and beyond `from_m`.

    Args:
        iq: The frame.
        reference: The exact frame.
        scan: Their scan.
        from_m: Where the near field ends, m.
        dynamic_range_db: Range of the log images, dB.
        fit_gain: Multiply the frame by the complex number that fits best first: for models without a gain of their own.

    Returns:
        "iq" and "iq_near": relative L2 difference of the IQ beyond `from_m` and before it; "log_correlation": correlation of
        the log envelopes beyond `from_m`, cut `dynamic_range_db` below the maximum; "db": their mean absolute difference.
    """
    far = scan.ranges_m >= from_m
    if fit_gain:
        iq = iq * (np.vdot(iq[:, far], reference[:, far]) / np.vdot(iq[:, far], iq[:, far]))
    result = {}
    for name, part in (("iq", far), ("iq_near", ~far)):
        difference = np.linalg.norm(iq[:, part] - reference[:, part])
        result[name] = float(difference / np.linalg.norm(reference[:, part])) if part.any() else float("nan")
    floor = np.abs(reference[:, far]).max() * 10 ** (-dynamic_range_db / 20)
    logs = [20 * np.log10(np.maximum(np.abs(image[:, far]), floor)) for image in (iq, reference)]
    result["log_correlation"] = float(np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1])
    result["db"] = float(np.abs(logs[0] - logs[1]).mean())
    return result
