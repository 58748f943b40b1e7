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

__all__ = ["element_field", "element_response", "propagation"]

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
    reference_m: Float[np.ndarray, "n_points n_elements"] | float,
    probe: Probe,
    device: torch.device | str = "cpu",
) -> Complex[torch.Tensor, "n_freqs n_points n_elements"]:
    """G of every element at every point, its phase counted from a reference distance.

    Args:
        freq_hz: Evenly spaced frequencies, Hz.
        distance_m: As returned by `element_response`.
        amplitude: As returned by `element_response`.
        reference_m: Distance whose phase is left out, m; (n_points or 1, n_elements or 1), or one number.
        probe: The array.
        device: Where the result lies, a torch device.
    """
    path = distance_m - np.asarray(reference_m)[..., None]
    level = torch.tensor(amplitude / amplitude.shape[-1], dtype=torch.float32, device=device)
    total = None
    for part in range(level.shape[-1]):
        lost = distance_m[..., part] if probe.attenuation_db else None
        field = propagation(freq_hz, path[..., part], probe, lost, device).mul_(level[..., part])
        total = field if total is None else total.add_(field)
    return total


def propagation(
    freq_hz: Float[np.ndarray, " n_freqs"],
    path_m: Float[np.ndarray, "*shape"],
    probe: Probe,
    lossy_path_m: Float[np.ndarray, "*shape"] | None = None,
    device: torch.device | str = "cpu",
) -> Complex[torch.Tensor, "n_freqs *shape"]:
    """exp(-i k path - a(f) lossy_path) at evenly spaced frequencies, complex64.

    On an even grid f = f_0 + (m a + b) step the exponential is a product of one of a few coarse and one of a few fine
    steps, so that only 2 sqrt(n_freqs) sines are needed. Whole turns are taken out in double precision.

    Args:
        freq_hz: Evenly spaced frequencies, Hz.
        path_m: Length that turns the phase, m.
        probe: Its speed of sound and attenuation.
        lossy_path_m: Length over which the medium attenuates, m; none if None.
        device: Where the result lies, a torch device.
    """
    count = len(freq_hz)
    step_hz = (freq_hz[-1] - freq_hz[0]) / max(count - 1, 1)
    n_fine = math.isqrt(max(count - 1, 0)) + 1
    fine_hz, coarse_hz = step_hz * np.arange(n_fine), freq_hz[0] + step_hz * np.arange(0, count, n_fine)
    path = torch.as_tensor(path_m, dtype=torch.float64, device=device)
    lossy = None
    if lossy_path_m is not None:
        lossy = torch.as_tensor(lossy_path_m * (NEPER_PER_DB * probe.attenuation_db * 100 / 1e6), device=device)

    def factors(hz: np.ndarray) -> torch.Tensor:
        frequency = torch.as_tensor(hz, device=device).reshape(-1, *(1,) * path.ndim)
        turns = frequency * (path / -probe.speed_of_sound)
        turns -= torch.round(turns)
        phase = turns.float() * (2 * torch.pi)
        size = torch.ones_like(phase) if lossy is None else torch.exp(-frequency * lossy).float()
        return torch.polar(size, phase)

    product = factors(coarse_hz)[:, None] * factors(fine_hz)
    return product.flatten(0, 1)[:count]


def _obliquity(cosine: np.ndarray, probe: Probe) -> np.ndarray:
    """Baffle; nothing is heard behind the face of a convex array's element."""
    front = cosine > 0
    if probe.baffle == "rigid":
        return front.astype(np.float64)
    if probe.baffle == "soft":
        return np.where(front, cosine, 0.0)
    return np.where(front, cosine / (np.where(front, cosine, 0.0) + probe.baffle), 0.0)
