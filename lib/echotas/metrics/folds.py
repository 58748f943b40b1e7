"""Folds: places where a tracked mesh has turned inside out.

Tissue cannot pass through itself. With corners x1, x2, x3 of a triangle, the determinant of its deformation is

    J(t) = det[x2 - x1, x3 - x1](t) / det[x2 - x1, x3 - x1](reference)

the ratio of signed areas; the triangle is folded where J <= 0. The count depends on how the mesh is cut into
triangles: here as `geometry.triangles` cuts it, two per cell.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from echotas.geometry import signed_areas

__all__ = ["FoldCount", "count_folds", "jacobian_det"]


@dataclass(frozen=True)
class FoldCount:
    """Folds of one tracked mesh."""

    any_fold: bool
    """Whether any triangle folds in any frame; the share of such recordings is "folds" in the TAS-Net paper."""
    folded_triangles: float
    """Share of triangles that fold at least once, 0-1."""
    folded_frames: float
    """Share of frames with a fold, the reference frame not counted, 0-1."""
    min_jacobian_det: float
    """Smallest ratio of signed areas; 1 for rigid motion, <= 0 means folded."""
    n_triangles: int
    """Triangles of the mesh."""


def count_folds(points: Float[np.ndarray, "n_frames n_long n_rad 2"], reference_frame: int = 0) -> FoldCount:
    """Folds of a mesh over a recording.

    Args:
        points: Mesh (x, y) per frame, px or mm: the ratio has no unit.
        reference_frame: Frame in which the mesh is taken to be right (the tracker's query frame).

    Raises:
        ValueError: Fewer than two frames, lines or rays, a NaN position, a frame outside, or a triangle without area
            or of mixed orientation in the reference frame.

    Unit:
        yes or no; shares 0-1

    Better:
        lower (`min_jacobian_det`: higher)

    Formula:
        J(t) = det[x2 - x1, x3 - x1](t) / det[x2 - x1, x3 - x1](reference)
        a triangle is folded at t if J(t) <= 0

    Pitfalls:
        Depends on how the mesh is made and cut into triangles: compare trackers on one mesh only. A frozen mesh never
        folds. J = 0 counts as folded here, where the TAS-Net paper speaks of negative determinants.

    Known as:
        TAS-Net paper -> folds (%), the share of videos with `any_fold`
    """
    determinant = jacobian_det(points, reference_frame)
    others = np.delete(determinant, reference_frame, axis=0) <= 0  # (n_frames - 1, n_triangles)
    return FoldCount(
        any_fold=bool(others.any()),
        folded_triangles=float(others.any(axis=0).mean()),
        folded_frames=float(others.any(axis=1).mean()),
        min_jacobian_det=float(determinant.min()),
        n_triangles=determinant.shape[1],
    )


def jacobian_det(
    points: Float[np.ndarray, "n_frames n_long n_rad 2"], reference_frame: int = 0
) -> Float[np.ndarray, "n_frames n_triangles"]:
    """Ratio of each triangle's signed area to that in the reference frame. Arguments and errors as `count_folds`."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 4 or points.shape[-1] != 2 or min(points.shape[:3]) < 2:
        raise ValueError(f"points must be (n_frames >= 2, n_long >= 2, n_rad >= 2, 2), got shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError(f"points must be finite, got {int((~np.isfinite(points)).sum())} NaN or infinite values")
    if not 0 <= reference_frame < len(points):
        raise ValueError(f"reference_frame must be in 0..{len(points) - 1}, got {reference_frame}")
    areas = signed_areas(points)
    reference = areas[reference_frame]
    if not ((reference > 0).all() or (reference < 0).all()):
        raise ValueError(
            f"points must be a mesh without folds in reference_frame {reference_frame}, "
            f"got triangles of {int((reference > 0).sum())} positive, {int((reference < 0).sum())} negative and "
            f"{int((reference == 0).sum())} zero area"
        )
    return areas / reference
