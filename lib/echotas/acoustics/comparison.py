"""Comparing engines: test patches, point widths, image error, speckle statistics, decorrelation by motion."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Complex, Float

from echotas.acoustics.engine import simulate
from echotas.acoustics.scan import Scan

__all__ = [
    "decorrelation",
    "half_width",
    "patch_of_scatterers",
    "relative_error",
    "speckle_statistics",
    "window_of",
]


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


def window_of(scan: Scan, depth_m: tuple[float, float], half_angle_deg: float) -> Bool[np.ndarray, "n_beams n_ranges"]:
    """Samples of a frame within a range of depths and within +- an angle of the axis."""
    beams = np.abs(np.degrees(scan.angles_rad)) <= half_angle_deg
    ranges = (scan.ranges_m >= depth_m[0]) & (scan.ranges_m <= depth_m[1])
    return beams[:, None] & ranges


def decorrelation(
    displaced_m: Float[np.ndarray, "n_steps n 3"],
    reflectivity: Float[np.ndarray, " n"],
    scan: Scan,
    window: Bool[np.ndarray, "n_beams n_ranges"],
    method: str,
    rank: int = 8,
    elevation: bool = False,
    cache_dir: Path | None = None,
) -> Float[np.ndarray, " n_steps"]:
    """Envelope correlation of every step with the first, in a window that stays where it is: nothing is tracked.

    Args:
        displaced_m: The scatterers of each step.
        reflectivity: Their amplitudes.
        scan: The scan.
        window: Samples that count.
        method: Engine, as in `simulate`.
        rank: Separable kernels of "fast".
        elevation: 3-D law with the elevation lens.
        cache_dir: Folder of response tables.
    """
    amplitude = np.repeat(reflectivity[None], len(displaced_m), axis=0)
    envelope = np.abs(simulate(displaced_m, amplitude, scan, method, rank, elevation, cache_dir=cache_dir))[:, window]
    return np.array([np.corrcoef(step, envelope[0])[0, 1] for step in envelope])


def speckle_statistics(
    iq: Complex[np.ndarray, "n_beams n_ranges"], scan: Scan, window: Bool[np.ndarray, "n_beams n_ranges"]
) -> dict[str, float]:
    """First- and second-order statistics of speckle in a window.

    Returns:
        "snr": mean over standard deviation of the envelope, 1.91 for fully developed speckle; "lateral_beams" and
        "axial_mm": half widths at half maximum of the envelope's autocovariance.
    """
    rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
    envelope = np.abs(iq[np.ix_(rows, columns)])
    # The echo changes slowly with depth and steering; that must not pass for speckle.
    envelope = envelope / _trend(columns, envelope.mean(axis=0))
    envelope = envelope / _trend(rows, envelope.mean(axis=1))[:, None]
    centred = envelope - envelope.mean()
    spectrum = np.abs(np.fft.fft2(centred, (2 * len(rows), 2 * len(columns)))) ** 2
    covariance = np.fft.ifft2(spectrum).real
    overlap = np.outer(len(rows) - np.arange(len(rows)), len(columns) - np.arange(len(columns)))
    covariance = covariance[: len(rows), : len(columns)] / overlap
    return {
        "snr": float(envelope.mean() / envelope.std()),
        "lateral_beams": _half_width(covariance[:, 0]),
        "axial_mm": _half_width(covariance[0]) * 1e3 * scan.range_step_m,
    }


def _trend(place: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Parabola through values."""
    return np.polynomial.Polynomial.fit(place, values, 2)(place)


def _half_width(profile: np.ndarray) -> float:
    """Samples from the first, largest value to half of it; NaN if it never falls so low."""
    below = np.flatnonzero(profile < profile[0] / 2)
    if not len(below):
        return float("nan")
    i = below[0]
    return float(i - 1 + (profile[i - 1] - profile[0] / 2) / (profile[i - 1] - profile[i]))
