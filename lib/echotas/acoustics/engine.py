"""Scatterers to IQ, whichever engine does it."""

from pathlib import Path

import numpy as np
from jaxtyping import Complex

from echotas.acoustics.elevation import HALF_SLAB_M
from echotas.acoustics.fast import fast_model
from echotas.acoustics.response import ResponsePlan
from echotas.acoustics.scan import Scan

__all__ = ["METHODS", "count_off_table", "simulate"]

METHODS = ("fast", "exact", "cole")


def simulate(
    positions_m: np.ndarray,
    reflectivity: np.ndarray,
    scan: Scan,
    method: str = "fast",
    rank: int = 8,
    elevation: bool = False,
    device: str = "cpu",
    cache_dir: str | Path | None = None,
    *,
    offset_deg: float = 7.0,
    splat_order: int = 3,
    elevation_terms: int = 3,
) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
    """Beamformed IQ of a cine.

    The IQ is linear in the reflectivities: the sum of two calls (moving tissue, static background) is the IQ of both.

    Args:
        positions_m: (lateral, elevation, depth) in m, (n_frames, n, 3); or (n, 3) for scatterers that do not move,
            which is much cheaper for "fast" and "cole". No scatterers at all give zeros.
        reflectivity: Signed amplitude of each scatterer, (n_frames, n), or (n,) if constant.
        scan: The scan.
        method: "fast", the tabulated response (1-3 % of the exact IQ beyond 3 cm at rank 8); "exact", the frequency sum
            for every scatterer (seconds per frame); "cole", one real lateral profile per depth and one
            pulse, kept as a baseline: right statistics, wrong speckle pattern.
        rank: Separable kernels per range of "fast".
        elevation: Let the elevation lens weight scatterers off the image plane (3-D spreading law). Otherwise the
            elevation coordinate is ignored (2-D law).
        device: Where the matrix products run, a torch device.
        cache_dir: Folder in which tables are kept between processes; not kept if None.
        offset_deg: Largest angle between scatterer and beam in the table, degrees.
        splat_order: B-spline order of the scatterer grid; lower is cheaper and less exact.
        elevation_terms: Terms of the lens expansion of "fast" and "cole".

    Returns:
        IQ, complex64 (n_frames, n_beams, n_ranges), demodulated by exp(-i 4 pi fc R / c). Scatterers outside the
        table ("fast", "cole") contribute nothing: `count_off_table` counts them, and their number is logged at level
        INFO under "echotas.acoustics.fast".

    Raises:
        ValueError: A shape does not fit, a value is not finite, a scatterer is not in front of the array, or the method
            is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    if method == "exact":
        from echotas.acoustics.exact import simulate_exact

        return simulate_exact(positions_m, reflectivity, scan, elevation=elevation, device=device)
    plan = ResponsePlan(scan, method, rank, elevation, offset_deg, splat_order)
    return fast_model(plan, device, cache_dir, elevation_terms).simulate(positions_m, reflectivity)[0]


def count_off_table(
    positions_m: np.ndarray, scan: Scan, offset_deg: float = 7.0, elevation: bool = False
) -> np.ndarray | int:
    """How many scatterers of each frame the "fast" and "cole" engines leave out, int (n_frames,) or a single int.

    Args:
        positions_m: (n_frames, n, 3) or (n, 3), m.
        scan: The scan.
        offset_deg: As given to `simulate`.
        elevation: As given to `simulate`.

    Returns:
        Scatterers further than the offset beyond the outermost beams, further than the echo's length beyond the imaged
        ranges or, with elevation, outside the tabulated slab. They would add next to nothing to the image.
    """
    plan = ResponsePlan(scan, offset_deg=offset_deg)
    positions = np.asarray(positions_m, dtype=np.float64)
    range_m = np.hypot(positions[..., 0], positions[..., 2])
    if elevation:
        range_m = np.hypot(range_m, positions[..., 1])
    row = (np.arcsin(positions[..., 0] / range_m) - plan.row_angles_rad[0]) / plan.row_step_rad
    column = (range_m - plan.column_ranges_m[0]) / scan.range_step_m
    rows, columns = len(plan.row_angles_rad), len(plan.column_ranges_m)
    inside = (row >= 1) & (row < rows - 2) & (column >= 1) & (column < columns - 2)
    if elevation:
        inside &= np.abs(positions[..., 1]) <= HALF_SLAB_M
    off_table = (~inside).sum(axis=-1)
    return off_table if positions.ndim > 2 else int(off_table)
