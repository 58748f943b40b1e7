"""Length of tracked lines, in millimetres.

    L(t) = sum_i |x_(i+1)(t) - x_i(t)|

A *link* is the straight piece between two neighbouring points. All strain in this family is a ratio of sums of link
lengths, so the global curve and the segments are consistent by construction.
"""

import numpy as np
from jaxtyping import Float

from echotas.records import check_spacing

__all__ = [
    "check_curve",
    "check_frame",
    "check_line",
    "line_length",
    "link_lengths",
    "relative_change_percent",
    "to_mm",
]


def to_mm(
    points_px: Float[np.ndarray, "*batch 2"], spacing_mm: tuple[float, float] | None
) -> Float[np.ndarray, "*batch 2"]:
    """Image positions in millimetres.

    Args:
        points_px: Positions (x, y) in px, coordinates on the last axis.
        spacing_mm: Pixel size (dx, dy) in mm; dx and dy may differ.

    Raises:
        ValueError: The spacing is None, not positive or not finite: no spacing, no millimetres.
    """
    return np.asarray(points_px, dtype=np.float64) * np.asarray(check_spacing(spacing_mm))


def link_lengths(points_mm: Float[np.ndarray, "*batch n_points 2"]) -> Float[np.ndarray, "*batch n_links"]:
    """Distance between neighbouring points in mm; n_links = n_points - 1.

    Unit:
        mm

    Better:
        no direction

    Formula:
        l_i = |x_(i+1) - x_i|

    Pitfalls:
        Nothing is checked: a NaN position gives a NaN length, where `line_length` refuses it.

    Known as:
        no other name in the papers read
    """
    return np.linalg.norm(np.diff(np.asarray(points_mm, dtype=np.float64), axis=-2), axis=-1)


def line_length(points_mm: Float[np.ndarray, "*batch n_points 2"]) -> Float[np.ndarray, "*batch"] | np.float64:
    """Length of an open line in mm, one value per leading index; a number for a single line.

    Args:
        points_mm: Ordered points (x, y) in mm.

    Raises:
        ValueError: Fewer than two points, or a position is NaN or infinite.

    Unit:
        mm

    Better:
        no direction

    Formula:
        L = sum_i |x_(i+1) - x_i|

    Pitfalls:
        Points that jitter across the line make it longer. Lengths of endocardium, mid-wall and epicardium differ: state
        the layer.

    Known as:
        Evain 2022 -> L(t)
    """
    points_mm = np.asarray(points_mm, dtype=np.float64)
    if points_mm.ndim < 2 or points_mm.shape[-1] != 2 or points_mm.shape[-2] < 2:
        raise ValueError(f"points_mm must be (..., n_points >= 2, 2), got shape {points_mm.shape}")
    _finite("points_mm", points_mm)
    return link_lengths(points_mm).sum(axis=-1)


def relative_change_percent(
    length_mm: Float[np.ndarray, "*batch n_frames"], ed_frame: int, name: str = "line"
) -> Float[np.ndarray, "*batch n_frames"]:
    """Lagrangian strain 100 (L - L0) / L0 with L0 = L(ED), negative = shortening; L0 = 0 raises."""
    check_frame("ed_frame", ed_frame, length_mm.shape[-1])
    length_ed_mm = length_mm[..., [ed_frame]]
    if (length_ed_mm <= 0).any():
        which = np.flatnonzero((length_ed_mm <= 0).ravel()).tolist()
        at = f" (index {which})" if length_ed_mm.size > 1 else ""
        raise ValueError(f"points_mm must give the {name} a positive length at ed_frame {ed_frame}, got 0 mm{at}")
    return 100 * (length_mm - length_ed_mm) / length_ed_mm


def check_line(points_mm: np.ndarray) -> Float[np.ndarray, "n_frames n_points 2"]:
    """`points_mm` as float64 after checking that it is a finite line over frames."""
    points_mm = np.asarray(points_mm, dtype=np.float64)
    if points_mm.ndim != 3 or points_mm.shape[-1] != 2 or points_mm.shape[0] < 1 or points_mm.shape[1] < 2:
        raise ValueError(f"points_mm must be (n_frames >= 1, n_points >= 2, 2), got shape {points_mm.shape}")
    _finite("points_mm", points_mm)
    return points_mm


def check_curve(curve_percent: np.ndarray) -> Float[np.ndarray, " n_frames"]:
    """`curve_percent` as float64 after checking that it is one finite value per frame."""
    curve_percent = np.asarray(curve_percent, dtype=np.float64)
    if curve_percent.ndim != 1 or curve_percent.size < 1:
        raise ValueError(f"curve_percent must be (n_frames >= 1,), got shape {curve_percent.shape}")
    _finite("curve_percent", curve_percent)
    return curve_percent


def check_frame(name: str, frame: int, n_frames: int) -> None:
    """Refuse a frame index outside the cine; negative indices do not count from the end."""
    if not 0 <= frame < n_frames:
        raise ValueError(f"{name} must be in 0..{n_frames - 1}, got {frame}")


def _finite(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
