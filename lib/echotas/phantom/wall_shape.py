"""Shape of the wall over the beat: how the centre line bends as it shortens, and where the layers lie.

Across the wall, material stays on the normal of the centre line; its distance n from that line follows from the volume
it keeps,

    lambda (1 + kappa n) . lambda_C (1 + kappa_C n) dn = J (1 + kappa_0 n_0) (1 + kappa_C0 n_0) dn_0,

with kappa and kappa_C the curvatures along the line and around the axis, and J = (lambda lambda_C)^(1 - share): share 1
is incompressible.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares

from echotas.phantom.anatomy import MIDWALL_NODES, Section

__all__ = [
    "N_WALL",
    "THICKENING",
    "align_axis",
    "at_nodes",
    "bending",
    "integrate_line",
    "layer_offsets",
    "segment_weights",
]

N_WALL = 5
"""Layers of the wall, endocardium to epicardium."""
CREASE_KERNEL_MM = 3.0
INNERMOST = 0.65  # The endocardium stays nearer to the centre line than this share of its radius of curvature.
STRAIN_KERNEL_MM = 7.4  # Gaussian SD of a 17.5-mm-wide kernel: real strain is continuous along the wall.

THICKENING = {"anatomical": (1.0, 1.0, 1.0), "annotation-like": (0.18, 0.45, 0.22)}
"""Share of incompressible thickening at base, mid wall and apex: all of it (M-mode, 30-50 %), or what drawn contours
show (about 5-10, 20 and 18 %)."""


def segment_weights(step_mm: float) -> Float[np.ndarray, "n_pieces 6"]:
    """How much of each segment's strain each piece of the centre line takes: smooth steps; rows add up to 1."""
    pieces = MIDWALL_NODES - 1
    owner = np.minimum((np.arange(pieces) + 0.5) * 6 / pieces, 5.999).astype(int)
    return gaussian_filter1d(np.eye(6)[owner], STRAIN_KERNEL_MM / step_mm, axis=0, mode="nearest")


def integrate_line(angle: np.ndarray, stretch_mm: np.ndarray) -> np.ndarray:
    """Centre line(s) from the apex node outward: (..., pieces) -> (..., nodes, 2) with the apex node at the origin."""
    steps = stretch_mm[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    line = np.concatenate([np.zeros_like(steps[..., :1, :]), np.cumsum(steps, axis=-2)], axis=-2)
    return line - line[..., MIDWALL_NODES // 2, None, :]


def align_axis(line: np.ndarray, angle: np.ndarray, tilt_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


def bending(section: Section, es_strain: np.ndarray, width_change: float, annulus_change: float) -> np.ndarray:
    """Change of tangent angle, ED to ES, that narrows the ventricle as wanted.

    Args:
        section: The wall at end-diastole.
        es_strain: Strain of each piece at end-systole, percent.
        width_change: Relative change of the centre line's width half-way up (15 % more at the base, 15 % less near the
            apex), negative = narrower.
        annulus_change: Relative change of the distance between the hinges.

    Returns:
        Radians per piece; least squares over three smooth shapes, so the widths are met approximately.
    """
    shapes = _bend_shapes()
    start = integrate_line(section.angle_rad, np.full(MIDWALL_NODES - 1, section.step_mm))
    nodes = np.arange(MIDWALL_NODES)
    # Quarter, half and three quarters of the way up each wall, and the hinges.
    levels = np.array([MIDWALL_NODES // 8, MIDWALL_NODES // 4, 3 * MIDWALL_NODES // 8, 0])
    wanted = np.array([0.95, 1.0, 1.0, 0.0]) * width_change + np.array([0, 0, 0, 1.0]) * annulus_change

    def widths(line: np.ndarray) -> np.ndarray:
        return np.linalg.norm(line - line[nodes[::-1]], axis=1)[levels]

    at_ed = widths(start)

    def miss(amount: np.ndarray) -> np.ndarray:
        line = integrate_line(section.angle_rad + amount @ shapes, section.step_mm * (1 + es_strain / 100))
        # A little stiffness keeps the walls from waving.
        return np.concatenate([widths(line) / at_ed - 1 - wanted, 0.05 * amount])

    return least_squares(miss, np.zeros(len(shapes)), bounds=(-0.6, 0.6), max_nfev=30).x @ shapes


def _curvature(angle: np.ndarray, piece_mm: np.ndarray) -> np.ndarray:
    """Curvature at the nodes, positive where the wall bulges outward (angle falls along the line)."""
    inner = -(angle[..., 1:] - angle[..., :-1]) / (0.5 * (piece_mm[..., 1:] + piece_mm[..., :-1]))
    return np.concatenate([inner[..., :1], inner, inner[..., -1:]], axis=-1)


def at_nodes(pieces: np.ndarray) -> np.ndarray:
    """Values of pieces as values of the nodes between them: (..., pieces) -> (..., pieces + 1)."""
    return np.concatenate([pieces[..., :1], 0.5 * (pieces[..., 1:] + pieces[..., :-1]), pieces[..., -1:]], axis=-1)


def _volume(n: np.ndarray, k1: np.ndarray, k2: np.ndarray) -> np.ndarray:
    """Integral of (1 + k1 n)(1 + k2 n) from 0 to n."""
    return n + 0.5 * (k1 + k2) * n**2 + k1 * k2 * n**3 / 3


def _circumferential(
    line: np.ndarray, normal: np.ndarray, along: np.ndarray, kappa: np.ndarray, rest_rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Curvature around the axis and stretch around it; at the apex, where rho vanishes, those along the line."""
    rho = np.where(np.abs(line[..., 0]) < 1e-6, 1e-6, line[..., 0])
    near = np.exp(-((rest_rho / 5.0) ** 2))
    kappa_around = (1 - near) * normal[..., 0] / rho + near * kappa
    safe = np.where(np.abs(rest_rho) < 1e-6, 1e-6, rest_rho)
    stretch = (1 - near) * np.clip(rho / safe, 0.4, 1.8) + near * along
    return np.clip(kappa_around, -0.05, 0.09), stretch


def layer_offsets(
    section: Section,
    line: np.ndarray,
    normal: np.ndarray,
    angle: np.ndarray,
    piece_mm: np.ndarray,
    shares: tuple[float, float, float],
) -> Float[np.ndarray, "n_frames n_nodes 5"]:
    """Distance of each layer from the centre line, mm, outward positive, by keeping (a share of) its volume.

    Args:
        section: The wall at end-diastole.
        line: Centre line over time, (n_frames, n_nodes, 2) mm.
        normal: Its outward normals.
        angle: Tangent angle of its pieces, (n_frames, n_pieces).
        piece_mm: Length of its pieces.
        shares: Share of incompressible thickening at base, mid wall and apex.
    """
    along = at_nodes(piece_mm) / section.step_mm
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
