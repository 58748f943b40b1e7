"""Thermal noise of the receiver."""

import numpy as np
import scipy.fft
from jaxtyping import Complex

from echotas.acoustics.bmode import reference_level
from echotas.acoustics.probe import require_positive
from echotas.acoustics.pulse import probe_spectrum
from echotas.acoustics.scan import Scan

__all__ = ["add_thermal_noise"]


def add_thermal_noise(
    iq: Complex[np.ndarray, "n_frames n_beams n_ranges"],
    scan: Scan,
    snr_db: float,
    rng: np.random.Generator,
    reference: float | None = None,
    reference_range_m: float = 0.05,
    attenuation: float = 0.5,
) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
    """IQ with electronic noise, which grows with depth.

    A receiver adds the same noise at all depths and the gain that undoes the tissue's attenuation lifts it. The engines
    simulate no attenuation, so their echoes are as if already compensated; the noise gets that gain here:
    rms(R) = reference 10^(-snr_db / 20) 10^(2 attenuation fc (R - reference_range) / 20). It has the receive band of
    the probe along range and is independent between beams and frames.

    Args:
        iq: IQ of a whole cine.
        scan: The scan.
        snr_db: Level of the reference amplitude over the noise's rms at the reference range, dB.
        rng: Source of the noise; equal generators give equal noise.
        reference: Amplitude the noise is related to; `reference_level(iq)` if None.
        reference_range_m: Range at which `snr_db` holds, m.
        attenuation: One way, dB/cm/MHz; 0.5 is soft tissue. 0 gives the same noise at all depths.

    Returns:
        A new array, complex64.

    Raises:
        ValueError: The frames do not fit the scan, or a number is not finite or has the wrong sign.
    """
    iq = np.asarray(iq)
    if iq.ndim != 3 or iq.shape[1:] != (scan.n_beams, scan.n_ranges):
        raise ValueError(f"iq must be (n_frames, n_beams = {scan.n_beams}, n_ranges = {scan.n_ranges}), got {iq.shape}")
    if not np.isfinite(snr_db):
        raise ValueError(f"snr_db must be finite, got {snr_db}")
    if not (np.isfinite(attenuation) and attenuation >= 0):
        raise ValueError(f"attenuation must not be negative, got {attenuation}")
    require_positive("reference_range_m", reference_range_m)
    if reference is None:
        reference = reference_level(iq)
    centre = scan.probe.freq_center_hz
    gain_db = 2 * attenuation * centre / 1e6 * (scan.ranges_m - reference_range_m) * 100
    level = (reference * 10 ** ((gain_db - snr_db) / 20)).astype(np.float32)

    n_fft = scipy.fft.next_fast_len(scan.n_ranges)
    band = probe_spectrum(
        centre + scipy.fft.fftfreq(n_fft, 2 * scan.range_step_m / scan.probe.speed_of_sound), scan.probe
    )
    # Unit variance after the transform: white noise of variance 2 per complex value, shaped by the band.
    band = (band * n_fft / np.sqrt(2 * np.sum(band**2))).astype(np.float32)
    noisy = np.empty(iq.shape, np.complex64)
    for t in range(len(iq)):
        white = rng.standard_normal((scan.n_beams, n_fft, 2), dtype=np.float32).view(np.complex64)[..., 0]
        noisy[t] = iq[t] + level * scipy.fft.ifft(white * band, axis=-1)[:, : scan.n_ranges]
    return noisy
