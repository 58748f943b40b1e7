"""The left ventricle of one patient at end-diastole: size, outline, wall thickness, and its section at an azimuth.

Numbers: measurements on 499 annotated four-chamber images (virtual-patient numbers, sections 1.1-1.3). The outline is
the mean endocardium of the patient's EF class, warped to sampled widths and length.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

__all__ = ["MIDWALL_NODES", "Anatomy", "Section", "draw_anatomy", "section_at"]

MIDWALL_NODES = 141
"""Nodes of the centre line; every fourth one is a node of the 36-point mesh."""

LENGTH_LOSS = 0.03
"""Share of the length that rounding off the apex takes away."""
TIGHTEST_RADIUS_MM = 20.0
"""Smallest radius of curvature of the centre line at end-diastole; half a wall must fit inside it."""

# Mean endocardial outline at ED by EF class, 13 points at equal arc from the septal to the lateral hinge, in hundredths
# of the length: x from the long axis (negative = septum), y from the mid-annulus.
_OUTLINE = {
    "EF>50": (
        (-20, -26, -24, -23, -21, -12, 5, 20, 28, 32, 32, 29, 20),
        (3, 21, 39, 58, 77, 94, 99, 88, 71, 52, 33, 14, -3),
    ),
    "EF35-50": (
        (-21, -27, -24, -23, -21, -12, 5, 20, 28, 33, 33, 30, 21),
        (3, 21, 40, 59, 78, 94, 99, 88, 71, 52, 33, 14, -3),
    ),
    "EF<35": (
        (-22, -28, -25, -24, -21, -11, 6, 22, 30, 35, 35, 32, 22),
        (4, 22, 41, 60, 79, 95, 99, 87, 70, 51, 32, 13, -4),
    ),
}

# Mean, SD in mm by EF class: length; annulus width; cavity width 25, 50, 75 % from the base.
_SIZES = {
    "EF>50": ((74.7, 8.0), (30.3, 5.5), (43.5, 6.0), (41.1, 6.0), (36.2, 5.1)),
    "EF35-50": ((78.0, 8.6), (33.0, 5.7), (46.7, 7.2), (44.0, 7.5), (38.9, 6.6)),
    "EF<35": ((79.6, 9.6), (35.3, 6.4), (50.3, 9.4), (47.4, 8.9), (41.1, 7.4)),
}

# Wall thickness mean by place, septum base -> apex -> lateral base, mm, and SD.
_THICKNESS = {
    "EF>50": (11.4, 11.7, 11.5, 11.3, 12.1, 12.2, 11.4),
    "EF35-50": (11.7, 11.8, 11.4, 11.2, 12.0, 12.3, 11.6),
    "EF<35": (11.6, 11.4, 10.8, 10.5, 11.5, 12.3, 11.9),
}
_THICKNESS_SD = (1.7, 1.9, 1.8, 1.8, 1.8, 1.8, 1.4)
_THICKNESS_PLACE = np.array([-0.83, -0.50, -0.20, 0.0, 0.20, 0.50, 0.83])


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One patient's left ventricle at end-diastole."""

    ef_class: str
    """Geometry class: EF>50, EF35-50 or EF<35."""
    body_size: float
    """Standardised body size z; length, widths and image depth go with it."""
    length_mm: float
    """Mid-annulus to endocardial apex."""
    annulus_mm: float
    """Width between the mitral hinges."""
    widths_mm: tuple[float, float, float]
    """Cavity width 25, 50 and 75 % from the base."""
    thickness_mm: np.ndarray
    """Wall thickness, septum base, mid, apical, apex, lateral apical, mid, base: (7,)."""
    minor_axis_ratio: float
    """Cavity width 90 degrees from the widest section over the widest, 0.9-1.1."""
    minor_axis_azimuth_deg: float
    """Azimuth at which the cavity is as wide as sampled."""
    wall_scale: np.ndarray
    """Thickness factor of the patient's disease by wall and level, (6, 3)."""


@dataclass(frozen=True, eq=False)
class Section:
    """The wall in one view plane at end-diastole; frame of the long axis: rho across, zeta from base to apex."""

    midwall_mm: np.ndarray
    """(MIDWALL_NODES, 2) (rho, zeta), left hinge -> apex (0, zeta) -> right hinge, equal arc."""
    angle_rad: np.ndarray
    """Tangent angle of each piece between two nodes, from the rho axis, (MIDWALL_NODES - 1,)."""
    thickness_mm: np.ndarray
    """Wall thickness at each node, (MIDWALL_NODES,)."""

    @property
    def step_mm(self) -> float:
        """Length of each piece of the centre line."""
        return float(np.linalg.norm(np.diff(self.midwall_mm[:2], axis=0)))


def draw_anatomy(
    ef_class: str,
    rng: np.random.Generator,
    wall_scale: Float[np.ndarray, "6 3"] | None = None,
) -> Anatomy:
    """Left ventricle of one patient, sizes correlated as measured.

    Length goes with body size; mid width with length (r 0.59); septal with lateral thickness (r 0.52).

    Args:
        ef_class: EF>50, EF35-50 or EF<35.
        rng: Random generator of the patient's anatomy.
        wall_scale: Thickness factor by wall and level, all 1 if None.

    Raises:
        ValueError: The class is unknown, or a thickness factor is not positive.
    """
    if ef_class not in _SIZES:
        raise ValueError(f"ef_class must be one of {list(_SIZES)}, got {ef_class!r}")
    scale = np.ones((6, 3)) if wall_scale is None else np.asarray(wall_scale, dtype=float)
    if scale.shape != (6, 3) or not ((scale > 0) & np.isfinite(scale)).all():
        raise ValueError(f"wall_scale must be (6, 3) positive factors, got shape {scale.shape}, least {scale.min()}")
    z = rng.normal()
    length, annulus, width25, width50, width75 = _SIZES[ef_class]
    own = np.clip(rng.normal(size=5), -2.2, 2.2)
    z = float(np.clip(z, -1.7, 1.7))
    mid = 0.59 * z + 0.81 * own[1]

    def value(mean_sd: tuple[float, float], score: float) -> float:
        return mean_sd[0] + mean_sd[1] * float(np.clip(score, -2.0, 2.0))

    wall = rng.normal(size=2)
    side = np.array([wall[0], 0.52 * wall[0] + 0.854 * wall[1]])
    common = np.array([side[0]] * 3 + [side.mean()] + [side[1]] * 3)
    score = np.clip(0.85 * common + 0.53 * rng.normal(size=7), -2.0, 2.0)
    return Anatomy(
        ef_class=ef_class,
        body_size=z,
        length_mm=value(length, z),
        annulus_mm=value(annulus, 0.5 * mid + 0.87 * own[2]),
        widths_mm=(
            value(width25, 0.85 * mid + 0.53 * own[3]),
            value(width50, mid),
            value(width75, 0.85 * mid + 0.53 * own[4]),
        ),
        thickness_mm=np.array(_THICKNESS[ef_class]) + np.array(_THICKNESS_SD) * score,
        minor_axis_ratio=float(rng.uniform(0.9, 1.1)),
        minor_axis_azimuth_deg=float(rng.uniform(0, 180)),
        wall_scale=scale,
    )


def at_azimuth(values: Float[np.ndarray, "6 ..."], azimuth_deg: float) -> Float[np.ndarray, "..."]:
    """Values given for the six walls, between them linear in azimuth, periodic."""
    place = (azimuth_deg / 60.0) % 6.0
    low = int(np.floor(place)) % 6
    weight = place - np.floor(place)
    return (1 - weight) * values[low] + weight * values[(low + 1) % 6]


def _equal_arc(line: Float[np.ndarray, "n 2"], n_points: int) -> Float[np.ndarray, "n_points 2"]:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0, arc[-1], n_points)
    return np.column_stack([np.interp(wanted, arc, line[:, axis]) for axis in range(2)])


def _from_angles(angle: np.ndarray, step: float) -> np.ndarray:
    steps = step * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.vstack([[0.0, 0.0], np.cumsum(steps, axis=0)])


def _round_off(angle: np.ndarray, step: float) -> np.ndarray:
    """Smooth the direction until the wall nowhere bends tighter than `TIGHTEST_RADIUS_MM`."""
    width = 2.5
    while True:
        smooth = gaussian_filter1d(angle, width, mode="nearest")
        if np.abs(np.diff(smooth)).max() <= step / TIGHTEST_RADIUS_MM or width > 30:
            return smooth
        width *= 1.2


def _warp_widths(outline: np.ndarray, anatomy: Anatomy, factor: float) -> np.ndarray:
    """Scale an outline over length so that its widths become the patient's times `factor`."""
    dense = CubicSpline(np.linspace(-1, 1, len(outline)), outline)(np.linspace(-1, 1, 401))
    left, right = dense[:201], dense[200:]
    targets = (anatomy.annulus_mm, *anatomy.widths_mm)
    heights = (0.0, 0.25, 0.50, 0.75)
    scale = []
    for height, target in zip(heights, targets, strict=True):
        x_left = left[np.argmin(np.abs(left[:, 1] - height)), 0]
        x_right = right[np.argmin(np.abs(right[:, 1] - height)), 0]
        scale.append(factor * target / ((x_right - x_left) * anatomy.length_mm))
    scale.append(scale[-1])
    warp = PchipInterpolator([-0.1, *heights[1:], 1.1], scale)
    return anatomy.length_mm * np.column_stack([dense[:, 0] * warp(np.clip(dense[:, 1], -0.1, 1.1)), dense[:, 1]])


def section_at(
    anatomy: Anatomy,
    azimuth_deg: float,
    *,
    foreshortening_deg: float = 0.0,
    right_wall_cut_mm: float = 0.0,
) -> Section:
    """The wall where a plane through the long axis at `azimuth_deg` (left image wall) cuts it.

    Args:
        anatomy: The patient.
        azimuth_deg: Azimuth of the left wall; the right wall lies at + 180 degrees.
        foreshortening_deg: Angle between plane and long axis; the section gets shorter by 1.8 sin^2 of it, about 5 %
            at 10 degrees (a plane that misses a rounded apex).
        right_wall_cut_mm: Arc missing at the right base, where the aortic outlet takes its place in A3C.

    Raises:
        ValueError: The foreshortening is outside 0..25 degrees or the cut outside 0..25 mm.
    """
    if not 0 <= foreshortening_deg <= 25:
        raise ValueError(f"foreshortening_deg must be in 0..25, got {foreshortening_deg}")
    if not 0 <= right_wall_cut_mm <= 25:
        raise ValueError(f"right_wall_cut_mm must be in 0..25, got {right_wall_cut_mm}")
    outline = 0.01 * np.array(_OUTLINE[anatomy.ef_class], dtype=float).T
    turn = np.deg2rad(azimuth_deg - anatomy.minor_axis_azimuth_deg)
    ratio = 1 + (anatomy.minor_axis_ratio - 1) * np.sin(turn) ** 2
    # The septum is the straight side; opposite walls swap character smoothly as the plane turns.
    mirrored = outline[::-1] * np.array([-1.0, 1.0])
    septal = 0.5 * (1 + np.cos(np.deg2rad(azimuth_deg)))
    outline = septal * outline + (1 - septal) * mirrored
    endo = _equal_arc(_warp_widths(outline, anatomy, ratio), MIDWALL_NODES)
    endo[:, 1] *= 1 - 1.8 * np.sin(np.deg2rad(foreshortening_deg)) ** 2

    place = np.linspace(-1, 1, MIDWALL_NODES)
    left = at_azimuth(anatomy.wall_scale, azimuth_deg)
    right = at_azimuth(anatomy.wall_scale, azimuth_deg + 180)
    factors = np.array([*left, 0.5 * (left[2] + right[2]), *right[::-1]])
    blend = np.clip(septal, 0, 1)
    base = blend * anatomy.thickness_mm + (1 - blend) * anatomy.thickness_mm[::-1]
    knots = np.clip(base * factors, 5.0, 22.0)
    thickness = PchipInterpolator(_THICKNESS_PLACE, knots)(np.clip(place, _THICKNESS_PLACE[0], _THICKNESS_PLACE[-1]))

    # From the endocardium outward by half the wall; then smooth the direction, for bounded curvature.
    angle = np.unwrap(np.arctan2(*np.diff(endo, axis=0).T[::-1]))
    smooth = gaussian_filter1d(angle, 0.05 * MIDWALL_NODES / 2, mode="nearest")
    at_nodes = np.concatenate([smooth[:1], 0.5 * (smooth[1:] + smooth[:-1]), smooth[-1:]])
    outward = np.column_stack([-np.sin(at_nodes), np.cos(at_nodes)])
    mid = endo + 0.5 * thickness[:, None] * outward
    arc = np.linalg.norm(np.diff(mid, axis=0), axis=1).sum()
    mid = _equal_arc(mid, MIDWALL_NODES)
    if right_wall_cut_mm > 0:
        keep = 1 - right_wall_cut_mm / arc
        dense = _equal_arc(mid, 1401)
        mid = _equal_arc(dense[: int(round(keep * 1400)) + 1], MIDWALL_NODES)
        thickness = np.interp(np.linspace(-1, 2 * keep - 1, MIDWALL_NODES), place, thickness)
    angle = np.unwrap(np.arctan2(*np.diff(mid, axis=0).T[::-1]))
    step = float(np.linalg.norm(np.diff(mid, axis=0), axis=1).mean())
    angle = _round_off(angle, step)
    line = _from_angles(angle, step)
    # Smoothing flattens the apex and rounds the base; give the cavity back the length it was drawn with.
    line = line * (1 + LENGTH_LOSS)

    # Frame of the long axis: apex node at rho = 0, mid-annulus at the origin.
    apex, base_mid = line[MIDWALL_NODES // 2], 0.5 * (line[0] + line[-1])
    axis = apex - base_mid
    turn = np.pi / 2 - np.arctan2(axis[1], axis[0])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Section(midwall_mm=(line - base_mid) @ rotation.T, angle_rad=angle + turn, thickness_mm=thickness)
