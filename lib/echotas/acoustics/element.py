"""One element's response at a point: distance, directivity, obliquity, spreading and attenuation.

For element e and point i at distance r and angle th from the element's normal, k = 2 pi f / c,
G = sinc(k_c w sin(th) / 2) O(th) r^(-1/2) exp(-a(f) r) exp(-i k r)   in 2-D,   and 1/r in place of r^(-1/2) with elevation.
The directivity is taken at the centre frequency (k_c), as SIMUS does by default. An element wider than the shortest
wavelength is the mean of equal parts, w being the width of one. Source: Garcia 2022, SIMUS part I, equations 17-24.
"""

import math

import numpy as np
import torch
from jaxtyping import Complex, Float

from echotas.acoustics.probe import Probe

__all__ = ["element_field", "element_response"]

NEPER_PER_DB = math.log(10) / 20


def element_response(
    positions_m: Float[np.ndarray, "n_points 3"], probe: Probe, elevation: bool
) -> tuple[Float[np.ndarray, "n_points n_elements n_segments"], Float[np.ndarray, "n_points n_elements n_segments"]]:
    """Distance and amplitude of every part of every element at every point, without propagation phase and attenuation.

    Args:
        positions_m: (lateral, elevation, depth) in m with depth > 0. Elevation is ignored in 2-D.
        probe: The array.
        elevation: 3-D law (1/r, distances include the elevation) instead of the 2-D law (1/sqrt(r)).

    Returns:
        Distances in m, not below half a wavelength (as in SIMUS, so the law never diverges), and real amplitudes; the
        response of an element is the mean over its parts.
    """
    part_width = probe.width_m / probe.n_segments
    along = (np.arange(probe.n_segments) - (probe.n_segments - 1) / 2) * part_width
    sine_e, cosine_e = np.sin(probe.element_angle_rad)[:, None], np.cos(probe.element_angle_rad)[:, None]
    x = positions_m[:, 0, None, None] - (probe.element_x_m[:, None] + along * cosine_e)
    z = positions_m[:, 2, None, None] - (probe.element_z_m[:, None] - along * sine_e)
    in_plane = np.hypot(x, z)
    distance = np.hypot(in_plane, positions_m[:, 1, None, None]) if elevation else in_plane
    distance = np.maximum(distance, probe.wavelength_m / 2)
    sine, cosine = (x * cosine_e - z * sine_e) / in_plane, (x * sine_e + z * cosine_e) / in_plane
    amplitude = np.sinc(part_width / probe.wavelength_m * sine) * _obliquity(cosine, probe)
    return distance, amplitude / (distance if elevation else np.sqrt(distance))


def element_field(
    freq_hz: Float[np.ndarray, " n_freqs"],
    distance_m: Float[np.ndarray, "n_points n_elements n_segments"],
    amplitude: Float[np.ndarray, "n_points n_elements n_segments"],
    reference_m: Float[np.ndarray, "*element"] | float,
    probe: Probe,
    device: torch.device | str = "cpu",
) -> Complex[torch.Tensor, "n_freqs n_points n_elements"]:
    """G of every element at every point, its phase counted from a reference distance (one for each element, or one number).

    Only the difference to the reference reaches single precision.
    """
    reference = np.asarray(reference_m)[..., None]
    excess = torch.tensor(distance_m - reference, dtype=torch.float32, device=device)
    level = torch.tensor(amplitude / amplitude.shape[-1], dtype=torch.float32, device=device)
    per_metre = torch.tensor(-2 * np.pi / probe.speed_of_sound * freq_hz, dtype=torch.float32, device=device)
    lost = None
    if probe.attenuation_db:
        decay = NEPER_PER_DB * probe.attenuation_db * 100 * freq_hz / 1e6  # 1/m at each frequency
        lost = torch.tensor(-decay, dtype=torch.float32, device=device)[:, None, None]
        path = torch.tensor(distance_m, dtype=torch.float32, device=device)
    total = None
    for part in range(level.shape[-1]):
        strength = level[..., part].expand(len(freq_hz), -1, -1)
        if lost is not None:
            strength = strength * torch.exp(lost * path[..., part])
        field = torch.polar(strength.contiguous(), per_metre[:, None, None] * excess[..., part])
        total = field if total is None else total.add_(field)
    return total


def _obliquity(cosine: np.ndarray, probe: Probe) -> np.ndarray:
    """Baffle; nothing is heard behind the face of a convex array's element."""
    front = cosine > 0
    if probe.baffle == "rigid":
        return front.astype(np.float64)
    if probe.baffle == "soft":
        return np.where(front, cosine, 0.0)
    return np.where(front, cosine / (np.where(front, cosine, 0.0) + probe.baffle), 0.0)
