"""Which pixels of an image lie in the scanned sector."""

import numpy as np
from jaxtyping import Bool, Float

from echotas.records import Sector

__all__ = ["inside", "require_inside", "sector_mask"]


def inside(sector: Sector, points: Float[np.ndarray, "*batch 2"]) -> Bool[np.ndarray, "*batch"]:
    """Whether positions (x, y) in px lie in the sector, edges included."""
    points = np.asarray(points, dtype=np.float64)
    if points.shape[-1:] != (2,):
        raise ValueError(f"points must have (x, y) on the last axis, got shape {points.shape}")
    x, y = points[..., 0] - sector.apex_px[0], points[..., 1] - sector.apex_px[1]
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    tolerance = 1e-9 * max(sector.radius_max_px, 1.0)
    return (
        (radius >= sector.radius_min_px - tolerance)
        & (radius <= sector.radius_max_px + tolerance)
        & (np.abs(angle) <= np.deg2rad(sector.half_angle_deg) + 1e-9)
    )


def sector_mask(sector: Sector, shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Pixels of an image of `shape` (height, width) whose centres lie in the sector."""
    row, column = np.indices(shape, dtype=np.float64)
    return inside(sector, np.stack([column, row], axis=-1))


def require_inside(sector: Sector, points: Float[np.ndarray, "*batch 2"], name: str = "points") -> None:
    """Refuse positions outside the sector.

    Raises:
        ValueError: With the argument's `name` and the count of positions outside.
    """
    held = inside(sector, points)
    if not held.all():
        first = np.asarray(points, dtype=np.float64)[~held][0]
        raise ValueError(
            f"{name} must lie inside the scanned sector, got {int((~held).sum())} of {held.size} outside, "
            f"first ({first[0]:.1f}, {first[1]:.1f}) px"
        )
