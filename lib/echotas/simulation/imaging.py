"""From a template to a scan that covers it, and from IQ to an image with the template's geometry and brightness."""

import math

import cv2
import numpy as np
from jaxtyping import Bool, Complex, Float, UInt8
from scipy import ndimage

from echotas.acoustics import Scan, to_bmode
from echotas.geometry import sector_mask
from echotas.records import Cine
from echotas.simulation.config import SimulationConfig

__all__ = ["check_template", "depth_gain", "positions_m", "scan_for", "template_like_frames"]

_FRAMES_FOR_LEVEL = 8


def check_template(template: Cine) -> None:
    """Refuse a cine that cannot be simulated.

    Raises:
        ValueError: It has no spacing, no sector, or pixels that are not square.
    """
    name = template.recording_id or "template"
    if template.spacing_mm is None:
        raise ValueError(f"template must have a spacing_mm to place scatterers, got None ({name})")
    if template.sector is None:
        raise ValueError(f"template must have a sector to place the beams, got None ({name})")
    dx, dy = template.spacing_mm
    if not math.isclose(dx, dy, rel_tol=1e-3):
        raise ValueError(f"template must have square pixels (a sector is round), got spacing_mm {(dx, dy)} ({name})")


def scan_for(template: Cine, config: SimulationConfig) -> Scan:
    """Scan that covers the template's sector, its opening and depth rounded up to the steps in `config`."""
    check_template(template)
    sector, dx = template.sector, template.spacing_mm[0]
    depth_m = _round_up(sector.radius_max_px * dx * 1e-3, config.depth_step_m)
    opening_deg = _round_up(2 * sector.half_angle_deg, config.sector_step_deg)
    return Scan(config.probe, n_beams=config.n_beams, sector_deg=opening_deg, depth_m=depth_m)


def positions_m(points_px: Float[np.ndarray, "*batch 2"], template: Cine) -> Float[np.ndarray, "*batch 3"]:
    """Positions (lateral, elevation 0, depth) in m of image points, the probe at the sector's apex."""
    offset = (np.asarray(points_px) - template.sector.apex_px) * np.array(template.spacing_mm) * 1e-3
    # A point level with the probe face would be refused by the acoustics; there it lies beyond every beam anyway.
    return np.stack([offset[..., 0], np.zeros(offset.shape[:-1]), np.maximum(offset[..., 1], 1e-4)], axis=-1)


def depth_gain(
    iq_uniform: Complex[np.ndarray, "n_beams n_ranges"], scan: Scan
) -> Float[np.ndarray, "n_beams n_ranges"]:
    """Gain that evens out the mean amplitude of a uniform medium over range and angle.

    Product of a function of range (smoothed over 5 mm) and one of the beam (over three beams), from one frame of unit
    scatterers.
    """
    power = np.abs(iq_uniform).astype(np.float64) ** 2
    by_range = ndimage.gaussian_filter1d(power.mean(axis=0), 5e-3 / scan.range_step_m / 2.355, mode="nearest")
    by_range = np.maximum(
        by_range, 1e-6 * by_range.max()
    )  # in front of the first scatterers there is nothing to even out
    by_beam = ndimage.gaussian_filter1d((power / by_range).mean(axis=1), 3 / 2.355, mode="nearest")
    by_beam = np.maximum(by_beam, 1e-6 * by_beam.max())
    return (1 / np.sqrt(by_range[None] * by_beam[:, None])).astype(np.float32)


def template_like_frames(
    iq: Complex[np.ndarray, "n_frames n_beams n_ranges"],
    scan: Scan,
    template: Cine,
    region: Bool[np.ndarray, "n_frames height width"],
    dynamic_range_db: float,
) -> UInt8[np.ndarray, "n_frames height width"]:
    """Log-compressed frames in the template's own pixels.

    One reference level for the whole cine, chosen so that the mean grey level over `region` and all frames is the
    template's; black outside the sector. Interpolated between beams after compression, as scanners do.

    Args:
        iq: Beamformed signal.
        scan: Its geometry.
        template: Gives shape, sector and brightness.
        region: Pixels compared in each frame; if none lies in the sector, the whole sector counts.
        dynamic_range_db: Grey level 0 is this far below grey level 255.
    """
    shown = sector_mask(template.sector, template.frames.shape[1:])
    region = region & shown
    if not region.any():
        region = np.broadcast_to(shown, region.shape)
    factor, sample, beam = _polar_maps(scan, template)
    # A few frames and their mean level in dB are enough to find the reference.
    few = np.unique(np.linspace(0, len(iq) - 1, _FRAMES_FOR_LEVEL).astype(int))
    decibel = 20 * np.log10(np.maximum(np.abs(iq[few]), 1e-30))
    levels = np.concatenate(
        [_remap(frame, factor, sample, beam)[region[t]] for t, frame in zip(few, decibel, strict=True)]
    )
    wanted = float(np.concatenate([template.frames[t][region[t]] for t in few]).mean())
    reference_db = _reference_for_mean(levels, wanted, dynamic_range_db)
    polar = to_bmode(iq, dynamic_range_db, reference=10 ** (reference_db / 20))
    return np.stack([_remap(frame, factor, sample, beam) for frame in polar]) * shown


def _round_up(value: float, step: float) -> float:
    return round(math.ceil(value / step - 1e-6) * step, 9)


def _polar_maps(scan: Scan, template: Cine) -> tuple[int, np.ndarray, np.ndarray]:
    """Ranges averaged into one sample, and sample and beam coordinate of every pixel, float32 (height, width)."""
    row, column = np.indices(template.frames.shape[1:], dtype=np.float64)
    place = positions_m(np.stack([column, row], axis=-1), template)
    radius, angle = np.hypot(place[..., 0], place[..., 2]), np.arctan2(place[..., 0], place[..., 2])
    angles = scan.angles_rad
    beam = (angle - angles[0]) / (angles[1] - angles[0])
    # As in `acoustics.scan_convert`: a pixel shows the mean over its range, or speckle would alias.
    factor = max(1, int(template.spacing_mm[0] * 1e-3 / scan.range_step_m))
    sample = ((radius - scan.start_m) / scan.range_step_m - (factor - 1) / 2) / factor
    return factor, sample.astype(np.float32), beam.astype(np.float32)


def _remap(frame: np.ndarray, factor: int, sample: np.ndarray, beam: np.ndarray) -> np.ndarray:
    """One polar frame (n_beams, n_ranges) as an image."""
    usable = frame.shape[1] // factor * factor
    frame = cv2.resize(
        np.ascontiguousarray(frame[:, :usable]), (usable // factor, len(frame)), interpolation=cv2.INTER_AREA
    )
    return cv2.remap(frame, sample, beam, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _compressed(decibel: np.ndarray, reference_db: float, dynamic_range_db: float) -> np.ndarray:
    return (255 * (1 + (decibel - reference_db) / dynamic_range_db)).clip(0, 255)


def _reference_for_mean(decibel: np.ndarray, wanted_grey: float, dynamic_range_db: float) -> float:
    """Level of grey 255 for which values have a wanted mean grey, by bisection (the mean falls as the level rises)."""
    sample = decibel[:: max(1, decibel.size // 50_000)]
    low, high = float(sample.min()) - dynamic_range_db, float(sample.max()) + dynamic_range_db
    for _ in range(40):
        middle = (low + high) / 2
        if _compressed(sample, middle, dynamic_range_db).mean() > wanted_grey:
            low = middle
        else:
            high = middle
    return (low + high) / 2
