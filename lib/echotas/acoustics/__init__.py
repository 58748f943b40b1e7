"""Ultrasound physics: from scatterers to channel data, beamformed IQ and B-mode images.

Two engines share one physics: `exact` sums the SIMUS frequency response of every scatterer, `fast` applies the same
response tabulated once per scan.
"""

from echotas.acoustics.beamform import delay_and_sum
from echotas.acoustics.bmode import reference_level, tgc_curve, to_bmode
from echotas.acoustics.engine import count_off_table, simulate
from echotas.acoustics.exact import simulate_channels
from echotas.acoustics.noise import add_thermal_noise
from echotas.acoustics.probe import Probe, phased_2p5_mhz
from echotas.acoustics.reverberation import add_reverberation
from echotas.acoustics.scan import Scan
from echotas.acoustics.scan_conversion import polar_resample, scan_convert

__all__ = [
    "Probe",
    "Scan",
    "add_reverberation",
    "add_thermal_noise",
    "count_off_table",
    "delay_and_sum",
    "phased_2p5_mhz",
    "polar_resample",
    "reference_level",
    "scan_convert",
    "simulate",
    "simulate_channels",
    "tgc_curve",
    "to_bmode",
]
