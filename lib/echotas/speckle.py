"""How far speckle stays the same: correlation of matched windows, its chance level, and speckle statistics.

The coherence of a place on the wall is the maximum normalised cross-correlation (NCC) between the window around it in
a reference frame and the windows around its new place in another frame, over a small search range that forgives an
inaccurate mesh. Unrelated windows do not give 0 but a positive floor, because a maximum is taken: `correlation_floor`.

References: TAS-Net paper, section III-A (strategy 2); window and search range are not stated there.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from echotas.records import check_spacing

__all__ = [
    "correlation_curves",
    "correlation_floor",
    "envelope_snr",
    "frame_to_frame_correlation",
    "speckle_fwhm_mm",
]

_MIN_SIDE_PX = 5  # a window clipped below this at the image edge says nothing about speckle


def correlation_curves(
    frames: UInt8[np.ndarray, "n_frames height width"],
    mesh: Float[np.ndarray, "n_frames n_long n_rad 2"],
    reference_frame: int,
    window_mm: float = 10.0,
    search_mm: float = 3.0,
    spacing_mm: tuple[float, float] | None = None,
    stride: int = 1,
) -> Float[np.ndarray, "n_frames n_long n_rad"]:
    """Speckle correlation between a reference frame and every other frame at every mesh point.

    Args:
        frames: Grey levels; log-compressed in all the project's numbers.
        mesh: Mesh that follows the wall, (x, y) px.
        reference_frame: Frame of the template windows, usually end-systole.
        window_mm: Side of the square window. 10 mm holds enough speckles for a chance level near 0.3.
        search_mm: Largest displacement of the window around the mesh point in the other frame, per axis.
        spacing_mm: Pixel size (dx, dy) in mm; there is no default, None is refused.
        stride: Measure every `stride`-th point along and across the wall (ends included), interpolate the rest.

    Returns:
        Maximum NCC in [-1, 1]; exactly 1 in the reference frame. Windows are clipped at the image border, in both
        frames alike; 0 where less than 5 px are left, where a point lies outside the image, and where a window is flat.

    Raises:
        ValueError: Shapes differ, the spacing is unknown, a length is not positive, or the frame does not exist.
    """
    frames, mesh = _checked(frames, mesh, spacing_mm, window_mm, search_mm)
    if not 0 <= reference_frame < len(frames):
        raise ValueError(f"reference_frame must be in 0..{len(frames) - 1}, got {reference_frame}")
    rows, columns = _kept(mesh.shape[1], stride), _kept(mesh.shape[2], stride)
    half, search = _pixels(window_mm, search_mm, spacing_mm)
    points = mesh[:, rows][:, :, columns].reshape(len(mesh), -1, 2)
    curves = np.empty(points.shape[:2])
    for t in range(len(frames)):
        curves[t] = _match(frames[reference_frame], points[reference_frame], frames[t], points[t], half, search)
    curves[reference_frame] = 1.0
    curves = curves.reshape(len(frames), len(rows), len(columns))
    return _spread(curves, rows, columns, mesh.shape[1], mesh.shape[2])


def frame_to_frame_correlation(
    frames: UInt8[np.ndarray, "n_frames height width"],
    mesh: Float[np.ndarray, "n_frames n_long n_rad 2"],
    window_mm: float = 10.0,
    search_mm: float = 3.0,
    spacing_mm: tuple[float, float] | None = None,
) -> Float[np.ndarray, "n_steps n_long n_rad"]:
    """Speckle correlation between each frame and the next at every mesh point, (n_frames - 1, n_long, n_rad).

    Arguments, edges and errors as in `correlation_curves`.
    """
    frames, mesh = _checked(frames, mesh, spacing_mm, window_mm, search_mm)
    half, search = _pixels(window_mm, search_mm, spacing_mm)
    points = mesh.reshape(len(mesh), -1, 2)
    steps = [_match(frames[t], points[t], frames[t + 1], points[t + 1], half, search) for t in range(len(frames) - 1)]
    return np.array(steps).reshape(len(frames) - 1, *mesh.shape[1:3])


def correlation_floor(
    frames: UInt8[np.ndarray, "n_frames height width"],
    mesh: Float[np.ndarray, "n_frames n_long n_rad 2"],
    reference_frame: int,
    window_mm: float = 10.0,
    search_mm: float = 3.0,
    spacing_mm: tuple[float, float] | None = None,
    n_frames_used: int = 5,
) -> float:
    """Chance level: median maximum NCC between windows of different places on the wall.

    Mid-wall windows of the reference frame are compared with windows a third and two thirds of the wall away, in a few
    frames spread over the cine. Subtract it as `(C - floor) / (1 - floor)` before reading C as a share of coherence.
    """
    frames, mesh = _checked(frames, mesh, spacing_mm, window_mm, search_mm)
    if not 0 <= reference_frame < len(frames):
        raise ValueError(f"reference_frame must be in 0..{len(frames) - 1}, got {reference_frame}")
    half, search = _pixels(window_mm, search_mm, spacing_mm)
    n_long, middle = mesh.shape[1], mesh.shape[2] // 2
    values = []
    for t in np.unique(np.linspace(0, len(frames) - 1, n_frames_used).astype(int)):
        for shift in (n_long // 3, 2 * n_long // 3):
            elsewhere = np.roll(mesh[t, :, middle], shift, axis=0)
            values.append(
                _match(frames[reference_frame], mesh[reference_frame, :, middle], frames[t], elsewhere, half, search)
            )
    return float(np.median(values))


def envelope_snr(envelope: Float[np.ndarray, "..."]) -> float:
    """Mean over standard deviation of an envelope (before log compression); 1.91 for fully developed speckle.

    Raises:
        ValueError: Fewer than two values, or no variation.
    """
    envelope = np.asarray(envelope, dtype=np.float64)
    if envelope.size < 2 or not envelope.std() > 0:
        raise ValueError(f"envelope must hold at least two different values, got {envelope.size} values")
    return float(envelope.mean() / envelope.std())


def speckle_fwhm_mm(
    patch: Float[np.ndarray, "height width"] | UInt8[np.ndarray, "height width"], spacing_mm: tuple[float, float]
) -> tuple[float, float]:
    """Speckle size (lateral, axial) in mm: full width at half maximum of the patch's autocovariance.

    Args:
        patch: Piece of an image of even mean brightness near the beam axis, so that columns are lateral, rows axial.
        spacing_mm: Pixel size (dx, dy) in mm.

    Returns:
        Widths along x and y through zero lag, linear between samples; infinite where half maximum is not reached.
    """
    dx, dy = check_spacing(spacing_mm)
    patch = np.asarray(patch, dtype=np.float64)
    if patch.ndim != 2 or min(patch.shape) < 3 or not patch.std() > 0:
        raise ValueError(f"patch must be (height, width), at least 3 x 3 and not flat, got shape {patch.shape}")
    padded = [2 * size for size in patch.shape]
    power = np.abs(np.fft.rfft2(patch - patch.mean(), padded)) ** 2
    covariance = np.fft.irfft2(power, padded)
    n_rows, n_columns = patch.shape
    # Divide by the overlap, so that a wide patch and a narrow one give the same width.
    along_x = covariance[0, :n_columns] / (n_rows * np.arange(n_columns, 0, -1))
    along_y = covariance[:n_rows, 0] / (n_columns * np.arange(n_rows, 0, -1))
    return 2 * dx * _half_maximum(along_x), 2 * dy * _half_maximum(along_y)


def _checked(
    frames: np.ndarray, mesh: np.ndarray, spacing_mm: tuple[float, float] | None, window_mm: float, search_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    check_spacing(spacing_mm)
    frames, mesh = np.asarray(frames), np.asarray(mesh, dtype=np.float64)
    if frames.ndim != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be u8 (n_frames, height, width), got {frames.dtype} {frames.shape}")
    if mesh.ndim != 4 or mesh.shape[-1] != 2 or len(mesh) != len(frames):
        raise ValueError(f"mesh must be ({len(frames)}, n_long, n_rad, 2) like frames, got shape {mesh.shape}")
    if not np.isfinite(mesh).all():
        raise ValueError("mesh must be finite, got NaN or infinite positions")
    if not window_mm > 0 or not search_mm >= 0:
        raise ValueError(f"window_mm must be positive and search_mm not negative, got {window_mm} and {search_mm}")
    return frames, mesh


def _pixels(window_mm: float, search_mm: float, spacing_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Half window and search range, px (x, y)."""
    spacing = np.array(check_spacing(spacing_mm))
    half, search = np.rint(window_mm / spacing / 2).astype(int), np.rint(search_mm / spacing).astype(int)
    if (2 * half + 1 < _MIN_SIDE_PX).any():
        raise ValueError(f"window_mm must span at least {_MIN_SIDE_PX} px, got {window_mm} mm at spacing {spacing_mm}")
    return half, search


def _kept(n: int, stride: int) -> np.ndarray:
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    return np.unique(np.linspace(0, n - 1, max(-(-n // stride), 2)).round().astype(int))


def _match(
    reference: np.ndarray, at: np.ndarray, target: np.ndarray, around: np.ndarray, half: np.ndarray, search: np.ndarray
) -> np.ndarray:
    """Maximum NCC of the windows at points `at` of one frame with those around `around` of another, (n_points,)."""
    height, width = reference.shape
    size = np.array([width, height])
    at, around = np.rint(at).astype(int), np.rint(around).astype(int)
    # Both windows are clipped alike, so that they always show the same piece of tissue.
    before = np.minimum(half, np.minimum(at, around))
    after = np.minimum(half, size - 1 - np.maximum(at, around))
    usable = ((before + after + 1 >= _MIN_SIDE_PX) & (before >= 0) & (after >= 0)).all(axis=1)
    low = np.maximum(around - before - search, 0)
    high = np.minimum(around + after + search, size - 1) + 1
    first, last = at - before, at + after + 1
    best = np.zeros(len(at))
    for i in np.flatnonzero(usable):
        template = reference[first[i, 1] : last[i, 1], first[i, 0] : last[i, 0]]
        region = target[low[i, 1] : high[i, 1], low[i, 0] : high[i, 0]]
        if template.min() != template.max():
            best[i] = cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED).max()
    return np.nan_to_num(best, nan=0.0, posinf=0.0, neginf=0.0).clip(-1, 1)


def _spread(curves: np.ndarray, rows: np.ndarray, columns: np.ndarray, n_long: int, n_rad: int) -> np.ndarray:
    """Values at kept rows and columns, bilinearly interpolated to all of them."""
    if len(rows) == n_long and len(columns) == n_rad:
        return curves
    weight_long = np.stack([np.interp(np.arange(n_long), rows, unit) for unit in np.eye(len(rows))], axis=1)
    weight_rad = np.stack([np.interp(np.arange(n_rad), columns, unit) for unit in np.eye(len(columns))], axis=1)
    return weight_long @ curves @ weight_rad.T


def _half_maximum(covariance: np.ndarray) -> float:
    """First lag at which a covariance falls to half its value at lag 0, in samples."""
    below = np.flatnonzero(covariance <= covariance[0] / 2)
    if not len(below):
        return float("inf")
    k = below[0]
    return float(k - 1 + (covariance[k - 1] - covariance[0] / 2) / (covariance[k - 1] - covariance[k]))
