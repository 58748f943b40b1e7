"""The array that sends and receives: geometry, band and lens.

Names and defaults follow the MUST/SIMUS parameters (Garcia 2022, "SIMUS: an open-source simulator for medical
ultrasound imaging"); every field is SI except the bandwidth, which the field quotes in percent.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["Probe", "phased_2p5_mhz"]


def require_positive(name: str, value: float) -> None:
    """Raise `ValueError` unless the value is a finite number above zero."""
    if not (isinstance(value, int | float | np.number) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, got {value!r}")


@dataclass(frozen=True)
class Probe:
    """A straight phased array with a cylindrical elevation lens, centred at the origin and facing +z."""

    n_elements: int
    """Number of elements, >= 2."""
    pitch_m: float
    """Distance between element centres, m."""
    width_m: float
    """Width of one element, m, at most the pitch and at most the shortest wavelength."""
    freq_center_hz: float
    """Centre frequency of transducer and excitation, Hz."""
    bandwidth_percent: float
    """Fractional two-way bandwidth at -6 dB, percent of the centre frequency, in (0, 200)."""
    speed_of_sound: float = 1540.0
    """Speed of sound, m/s."""
    height_m: float = 14e-3
    """Element height (elevation aperture), m; used only with elevation."""
    focus_m: float = 60e-3
    """Focal depth of the elevation lens, m; used only with elevation."""
    baffle: str | float = "soft"
    """Surroundings of the elements: "soft" (obliquity cos th), "rigid" (1) or an impedance ratio b > 0
    (cos th / (cos th + b))."""
    n_cycles: float = 1.0
    """Length of the excitation, a windowed sine, in periods of the centre frequency."""

    def __post_init__(self) -> None:
        if (
            isinstance(self.n_elements, bool)
            or not isinstance(self.n_elements, int | np.integer)
            or self.n_elements < 2
        ):
            raise ValueError(f"n_elements must be an integer of at least 2, got {self.n_elements!r}")
        names = ("pitch_m", "width_m", "freq_center_hz", "speed_of_sound", "height_m", "focus_m", "n_cycles")
        for name in names:
            require_positive(name, getattr(self, name))
        if not 0 < self.bandwidth_percent < 200:
            raise ValueError(f"bandwidth_percent must be in (0, 200), got {self.bandwidth_percent}")
        if self.width_m > self.pitch_m:
            raise ValueError(f"width_m must not exceed pitch_m ({self.pitch_m}), got {self.width_m}")
        shortest = self.wavelength_m / (1 + self.bandwidth_percent / 200)
        if self.width_m > shortest:
            # SIMUS splits wider elements into segments; a phased array never needs that.
            raise ValueError(f"width_m must not exceed the shortest wavelength ({shortest:.3g} m), got {self.width_m}")
        if isinstance(self.baffle, str):
            if self.baffle not in ("soft", "rigid"):
                raise ValueError(f"baffle must be 'soft', 'rigid' or a positive number, got {self.baffle!r}")
        else:
            require_positive("baffle", self.baffle)

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the centre frequency, m."""
        return self.speed_of_sound / self.freq_center_hz

    @property
    def aperture_m(self) -> float:
        """Distance between the centres of the outermost elements, m."""
        return (self.n_elements - 1) * self.pitch_m

    @property
    def element_x_m(self) -> Float[np.ndarray, " n_elements"]:
        """Lateral positions of the element centres, m, left to right and symmetric about 0."""
        return (np.arange(self.n_elements) - (self.n_elements - 1) / 2) * self.pitch_m


def phased_2p5_mhz() -> Probe:
    """Cardiac phased array of 64 elements at 2.5 MHz, 74 % bandwidth.

    Aperture, lens and bandwidth are those of the P4-2v as listed in MUST's `getparam`; the centre frequency is lowered
    from 2.72 to 2.5 MHz, the usual setting of apical cardiac loops.
    """
    return Probe(n_elements=64, pitch_m=0.30e-3, width_m=0.25e-3, freq_center_hz=2.5e6, bandwidth_percent=74.0)
