"""A tracked mesh made smooth, and smoother still where it would fold."""

import numpy as np
from jaxtyping import Float, Int

from echotas.geometry.mesh import signed_areas
from echotas.trackers.lucas_kanade_mesh import smooth_local_linear

__all__ = ["mesh_order", "unfold"]

WIDEN = 1.5  # a frame that folds is fitted again with this much wider weights
ATTEMPTS = 14  # 1.5**14 = 290: from millimetres to one affine map of the whole wall


def mesh_order(uv: Float[np.ndarray, "n_points 2"] | None) -> tuple[np.ndarray, tuple[int, int]] | None:
    """Indices that put the points into mesh order (u slow, v fast), and (n_long, n_rad); None if they are no whole mesh."""
    if uv is None or len(uv) < 4:
        return None
    u, v = (np.round(column, 6) for column in uv.T)
    shape = len(np.unique(u)), len(np.unique(v))
    if min(shape) < 2 or shape[0] * shape[1] != len(uv):
        return None
    order = np.lexsort((v, u))
    grid = np.stack([u, v], axis=-1)[order].reshape(*shape, 2)
    whole = (grid[..., 0] == grid[:, :1, 0]).all() and (grid[..., 1] == grid[:1, :, 1]).all()
    return (order, shape) if whole else None


def unfold(
    positions: Float[np.ndarray, "n_frames n_points 2"],
    query_frame: int,
    order: Int[np.ndarray, " n_points"],
    shape: tuple[int, int],
    spacing_mm: tuple[float, float],
    smoothing_mm: float,
    error_mm: Float[np.ndarray, "n_frames n_points"] | None = None,
) -> Float[np.ndarray, "n_frames n_points 2"]:
    """Displacements from the query smoothed by a local-linear fit, wider in frames where a triangle would still fold.

    The fit reproduces any linear field, so that a uniform shortening keeps its strain; in the limit of wide weights it is one
    affine map, which folds nothing unless it mirrors the whole wall. A frame in which even that one mirrors is left as found.

    Args:
        positions: Tracked mesh, px.
        query_frame: Frame that the mesh is given in; must be free of folds to speak of them.
        order: Indices that put its points into mesh order.
        shape: (n_long, n_rad).
        spacing_mm: Pixel size (dx, dy).
        smoothing_mm: Standard deviation of the Gaussian distance weights to begin with.
        error_mm: Standard error of each point: weights 1 / error^2. None: equal weights.
    """
    spacing = np.array(spacing_mm)
    rest = positions[query_frame] * spacing
    sign = np.sign(signed_areas(rest[order].reshape(*shape, 2)))
    smooth = positions.copy()
    for frame in range(len(positions)):
        if frame == query_frame:
            continue
        moved = positions[frame] * spacing - rest
        weights = np.ones(len(rest)) if error_mm is None else 1 / np.maximum(error_mm[frame], 1e-2) ** 2
        sigma = smoothing_mm
        for _ in range(ATTEMPTS):
            fitted = rest + smooth_local_linear(rest, moved, weights / weights.mean(), sigma)
            if (signed_areas(fitted[order].reshape(*shape, 2)) * sign > 0).all():
                smooth[frame] = fitted / spacing
                break
            sigma *= WIDEN
    return smooth
