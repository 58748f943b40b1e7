"""The array that sends and receives: geometry, band and lens.

Names and defaults follow the MUST/SIMUS parameters (Garcia 2022, "SIMUS: an open-source simulator for medical
ultrasound imaging"); every field is SI except the bandwidth, which the field quotes in percent.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["Probe", "phased_2p5_mhz"]


def require_positive(name: str, value: float) -> None:
    """Raise `ValueError` unless the value is a finite number above zero."""
    if not (isinstance(value, int | float | np.number) and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, got {value!r}")


@dataclass(frozen=True)
class Probe:
    """A straight or convex array with a cylindrical elevation lens, facing +z.

    The line between the outermost elements is centred at the origin; a convex face bulges above it, to z > 0. The medium
    in front of it is described here too: the response depends on both.
    """

    n_elements: int
    """Number of elements, >= 2."""
    pitch_m: float
    """Distance between element centres, m."""
    width_m: float
    """Width of one element, m, at most the pitch. Wider than the shortest wavelength, it acts as several equal parts."""
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
    radius_m: float = math.inf
    """Radius of curvature of the face, m; infinite for a straight array."""
    attenuation_db: float = 0.0
    """Attenuation of the medium, dB / cm / MHz, linear in frequency; soft tissue has about 0.5."""

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
        if not self.radius_m > 0:
            raise ValueError(f"radius_m must be positive (infinite for a straight array), got {self.radius_m}")
        if math.isfinite(self.radius_m) and (self.n_elements - 1) * self._half_pitch_rad >= math.pi / 2:
            raise ValueError(f"radius_m must leave the array less than half a circle, got {self.radius_m}")
        if not (math.isfinite(self.attenuation_db) and self.attenuation_db >= 0):
            raise ValueError(f"attenuation_db must be a number >= 0, got {self.attenuation_db}")
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
        return float(self.element_x_m[-1] - self.element_x_m[0])

    @property
    def n_segments(self) -> int:
        """Parts of one element: as many as make each at most the shortest wavelength of the band wide (SIMUS's rule)."""
        shortest = self.wavelength_m / (1 + self.bandwidth_percent / 200)
        return math.ceil(self.width_m / shortest - 1e-9)

    @property
    def element_x_m(self) -> Float[np.ndarray, " n_elements"]:
        """Lateral positions of the element centres, m, left to right and symmetric about 0."""
        steps = np.arange(self.n_elements) - (self.n_elements - 1) / 2
        if math.isinf(self.radius_m):
            return steps * self.pitch_m
        return self.radius_m * np.sin(self.element_angle_rad)

    @property
    def element_z_m(self) -> Float[np.ndarray, " n_elements"]:
        """Depths of the element centres, m: 0 for a straight array and for the outermost elements of a convex one."""
        if math.isinf(self.radius_m):
            return np.zeros(self.n_elements)
        angle = self.element_angle_rad
        return self.radius_m * (np.cos(angle) - np.cos(angle[0]))

    @property
    def element_angle_rad(self) -> Float[np.ndarray, " n_elements"]:
        """Angles of the element normals from the axis, rad."""
        if math.isinf(self.radius_m):
            return np.zeros(self.n_elements)
        return (2 * np.arange(self.n_elements) - (self.n_elements - 1)) * self._half_pitch_rad

    @property
    def _half_pitch_rad(self) -> float:
        """Half the angle between neighbours of a convex array; the pitch is the chord between them."""
        return math.asin(min(self.pitch_m / (2 * self.radius_m), 1.0))


def phased_2p5_mhz(**changes: Any) -> Probe:
    """Cardiac phased array of 64 elements at 2.5 MHz, 74 % bandwidth.

    Aperture, lens and bandwidth are those of the P4-2v as listed in MUST's `getparam`; the centre frequency is lowered
    from 2.72 to 2.5 MHz, the usual setting of apical cardiac loops.

    Args:
        changes: Fields of `Probe` that differ.
    """
    fields = {
        "n_elements": 64,
        "pitch_m": 0.30e-3,
        "width_m": 0.25e-3,
        "freq_center_hz": 2.5e6,
        "bandwidth_percent": 74.0,
    }
    return Probe(**(fields | changes))
