"""Between beams and ranges and the square pixels of an image."""

import functools

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from echotas.acoustics.scan import Scan
from echotas.records import Sector, check_spacing

__all__ = ["polar_resample", "scan_convert"]


def scan_convert(
    polar: np.ndarray, scan: Scan, spacing_mm: tuple[float, float], shape: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "n_frames height width"]:
    """Image of the sector by bilinear interpolation, black outside.

    Where the range step is finer than a pixel, ranges are first averaged over one pixel, so that speckle does not
    alias.

    Args:
        polar: Grey levels 0..255, u8 or float, (n_frames, n_beams, n_ranges).
        scan: The scan.
        spacing_mm: Pixel size (dx, dy) in mm.
        shape: (height, width) in px; that of `scan.image_shape` if None. The apex is at column (width - 1) / 2, row 0.

    Returns:
        u8 (n_frames, height, width).

    Raises:
        ValueError: The frames do not fit the scan, or the spacing or shape is not usable.
    """
    polar = np.asarray(polar)
    if polar.ndim != 3 or polar.shape[1:] != (scan.n_beams, scan.n_ranges):
        raise ValueError(
            f"polar must be (n_frames, n_beams = {scan.n_beams}, n_ranges = {scan.n_ranges}), got {polar.shape}"
        )
    if polar.dtype != np.uint8 and not np.isfinite(polar).all():
        raise ValueError("polar must be finite, got NaN or infinite values")
    spacing = check_spacing(spacing_mm)
    height, width = shape or scan.image_shape(spacing)
    if height < 1 or width < 1:
        raise ValueError(f"shape must be positive (height, width), got {shape}")
    factor, beam, sample = _image_to_polar(scan, spacing, (height, width))
    images = np.empty((len(polar), height, width), np.uint8)
    for image, frame in zip(images, polar, strict=True):
        if frame.dtype != np.uint8:
            frame = np.rint(np.clip(frame, 0, 255)).astype(np.uint8)
        if factor > 1:
            usable = frame.shape[1] // factor * factor
            frame = cv2.resize(frame[:, :usable], (usable // factor, frame.shape[0]), interpolation=cv2.INTER_AREA)
        cv2.remap(
            np.ascontiguousarray(frame), sample, beam, cv2.INTER_LINEAR, dst=image, borderMode=cv2.BORDER_CONSTANT
        )
    return images


@functools.lru_cache(maxsize=8)
def _image_to_polar(scan: Scan, spacing: tuple[float, float], shape: tuple[int, int]) -> tuple:
    """Averaging factor, and beam and range coordinate of each pixel, float32; -9 outside the sector."""
    x_mm = (np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing[0]
    z_mm = np.arange(shape[0]) * spacing[1]
    range_m = np.hypot(x_mm, z_mm[:, None]) / 1e3
    angle = np.arctan2(x_mm, z_mm[:, None])
    angles = scan.angles_rad
    beam = (angle - angles[0]) / (angles[1] - angles[0])
    factor = max(1, int(min(spacing) / 1e3 / scan.range_step_m + 1e-6))
    sample = (range_m - scan.start_m) / scan.range_step_m
    tolerance = 1e-6
    outside = (beam < -tolerance) | (beam > scan.n_beams - 1 + tolerance) | (sample < -tolerance)
    outside |= sample > scan.n_ranges - 1 + tolerance
    n_averaged = scan.n_ranges // factor
    # an averaged sample stands at the middle of its group
    sample = np.clip((sample - (factor - 1) / 2) / factor, 0, n_averaged - 1)
    beam = np.clip(beam, 0, scan.n_beams - 1)
    return factor, np.where(outside, -9, beam).astype(np.float32), np.where(outside, -9, sample).astype(np.float32)


def polar_resample(
    image: np.ndarray, scan: Scan, spacing_mm: tuple[float, float], sector: Sector | None = None
) -> Float[np.ndarray, "n_frames n_beams n_ranges"]:
    """Image values at the beams and ranges of a scan: the inverse of `scan_convert`.

    Args:
        image: Grey levels, (n_frames, height, width).
        scan: The scan.
        spacing_mm: Pixel size (dx, dy) in mm.
        sector: Where the apex lies; column (width - 1) / 2, row 0 if None.

    Returns:
        float32; 0 where a sample falls outside the image.

    Raises:
        ValueError: The image is not three-dimensional, or the spacing is missing.
    """
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(f"image must be (n_frames, height, width), got shape {image.shape}")
    dx, dy = check_spacing(spacing_mm)
    apex = ((image.shape[2] - 1) / 2, 0.0) if sector is None else sector.apex_px
    range_mm = scan.ranges_m * 1e3
    column = (apex[0] + range_mm * np.sin(scan.angles_rad)[:, None] / dx).astype(np.float32)
    row = (apex[1] + range_mm * np.cos(scan.angles_rad)[:, None] / dy).astype(np.float32)
    frames = [
        cv2.remap(
            np.ascontiguousarray(frame, np.float32), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        for frame in image
    ]
    return np.stack(frames) if frames else np.empty((0, scan.n_beams, scan.n_ranges), np.float32)
