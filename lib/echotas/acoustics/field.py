"""The pressure field of one transmit: where the sound goes before anything scatters it."""

import numpy as np
import torch
from jaxtyping import Float

from echotas.acoustics.element import element_field, element_response
from echotas.acoustics.lens import lens_factor
from echotas.acoustics.probe import Probe
from echotas.acoustics.pulse import band_limits, excitation_spectrum, probe_spectrum
from echotas.acoustics.scan import Scan

__all__ = ["pressure_field"]

POINTS_PER_BATCH = 2048
N_FREQUENCIES = 64
"""Samples of the band; the mean over it has converged to better than 1e-3 (against 256, in the test)."""


def pressure_field(
    positions_m: Float[np.ndarray, "*grid 3"],
    scan: Scan,
    beam: int,
    elevation: bool = False,
    n_frequencies: int = N_FREQUENCIES,
) -> Float[np.ndarray, "*grid"]:
    """Root-mean-square pressure over the transmitted band, relative to nothing: compare within one field.

    P(f) = S(f) H(f) sum_e a_e exp(-i 2 pi f t_e) G_e(f), summed over all beams that fire with this one.

    Args:
        positions_m: (lateral, elevation, depth) in m, depth > 0, any grid.
        scan: The scan.
        beam: Which transmit.
        elevation: 3-D law with the elevation lens instead of the 2-D law.
        n_frequencies: Samples of the band.

    Raises:
        ValueError: A point is not in front of the array, or the beam does not exist.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    if positions.shape[-1:] != (3,) or not np.isfinite(positions).all():
        raise ValueError(f"positions_m must be finite with a last axis of 3 (x, y, z), got shape {positions.shape}")
    if positions.size and not positions[..., 2].min() > 0:
        raise ValueError(
            f"positions_m must lie in front of the array (depth z > 0), got {positions[..., 2].min():.6g} m"
        )
    if not 0 <= beam < scan.n_beams:
        raise ValueError(f"beam must be in 0..{scan.n_beams - 1}, got {beam}")
    probe = scan.probe
    freq_hz = np.linspace(*band_limits(probe, -60.0), n_frequencies)
    delays = scan.transmit_delays_s[scan.events[np.argmax((scan.events == beam).any(axis=1))]]
    fire = np.exp(-2j * np.pi * freq_hz[:, None, None] * delays).sum(axis=1) * scan.transmit_weights
    fire *= (excitation_spectrum(freq_hz, probe) * probe_spectrum(freq_hz, probe))[:, None]
    flat = positions.reshape(-1, 3)
    parts = [
        _rms(flat[i : i + POINTS_PER_BATCH], freq_hz, fire, probe, elevation)
        for i in range(0, len(flat), POINTS_PER_BATCH)
    ]
    return np.concatenate(parts).reshape(positions.shape[:-1]) if parts else np.zeros(positions.shape[:-1])


def _rms(points: np.ndarray, freq_hz: np.ndarray, fire: np.ndarray, probe: Probe, elevation: bool) -> np.ndarray:
    distance, amplitude = element_response(points, probe, elevation)
    # Only the modulus counts, so every point may have its own zero of phase; the mean keeps differences small.
    field = element_field(freq_hz, distance, amplitude, distance.mean(axis=(1, 2))[:, None], probe)
    pressure = torch.bmm(field, torch.tensor(fire[:, :, None].astype(np.complex64)))[..., 0].numpy().T
    if elevation:
        pressure = pressure * lens_factor(points[:, 1], np.linalg.norm(points, axis=1), freq_hz, probe)
    return np.sqrt((np.abs(pressure) ** 2).mean(axis=1))
