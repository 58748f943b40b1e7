"""Comparing engines: test patches, point widths, image error, decorrelation by motion through the image plane."""

from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float

from echotas.acoustics.engine import simulate
from echotas.acoustics.scan import Scan

__all__ = ["elevation_decorrelation", "half_width", "patch_of_scatterers", "relative_error"]


def patch_of_scatterers(
    rng: np.random.Generator,
    n: int,
    depth_m: tuple[float, float],
    half_angle_deg: float,
    elevation_m: float = 0.0,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Scatterers uniform over a sector patch (and a slab of +- `elevation_m`), with normal reflectivities."""
    angle = np.radians(half_angle_deg) * rng.uniform(-1, 1, n)
    r = np.sqrt(rng.uniform(depth_m[0] ** 2, depth_m[1] ** 2, n))
    y = elevation_m * rng.uniform(-1, 1, n)
    return np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1), rng.standard_normal(n)


def half_width(iq: Complex[np.ndarray, "n_beams n_ranges"], scan: Scan) -> tuple[float, float]:
    """Axial and lateral width at half maximum of the brightest echo, mm; linear interpolation between samples."""
    envelope = np.abs(iq)
    beam, sample = np.unravel_index(envelope.argmax(), envelope.shape)
    axial = _width_at_half(envelope[beam], sample) * scan.range_step_m
    beam_step = np.mean(np.diff(scan.angles_rad))
    lateral = _width_at_half(envelope[:, sample], beam) * beam_step * scan.ranges_m[sample]
    return 1e3 * float(axial), 1e3 * float(lateral)


def _width_at_half(profile: np.ndarray, peak: int) -> float:
    """Width in samples between the half-maximum crossings on either side of the peak; NaN if one is missing."""
    half = profile[peak] / 2
    edges = []
    for side in (profile[peak::-1], profile[peak:]):
        below = np.flatnonzero(side < half)
        if not len(below):
            return float("nan")
        i = below[0]
        edges.append(i - 1 + (side[i - 1] - half) / (side[i - 1] - side[i]))
    return float(sum(edges))


def relative_error(iq: np.ndarray, reference: np.ndarray, dynamic_range_db: float = 50.0) -> dict[str, float]:
    """How far an IQ image is from a reference.

    Returns:
        "iq": relative L2 difference after the one complex gain that fits best; "log_correlation": correlation of the log envelopes
        within the dynamic range below the reference's maximum.
    """
    gain = np.vdot(iq, reference) / np.vdot(iq, iq)
    difference = np.linalg.norm(gain * iq - reference) / np.linalg.norm(reference)
    peak = np.abs(reference).max()
    shown = np.abs(reference) > peak * 10 ** (-dynamic_range_db / 20)
    floor = peak * 10 ** (-dynamic_range_db / 20)
    logs = [np.log10(np.maximum(np.abs(image[shown]), floor)) for image in (gain * iq, reference)]
    return {"iq": float(difference), "log_correlation": float(np.corrcoef(*logs)[0, 1])}


def elevation_decorrelation(
    positions_m: Float[np.ndarray, "n 3"],
    reflectivity: Float[np.ndarray, " n"],
    scan: Scan,
    shifts_mm: Float[np.ndarray, " n_shifts"],
    method: str,
    cache_dir: Path | None = None,
) -> Float[np.ndarray, " n_shifts"]:
    """Envelope correlation of a patch with itself after moving through the image plane, one value per shift.

    Taken over the samples above 10 % of the first image's maximum, so that the empty part of the sector does not count.
    """
    moved = (
        positions_m[None] + np.stack([np.zeros_like(shifts_mm), 1e-3 * shifts_mm, np.zeros_like(shifts_mm)], 1)[:, None]
    )
    amplitude = np.repeat(reflectivity[None], len(shifts_mm), axis=0)
    envelope = np.abs(simulate(moved, amplitude, scan, method=method, elevation=True, cache_dir=cache_dir))
    shown = envelope[0] > 0.1 * envelope[0].max()
    return np.array([np.corrcoef(image[shown], envelope[0][shown])[0, 1] for image in envelope])
