"""One element's response at a point: distance, directivity, obliquity and spreading.

For element e and point i at distance r and angle th from the element's normal,
G = sinc(k_c w sin(th) / 2) O(th) r^(-1/2) exp(-i k r)   in 2-D,   and 1/r in place of r^(-1/2) with elevation.
The directivity is taken at the centre frequency (k_c), as SIMUS does by default. Source: Garcia 2022, SIMUS part I,
equations 17-24.
"""

import numpy as np
from jaxtyping import Float

from echotas.acoustics.probe import Probe

__all__ = ["element_response"]


def element_response(
    positions_m: Float[np.ndarray, "n_points 3"], probe: Probe, elevation: bool
) -> tuple[Float[np.ndarray, "n_points n_elements"], Float[np.ndarray, "n_points n_elements"]]:
    """Distance and amplitude of every element at every point, without the propagation phase.

    Args:
        positions_m: (lateral, elevation, depth) in m with depth > 0. Elevation is ignored in 2-D.
        probe: The array.
        elevation: 3-D law (1/r, distances include the elevation) instead of the 2-D law (1/sqrt(r)).

    Returns:
        Distances in m, not below half a wavelength (as in SIMUS, so the law never diverges), and real amplitudes.
    """
    across = positions_m[:, :1] - probe.element_x_m
    in_plane = np.hypot(across, positions_m[:, 2:])
    distance = np.hypot(in_plane, positions_m[:, 1:2]) if elevation else in_plane
    distance = np.maximum(distance, probe.wavelength_m / 2)
    sine, cosine = across / in_plane, positions_m[:, 2:] / in_plane
    amplitude = np.sinc(probe.width_m / probe.wavelength_m * sine) * _obliquity(cosine, probe)
    return distance, amplitude / (distance if elevation else np.sqrt(distance))


def _obliquity(cosine: np.ndarray, probe: Probe) -> np.ndarray:
    if probe.baffle == "rigid":
        return np.ones_like(cosine)
    if probe.baffle == "soft":
        return cosine
    return cosine / (cosine + probe.baffle)
