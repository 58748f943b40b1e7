"""The two scatterer populations: the myocardium's, carried by the mesh, and the background's, which never move.

Drawn uniformly per area in the reference frame (TAS-Net: end-systole, when most of the wall is in the sector). Each
population has the full density; coherence decides how much of either is heard where.
"""

import numpy as np
from jaxtyping import Float

from echotas.geometry import locate
from echotas.records import Sector

__all__ = ["draw_background", "draw_myocardium", "extended_mesh"]


def extended_mesh(
    mesh: Float[np.ndarray, "*n_frames n_long n_rad 2"], border_px: float
) -> Float[np.ndarray, "*n_frames n_long_2 n_rad_2 2"]:
    """Mesh with one more ring of nodes, `border_px` outside the wall, that continues its rays and its lines.

    Carries the scatterers of the border, whose motion the mesh itself does not define. The ring has constant width in
    every frame; inside a narrow apex its cells may overlap, where its scatterers hardly count.
    """
    mesh = np.asarray(mesh, dtype=np.float64)
    if not border_px > 0:
        raise ValueError(f"border_px must be positive, got {border_px}")

    def beyond(edge: np.ndarray, inner: np.ndarray) -> np.ndarray:
        step = edge - inner
        return edge + border_px * step / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 1e-9)

    endo, epi = beyond(mesh[..., 0, :], mesh[..., 1, :]), beyond(mesh[..., -1, :], mesh[..., -2, :])
    wide = np.concatenate([endo[..., None, :], mesh, epi[..., None, :]], axis=-2)
    first, last = beyond(wide[..., 0, :, :], wide[..., 1, :, :]), beyond(wide[..., -1, :, :], wide[..., -2, :, :])
    return np.concatenate([first[..., None, :, :], wide, last[..., None, :, :]], axis=-3)


def draw_background(
    sector: Sector, per_px2: float, rng: np.random.Generator, margin_px: float = 0.0
) -> Float[np.ndarray, "n_background 2"]:
    """Positions uniform over the sector's area, px.

    Args:
        sector: Scanned area.
        per_px2: Scatterers per square px.
        rng: Source of the positions.
        margin_px: The area is this much longer, so that the lower edge has neighbours too.
    """
    low, high = sector.radius_min_px, sector.radius_max_px + margin_px
    half = np.deg2rad(sector.half_angle_deg)
    n = round(per_px2 * half * (high**2 - low**2))
    if n < 1:
        raise ValueError(f"per_px2 must give at least one scatterer in the sector, got {per_px2}")
    radius = np.sqrt(rng.uniform(low**2, high**2, n))
    angle = rng.uniform(-half, half, n)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1) + sector.apex_px


def draw_myocardium(
    mesh_ref: Float[np.ndarray, "n_long n_rad 2"], per_px2: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions uniform over a (bordered) mesh, and their places in it.

    Args:
        mesh_ref: Mesh in the reference frame, usually an `extended_mesh`, px.
        per_px2: Scatterers per square px.
        rng: Source of the positions.

    Returns:
        positions (n, 2) px, triangle (n,) and barycentric coordinates (n, 3) for `geometry.carry`.
    """
    low, high = mesh_ref.min(axis=(0, 1)), mesh_ref.max(axis=(0, 1))
    n = round(per_px2 * float(np.prod(high - low)))
    points = rng.uniform(low, high, (n, 2))
    triangle, weights = locate(mesh_ref, points)
    held = triangle >= 0
    if not held.any():
        raise ValueError(f"per_px2 must give at least one scatterer in the mesh, got {per_px2}")
    return points[held], triangle[held], weights[held]
