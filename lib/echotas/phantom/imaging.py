"""From scatterers to grey levels: echo, gain, artefacts that stay with the probe, noise, compression, persistence."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Complex, Float, UInt8
from scipy.ndimage import gaussian_filter1d

from echotas.acoustics import Scan, add_reverberation, scan_convert, simulate, to_bmode
from echotas.phantom.scanner import Scanner, grey_map, persist

__all__ = ["Artefacts", "Echo", "draw_artefacts", "grey_images", "render"]

RECEIVE_FILTER_M = 0.42e-3
"""SD of the receive filter along range: with it the axial speckle size is the 1.1-1.4 mm measured in clinical images;
the bare pulse of a 74 % bandwidth would give 0.7."""
LOOKS_HZ = (-0.55e6, 0.0, 0.55e6)
"""Centres of the sub-bands that a scanner detects one by one and averages (frequency compounding), against the centre
frequency: they nearly fill the pulse's band, and their speckle is nearly independent."""
NOISE_BEAMS = 0.6
"""SD of the noise's grain across beams, in beams (line averaging)."""
EDGE_DEG = 3.0
"""Width of the loss at the edges of the sector."""


@dataclass(frozen=True)
class Artefacts:
    """What the probe and its contact do to every frame alike."""

    noise_db: float
    """Noise at mid depth against average wall, dB."""
    noise_slope_db: float
    """Rise of the noise from mid depth to the bottom, dB (time gain lifts it)."""
    gain_slope_db: float
    """Gain error from top to bottom, dB."""
    side_slope_db: float
    """Gain error from the left to the right edge, dB."""
    edge_loss_db: tuple[float, float]
    """Loss at the left and the right edge of the sector, where ribs and steering cost signal, dB."""
    shadows: tuple[tuple[float, float, float, float], ...]
    """Dark wedges: centre angle in degrees, width (SD) in degrees, loss in dB, depth in mm where they begin."""
    reverberation: tuple[tuple[float, float, float, float], ...]
    """Bands of near-field echoes repeated deeper, still over the moving heart: gap in mm, level of the first copy in dB,
    centre and width (SD) in degrees."""
    wall_grey: float
    """Mean grey level of the wall, 0..255."""
    dynamic_range_db: float
    """Range between black and white, dB."""


def draw_artefacts(rng: np.random.Generator, quality: str, scanner: Scanner) -> Artefacts:
    """Artefacts of one acquisition for an image quality "good", "medium" or "poor".

    Drop-out of one or two segments in a fifth of the cines, and a rib shadow in about a tenth (more in poor windows).
    """
    noise = {"good": -17.0, "medium": -15.0, "poor": -12.5}
    if quality not in noise:
        raise ValueError(f"quality must be one of {sorted(noise)}, got {quality!r}")
    chance = {"good": 0.10, "medium": 0.25, "poor": 0.5}[quality]
    shadows = []
    if rng.random() < chance:  # the lateral wall drops out more often than the septum
        side = 1.0 if rng.random() < 0.7 else -1.0
        shadows.append((side * rng.uniform(17, 33), rng.uniform(3.0, 6.0), rng.uniform(8, 18), rng.uniform(10, 45)))
    if rng.random() < 0.5 * chance:
        shadows.append((rng.uniform(-30, 30), rng.uniform(2.0, 3.5), rng.uniform(6, 14), 5.0))
    bands = []
    if rng.random() < {"good": 0.15, "medium": 0.4, "poor": 0.7}[quality]:
        bands.append((rng.uniform(14, 26), rng.uniform(-9, -4), rng.uniform(-25, 25), rng.uniform(5, 14)))
    return Artefacts(
        noise_db=float(rng.normal(noise[quality], 1.5)),
        noise_slope_db=float(rng.uniform(2, 6)),
        gain_slope_db=float(rng.normal(0, 3)),
        side_slope_db=float(rng.normal(0, 2.5)),
        edge_loss_db=(float(rng.uniform(0, 12)), float(rng.uniform(0, 12))),
        shadows=tuple(tuple(float(value) for value in shadow) for shadow in shadows),
        reverberation=tuple(tuple(float(value) for value in band) for band in bands),
        wall_grey=float(np.clip(rng.normal(103, 15), 70, 140)),
        dynamic_range_db=float(rng.uniform(*scanner.dynamic_range_db)),
    )


@dataclass(frozen=True)
class Echo:
    """How echoes are computed."""

    scan: Scan
    """The scan."""
    method: str
    """Engine, see `acoustics.simulate`."""
    rank: int
    """Separable kernels per range of the fast engine."""
    offset_deg: float
    """Largest angle between scatterer and beam, degrees."""
    splat_order: int
    """B-spline order of the scatterer grid."""
    per_area: float
    """Scatterers per mm^2 seen in the plane."""
    device: str = "cpu"
    """Torch device."""

    def simulate(self, positions_m: np.ndarray, reflectivity: np.ndarray, cache_dir: str | Path | None) -> np.ndarray:
        """IQ of scatterers, with the elevation lens."""
        options = {} if self.method == "exact" else {"offset_deg": self.offset_deg, "splat_order": self.splat_order}
        return simulate(
            positions_m,
            reflectivity,
            self.scan,
            method=self.method,
            rank=self.rank,
            elevation=True,
            device=self.device,
            cache_dir=cache_dir,
            **options,
        )

    def detect(
        self, iq: Complex[np.ndarray, "n_frames n_beams n_ranges"]
    ) -> Float[np.ndarray, "n_frames n_beams n_ranges"]:
        """Envelope after the receive filter: root of the mean power of the sub-bands."""
        scan = self.scan
        power = np.zeros(iq.shape, np.float32)
        for shift_hz in LOOKS_HZ:
            turn = np.exp(-4j * np.pi * shift_hz / scan.probe.speed_of_sound * scan.ranges_m).astype(np.complex64)
            look = gaussian_filter1d(
                iq * turn, RECEIVE_FILTER_M / scan.range_step_m, axis=-1, mode="nearest", truncate=2.5
            )
            power += look.real**2 + look.imag**2
        return np.sqrt(power / len(LOOKS_HZ))


@functools.lru_cache(maxsize=4)
def _depth_gain(echo: Echo, cache_dir: str | Path | None) -> Float[np.ndarray, " n_ranges"]:
    """Gain over range that makes tissue of unit brightness have unit mean power, from a field of such tissue."""
    rng = np.random.default_rng(0)
    half = np.deg2rad(echo.scan.sector_deg / 2 + 5)
    depth = echo.scan.depth_m + 4e-3
    count = int(echo.per_area * 1e6 * half * depth**2)
    radius = np.maximum(depth * np.sqrt(rng.random(count)), 1e-3)
    angle = rng.uniform(-half, half, count)
    field = np.column_stack([radius * np.sin(angle), np.zeros(count), radius * np.cos(angle)])
    envelope = echo.detect(echo.simulate(field, rng.choice(np.array([-1.0, 1.0]), count), cache_dir))[0]
    # Sensitivity falls with steering; the middle half of the beams sets the gain, so the edges stay a little darker.
    middle = slice(echo.scan.n_beams // 4, -(echo.scan.n_beams // 4))
    power = (envelope[middle] ** 2).mean(axis=0)
    smooth = gaussian_filter1d(power, 4e-3 / echo.scan.range_step_m, mode="nearest")
    return 1 / np.sqrt(np.maximum(smooth, 1e-12 * smooth.max()))


def _probe_gain(artefacts: Artefacts, scan: Scan) -> Float[np.ndarray, "n_beams n_ranges"]:
    """Gain error and shadows, amplitude factor; fixed in the probe's frame."""
    angle = np.rad2deg(scan.angles_rad)[:, None]
    depth = scan.ranges_m[None] * 1e3
    level = artefacts.gain_slope_db * (depth / (scan.depth_m * 1e3) - 0.5)
    level = level + artefacts.side_slope_db * angle / scan.sector_deg
    for loss, side in zip(artefacts.edge_loss_db, (-1, 1), strict=True):
        level = level - loss * np.exp(-np.clip(scan.sector_deg / 2 - side * angle, 0, None) / EDGE_DEG)
    for centre, width, loss, start in artefacts.shadows:
        wedge = np.exp(-0.5 * ((angle - centre) / width) ** 2)
        level = level - loss * wedge * np.clip((depth - start) / 12, 0, 1)
    return 10 ** (level / 20)


def _reverberate(still: np.ndarray, artefacts: Artefacts, scan: Scan) -> np.ndarray:
    """Echoes of the chest wall, 6-20 mm deep, with their copies in the beams that meet its layers."""
    for gap_mm, level_db, centre_deg, width_deg in artefacts.reverberation:
        copies = add_reverberation(still, scan, gap_mm * 1e-3, level_db, source_range_m=(6e-3, 20e-3)) - still
        window = np.exp(-0.5 * ((np.rad2deg(scan.angles_rad) - centre_deg) / width_deg) ** 2)
        still = still + window[:, None].astype(np.float32) * copies
    return still


def _noise(shape: tuple[int, int, int], artefacts: Artefacts, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Receiver noise, new in every frame, complex64, as strong after the receive filter as asked for."""
    white = rng.standard_normal((2, *shape), dtype=np.float32)
    white = gaussian_filter1d(white, NOISE_BEAMS, axis=-2, mode="wrap", truncate=2.5)
    share = (scan.ranges_m / scan.depth_m - 0.5) * 2
    level = artefacts.noise_db + artefacts.noise_slope_db * share
    # A Gaussian filter of SD s samples leaves 1 / (2 s sqrt(pi)) of the power of white noise.
    left = np.sqrt(scan.range_step_m / (2 * np.sqrt(np.pi) * RECEIVE_FILTER_M))
    return (white[0] + 1j * white[1]) * (10 ** (level / 20) / (np.sqrt(2) * white.std() * left)).astype(np.float32)


def render(
    moving: tuple[Float[np.ndarray, "n_frames n_moving 3"], Float[np.ndarray, "n_frames n_moving"]],
    resting: tuple[Float[np.ndarray, "n_resting 3"], Float[np.ndarray, " n_resting"]],
    echo: Echo,
    artefacts: Artefacts,
    rng: np.random.Generator,
    cache_dir: str | Path | None = None,
) -> Float[np.ndarray, "n_frames n_beams n_ranges"]:
    """Envelope of a cine in units of average wall tissue.

    Args:
        moving: Positions (m) and reflectivities of everything that moves or changes.
        resting: Positions (m) and reflectivities of everything at rest; its echo is computed once.
        echo: Engine and scan.
        artefacts: Gain, shadows, noise.
        rng: Random generator of the noise.
        cache_dir: Where response tables are kept.
    """
    still = _reverberate(echo.simulate(*resting, cache_dir), artefacts, echo.scan)
    iq = echo.simulate(*moving, cache_dir) + still
    iq *= (_depth_gain(echo, cache_dir) * _probe_gain(artefacts, echo.scan)).astype(np.float32)
    iq += _noise(iq.shape, artefacts, echo.scan, rng)
    return echo.detect(iq)


def grey_images(
    envelope: Float[np.ndarray, "n_frames n_beams n_ranges"],
    wall_m: Float[np.ndarray, "n_points 2"],
    artefacts: Artefacts,
    scan: Scan,
    scanner: Scanner,
    spacing_mm: tuple[float, float],
) -> UInt8[np.ndarray, "n_frames height width"]:
    """Log-compressed images whose wall has the wanted mean grey level in the first frame.

    Args:
        envelope: From `render`.
        wall_m: Points of the wall in the first frame, (lateral, depth) in m.
        artefacts: Holds the wanted level and the dynamic range.
        scan: The scan.
        scanner: Its grey map and persistence.
        spacing_mm: Pixel size (dx, dy).
    """
    radius, angle = np.hypot(wall_m[:, 0], wall_m[:, 1]), np.arctan2(wall_m[:, 0], wall_m[:, 1])
    angles = scan.angles_rad
    beam = np.round((angle - angles[0]) / (angles[1] - angles[0])).astype(int)
    sample = np.round((radius - scan.start_m) / scan.range_step_m).astype(int)
    seen = (beam >= 0) & (beam < scan.n_beams) & (sample >= 0) & (sample < scan.n_ranges)
    level_db = 20 * np.log10(envelope[0, beam[seen], sample[seen]] + 1e-6).mean()
    wanted = (artefacts.wall_grey / 255) ** (1 / scanner.curve)
    white_db = level_db + artefacts.dynamic_range_db * (1 - wanted)
    polar = to_bmode(envelope, artefacts.dynamic_range_db, reference=float(10 ** (white_db / 20)))
    return scan_convert(persist(grey_map(polar, scanner.curve), scanner.persistence), scan, spacing_mm)
