"""Every number a simulation needs, with its origin; the paper states few of them, the rest are our defaults."""

from dataclasses import dataclass, field

import numpy as np

from echotas.acoustics.probe import Probe, phased_2p5_mhz

__all__ = ["STRATEGIES", "SimulationConfig", "require_strategy"]

STRATEGIES = ("S1", "S2", "S3")
"""Static coherence; dynamic coherence; dynamic coherence with the refinement step."""


def require_strategy(strategy: str) -> None:
    """Raise `ValueError` unless the strategy is one of `STRATEGIES`."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")


@dataclass(frozen=True)
class SimulationConfig:
    """Parameters of the template-driven simulation; "ours" marks numbers the TAS-Net paper does not state."""

    gamma: float | None = None
    """Exponent of Eq. 1: backscatter = (I/255)^(1/gamma) n; the paper's value is not known. None takes, per template,
    the gamma whose slope is that of the log compression at the template's mean wall brightness, so that contrast is
    kept: gamma = 20 * 255 / (ln(10) dynamic_range_db I_wall), about 0.45 at grey level 100 and 50 dB."""
    smoothing_mm: float = 1.0
    """Standard deviation of the Gaussian that removes the template's own speckle before Eq. 1 reads it; 0 reads
    pixels. Ours."""
    density_per_wavelength2: float = 5.0
    """Scatterers per square wavelength in each population (paper: 5; Evain 2022: 10; 2.5 is enough for previews)."""
    p: float = 0.9
    """Share of the wall's scatterers that move with it in S1. Ours."""
    border_mm: float = 3.0
    """Distance w over which coherence falls to 0 outside the wall. Ours."""
    background_noise: str = "fixed"
    """What "backscatter updated at each frame" means for the background: "fixed" re-reads the intensity only, so that
    the background is still speckle; "redraw" draws new noise too, so that it twinkles."""
    mix: str = "amplitude"
    """Weights of the two populations in S2 and S3: "amplitude" D and 1 - D (paper, Eq. 2: darkens the wall by up to
    3 dB and gives an S-shaped response), or "power" sqrt(D) and sqrt(1 - D)."""
    window_mm: float = 10.0
    """Side of the correlation window. Ours."""
    search_mm: float = 3.0
    """Search range of the correlation. Ours."""
    correlation_stride: int = 1
    """Correlation is measured at every so-many-th mesh point and interpolated."""
    correlation_floor: float = 0.0
    """Chance level C0 of the maximum correlation; the coherence used is (C - C0) / (1 - C0). 0 is the paper's
    reading."""
    alpha: float = 2.0
    """Step of the S3 correction C + alpha (C - C_sim) (paper: 2, empirical)."""
    n_refinements: int = 1
    """How often S3 corrects (paper: once)."""
    dynamic_range_db: float = 50.0
    """Range of the log compression. Ours, the built-in cohort's."""
    level_region: str = "wall"
    """Where the mean grey level of the cine is that of the template: "wall" or the whole "sector". Ours."""
    compensate_depth: bool = True
    """Divide by the mean amplitude of a uniform medium over depth and angle, as a scanner's gain does: the template's
    grey levels already contain it. Ours."""
    probe: Probe = field(default_factory=phased_2p5_mhz)
    """Transducer (Evain 2022: 2.5 MHz phased array, 64 elements)."""
    n_beams: int = 96
    """Transmit beams over the sector (Evain 2022: 128; 96 is the built-in cohort's)."""
    sector_step_deg: float = 2.5
    """The scan's opening is the template's rounded up to this step, so that templates share a response table. Ours."""
    depth_step_m: float = 0.02
    """The scan's depth is the template's rounded up to this step, for the same reason. Ours."""
    rank: int = 8
    """Rank of the tabulated response."""

    def __post_init__(self) -> None:
        for name in (
            "density_per_wavelength2",
            "border_mm",
            "window_mm",
            "dynamic_range_db",
            "sector_step_deg",
            "depth_step_m",
        ):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive, got {value}")
        for name in ("smoothing_mm", "search_mm", "alpha"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must not be negative, got {value}")
        for name, least in (("correlation_stride", 1), ("n_refinements", 1), ("n_beams", 2), ("rank", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        if self.gamma is not None and not (np.isfinite(self.gamma) and self.gamma > 0):
            raise ValueError(f"gamma must be positive or None, got {self.gamma}")
        if not 0 <= self.p <= 1:
            raise ValueError(f"p must be in [0, 1], got {self.p}")
        if not 0 <= self.correlation_floor < 1:
            raise ValueError(f"correlation_floor must be in [0, 1), got {self.correlation_floor}")
        if self.background_noise not in ("fixed", "redraw"):
            raise ValueError(f"background_noise must be 'fixed' or 'redraw', got {self.background_noise!r}")
        if self.level_region not in ("wall", "sector"):
            raise ValueError(f"level_region must be 'wall' or 'sector', got {self.level_region!r}")
        if self.mix not in ("amplitude", "power"):
            raise ValueError(f"mix must be 'amplitude' or 'power', got {self.mix!r}")
