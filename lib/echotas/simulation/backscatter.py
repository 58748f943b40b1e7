"""Backscatter of scatterers read from a template image: BSC_k(t) = (I_t(x_k) / 255)^(1 / gamma) n_k, n_k ~ N(0, 1).

Reference: TAS-Net paper, Eq. 1 (the same form as the reflection coefficient of Evain et al. 2022).
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse

from echotas.geometry import sector_mask
from echotas.records import Sector

__all__ = [
    "backscatter_amplitude",
    "bilinear_operator",
    "clamp_to_sector",
    "matched_gamma",
    "read_images",
    "smooth_frames",
]


def backscatter_amplitude(intensity: Float[np.ndarray, "*shape"], gamma: float) -> Float[np.ndarray, "*shape"]:
    """Expected amplitude (I / 255)^(1 / gamma) in [0, 1] for grey levels 0..255; times n_k it is the backscatter."""
    if not gamma > 0:
        raise ValueError(f"gamma must be positive, got {gamma}")
    return (np.clip(intensity, 0, 255) / 255.0) ** (1 / gamma)


def matched_gamma(grey_level: float, dynamic_range_db: float) -> float:
    """The gamma for which Eq. 1 followed by log compression keeps small contrasts around a grey level.

    Log compression I = 255 (1 + 20 log10(A) / DR) has d ln A / d ln I = ln(10) DR I / (20 * 255), Eq. 1 has 1 / gamma.
    """
    return 20 * 255 / (np.log(10) * dynamic_range_db * max(grey_level, 1.0))


def smooth_frames(
    frames: UInt8[np.ndarray, "n_frames height width"], sector: Sector, sigma_px: float
) -> Float[np.ndarray, "n_frames height width"]:
    """Grey levels smoothed inside the sector only (float32); the black outside does not leak in.

    Smoothing by about one speckle size keeps the tissue's brightness and drops the template's own speckle, which would
    otherwise return, still, in every frame of the background.
    """
    mask = sector_mask(sector, frames.shape[1:]).astype(np.float32)
    smooth = frames.astype(np.float32)
    if sigma_px <= 0:
        return smooth * mask
    size = 2 * int(np.ceil(3 * sigma_px)) + 1
    share = np.maximum(cv2.GaussianBlur(mask, (size, size), sigma_px), 1e-6)
    for t in range(len(smooth)):
        smooth[t] = cv2.GaussianBlur(smooth[t] * mask, (size, size), sigma_px) / share * mask
    return smooth


def clamp_to_sector(
    points_px: Float[np.ndarray, "n_points 2"], sector: Sector, margin_px: float = 1.5
) -> Float[np.ndarray, "n_points 2"]:
    """Nearest positions (in range and angle) that lie at least about `margin_px` inside the sector.

    Scatterers of a wall that leaves the sector in the reference frame take the brightness seen at its edge, because the
    template does not show their own and the motion may bring them into view.
    """
    offset = np.asarray(points_px, dtype=np.float64) - sector.apex_px
    low, high = sector.radius_min_px + margin_px, sector.radius_max_px - margin_px
    radius = np.hypot(*offset.T).clip(low, max(low, high))
    widest = np.maximum(np.deg2rad(sector.half_angle_deg) - margin_px / np.maximum(radius, margin_px), 0)
    angle = np.clip(np.arctan2(offset[:, 0], offset[:, 1]), -widest, widest)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1) + sector.apex_px


def bilinear_operator(points_px: Float[np.ndarray, "n_points 2"], shape: tuple[int, int]) -> sparse.csr_array:
    """Sparse matrix (n_points, height * width) that reads an image at positions by bilinear interpolation.

    Positions beyond the image read its edge. Made once for scatterers that stay where they are.
    """
    height, width = shape
    x, y = np.asarray(points_px, dtype=np.float64).T
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    column, row = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    fx, fy = x - column, y - row
    right, down = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    index = np.stack([row * width + column, row * width + right, down * width + column, down * width + right], axis=1)
    weight = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], axis=1).astype(np.float32)
    start = np.arange(0, 4 * len(x) + 1, 4)
    return sparse.csr_array(
        (weight.ravel(), index.ravel().astype(np.int32), start.astype(np.int32)), (len(x), height * width)
    )


def read_images(
    operator: sparse.csr_array, images: Float[np.ndarray, "n_frames height width"]
) -> Float[np.ndarray, "n_frames n_points"]:
    """Values of every image at the operator's positions, float32."""
    columns = np.ascontiguousarray(images.reshape(len(images), -1).T, dtype=np.float32)
    return np.ascontiguousarray((operator @ columns).T)
