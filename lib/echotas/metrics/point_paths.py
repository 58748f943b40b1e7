"""What the metrics of point paths share: checked input, distances, what counts."""

import numpy as np
from jaxtyping import Bool, Float

__all__ = [
    "TAPVID_SIZE_PX",
    "Accepted",
    "Paths",
    "checked_frame",
    "checked_paths",
    "counted_points",
    "errors_of",
    "mean_or_nan",
    "square_scale",
]

Accepted = Bool[np.ndarray, " n_points"] | Bool[np.ndarray, "n_frames n_points"]
"""Which points count, everywhere or frame by frame."""
Paths = Float[np.ndarray, "n_frames n_points 2"]
"""(x, y) of points, px."""
TAPVID_SIZE_PX = 256
"""Side of the square image on which the tracker literature counts pixels (TAP-Vid; EchoTracker)."""


def errors_of(predicted_px: np.ndarray, true_px: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Distances (n_frames, n_points) of checked paths after a factor on x and y."""
    predicted_px, true_px = checked_paths(predicted_px, true_px)
    return np.linalg.norm((predicted_px - true_px) * scale, axis=-1)


def checked_paths(predicted_px: np.ndarray, true_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both paths as float64, or `ValueError` where shapes differ or a value is not finite."""
    predicted_px = np.asarray(predicted_px, dtype=np.float64)
    true_px = np.asarray(true_px, dtype=np.float64)
    if predicted_px.ndim != 3 or predicted_px.shape[-1] != 2 or predicted_px.shape != true_px.shape:
        raise ValueError(
            f"predicted_px and true_px must both be (n_frames, n_points, 2), "
            f"got {predicted_px.shape} and {true_px.shape}"
        )
    for name, array in (("predicted_px", predicted_px), ("true_px", true_px)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
    return predicted_px, true_px


def counted_points(shape: tuple[int, int], accepted: np.ndarray | None, query_frame: int | None) -> np.ndarray:
    """Which points count in which frames (n_frames, n_points): accepted ones, without the query frame."""
    counted = np.ones(shape, dtype=bool)
    if accepted is not None:
        accepted = np.asarray(accepted, dtype=bool)
        if accepted.shape not in (shape, shape[1:]):
            raise ValueError(f"accepted must be {shape[1:]} or {shape}, got shape {accepted.shape}")
        counted &= accepted
    if query_frame is not None:
        counted[checked_frame("query_frame", query_frame, shape[0])] = False
        if shape[0] == 1:
            raise ValueError("query_frame must leave a frame to measure, got a recording of one frame")
    return counted


def checked_frame(name: str, frame: int, n_frames: int) -> int:
    """Index of a frame, or `ValueError` where the recording has none such."""
    if not 0 <= frame < n_frames:
        raise ValueError(f"{name} must be in 0..{n_frames - 1}, got {frame}")
    return frame


def square_scale(image_shape: tuple[int, int], size_px: int) -> np.ndarray:
    """Factor on x and y that takes an image of (height, width) to a square of this size."""
    height, width = image_shape
    if min(height, width, size_px) <= 0:
        raise ValueError(f"image_shape and size_px must be positive, got {image_shape} and {size_px}")
    return np.array([size_px / width, size_px / height])


def mean_or_nan(values: np.ndarray) -> float:
    """Mean of some values; NaN of none."""
    return float(values.mean()) if values.size else float("nan")
