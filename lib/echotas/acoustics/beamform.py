"""Delay-and-sum: channel data to IQ on the scan's beams and ranges.

IQ(R) = exp(-i 4 pi fc R / c) sum_e A_e((R + |p - x_e|) / c + tau_c), where A_e is the analytic channel signal, p the
point at range R on the beam, and tau_c the firing time of the aperture's centre (see `scan`). The transmit rule is the
aperture centre at every depth; the "earliest element" rule of some toolboxes moves echoes by up to half a wavelength
beyond the focus.
"""

import numpy as np
import scipy.fft
import torch
from jaxtyping import Complex, Float, Int

from echotas.acoustics.scan import Scan

__all__ = ["beamform", "delay_and_sum", "receive_aperture"]

TAIL_SAMPLES = 64
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
    return beamform(torch.as_tensor(rf, dtype=torch.float32), scan, beams).numpy()


def beamform(
    rf: Float[torch.Tensor, "n_tx n_elements n_samples"], scan: Scan, beams: Int[np.ndarray, " n_tx"]
) -> Complex[torch.Tensor, "n_tx n_ranges"]:
    """`delay_and_sum` of a tensor that has been checked, on the tensor's device."""
    device = rf.device
    rate, speed, centre = scan.sampling_hz * UPSAMPLING, scan.probe.speed_of_sound, scan.probe.freq_center_hz
    aperture = receive_aperture(scan, beams, scan.ranges_m)
    element_x, element_z = scan.probe.element_x_m[:, None], scan.probe.element_z_m[:, None]
    iq = torch.empty((len(beams), scan.n_ranges), dtype=torch.complex64, device=device)
    for row, beam in enumerate(beams):
        baseband, shift_hz = _baseband(rf[row], scan)  # (n_elements, 2 n_samples)
        lateral, depth = scan.ranges_m * np.sin(scan.angles_rad[beam]), scan.ranges_m * np.cos(scan.angles_rad[beam])
        to_pixel = np.hypot(lateral - element_x, depth - element_z)
        delay = (scan.ranges_m + to_pixel) / speed + scan.centre_delays_s[beam]
        values = _interpolate(baseband, torch.tensor(delay * rate, device=device))
        turns = shift_hz * delay - centre * 2 * scan.ranges_m / speed
        phase = torch.tensor(2 * np.pi * (turns - np.round(turns)), dtype=torch.float32, device=device)
        rotation = torch.polar(torch.tensor(aperture[row], dtype=torch.float32, device=device), phase)
        iq[row] = (values * rotation).sum(dim=0)
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


def _baseband(rf: torch.Tensor, scan: Scan) -> tuple[torch.Tensor, float]:
    """Analytic signal shifted down by about the centre frequency, `UPSAMPLING` times finer, and by how much, Hz.

    The shift is a whole number of frequency bins, so that it is a move of the spectrum: complex64 (n_elements, n).
    """
    n_samples = rf.shape[-1]
    length = scipy.fft.next_fast_len(n_samples + TAIL_SAMPLES, real=True)  # zero-padded: no wrap from end to start
    spectrum = torch.fft.rfft(rf, n=length)
    spectrum[..., 1:-1] *= 2
    shift = round(scan.probe.freq_center_hz / scan.sampling_hz * length)
    fine = torch.zeros((*rf.shape[:-1], length * UPSAMPLING), dtype=torch.complex64, device=rf.device)
    fine[..., : spectrum.shape[-1] - shift] = spectrum[..., shift:]
    fine[..., -shift:] = spectrum[..., :shift]
    return torch.fft.ifft(fine)[..., : n_samples * UPSAMPLING] * UPSAMPLING, shift * scan.sampling_hz / length


def _interpolate(signal: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Cubic Lagrange interpolation along the last axis; 0 outside."""
    below = torch.floor(position)
    t = (position - below).float()
    first = below.long() - 1
    inside = (first >= 0) & (first <= signal.shape[-1] - 4)
    first = torch.where(inside, first, 0)
    weights = torch.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        dim=-1,
    )
    taps = signal.unfold(-1, 4, 1)[torch.arange(len(signal), device=signal.device)[:, None], first]
    return (taps * (weights * inside[..., None])).sum(dim=-1)
