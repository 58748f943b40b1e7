"""Motion of the wall: from material coordinates (along, across, around) and time to a place in three dimensions.

In the view plane the centre line is integrated from tangent angle and stretch,

    P(s, t) = P_apex(t) + int lambda(s', t) (cos alpha(s', t), sin alpha(s', t)) ds',

so its strain is the prescribed one, by construction. Across the wall, material stays on the normal of the centre line;
its distance n from that line follows from the volume it must keep,

    lambda(s, t) (1 + kappa n) . lambda_C(s, t) (1 + kappa_C n) dn = J (1 + kappa_0 n_0) (1 + kappa_C0 n_0) dn_0,

with kappa and kappa_C the curvatures along and around (J = 1: incompressible). Around the axis, the half-planes turn by the
twist theta(s, t): tissue leaves the plane by rho sin(theta). Everything is a function of periodic quantities alone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares

from echotas.phantom.anatomy import MIDWALL_NODES, Section

__all__ = [
    "N_CAVITY",
    "N_EXTENSION",
    "N_OUTER",
    "N_WALL",
    "THICKENING",
    "WallMotion",
    "material_positions",
    "mesh_trajectories",
    "move_wall",
    "segment_weights",
]

N_WALL = 5
"""Layers of the wall, endocardium to epicardium."""
N_CAVITY = 4
"""Layers of blood inside the endocardium, from the axis outward."""
N_OUTER = 3
"""Layers outside the epicardium; the last one rests."""
N_EXTENSION = 12
"""Nodes beyond each hinge: atrial wall, its far end at rest."""

EXTENSION_MM = 30.0
OUTER_MM = 11.0
CREASE_KERNEL_MM = 5.0
INNERMOST = 0.65  # The endocardium stays nearer to the centre line than this share of its radius of curvature.
STRAIN_KERNEL_MM = 7.4  # Gaussian SD of a 17.5-mm-wide kernel: real strain is continuous along the wall.

THICKENING = {"anatomical": (1.0, 1.0, 1.0), "annotation-like": (0.18, 0.45, 0.22)}
"""Share of incompressible thickening at base, mid wall and apex: all of it (M-mode, 30-50 %), or what drawn contours show
(about 5, 20 and 18 %)."""


@dataclass(frozen=True, eq=False)
class WallMotion:
    """The moving section and its surroundings on a grid, in the frame of the long axis, mm."""

    grid_mm: np.ndarray
    """(n_frames, n_along, n_across, 2) (rho, zeta). Along: extension, wall (MIDWALL_NODES), extension. Across: axis ->
    cavity -> wall (N_WALL) -> outside."""
    twist_rad: np.ndarray
    """Turn of each grid node about the axis since end-systole, (n_frames, n_along, n_across)."""
    strain_percent: np.ndarray
    """Prescribed strain of the centre line between its nodes, (n_frames, MIDWALL_NODES - 1)."""
    elevation_mm: np.ndarray
    """Shift of the whole heart across the plane since end-systole, (n_frames,)."""
    tilt: float
    """Elevation gained per mm along the axis: tangent of the angle between plane and axis, signed."""
    es_index: int
    """The time that is end-systole."""

    @property
    def wall_mm(self) -> Float[np.ndarray, "n_frames n_nodes 5 2"]:
        """The wall only: (n_frames, MIDWALL_NODES, N_WALL, 2) (rho, zeta)."""
        return self.grid_mm[:, N_EXTENSION:-N_EXTENSION, N_CAVITY : N_CAVITY + N_WALL]


def segment_weights(step_mm: float) -> Float[np.ndarray, "n_pieces 6"]:
    """How much of each segment's strain each piece of the centre line takes: smooth steps; rows add up to 1."""
    pieces = MIDWALL_NODES - 1
    owner = np.minimum((np.arange(pieces) + 0.5) * 6 / pieces, 5.999).astype(int)
    return gaussian_filter1d(np.eye(6)[owner], STRAIN_KERNEL_MM / step_mm, axis=0, mode="nearest")


def _integrate(angle: np.ndarray, stretch_mm: np.ndarray) -> np.ndarray:
    """Centre line(s) from the apex node outward: (..., pieces) -> (..., nodes, 2) with the apex node at the origin."""
    steps = stretch_mm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    line = np.concatenate([np.zeros_like(steps[..., :1, :]), np.cumsum(steps, axis=-2)], axis=-2)
    return line - line[..., MIDWALL_NODES // 2, None, :]


def _align(line: np.ndarray, angle: np.ndarray, tilt_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn about the apex until the mid-annulus lies `tilt_rad` from straight below it."""
    base = 0.5 * (line[:, 0] + line[:, -1])
    turn = -np.pi / 2 + tilt_rad - np.arctan2(base[:, 1], base[:, 0])
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x, y = line[..., 0], line[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1), angle + turn[:, None]


def _bend_shapes() -> Float[np.ndarray, "3 n_pieces"]:
    place = np.linspace(-1, 1, MIDWALL_NODES)
    middle = 0.5 * (place[1:] + place[:-1])
    # None bends the apex itself, where the wall leaves little room inside.
    return np.stack(
        [-np.sin(np.pi * middle) * np.abs(middle), -np.sin(2 * np.pi * middle) * np.abs(middle), -(middle**5)]
    )


def _bending(section: Section, es_strain: np.ndarray, width_change: float, annulus_change: float) -> np.ndarray:
    """Change of tangent angle ED -> ES that gives the wanted change of mean width and of annulus width."""
    shapes = _bend_shapes()
    start = _integrate(section.angle_rad, np.full(MIDWALL_NODES - 1, section.step_mm))
    nodes = np.arange(MIDWALL_NODES)
    # Quarter, half and three quarters of the way up each wall, and the hinges.
    levels = np.array([MIDWALL_NODES // 8, MIDWALL_NODES // 4, 3 * MIDWALL_NODES // 8, 0])
    wanted = np.array([1.15, 1.0, 0.85, 0.0]) * width_change + np.array([0, 0, 0, 1.0]) * annulus_change

    def widths(line: np.ndarray) -> np.ndarray:
        return np.linalg.norm(line - line[nodes[::-1]], axis=1)[levels]

    at_ed = widths(start)

    def miss(amount: np.ndarray) -> np.ndarray:
        line = _integrate(section.angle_rad + amount @ shapes, section.step_mm * (1 + es_strain / 100))
        # A little stiffness keeps the walls from waving.
        return np.concatenate([widths(line) / at_ed - 1 - wanted, 0.05 * amount])

    return least_squares(miss, np.zeros(len(shapes)), bounds=(-0.6, 0.6), max_nfev=30).x @ shapes


def _curvature(angle: np.ndarray, piece_mm: np.ndarray) -> np.ndarray:
    """Curvature at the nodes, positive where the wall bulges outward (angle falls along the line)."""
    inner = -(angle[..., 1:] - angle[..., :-1]) / (0.5 * (piece_mm[..., 1:] + piece_mm[..., :-1]))
    return np.concatenate([inner[..., :1], inner, inner[..., -1:]], axis=-1)


def _at_nodes(pieces: np.ndarray) -> np.ndarray:
    return np.concatenate([pieces[..., :1], 0.5 * (pieces[..., 1:] + pieces[..., :-1]), pieces[..., -1:]], axis=-1)


def _volume(n: np.ndarray, k1: np.ndarray, k2: np.ndarray) -> np.ndarray:
    """Integral of (1 + k1 n)(1 + k2 n) from 0 to n."""
    return n + 0.5 * (k1 + k2) * n**2 + k1 * k2 * n**3 / 3


def _circumferential(line: np.ndarray, normal: np.ndarray, along: np.ndarray, kappa: np.ndarray, rest_rho: np.ndarray):
    """Curvature around the axis and stretch around it; at the apex, where rho vanishes, those along the line."""
    rho = np.where(np.abs(line[..., 0]) < 1e-6, 1e-6, line[..., 0])
    near = np.exp(-((rest_rho / 5.0) ** 2))
    kappa_around = (1 - near) * normal[..., 0] / rho + near * kappa
    safe = np.where(np.abs(rest_rho) < 1e-6, 1e-6, rest_rho)
    stretch = (1 - near) * np.clip(rho / safe, 0.4, 1.8) + near * along
    return np.clip(kappa_around, -0.05, 0.09), stretch


def _offsets(section: Section, line, normal, angle, piece_mm, shares: tuple[float, float, float]) -> Float[np.ndarray, "n_frames n_nodes 5"]:
    """Distance of each layer from the centre line, by keeping (a share of) its volume."""
    along = _at_nodes(piece_mm) / section.step_mm
    kappa = np.clip(gaussian_filter1d(_curvature(angle, piece_mm), 2.0, axis=-1, mode="nearest"), -0.05, 0.09)
    kappa_around, around = _circumferential(line, normal, along, kappa, line[0, :, 0])
    rest = np.linspace(-0.5, 0.5, N_WALL) * section.thickness_mm[:, None]
    kept = _volume(rest, kappa[0][:, None], kappa_around[0][:, None])
    place = np.abs(np.linspace(-1, 1, MIDWALL_NODES))
    share = np.interp(place, (0.0, 0.5, 1.0), shares[::-1])
    # Share 1: nothing is lost. Share 0: the wall keeps its thickness.
    growth = ((along * around) ** -share)[..., None]
    wanted = kept[None] * growth
    k1, k2 = kappa[..., None], kappa_around[..., None]
    # Where the cavity is too narrow for the thickened inner half, that half thickens less.
    deepest = -INNERMOST / np.maximum(np.maximum(k1, k2), 1e-3)
    room = _volume(deepest, k1, k2)
    wanted = np.where(wanted < 0, wanted * np.minimum(1, room / np.minimum(wanted[..., :1], -1e-9)), wanted)
    n = np.maximum(rest[None] * growth, deepest)
    for _ in range(8):
        n = np.maximum(n - (_volume(n, k1, k2) - wanted) / ((1 + k1 * n) * (1 + k2 * n)), deepest)
    # Neighbouring normals thicken alike, or the endocardium would crease where its curvature changes.
    middle = N_WALL // 2
    layers = [k for k in range(N_WALL) if k != middle]
    ratio = gaussian_filter1d(n[..., layers] / rest[:, layers], CREASE_KERNEL_MM / section.step_mm, 1, mode="nearest")
    n[..., layers] = ratio * rest[:, layers]
    n[..., middle] = 0.0
    return n


def move_wall(
    section: Section,
    segment_strain_percent: Float[np.ndarray, "6 n_frames"],
    es_index: int,
    *,
    twist_deg: float = 13.0,
    twist_course: Float[np.ndarray, " n_frames"] | None = None,
    apex_descent_mm: float = 3.3,
    rocking_deg: float = 0.0,
    circumferential_share: float = 0.8,
    annulus_share: float = 0.55,
    elevation_shift_mm: float = 0.0,
    tilt_deg: float = 0.0,
    thickening: str = "annotation-like",
) -> WallMotion:
    """Move a section through a beat.

    Args:
        section: The wall at end-diastole.
        segment_strain_percent: Strain of the six segments of the view, percent; the first time must be 0 everywhere.
        es_index: The time that is end-systole.
        twist_deg: Apex minus base rotation at its peak; 72 % of it at the apex, 28 % in the other sense at the base.
        twist_course: Course of the twist, 0 at end-diastole, 1 at end-systole; that of the mean strain if None.
        apex_descent_mm: Apex toward the base at end-systole.
        rocking_deg: Turn of the axis in the plane at end-systole.
        circumferential_share: Relative narrowing over relative shortening of the centre line, 0.6-1.
        annulus_share: Relative narrowing of the annulus over shortening.
        elevation_shift_mm: Shift of the heart across the plane, end-diastole to end-systole.
        tilt_deg: Signed angle between the plane and the long axis: the base's descent leaves the plane.
        thickening: "anatomical" or "annotation-like".

    Raises:
        ValueError: A shape, index or preset is wrong, or the strain does not start at 0.
    """
    strain = np.asarray(segment_strain_percent, dtype=float)
    if strain.ndim != 2 or strain.shape[0] != 6:
        raise ValueError(f"segment_strain_percent must be (6, n_frames), got {strain.shape}")
    n_frames = strain.shape[1]
    if not 0 < es_index < n_frames:
        raise ValueError(f"es_index must be in 1..{n_frames - 1}, got {es_index}")
    if np.abs(strain[:, 0]).max() > 1e-9:
        raise ValueError(f"segment_strain_percent must start at 0, got {strain[:, 0]}")
    if thickening not in THICKENING:
        raise ValueError(f"thickening must be one of {sorted(THICKENING)}, got {thickening!r}")

    local = (segment_weights(section.step_mm) @ strain).T
    mean = local.mean(axis=1)
    at_es = min(mean[es_index], -1.0)
    course = mean / at_es
    twist_time = course if twist_course is None else np.asarray(twist_course, dtype=float)

    bend = _bending(section, local[es_index], circumferential_share * at_es / 100, annulus_share * at_es / 100)
    piece = section.step_mm * (1 + local / 100)
    angle = section.angle_rad + course[:, None] * bend
    line, angle = _align(_integrate(angle, piece), angle, np.deg2rad(rocking_deg) * course)
    apex_zeta = section.midwall_mm[MIDWALL_NODES // 2, 1]
    line = line + np.stack([np.zeros(n_frames), apex_zeta - apex_descent_mm * course], axis=-1)[:, None]

    direction = _at_nodes(angle)
    normal = np.stack([-np.sin(direction), np.cos(direction)], axis=-1)
    offsets = _offsets(section, line, normal, angle, piece, THICKENING[thickening])
    wall = line[:, :, None] + offsets[..., None] * normal[:, :, None]

    # Outside: from the moving epicardium to a layer at rest.
    rest_outer = wall[0, :, -1] + OUTER_MM * normal[0]
    share = np.linspace(0, 1, N_OUTER + 1)[1:, None]
    outer = (1 - share) * wall[:, :, -1, None] + share * rest_outer[None, :, None]
    # Inside: from the axis, kept below the apex, to the endocardium.
    endo = wall[:, :, 0]
    roof = endo[:, MIDWALL_NODES // 2, 1] - 6.0
    foot = np.stack([np.zeros(endo.shape[:2]), np.minimum(endo[..., 1], roof[:, None])], axis=-1)
    share = np.linspace(0, 1, N_CAVITY + 1)[:-1, None]
    cavity = (1 - share) * foot[:, :, None] + share * endo[:, :, None]
    body = np.concatenate([cavity, wall, outer], axis=2)
    grid = np.concatenate([_extension(body, normal, 0)[:, ::-1], body, _extension(body, normal, -1)], axis=1)

    # Base and apex turn in opposite senses, linear along the axis at ED; the outside rests.
    height = np.clip(grid[0, :, N_CAVITY + 2, 1] / apex_zeta, -0.3, 1.1)
    level = np.deg2rad(twist_deg) * (-0.28 + height)
    level[:N_EXTENSION] *= np.linspace(0, 1, N_EXTENSION)
    level[-N_EXTENSION:] *= np.linspace(1, 0, N_EXTENSION)
    outward = np.concatenate([np.ones(N_CAVITY + N_WALL), 1 - np.linspace(0, 1, N_OUTER + 1)[1:]])
    since_es = twist_time - twist_time[es_index]
    return WallMotion(
        grid_mm=grid,
        twist_rad=since_es[:, None, None] * level[None, :, None] * outward[None, None],
        strain_percent=local,
        elevation_mm=elevation_shift_mm * (course - course[es_index]),
        tilt=float(np.tan(np.deg2rad(tilt_deg))),
        es_index=int(es_index),
    )


def _extension(body: np.ndarray, normal: np.ndarray, end: int) -> Float[np.ndarray, "n_frames n_ext n_across 2"]:
    """Atrial wall beyond one hinge: thins out, follows the hinge less and less, rests at its far end."""
    side = -1.0 if end == 0 else 1.0
    rest = body[0, end]
    mid = rest[N_CAVITY + N_WALL // 2]
    # Leave along the wall, swing outward, and close again: the atrium is round.
    tangent = side * np.array([normal[0, end, 1], -normal[0, end, 0]])
    share = np.arange(1, N_EXTENSION + 1) / N_EXTENSION
    turn = np.clip(share * 3.0, 0, 1)[:, None]
    outward = side * (0.75 - 1.1 * share)
    heading = (1 - turn) * tangent + turn * np.column_stack([outward, -np.sqrt(1 - outward**2)])
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    centre = mid + np.cumsum(heading, axis=0) * EXTENSION_MM / N_EXTENSION
    across = side * np.column_stack([-heading[:, 1], heading[:, 0]])
    across *= np.sign(across[:, :1] * side)
    offset = (rest - mid) @ (normal[0, end] / np.linalg.norm(normal[0, end]))
    thin = (1 - 0.68 * np.clip(share * 2.2, 0, 1))[:, None]
    wall = slice(N_CAVITY, N_CAVITY + N_WALL)
    distances = np.repeat(offset[None], N_EXTENSION, axis=0)
    distances[:, wall] *= thin
    distances[:, N_CAVITY + N_WALL :] = distances[:, [N_CAVITY + N_WALL - 1]] + OUTER_MM * np.linspace(
        0, 1, N_OUTER + 1
    )[1:]
    place = centre[:, None] + distances[..., None] * across[:, None]
    # The cavity side reaches to the axis.
    endo = place[:, N_CAVITY]
    foot = np.column_stack([np.zeros(N_EXTENSION), endo[:, 1]])
    fill = np.linspace(0, 1, N_CAVITY + 1)[:-1, None]
    place[:, :N_CAVITY] = (1 - fill) * foot[:, None] + fill * endo[:, None]
    follow = np.cos(0.5 * np.pi * share) ** 2
    moved = (body[:, end] - rest)[:, None] * follow[None, :, None, None]
    return place[None] + moved


def mesh_trajectories(
    motion: WallMotion, n_long: int = 36, n_rad: int = N_WALL
) -> tuple[Float[np.ndarray, "n_frames n_long n_rad 2"], Float[np.ndarray, "n_frames n_long n_rad"]]:
    """Where the material of the view plane at end-systole is, seen in the plane, and how far out of it.

    Args:
        motion: The moving section.
        n_long: Points along the wall, hinge to hinge, equal arc at end-diastole.
        n_rad: Layers, endocardium to epicardium.

    Returns:
        Positions (rho, zeta) in the frame of the long axis, mm, and elevation since end-systole, mm.
    """
    along = np.linspace(N_EXTENSION, N_EXTENSION + MIDWALL_NODES - 1, n_long)
    across = np.linspace(N_CAVITY, N_CAVITY + N_WALL - 1, n_rad)
    s, w = np.meshgrid(along, across, indexing="ij")
    x, y, z = material_positions(motion, s.ravel(), w.ravel(), np.zeros(s.size))
    shape = (len(motion.grid_mm), n_long, n_rad)
    return np.stack([x.reshape(shape), z.reshape(shape)], axis=-1), y.reshape(shape)


def material_positions(
    motion: WallMotion, along: np.ndarray, across: np.ndarray, around_rad: np.ndarray, frames: slice = slice(None)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of material points over time, frame of the long axis: (rho', elevation, zeta), each (n_frames, n_points) mm.

    Args:
        motion: The moving section.
        along: Grid coordinate along, 0 .. n_along - 1 (may be fractional).
        across: Grid coordinate across, 0 .. n_across - 1.
        around_rad: Azimuth from the view plane at end-systole, on the point's own side of the axis.
        frames: Which frames.
    """
    grid, twist = motion.grid_mm[frames], motion.twist_rad[frames]
    n_along, n_across = grid.shape[1:3]
    i = np.clip(np.floor(along).astype(int), 0, n_along - 2)
    j = np.clip(np.floor(across).astype(int), 0, n_across - 2)
    a, b = along - i, across - j
    flat = i * n_across + j
    corners = (flat, flat + 1, flat + n_across, flat + n_across + 1)
    weights = ((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b)
    table = np.concatenate([grid, twist[..., None]], axis=-1).reshape(len(grid), -1, 3)
    value = sum(table[:, corner] * weight[:, None] for corner, weight in zip(corners, weights, strict=True))
    rho, zeta, turn = value[..., 0], value[..., 1], value[..., 2] + around_rad
    at_es = sum(
        motion.grid_mm[motion.es_index].reshape(-1, 2)[corner, 1] * weight
        for corner, weight in zip(corners, weights, strict=True)
    )
    elevation = rho * np.sin(turn) + motion.elevation_mm[frames, None] + motion.tilt * (zeta - at_es)
    return rho * np.cos(turn), elevation, zeta
