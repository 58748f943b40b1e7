"""Scanners: what differs between vendors apart from the patient: probe, grey map, persistence.

Three invented ones, spanning what clinical loops show; none stands for a real product. "one" and "two" share a probe
(and so the response table), "three" has another probe and serves the out-of-distribution cohort.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from echotas.acoustics import Probe, phased_2p5_mhz

__all__ = ["SCANNERS", "Scanner", "grey_map", "persist"]


@dataclass(frozen=True)
class Scanner:
    """One scanner and its presets."""

    name: str
    """Key of `SCANNERS`."""
    probe: Probe = field(default_factory=lambda: phased_2p5_mhz(n_elements=94))
    """Its cardiac probe. An aperture of 28 mm gives at 2.5 MHz the lateral speckle size of clinical loops, which are
    taken at the second harmonic with a smaller one."""
    curve: float = 1.0
    """Exponent of the grey map after log compression: below 1 lifts dark greys, above 1 darkens them."""
    persistence: float = 0.0
    """Share of the frame before in the frame shown, 0..1."""
    beams: float = 1.0
    """Beams relative to what the cohort's settings ask for."""
    dynamic_range_db: tuple[float, float] = (50.0, 58.0)
    """Range of presets between black and white, dB."""

    def __post_init__(self) -> None:
        if not 0.2 <= self.curve <= 5:
            raise ValueError(f"curve must be in 0.2..5, got {self.curve}")
        if not 0 <= self.persistence < 1:
            raise ValueError(f"persistence must be in [0, 1), got {self.persistence}")


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner("one"),
        Scanner("two", curve=0.8, persistence=0.15, dynamic_range_db=(56.0, 66.0)),
        Scanner(
            "three",
            probe=phased_2p5_mhz(
                n_elements=64, pitch_m=0.27e-3, width_m=0.22e-3, freq_center_hz=2.9e6, bandwidth_percent=60.0
            ),
            curve=1.25,
            persistence=0.3,
            beams=0.75,
            dynamic_range_db=(44.0, 52.0),
        ),
    )
}


def grey_map(grey: UInt8[np.ndarray, "..."], curve: float) -> UInt8[np.ndarray, "..."]:
    """Grey levels through the map 255 (g / 255)^curve."""
    if curve == 1:
        return grey
    return np.rint(255 * (np.arange(256) / 255) ** curve).astype(np.uint8)[grey]


def persist(grey: UInt8[np.ndarray, "n_frames *frame"], share: float) -> UInt8[np.ndarray, "n_frames *frame"]:
    """Each frame mixed with what was shown before it; a loop of one beat starts from its own end.

    Args:
        grey: Grey levels of one beat whose last frame shows the phase of the first.
        share: Share of the frame before, 0..1.
    """
    if share == 0 or len(grey) < 3:
        return grey
    # Enough frames of the beats before to forget where it began.
    run_in = int(np.ceil(np.log(1e-3) / np.log(share)))
    beat = len(grey) - 1
    shown = grey[-run_in % beat].astype(np.float32)
    for back in range(run_in - 1, 0, -1):
        shown = share * shown + (1 - share) * grey[-back % beat]
    result = np.empty_like(grey)
    for index, frame in enumerate(grey):
        shown = share * shown + (1 - share) * frame
        result[index] = np.rint(shown).astype(np.uint8)
    return result
