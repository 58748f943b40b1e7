"""Image patches around points: the crop that holds them, and the correlation of a patch in two frames."""

import cv2
import numpy as np
from jaxtyping import Float

__all__ = ["crop_box", "patch_correlation"]


def crop_box(
    points_px: Float[np.ndarray, "n_points 2"], margin_px: tuple[float, float], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Rows and columns (top, bottom, left, right; half open) of the box around the points, clipped to the image."""
    low = np.floor(points_px.min(0) - margin_px).astype(int)
    high = np.ceil(points_px.max(0) + margin_px).astype(int) + 1
    top, left = max(low[1], 0), max(low[0], 0)
    bottom, right = min(high[1], shape[0]), min(high[0], shape[1])
    return top, max(bottom, top + 1), left, max(right, left + 1)


def patch_correlation(
    first: np.ndarray,
    second: np.ndarray,
    first_px: Float[np.ndarray, "n_points 2"],
    second_px: Float[np.ndarray, "n_points 2"],
    size_px: tuple[int, int],
) -> Float[np.ndarray, " n_points"]:
    """Normalised cross-correlation of the patches around two sets of points in two frames.

    Args:
        first: One frame, (height, width).
        second: The other frame.
        first_px: Patch centres in `first`, (x, y) px; between pixels by bilinear interpolation, outside the image by its edge.
        second_px: Patch centres in `second`.
        size_px: Patch width and height in px.

    Returns:
        Zero-mean normalised correlation in [-1, 1]; 0 where a patch is flat.
    """
    a, b = _patches(first, first_px, size_px), _patches(second, second_px, size_px)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.where(norm > 1e-6, (a * b).sum(1) / np.maximum(norm, 1e-6), 0.0)


def _patches(image: np.ndarray, points_px: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """(n_points, width * height) grey levels."""
    dx = np.arange(size_px[0]) - (size_px[0] - 1) / 2
    dy = np.arange(size_px[1]) - (size_px[1] - 1) / 2
    offset_x, offset_y = (grid.ravel() for grid in np.meshgrid(dx, dy))
    x = (points_px[:, :1] + offset_x).astype(np.float32)
    y = (points_px[:, 1:] + offset_y).astype(np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
