"""The scan: one transmit per beam over a sector, and where its samples lie.

Transmits are focused, plane or diverging; several beams may fire at once. Transmit rule, used by every part of this
package: time runs from the moment the (virtual) element at the aperture's centre fires, so a pulse is said to reach
range r at r / c on its beam. The image position of a scatterer is therefore (range, angle) seen from the probe's centre.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from echotas.acoustics.probe import Probe, require_positive
from echotas.records import Sector, check_spacing

__all__ = ["Scan"]

TRANSMITS = ("focused", "plane", "diverging")
APODISATIONS = ("rectangular", "hann", "hamming")


@dataclass(frozen=True)
class Scan:
    """A sector of steered beams; received with the full aperture and dynamic focus."""

    probe: Probe
    """The array."""
    n_beams: int = 128
    """Number of beams, >= 2, evenly spaced in angle from the left (-) to the right (+) edge."""
    sector_deg: float = 75.0
    """Full opening of the sector, degrees, in (0, 160)."""
    depth_m: float = 0.15
    """Largest imaged range, m."""
    focus_m: float | None = None
    """Transmit focus, range in m along each beam; half the depth if None. Used by focused transmits only."""
    start_m: float = 4e-3
    """Smallest imaged range, m."""
    range_step_m: float = 1e-4
    """Sampling of the beamformed IQ along range, m. At most half of c / (2 bandwidth), or the pulse is undersampled."""
    sampling_hz: float | None = None
    """Sampling frequency of the channel data, Hz; four times the centre frequency if None."""
    f_number: float | None = None
    """Receive f-number, range over the active aperture seen along the beam; None is the full aperture at all depths."""
    transmit: str = "focused"
    """"focused" at `focus_m`; "plane", a wave along the beam; or "diverging", from a source behind the array."""
    source_m: float = 0.02
    """Distance of the virtual source of diverging transmits behind the array's centre, m."""
    n_simultaneous: int = 1
    """Beams that fire at once (multi-line transmit), evenly spread over the sector; divides `n_beams`. The echoes of
    the others are in each beam's signal, as in a scanner."""
    transmit_apodisation: str = "rectangular"
    """Weights of the elements on transmit: "rectangular", "hann" or "hamming"."""
    receive_apodisation: str = "rectangular"
    """The same on receive."""

    def __post_init__(self) -> None:
        if not isinstance(self.probe, Probe):
            raise ValueError(f"probe must be a Probe, got {type(self.probe).__name__}")
        if isinstance(self.n_beams, bool) or not isinstance(self.n_beams, int | np.integer) or self.n_beams < 2:
            raise ValueError(f"n_beams must be an integer of at least 2, got {self.n_beams!r}")
        if not 0 < self.sector_deg < 160:
            raise ValueError(f"sector_deg must be in (0, 160), got {self.sector_deg}")
        require_positive("depth_m", self.depth_m)
        if self.focus_m is None:
            object.__setattr__(self, "focus_m", self.depth_m / 2)
        if not (math.isfinite(self.focus_m) and self.focus_m > 0):
            raise ValueError(f"focus_m must lie in front of the probe (> 0), got {self.focus_m}")
        if not 0 < self.start_m < self.depth_m:
            raise ValueError(f"start_m must be in (0, depth_m = {self.depth_m}), got {self.start_m}")
        coarsest = self.probe.speed_of_sound / (4 * self.probe.freq_center_hz * self.probe.bandwidth_percent / 100)
        if not 0 < self.range_step_m <= coarsest:
            raise ValueError(
                f"range_step_m must be in (0, {coarsest:.3g}] to sample the pulse, got {self.range_step_m}"
            )
        if self.sampling_hz is None:
            object.__setattr__(self, "sampling_hz", 4 * self.probe.freq_center_hz)
        if not self.sampling_hz >= 4 * self.probe.freq_center_hz:
            raise ValueError(f"sampling_hz must be at least 4 centre frequencies, got {self.sampling_hz}")
        if self.f_number is not None:
            require_positive("f_number", self.f_number)
        if self.transmit not in TRANSMITS:
            raise ValueError(f"transmit must be one of {', '.join(TRANSMITS)}, got {self.transmit!r}")
        require_positive("source_m", self.source_m)
        count = self.n_simultaneous
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1 or self.n_beams % count:
            raise ValueError(f"n_simultaneous must divide n_beams ({self.n_beams}), got {count!r}")
        for name in ("transmit_apodisation", "receive_apodisation"):
            if getattr(self, name) not in APODISATIONS:
                raise ValueError(f"{name} must be one of {', '.join(APODISATIONS)}, got {getattr(self, name)!r}")
        face = self.probe.element_z_m.max()
        if self.start_m <= face:
            raise ValueError(f"start_m must lie beyond the array's face ({face:.3g} m), got {self.start_m}")

    @property
    def angles_rad(self) -> Float[np.ndarray, " n_beams"]:
        """Beam angles from the axis, rad, negative to the left."""
        half = math.radians(self.sector_deg) / 2
        return np.linspace(-half, half, self.n_beams)

    @property
    def n_ranges(self) -> int:
        """Number of IQ samples along a beam."""
        return int(math.floor((self.depth_m - self.start_m) / self.range_step_m + 1e-9)) + 1

    @property
    def ranges_m(self) -> Float[np.ndarray, " n_ranges"]:
        """Ranges of the IQ samples from the probe's centre, m."""
        return self.start_m + self.range_step_m * np.arange(self.n_ranges)

    @property
    def events(self) -> Int[np.ndarray, "n_events n_simultaneous"]:
        """Beams that fire together, by transmit event; one beam each unless `n_simultaneous` says otherwise."""
        return np.arange(self.n_beams).reshape(self.n_simultaneous, -1).T

    @property
    def centre_delays_s(self) -> Float[np.ndarray, " n_beams"]:
        """When a virtual element at the origin fires, s after the first element of the event; the zero of range."""
        return self._first_m() / self.probe.speed_of_sound

    @property
    def transmit_delays_s(self) -> Float[np.ndarray, "n_beams n_elements"]:
        """Firing times of the elements for each beam, s, the earliest of each event at 0."""
        return (self._path_m() + self._first_m()[:, None]) / self.probe.speed_of_sound

    @property
    def transmit_weights(self) -> Float[np.ndarray, " n_elements"]:
        """Apodisation on transmit."""
        return _apodisation(self.transmit_apodisation, self.probe.n_elements)

    @property
    def receive_weights(self) -> Float[np.ndarray, " n_elements"]:
        """Apodisation on receive, apart from the f-number."""
        return _apodisation(self.receive_apodisation, self.probe.n_elements)

    @property
    def n_samples(self) -> int:
        """Number of channel samples per transmit; fixed by the scan, so frames can be compared and added."""
        longest = 2 * self.depth_m + self.probe.aperture_m
        return math.ceil((longest / self.probe.speed_of_sound + self.transmit_delays_s.max()) * self.sampling_hz)

    def _path_m(self) -> Float[np.ndarray, "n_beams n_elements"]:
        """How much later than the origin an element fires, as a path, m."""
        sine, cosine = np.sin(self.angles_rad)[:, None], np.cos(self.angles_rad)[:, None]
        x, z = self.probe.element_x_m, self.probe.element_z_m
        if self.transmit == "plane":
            return x * sine + z * cosine
        if self.transmit == "diverging":
            return np.hypot(x + self.source_m * sine, z + self.source_m * cosine) - self.source_m
        return self.focus_m - np.hypot(self.focus_m * sine - x, self.focus_m * cosine - z)

    def _first_m(self) -> Float[np.ndarray, " n_beams"]:
        """How much earlier than the origin the first element of a beam's event fires, as a path, m."""
        first = np.empty(self.n_beams)
        earliest = -self._path_m().min(axis=1)
        for event in self.events:
            first[event] = earliest[event].max()
        return first

    def image_shape(self, spacing_mm: tuple[float, float]) -> tuple[int, int]:
        """Smallest (height, width) in px that holds the sector; the width is odd, so the apex lies on a column."""
        dx, dy = check_spacing(spacing_mm)
        half_width = self.depth_m * 1e3 * math.sin(math.radians(self.sector_deg) / 2) / dx
        return math.ceil(self.depth_m * 1e3 / dy) + 1, 2 * math.ceil(half_width) + 1

    def sector(self, spacing_mm: tuple[float, float], shape: tuple[int, int] | None = None) -> Sector:
        """Where the sector lies in an image made by `scan_convert`.

        Args:
            spacing_mm: Pixel size (dx, dy) in mm; dx and dy must be equal, or the sector is not round in px.
            shape: (height, width) of the image, px; that of `image_shape` if None.

        Raises:
            ValueError: The spacing is missing or differs between x and y.
        """
        dx, dy = check_spacing(spacing_mm)
        if not math.isclose(dx, dy, rel_tol=1e-6):
            raise ValueError(f"spacing_mm must be equal in x and y to describe a sector in px, got {(dx, dy)}")
        width = (shape or self.image_shape(spacing_mm))[1]
        return Sector(((width - 1) / 2, 0.0), self.sector_deg / 2, self.start_m * 1e3 / dx, self.depth_m * 1e3 / dx)

    def pixel_of(
        self, positions_m: np.ndarray, spacing_mm: tuple[float, float], shape: tuple[int, int] | None = None
    ) -> Float[np.ndarray, "*batch 2"]:
        """Image position of points in space, (x, y) = (column, row) px.

        A point off the image plane is projected onto it. Its echo lies there to within y^2 / (2 |r - R|), with r its
        range and R the focus of the elevation lens: the lens bends the wavefront, so that echoes appear shallower
        before its focus and deeper behind it.

        Args:
            positions_m: (lateral, elevation, depth) in m, (..., 3).
            spacing_mm: Pixel size (dx, dy) in mm.
            shape: (height, width) of the image, px; that of `image_shape` if None.

        Raises:
            ValueError: The last axis is not 3, or the spacing is missing.
        """
        positions = np.asarray(positions_m, dtype=np.float64)
        if positions.ndim < 1 or positions.shape[-1] != 3:
            raise ValueError(f"positions_m must have a last axis of 3 (x, y, z), got shape {positions.shape}")
        dx, dy = check_spacing(spacing_mm)
        width = (shape or self.image_shape(spacing_mm))[1]
        column = positions[..., 0] * 1e3 / dx + (width - 1) / 2
        row = positions[..., 2] * 1e3 / dy
        return np.stack([column, row], axis=-1)

    def positions_of(
        self, points_px: np.ndarray, spacing_mm: tuple[float, float], shape: tuple[int, int] | None = None
    ) -> Float[np.ndarray, "*batch 3"]:
        """Positions in the image plane (elevation 0) of image points: the inverse of `pixel_of` there.

        Args:
            points_px: (x, y) = (column, row) px, (..., 2).
            spacing_mm: Pixel size (dx, dy) in mm.
            shape: (height, width) of the image, px; that of `image_shape` if None.

        Raises:
            ValueError: The last axis is not 2, or the spacing is missing.
        """
        points = np.asarray(points_px, dtype=np.float64)
        if points.ndim < 1 or points.shape[-1] != 2:
            raise ValueError(f"points_px must have a last axis of 2 (x, y), got shape {points.shape}")
        dx, dy = check_spacing(spacing_mm)
        width = (shape or self.image_shape(spacing_mm))[1]
        lateral = (points[..., 0] - (width - 1) / 2) * dx / 1e3
        return np.stack([lateral, np.zeros_like(lateral), points[..., 1] * dy / 1e3], axis=-1)


def _apodisation(name: str, n_elements: int) -> Float[np.ndarray, " n_elements"]:
    """Weights, symmetric; Hann's window without its two zeros."""
    if name == "hann":
        return np.hanning(n_elements + 2)[1:-1]
    return np.hamming(n_elements) if name == "hamming" else np.ones(n_elements)
