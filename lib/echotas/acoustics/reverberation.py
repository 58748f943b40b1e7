"""Reverberation: sound that goes back and forth once more between two layers, and is drawn too deep.

Between two strong, nearly parallel reflectors (transducer face and chest wall, two fascias) some of the sound makes
one or several extra round trips. Every echo is followed by weaker copies of itself, each one extra trip later. In
beamformed IQ, demodulated by exp(-i 4 pi fc R / c), a copy is the line moved along range, with the carrier's phase of
the extra path: IQ_k(R) = g^k exp(-i 4 pi fc k d / c) IQ(R - k d).
"""

import numpy as np
from jaxtyping import Complex

from echotas.acoustics.probe import require_positive
from echotas.acoustics.scan import Scan

__all__ = ["add_reverberation"]


def add_reverberation(
    iq: Complex[np.ndarray, "n_frames n_beams n_ranges"],
    scan: Scan,
    gap_m: float,
    level_db: float,
    beams: slice | np.ndarray | None = None,
    source_range_m: tuple[float, float] | None = None,
    n_trips: int = 3,
) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
    """IQ with the copies that sound between two layers leaves.

    Args:
        iq: IQ of a cine.
        scan: The scan.
        gap_m: Distance between the layers, m; a copy lies this much deeper than what it repeats.
        level_db: A copy against what it repeats, dB, negative; the second copy has twice as many.
        beams: Beams that meet the layers; all if None.
        source_range_m: Only echoes from these ranges repeat, e.g. (0.005, 0.02) for the chest wall, whose bands then lie
            still over a moving heart; all if None.
        n_trips: Copies.

    Returns:
        A new array, complex64. Copies beyond the last range are cut off.

    Raises:
        ValueError: The frames do not fit the scan, the gap is not positive, the level not negative, or the ranges are
            not in order.
    """
    iq = np.asarray(iq)
    if iq.ndim != 3 or iq.shape[1:] != (scan.n_beams, scan.n_ranges):
        raise ValueError(f"iq must be (n_frames, n_beams = {scan.n_beams}, n_ranges = {scan.n_ranges}), got {iq.shape}")
    require_positive("gap_m", gap_m)
    if not level_db < 0:
        raise ValueError(f"level_db must be negative (a copy is weaker), got {level_db}")
    if isinstance(n_trips, bool) or not isinstance(n_trips, int | np.integer) or n_trips < 1:
        raise ValueError(f"n_trips must be an integer of at least 1, got {n_trips!r}")
    near, far = source_range_m or (0.0, np.inf)
    if not near < far:
        raise ValueError(f"source_range_m must be (near, far) with near < far, got {source_range_m}")
    chosen = slice(None) if beams is None else beams
    source = np.where((scan.ranges_m >= near) & (scan.ranges_m < far), iq[:, chosen], 0)
    # Moved by the spectrum along range, padded so that nothing wraps round: a gap is no whole number of samples.
    n_padded = 2 * scan.n_ranges
    spectrum = np.fft.fft(source, n_padded, axis=-1)
    cycles_per_m = np.fft.fftfreq(n_padded, scan.range_step_m)
    carrier_per_m = 2 * scan.probe.freq_center_hz / scan.probe.speed_of_sound
    result = iq.astype(np.complex64)
    for trip in range(1, n_trips + 1):
        path = trip * gap_m
        if path >= scan.ranges_m[-1] - scan.ranges_m[0]:
            break
        turn = np.exp(-2j * np.pi * (cycles_per_m + carrier_per_m) * path) * 10 ** (trip * level_db / 20)
        result[:, chosen] += np.fft.ifft(spectrum * turn, axis=-1)[..., : scan.n_ranges].astype(np.complex64)
    return result
