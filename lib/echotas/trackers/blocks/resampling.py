"""Frames resampled straight from the cine to the grid of a network, and points carried there and back."""

import cv2
import numpy as np
from jaxtyping import Float

from echotas.records import check_spacing

__all__ = ["crop_to_grid", "move_points", "resample_frames"]

Affine = Float[np.ndarray, "2 3"]


def crop_to_grid(
    points_px: Float[np.ndarray, "n_points 2"],
    spacing_mm: tuple[float, float],
    pixel_mm: float,
    min_size: tuple[int, int],
    margin_mm: float,
    multiple: int = 16,
    snap: int = 0,
) -> tuple[Affine, tuple[int, int]]:
    """Grid of square pixels centred on the points.

    Args:
        points_px: Points that must lie inside, (x, y) in px of the cine.
        spacing_mm: Pixel size of the cine.
        pixel_mm: Pixel size of the grid.
        min_size: Smallest grid, (height, width) px; grown in steps of `multiple` until the points and the margin fit.
        margin_mm: Least distance of the points from the border.
        snap: Move the grid by up to half of this many of its px, so that it starts at a whole multiple of them from the cine's
            corner: queries that differ by little are then mostly seen on one and the same grid. May cost as much of the margin.

    Returns:
        Matrix that takes cine px to grid px, and the grid's (height, width).
    """
    scale = np.array(check_spacing(spacing_mm)) / pixel_mm
    low, high = points_px.min(0), points_px.max(0)
    needed = (high - low) * scale + 2 * margin_mm / pixel_mm
    size = [
        max(least, multiple * int(np.ceil(need / multiple))) for least, need in zip(min_size, needed[::-1], strict=True)
    ]
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    matrix = np.zeros((2, 3))
    matrix[:, :2] = np.diag(scale)
    matrix[:, 2] = centre - scale * (low + high) / 2
    if snap:
        matrix[:, 2] = snap * np.round(matrix[:, 2] / snap)
    return matrix, (size[0], size[1])


def resample_frames(frames: np.ndarray, matrix: Affine, size: tuple[int, int]) -> np.ndarray:
    """Frames (n_frames, height, width) on a grid of `size` (height, width); bilinear, 0 outside the image; dtype kept."""
    width_height = (size[1], size[0])
    return np.stack([cv2.warpAffine(frame, matrix, width_height, flags=cv2.INTER_LINEAR) for frame in frames])


def move_points(points: Float[np.ndarray, "*rest 2"], matrix: Affine, inverse: bool = False) -> np.ndarray:
    """Points through the matrix, or back through its inverse."""
    if inverse:
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    return points @ matrix[:, :2].T + matrix[:, 2]
