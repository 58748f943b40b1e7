"""The same channel data from PyMUST, the field's own implementation of SIMUS: to compare with and to time against.

PyMUST's amplitude is proportional to its own frequency step over the sampling frequency, hence to the deepest scatterer;
that factor is taken out here. It works in single precision (4.5e-5 of the signal) and takes a neper for 8.69 dB.
"""

import math
import warnings

import numpy as np
from jaxtyping import Float

from echotas.acoustics.scan import Scan

__all__ = ["pymust_channels"]


def pymust_channels(
    positions_m: Float[np.ndarray, "n 3"], reflectivity: Float[np.ndarray, " n"], scan: Scan, beam: int
) -> Float[np.ndarray, "n_elements n_samples"]:
    """RF of one transmit in 2-D, in the units of `simulate_channels`; its length depends on the deepest scatterer.

    Raises:
        ValueError: The transmit has apodisation, or several beams fire at once.
    """
    if scan.n_simultaneous > 1 or scan.transmit_apodisation != "rectangular":
        raise ValueError("scan must fire one beam at a time without apodisation to be compared with PyMUST")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pymust

        probe, parameters = scan.probe, pymust.utils.Param()
        parameters.fc, parameters.bandwidth, parameters.c = (
            probe.freq_center_hz,
            probe.bandwidth_percent,
            probe.speed_of_sound,
        )
        parameters.Nelements, parameters.pitch, parameters.width = probe.n_elements, probe.pitch_m, probe.width_m
        parameters.radius, parameters.baffle, parameters.TXnow = probe.radius_m, probe.baffle, probe.n_cycles
        parameters.attenuation, parameters.fs = probe.attenuation_db * 8.69 * math.log(10) / 20, scan.sampling_hz
        parameters.kerf, parameters.height, parameters.focus = probe.pitch_m - probe.width_m, np.inf, np.inf
        x, z = positions_m[None, :, 0], positions_m[None, :, 2]
        rf, spectrum = pymust.simus(x, z, reflectivity[None], scan.transmit_delays_s[[beam]], parameters)
    step_hz = 2 * probe.freq_center_hz / (len(spectrum) - 1)
    return rf.T * scan.sampling_hz / step_hz
