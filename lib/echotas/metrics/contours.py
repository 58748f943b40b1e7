"""Distance between two lines as shapes, whatever their points: what segmentation papers report beside trajectory error."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["ContourDistance", "contour_distance_mm"]


@dataclass(frozen=True)
class ContourDistance:
    """Distances between two lines, mm."""

    mean_mm: float
    """Symmetric mean: of the distances from each line's points to the other line, the mean of both directions."""
    hausdorff_mm: float
    """The largest of them."""
    hausdorff95_mm: float
    """The larger of both directions' 95th percentiles."""


def contour_distance_mm(
    first_mm: Float[np.ndarray, "n 2"], second_mm: Float[np.ndarray, "m 2"], spacing_mm: float = 0.2
) -> ContourDistance:
    """Distance between two open lines.

    A line that slips along itself keeps a distance of 0: this measures shape, not motion (see `wall_error_mm`). Both lines
    are resampled evenly, so that the result does not depend on where their points lie.

    Args:
        first_mm: Points of one line in order, mm.
        second_mm: Points of the other.
        spacing_mm: Distance between resampled points, mm; distances to the other line are exact (point to piece).

    Raises:
        ValueError: Fewer than two points, a NaN, a line without length, or a spacing that is not positive.

    Unit:
        mm

    Better:
        lower

    Formula:
        d(A, B) = distances of the resampled points of A to the line B
        mean = (mean d(A, B) + mean d(B, A)) / 2
        Hausdorff = max of d(A, B) and d(B, A); Hausdorff95 = larger of their 95th percentiles

    Pitfalls:
        Blind to slip along the wall, which changes strain. The frame in which the line was given has distance 0 and is
        to be left out of a mean over frames. A corner between two resampled points is missed by up to half of
        `spacing_mm`.

    Known as:
        Evain 2022 -> d_m (the mean) and d_H (Hausdorff)
    """
    if not spacing_mm > 0:
        raise ValueError(f"spacing_mm must be positive, got {spacing_mm}")
    first, second = _checked("first_mm", first_mm), _checked("second_mm", second_mm)
    there = _to_line(_resampled(first, spacing_mm), second)
    back = _to_line(_resampled(second, spacing_mm), first)
    return ContourDistance(
        float((there.mean() + back.mean()) / 2),
        float(max(there.max(), back.max())),
        float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _checked(name: str, line: np.ndarray) -> np.ndarray:
    line = np.asarray(line, dtype=np.float64)
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2:
        raise ValueError(f"{name} must be (n >= 2, 2), got shape {line.shape}")
    if not np.isfinite(line).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(line)).sum())} NaN or infinite values")
    if not np.ptp(line, axis=0).any():
        raise ValueError(f"{name} must have a length, got coinciding points")
    return line


def _resampled(line: np.ndarray, spacing: float) -> np.ndarray:
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, arc[-1], max(2, int(np.ceil(arc[-1] / spacing)) + 1))
    return np.stack([np.interp(at, arc, line[:, axis]) for axis in (0, 1)], axis=1)


def _to_line(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest place on a line of straight pieces."""
    start, step = line[:-1], np.diff(line, axis=0)
    square = (step**2).sum(axis=1)
    away = points[:, None] - start
    share = np.divide((away * step).sum(axis=-1), square, out=np.zeros((len(points), len(step))), where=square > 0)
    nearest = away - np.clip(share, 0, 1)[..., None] * step
    return np.sqrt((nearest**2).sum(axis=-1).min(axis=1))
