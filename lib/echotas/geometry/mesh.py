"""The structured mesh of the myocardium: building it, and moving points with it.

A mesh is (n_long, n_rad, 2): longitudinal base -> apex -> base, left image wall first; radial endo -> epicardium.
Nodes are numbered l * n_rad + r; every cell is cut into two triangles, 280 for the usual 36 x 5 nodes.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from echotas.geometry.contour import arc_length, endo_epi_from_mask, outward_normals, resample_line, smooth_line

__all__ = [
    "boundary",
    "carry",
    "deform",
    "interpolate_at",
    "locate",
    "mesh_from_endo_epi",
    "mesh_from_mask",
    "mesh_uv",
    "radial_mesh",
    "signed_areas",
    "triangles",
]

_EDGE_TOLERANCE = 1e-9  # barycentric; a point on a shared edge belongs to one of its triangles, never to none


def radial_mesh(
    centre_line_px: Float[np.ndarray, "n_points 2"],
    thickness_px: float | Float[np.ndarray, " n_points"],
    n_long: int = 36,
    n_rad: int = 5,
) -> Float[np.ndarray, "n_long n_rad 2"]:
    """Mesh of a wall of given thickness around its centre line.

    The rays follow the line's normals, turned towards their neighbours until they no longer cross at the apex.

    Args:
        centre_line_px: Mid-wall line, base -> apex -> base.
        thickness_px: Wall thickness, one number or one per line point, > 0.
        n_long: Points along the wall, at equal arc steps, >= 2.
        n_rad: Points across the wall, >= 2. If odd, the middle ones are the centre line itself.

    Raises:
        ValueError: The line or a thickness is not usable, or the wall is too thick for the line so that rays cross.
    """
    _check_size(n_long, n_rad)
    line = np.asarray(centre_line_px, dtype=np.float64)
    centre = resample_line(line, n_long)
    thickness = np.asarray(thickness_px, dtype=np.float64)
    if thickness.ndim not in (0, 1) or (thickness.ndim == 1 and len(thickness) != len(line)):
        raise ValueError(f"thickness_px must be one number or one per line point ({len(line)}), got {thickness.shape}")
    if not (np.isfinite(thickness).all() and (thickness > 0).all()):
        raise ValueError(f"thickness_px must be positive, got {thickness.min()}")
    if thickness.ndim == 1:
        position = arc_length(line)
        thickness = np.interp(np.linspace(0, position[-1], n_long), position, thickness)
    offset = np.linspace(-0.5, 0.5, n_rad)[:, None] * np.broadcast_to(thickness, n_long)[:, None, None]  # (L, R, 1)
    normal = outward_normals(centre)
    angle = np.unwrap(np.arctan2(normal[:, 1], normal[:, 0]))
    for sigma in (0.0, 1.0, 2.0, 4.0, 8.0):
        turned = smooth_line(np.stack([angle, np.arange(n_long)], axis=1), sigma * n_long / 36)[:, 0]
        mesh = centre[:, None] + offset * np.stack([np.cos(turned), np.sin(turned)], axis=1)[:, None]
        if not _is_folded(mesh):
            return mesh
    raise ValueError(
        f"thickness_px must be below the line's radius of curvature, got {thickness.max():.3g} px: rays cross"
    )


def mesh_from_endo_epi(
    endo: Float[np.ndarray, "n_endo 2"], epi: Float[np.ndarray, "n_epi 2"], n_long: int = 36, n_rad: int = 5
) -> Float[np.ndarray, "n_long n_rad 2"]:
    """Mesh between the two borders of a wall.

    Points at equal arc steps on each half of the epicardium, halves meeting at its apex (the point furthest from the
    middle of the base); from each a perpendicular to the endocardium; equal steps along it.

    Args:
        endo: Endocardial line, base -> apex -> base, left image wall first, px.
        epi: Epicardial line, same order, px.
        n_long: Points along the wall.
        n_rad: Points across it, endocardium first.

    Raises:
        ValueError: A line is not usable, or no mesh without crossing rays fits between the two.

    References:
        Evain et al. 2022 (motion estimation by c-PWC-Net), mesh of 36 x 5 nodes. There the perpendiculars are used as
        they fall; here their feet are kept in order along the endocardium, because drawn borders are not parallel.
    """
    _check_size(n_long, n_rad)
    endo = resample_line(np.asarray(endo, dtype=np.float64), 200)
    epi = smooth_line(resample_line(np.asarray(epi, dtype=np.float64), 800), 8.0)
    outer_position, outer = _points_by_half(epi, (endo[0] + endo[-1]) / 2, n_long)
    normal = outward_normals(smooth_line(epi, 24.0))
    position = arc_length(epi)
    inward = -np.stack([np.interp(outer_position, position, normal[:, axis]) for axis in (0, 1)], axis=1)
    equal = np.linspace(0, 1, n_long)
    foot = _ordered(_feet(outer, inward, endo), equal)
    for share in (1.0, 0.7, 0.4, 0.0):
        wanted = (share * foot + (1 - share) * equal) * arc_length(endo)[-1]
        inner = np.stack([np.interp(wanted, arc_length(endo), endo[:, axis]) for axis in (0, 1)], axis=1)
        mesh = inner[:, None] + np.linspace(0, 1, n_rad)[:, None] * (outer - inner)[:, None]
        if not _is_folded(mesh):
            return mesh
    raise ValueError("endo and epi must bound a wall without crossing each other, got lines between which rays cross")


def mesh_from_mask(
    mask: Int[np.ndarray, "height width"], n_long: int = 36, n_rad: int = 5
) -> Float[np.ndarray, "n_long n_rad 2"]:
    """Mesh of a segmented myocardium (labels 1 = cavity, 2 = myocardium); see `mesh_from_endo_epi`.

    Raises:
        ValueError: A label is missing, or the shape is not a wall open at the base (the message says which).
    """
    return mesh_from_endo_epi(*endo_epi_from_mask(mask), n_long, n_rad)


def mesh_uv(n_long: int, n_rad: int) -> Float[np.ndarray, "n_nodes 2"]:
    """Normalised coordinates (u along the wall, v across it) of every node, in [0, 1], node order l * n_rad + r."""
    _check_size(n_long, n_rad)
    u, v = np.meshgrid(np.linspace(0, 1, n_long), np.linspace(0, 1, n_rad), indexing="ij")
    return np.stack([u.ravel(), v.ravel()], axis=1)


def triangles(n_long: int, n_rad: int) -> Int[np.ndarray, "n_triangles 3"]:
    """Node numbers of the 2 (n_long - 1) (n_rad - 1) triangles, all turning the same way; read-only."""
    _check_size(n_long, n_rad)
    return _triangles(n_long, n_rad)


def signed_areas(mesh: Float[np.ndarray, "*batch n_long n_rad 2"]) -> Float[np.ndarray, "*batch n_triangles"]:
    """Signed area of every triangle, px^2; a change of sign against another frame is a fold."""
    mesh = np.asarray(mesh, dtype=np.float64)
    corners = mesh.reshape(*mesh.shape[:-3], -1, 2)[..., triangles(*mesh.shape[-3:-1]), :]  # (..., n_triangles, 3, 2)
    a, b = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    return 0.5 * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def boundary(mesh: Float[np.ndarray, "*batch n_long n_rad 2"]) -> Float[np.ndarray, "*batch n_border 2"]:
    """Border nodes in order around the mesh: endocardium, one base, epicardium backwards, the other base."""
    return np.concatenate(
        [mesh[..., :, 0, :], mesh[..., -1, 1:-1, :], mesh[..., ::-1, -1, :], mesh[..., 0, -2:0:-1, :]], axis=-2
    )


def locate(
    mesh_ref: Float[np.ndarray, "n_long n_rad 2"], points: Float[np.ndarray, "n_points 2"], snap_px: float = 0.0
) -> tuple[Int[np.ndarray, " n_points"], Float[np.ndarray, "n_points 3"]]:
    """Triangle of the mesh that holds each point, and the point's barycentric coordinates in it.

    Args:
        mesh_ref: One frame of a mesh, px.
        points: Positions, px.
        snap_px: Points outside but at most this far are first moved to the nearest place on the mesh border.

    Returns:
        Triangle index, -1 for a point outside; barycentric coordinates (sum 1), zeros for a point outside. Where a
        folded mesh covers a point twice, the triangle with the lowest index.
    """
    mesh_ref, points = np.asarray(mesh_ref, dtype=np.float64), np.asarray(points, dtype=np.float64)
    if mesh_ref.ndim != 3 or mesh_ref.shape[-1] != 2:
        raise ValueError(f"mesh_ref must be (n_long, n_rad, 2), got shape {mesh_ref.shape}")
    if points.ndim != 2 or points.shape[-1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"points must be finite (n_points, 2), got shape {points.shape}")
    triangle = np.full(len(points), -1)
    weights = np.zeros((len(points), 3))
    corners = mesh_ref.reshape(-1, 2)[triangles(*mesh_ref.shape[:2])]  # (n_triangles, 3, 2)
    order = np.argsort(points[:, 0], kind="stable")
    x, y = points[order].T
    low, high = corners.min(axis=1) - 1e-6, corners.max(axis=1) + 1e-6
    starts, stops = np.searchsorted(x, low[:, 0], "left"), np.searchsorted(x, high[:, 0], "right")
    for index in range(len(corners)):
        near = slice(starts[index], stops[index])
        rows = np.flatnonzero((y[near] >= low[index, 1]) & (y[near] <= high[index, 1])) + starts[index]
        rows = rows[triangle[order[rows]] < 0]
        found = _barycentric(corners[index], x[rows], y[rows])
        held = (found >= -_EDGE_TOLERANCE).all(axis=1)
        triangle[order[rows[held]]] = index
        weights[order[rows[held]]] = found[held]
    if snap_px > 0:
        _snap(mesh_ref, points, snap_px, triangle, weights)
    return triangle, weights


def carry(
    mesh: Float[np.ndarray, "n_frames n_long n_rad 2"],
    triangle: Int[np.ndarray, " n_points"],
    barycentric: Float[np.ndarray, "n_points 3"],
) -> Float[np.ndarray, "n_frames n_points 2"]:
    """Paths of points that keep their place in the mesh; the inverse of `locate` in the reference frame.

    Raises:
        ValueError: A point has no triangle (-1).
    """
    mesh = np.asarray(mesh, dtype=np.float64)
    if mesh.ndim != 4 or mesh.shape[-1] != 2:
        raise ValueError(f"mesh must be (n_frames, n_long, n_rad, 2), got shape {mesh.shape}")
    nodes = _nodes_of(triangle, mesh.shape[1], mesh.shape[2])
    flat = mesh.reshape(len(mesh), -1, 2)
    return sum(barycentric[:, k, None] * flat[:, nodes[:, k]] for k in range(3))


def interpolate_at(
    values: Float[np.ndarray, " n_long n_rad *k"],
    triangle: Int[np.ndarray, " n_points"],
    barycentric: Float[np.ndarray, "n_points 3"],
) -> Float[np.ndarray, " n_points *k"]:
    """Values known at the mesh nodes, interpolated linearly at located points.

    Raises:
        ValueError: A point has no triangle (-1).
    """
    values = np.asarray(values)
    if values.ndim < 2:
        raise ValueError(f"values must be (n_long, n_rad[, k]), got shape {values.shape}")
    nodes = _nodes_of(triangle, values.shape[0], values.shape[1])
    flat = values.reshape(-1, *values.shape[2:])
    weight = barycentric.reshape(*barycentric.shape, *(1,) * (flat.ndim - 1))
    return sum(weight[:, k] * flat[nodes[:, k]] for k in range(3))


def deform(
    points: Float[np.ndarray, "n_points 2"],
    mesh_from: Float[np.ndarray, "n_long n_rad 2"],
    mesh_to: Float[np.ndarray, "*n_frames n_long n_rad 2"],
) -> Float[np.ndarray, "*n_frames n_points 2"]:
    """Positions of points after a mesh has moved; a point outside keeps its offset from the nearest border place."""
    points, mesh_to = np.asarray(points, dtype=np.float64), np.asarray(mesh_to, dtype=np.float64)
    triangle, weights = locate(mesh_from, points, snap_px=np.inf)
    both = carry(
        np.concatenate([np.asarray(mesh_from)[None], mesh_to.reshape(-1, *mesh_to.shape[-3:])]), triangle, weights
    )
    moved = both[1:] + (points - both[0])
    return moved.reshape(*mesh_to.shape[:-3], *points.shape)


def _check_size(n_long: int, n_rad: int) -> None:
    if n_long < 2 or n_rad < 2:
        raise ValueError(f"n_long and n_rad must be at least 2, got {n_long} and {n_rad}")


@lru_cache(maxsize=32)
def _triangles(n_long: int, n_rad: int) -> np.ndarray:
    node = np.arange(n_long * n_rad).reshape(n_long, n_rad)
    a, b, c, d = (part.ravel() for part in (node[:-1, :-1], node[1:, :-1], node[:-1, 1:], node[1:, 1:]))
    result = np.stack([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)], axis=1).reshape(-1, 3)
    result.setflags(write=False)
    return result


def _is_folded(mesh: np.ndarray) -> bool:
    areas = signed_areas(mesh)
    # A sliver below 1 % of the mean area counts: it would fold under the slightest motion.
    return bool((areas * np.sign(areas.sum()) <= 0.01 * np.abs(areas).mean()).any())


def _points_by_half(line: np.ndarray, base_middle: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Arc positions and points, as many on either side of the apex, equally spaced on each side."""
    position = arc_length(line)
    apex = position[np.argmax(np.linalg.norm(line - base_middle, axis=1))]
    # With an even count the apex lies midway between the two middle points.
    wanted = np.interp(np.arange(n), [0, (n - 1) / 2, n - 1], [0, apex, position[-1]])
    return wanted, np.stack([np.interp(wanted, position, line[:, axis]) for axis in (0, 1)], axis=1)


def _feet(origin: np.ndarray, direction: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Arc fraction where the ray from each origin first meets a line; where it misses, of the nearest line point."""
    position = arc_length(line) / arc_length(line)[-1]
    start, step = line[:-1], np.diff(line, axis=0)
    offset = start[None] - origin[:, None]  # (n_rays, n_steps, 2)
    across = direction[:, None, 0] * step[None, :, 1] - direction[:, None, 1] * step[None, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along_ray = (offset[..., 0] * step[None, :, 1] - offset[..., 1] * step[None, :, 0]) / across
        along_step = (offset[..., 0] * direction[:, None, 1] - offset[..., 1] * direction[:, None, 0]) / across
        meets = (along_ray > 0) & (along_step >= 0) & (along_step <= 1)
    along_ray = np.where(meets, along_ray, np.inf)
    first = along_ray.argmin(axis=1)
    rows = np.arange(len(origin))
    hit = position[first] + np.where(meets[rows, first], along_step[rows, first], 0) * (
        position[first + 1] - position[first]
    )
    distance = np.linalg.norm(line[None] - origin[:, None], axis=2)
    nearest = distance.argmin(axis=1)
    # A ray that slips past the near border and meets the far wall is no foot.
    missed = ~(along_ray[rows, first] < 2 * distance[rows, nearest])
    return np.where(missed, position[nearest], hit)


def _ordered(foot: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Feet in increasing order: the mean of the two monotone envelopes, with a little of equal spacing."""
    rising = (np.maximum.accumulate(foot) + np.minimum.accumulate(foot[::-1])[::-1]) / 2
    return 0.85 * rising + 0.15 * equal


def _barycentric(corner: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    (x0, y0), (x1, y1), (x2, y2) = corner
    twice_area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if twice_area == 0:
        return np.full((len(x), 3), -1.0)
    one = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / twice_area
    two = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / twice_area
    return np.stack([1 - one - two, one, two], axis=1)


def _snap(mesh: np.ndarray, points: np.ndarray, snap_px: float, triangle: np.ndarray, weights: np.ndarray) -> None:
    """Fill in, for points still outside, the nearest place on the border edges (in place)."""
    outside = np.flatnonzero(triangle < 0)
    if not len(outside):
        return
    all_triangles = triangles(*mesh.shape[:2])
    sides = np.concatenate([all_triangles[:, [k, (k + 1) % 3]] for k in range(3)])  # (3 n_triangles, 2)
    _, index, count = np.unique(np.sort(sides, axis=1), axis=0, return_index=True, return_counts=True)
    border = index[count == 1]
    nodes = mesh.reshape(-1, 2)
    start, step = nodes[sides[border, 0]], nodes[sides[border, 1]] - nodes[sides[border, 0]]
    square = np.maximum((step**2).sum(axis=1), 1e-30)
    for chunk in np.array_split(outside, len(outside) // 20000 + 1):
        offset = points[chunk, None] - start  # (n_chunk, n_border, 2)
        along = ((offset * step).sum(axis=2) / square).clip(0, 1)
        distance = np.linalg.norm(offset - along[..., None] * step, axis=2)
        edge = distance.argmin(axis=1)
        rows = np.arange(len(chunk))
        near = distance[rows, edge] <= snap_px
        chunk, edge, along = chunk[near], edge[near], along[rows, edge][near]
        side, owner = border[edge] // len(all_triangles), border[edge] % len(all_triangles)
        triangle[chunk] = owner
        weights[chunk] = 0
        weights[chunk, side] = 1 - along
        weights[chunk, (side + 1) % 3] = along


def _nodes_of(triangle: np.ndarray, n_long: int, n_rad: int) -> np.ndarray:
    triangle = np.asarray(triangle)
    if (triangle < 0).any():
        raise ValueError(f"triangle must be >= 0, got {int((triangle < 0).sum())} points outside the mesh (-1)")
    return triangles(n_long, n_rad)[triangle]
