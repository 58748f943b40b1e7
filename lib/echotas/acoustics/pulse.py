"""Spectra of excitation and transducer.

Excitation, a windowed sine of n cycles (T = n / fc): S(f) = i [sinc(T (f - fc)) - sinc(T (f + fc))].
Transducer, one way: H(f) = exp(-1/2 (|f - fc| / s)^p) with p = ln 126 / ln(2 fc / B), s = (B / 2) / (ln 2)^(1/p) and
B the two-way bandwidth: H^2 is 1/2 (-6 dB) at fc +- B/2 and 2^-126, the smallest single-precision number, at 0.
Source: Garcia 2022, SIMUS part I, section 2.3 (the generalised normal window of MUST's `getpulse`).

Convention: MUST sums with exp(+ikr) and conjugates at the end; here everything is conjugated from the start, so
waves are exp(-ikr) and signals are the real part of sums of exp(+i 2 pi f t).
"""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float

from echotas.acoustics.probe import Probe

__all__ = ["band_limits", "excitation_spectrum", "probe_spectrum", "two_way_spectrum"]


def excitation_spectrum(freq_hz: Float[np.ndarray, " n_freqs"], probe: Probe) -> Complex[np.ndarray, " n_freqs"]:
    """Spectrum of the electric excitation, conjugated (see the convention above); its modulus peaks near 1."""
    duration = probe.n_cycles / probe.freq_center_hz
    centre = probe.freq_center_hz
    return -1j * (np.sinc(duration * (freq_hz - centre)) - np.sinc(duration * (freq_hz + centre)))


def probe_spectrum(freq_hz: Float[np.ndarray, " n_freqs"], probe: Probe) -> Float[np.ndarray, " n_freqs"]:
    """One-way transducer response, 1 at the centre frequency."""
    bandwidth = probe.bandwidth_percent / 100 * probe.freq_center_hz
    power = math.log(126) / math.log(2 * probe.freq_center_hz / bandwidth)
    scale = bandwidth / 2 / math.log(2) ** (1 / power)
    return np.exp(-0.5 * (np.abs(freq_hz - probe.freq_center_hz) / scale) ** power)


def two_way_spectrum(freq_hz: Float[np.ndarray, " n_freqs"], probe: Probe) -> Complex[np.ndarray, " n_freqs"]:
    """Excitation times transducer on transmit and on receive."""
    return excitation_spectrum(freq_hz, probe) * probe_spectrum(freq_hz, probe) ** 2


@lru_cache(maxsize=64)
def band_limits(probe: Probe, threshold_db: float) -> tuple[float, float]:
    """Lowest and highest frequency, Hz in [0, 2 fc], where the two-way spectrum is above a threshold below its peak.

    Args:
        probe: The array.
        threshold_db: Level relative to the peak, dB, negative. -80 costs 1e-5 of the signal's norm, -60 about 5e-5.

    Raises:
        ValueError: The threshold is not negative.
    """
    if not threshold_db < 0:
        raise ValueError(f"threshold_db must be negative, got {threshold_db}")
    freq_hz = np.linspace(0, 2 * probe.freq_center_hz, 20001)
    level = np.abs(two_way_spectrum(freq_hz, probe))
    inside = np.flatnonzero(level > level.max() * 10 ** (threshold_db / 20))
    return float(freq_hz[inside[0]]), float(freq_hz[inside[-1]])
