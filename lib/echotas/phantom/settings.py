"""How recordings are made: frame rate, scan, acoustic engine; one choice for a whole cohort."""

from dataclasses import dataclass

from echotas.acoustics import Scan
from echotas.phantom.imaging import Echo
from echotas.phantom.scanner import Scanner
from echotas.phantom.wall_shape import THICKENING

__all__ = ["PhantomSettings"]


@dataclass(frozen=True)
class PhantomSettings:
    """How recordings are made; the same for a whole cohort."""

    frame_rate_hz: float = 40.0
    """Wanted frame rate; the beat gets a whole number of frames, so the actual one differs by up to 2 %."""
    spacing_mm: tuple[float, float] = (0.5, 0.5)
    """Pixel size (dx, dy)."""
    n_beams: int = 96
    """Beams of the scan."""
    sector_deg: float = 75.0
    """Opening of the sector."""
    depths_m: tuple[float, ...] = (0.14, 0.16)
    """Scan depths an operator may choose; each needs one response table."""
    range_step_m: float = 2e-4
    """Sampling of the IQ along range."""
    scatterers_per_wavelength2: float = 1.5
    """Scatterers seen in the plane per square wavelength: about 8 per resolution cell, enough for full speckle. The
    reference simulators use 5-10; cost grows in proportion."""
    method: str = "fast"
    """Acoustic engine."""
    rank: int = 6
    """Separable kernels per range of the fast engine."""
    offset_deg: float = 5.0
    """Largest scatterer-to-beam angle in the response table."""
    splat_order: int = 1
    """B-spline order of the scatterer grid."""
    thickening: str = "annotation-like"
    """"anatomical" (incompressible) or "annotation-like"."""
    twist: float = 1.0
    """Factor on twist and on the sliding of sheets that goes with it; 0 shows what the speckle owes to them."""
    device: str = "cpu"
    """Torch device of the matrix products."""

    def __post_init__(self) -> None:
        if not 10 <= self.frame_rate_hz <= 200:
            raise ValueError(f"frame_rate_hz must be in 10..200, got {self.frame_rate_hz}")
        if not self.depths_m or any(not 0.08 <= depth <= 0.25 for depth in self.depths_m):
            raise ValueError(f"depths_m must hold values in 0.08..0.25 m, got {self.depths_m}")
        if not self.scatterers_per_wavelength2 > 0:
            raise ValueError(f"scatterers_per_wavelength2 must be positive, got {self.scatterers_per_wavelength2}")
        if not 0 <= self.twist <= 2:
            raise ValueError(f"twist must be in 0..2, got {self.twist}")
        if self.thickening not in THICKENING:
            raise ValueError(f"thickening must be one of {sorted(THICKENING)}, got {self.thickening!r}")
        object.__setattr__(self, "depths_m", tuple(sorted(self.depths_m)))
        object.__setattr__(self, "spacing_mm", tuple(self.spacing_mm))

    def echo(self, depth_m: float, scanner: Scanner) -> Echo:
        """Engine and scan of one scanner at one depth."""
        probe = scanner.probe
        return Echo(
            scan=Scan(
                probe,
                n_beams=round(self.n_beams * scanner.beams),
                sector_deg=self.sector_deg,
                depth_m=depth_m,
                range_step_m=self.range_step_m,
            ),
            method=self.method,
            rank=self.rank,
            offset_deg=self.offset_deg,
            splat_order=self.splat_order,
            per_area=self.scatterers_per_wavelength2 / (probe.wavelength_m * 1e3) ** 2,
            device=self.device,
        )
