"""Delay-and-sum: channel data to IQ on the scan's beams and ranges.

IQ(R) = exp(-i 4 pi fc R / c) sum_e A_e((R + |p - x_e|) / c + tau_c), where A_e is the analytic channel signal, p the
point at range R on the beam, and tau_c the firing time of the aperture's centre (see `scan`). The transmit rule is the
aperture centre at every depth; the "earliest element" rule of some toolboxes moves echoes by up to half a wavelength
beyond the focus.
"""

import numpy as np
import torch
from jaxtyping import Complex, Float

from echotas.acoustics.scan import Scan

__all__ = ["delay_and_sum", "receive_aperture"]

UPSAMPLING = 2
"""Baseband is resampled this much finer (by FFT) before 4-point interpolation, which then errs by about 1e-3 at the
band's edge."""


def receive_aperture(
    scan: Scan, beams: np.ndarray, ranges_m: Float[np.ndarray, " n_ranges"]
) -> Float[np.ndarray, "n_beams n_elements n_ranges"]:
    """Weights of the elements for each beam and range: the receive apodisation, within the aperture of the f-number.

    All elements listen without an f-number. With one, the aperture as seen along the beam is range / f_number; the usual rule
    with depth instead of range would blank every beam steered beyond atan(1 / (2 F)).
    """
    shape = (len(beams), scan.probe.n_elements, len(ranges_m))
    weights = np.broadcast_to(scan.receive_weights[:, None], shape)
    if scan.f_number is None:
        return weights
    seen = np.abs(scan.probe.element_x_m[:, None]) * np.cos(scan.angles_rad[beams])[:, None, None]
    return weights * (seen <= np.abs(ranges_m) / (2 * scan.f_number))


def delay_and_sum(
    rf: Float[np.ndarray, "n_tx n_elements n_samples"], scan: Scan, transmits: np.ndarray | list[int] | None = None
) -> Complex[np.ndarray, "n_tx n_ranges"]:
    """Beamform one receive line per transmit.

    Args:
        rf: Channel data as made by `simulate_channels`, sampled at `scan.sampling_hz` from the first firing on.
        scan: The scan.
        transmits: Beam index of each row of `rf`; all beams if None.

    Returns:
        IQ at `scan.ranges_m`, complex64.

    Raises:
        ValueError: Shapes do not fit, samples are not finite, or a beam index is out of range.
    """
    beams = scan_beams(scan, transmits)
    rf = np.asarray(rf)
    if rf.ndim != 3 or rf.shape[:2] != (len(beams), scan.probe.n_elements):
        raise ValueError(
            f"rf must be (n_tx = {len(beams)}, n_elements = {scan.probe.n_elements}, n_samples), got {rf.shape}"
        )
    if not np.isfinite(rf).all():
        raise ValueError("rf must be finite, got NaN or infinite samples")
    rate, speed, centre = scan.sampling_hz * UPSAMPLING, scan.probe.speed_of_sound, scan.probe.freq_center_hz
    aperture = receive_aperture(scan, beams, scan.ranges_m)
    element_x, element_z = scan.probe.element_x_m[:, None], scan.probe.element_z_m[:, None]
    iq = np.empty((len(beams), scan.n_ranges), np.complex64)
    for row, beam in enumerate(beams):
        baseband = _baseband(torch.as_tensor(rf[row], dtype=torch.float32), scan)  # (n_elements, 2 n_samples)
        lateral, depth = scan.ranges_m * np.sin(scan.angles_rad[beam]), scan.ranges_m * np.cos(scan.angles_rad[beam])
        to_pixel = np.hypot(lateral - element_x, depth - element_z)
        delay = (scan.ranges_m + to_pixel) / speed + scan.centre_delays_s[beam]
        values = _interpolate(baseband, torch.tensor(delay * rate))
        turns = centre * (delay - 2 * scan.ranges_m / speed)
        phase = torch.tensor(2 * np.pi * (turns - np.round(turns)), dtype=torch.float32)
        rotation = torch.polar(torch.tensor(aperture[row], dtype=torch.float32), phase)
        iq[row] = (values * rotation).sum(dim=0).numpy()
    return iq


def scan_beams(scan: Scan, transmits: np.ndarray | list[int] | None) -> np.ndarray:
    """Beam indices as an int array; all beams if None; `ValueError` if one is out of range."""
    if transmits is None:
        return np.arange(scan.n_beams)
    beams = np.atleast_1d(np.asarray(transmits))
    if beams.ndim != 1 or beams.size == 0 or not np.issubdtype(beams.dtype, np.integer):
        raise ValueError(f"transmits must be a list of beam indices, got {transmits!r}")
    if beams.min() < 0 or beams.max() >= scan.n_beams:
        raise ValueError(f"transmits must lie in 0..{scan.n_beams - 1}, got {beams.min()}..{beams.max()}")
    return beams


def _baseband(rf: torch.Tensor, scan: Scan) -> torch.Tensor:
    """Analytic signal times exp(-i 2 pi fc t), `UPSAMPLING` times finer, complex64 (n_elements, n)."""
    n_samples = rf.shape[-1]
    spectrum = torch.fft.rfft(rf.double(), n=2 * n_samples)  # zero-padded: no wrap from the end to the start
    spectrum[..., 1:-1] *= 2
    fine = torch.fft.ifft(spectrum, n=2 * n_samples * UPSAMPLING)[..., : n_samples * UPSAMPLING] * UPSAMPLING
    time = torch.arange(fine.shape[-1], dtype=torch.float64) / (scan.sampling_hz * UPSAMPLING)
    turns = torch.remainder(scan.probe.freq_center_hz * time, 1.0)
    return (fine * torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)).to(torch.complex64)


def _interpolate(signal: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Cubic Lagrange interpolation along the last axis; 0 outside."""
    below = torch.floor(position)
    t = (position - below).float()
    first = below.long() - 1
    inside = (first >= 0) & (first <= signal.shape[-1] - 4)
    first = torch.where(inside, first, 0)
    weights = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    value = sum(torch.gather(signal, -1, first + tap) * weight for tap, weight in enumerate(weights))
    return value * inside
