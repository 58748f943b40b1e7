"""Scatterers of tissue: what the beam meets around the cavity.

Moving: wall, trabeculae and papillary muscle inside it, the tissue that slides around it, atrial walls (all material
points of `kinematics`). At rest: everything farther out, and near-field clutter.

Scatterers fill the elevation beam. With E(z) the depth-dependent two-way elevation width, `n` scatterers per square
wavelength seen in the plane need n / (lambda^2 E) per volume; tissue of unit brightness then has the same mean power at
all depths.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from echotas.phantom.anatomy import MIDWALL_NODES, Section
from echotas.phantom.kinematics import WallMotion, material_positions
from echotas.phantom.surroundings import N_CAVITY, N_EXTENSION
from echotas.phantom.views import ViewPose
from echotas.phantom.wall_shape import N_WALL
from echotas.records import View

__all__ = ["TissueLook", "draw_look", "elevation_width_mm", "moving_tissue", "resting_tissue"]

# Two-way -6 dB elevation width of the 14-mm lens focused at 60 mm, from the wave-physics study of the same probe.
_WIDTH_DEPTH_MM = np.array([0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0])
_WIDTH_MM = np.array([9.0, 5.1, 2.4, 3.6, 5.3, 7.5, 9.7])
POWER_WIDTH = 0.753
"""Integral of a Gaussian two-way power profile over its -6 dB amplitude width."""
CHAMBER_DB = -13.0
ATRIUM_MM = 44.0
"""Length of the left atrium below the mitral annulus."""
ROOF_DB = 12.0
"""Far wall of the atrium, which lies across the beam, against the tissue around."""

# Set, and set again when the first cohort proved too easy, so that rendered loops lose their speckle as real ones do and
# PyMUST's block matching under-estimates GLS as published; never with an eye on a learned tracker. See 00_cohort.
HAZE_DB = {"good": -17.0, "medium": -14.0, "poor": -10.0}
SLIDING_MM = 0.17
APICAL_SLIDING = 1.5
SLID_AT = 0.25
"""Share of the twist that must be undone for three quarters of the sliding: neighbours part early in relaxation."""
BASE_TEXTURE, TEXTURE_FADE = 1.7, 1.5
"""Texture at the base against the patient's, and the power of the distance from the apex with which it fades: the trabeculated
apex has none that a turning heart would keep in the plane."""


@dataclass(frozen=True, eq=False)
class TissueLook:
    """How bright the tissue of one patient and view is, dB against average wall."""

    seed: int
    """Seed of the smooth random fields."""
    texture_db: float
    """SD of the fine texture of the wall."""
    patches_db: float
    """SD of the coarse brightness of the wall, over 30-60 mm."""
    lateral_db: float
    """Right wall against left."""
    apex_db: float
    """Apex against the rest."""
    trabeculae_mm: float
    """How far trabeculae reach into the cavity."""
    papillary_place: float
    """Where the papillary muscle sits on the right wall: 0 apex, 1 hinge."""
    papillary_mm: float
    """How far it reaches into the cavity; not seen below 4."""
    pericardium_db: float
    """Bright line outside the right wall."""
    surroundings_db: float
    """Tissue outside the heart."""
    clutter_db: float
    """Near-field clutter at 10 mm; 14 dB weaker at 40 mm."""
    skin_mm: float
    """Distance between the bands near the probe."""
    haze_db: float
    """Clutter of side lobes and multiple paths over the whole sector, still against the probe."""
    fibres_db: float
    """Backscatter of the wall where the beam meets its fibres across, against along: the apex is brighter than the
    side walls."""
    sliding_mm: float
    """How far scatterers have slid against their neighbours (SD per axis) when the twist is undone: sheets and vessels
    of the wall move among each other below the resolution of any image."""


def draw_look(rng: np.random.Generator, quality: str) -> TissueLook:
    """Brightness of one patient's tissue for an image quality "good", "medium" or "poor"."""
    clutter = {"good": -12.0, "medium": -9.0, "poor": -5.0}
    if quality not in clutter:
        raise ValueError(f"quality must be one of {sorted(clutter)}, got {quality!r}")
    return TissueLook(
        seed=int(rng.integers(2**31)),
        texture_db=float(rng.uniform(4.0, 6.5)),
        patches_db=float(rng.uniform(2.5, 5.0)),
        lateral_db=float(rng.normal(-2.5, 2.0)),
        apex_db=float(rng.normal(-1.5, 1.5)),
        trabeculae_mm=float(rng.uniform(2.0, 5.0)),
        papillary_place=float(rng.uniform(0.35, 0.55)),
        papillary_mm=float(rng.uniform(2.0, 13.0)),
        pericardium_db=float(rng.uniform(8.0, 15.0)),
        surroundings_db=float(rng.normal(-1.0, 2.0)),
        clutter_db=float(rng.normal(clutter[quality], 2.0)),
        skin_mm=float(rng.uniform(3.5, 6.5)),
        haze_db=float(rng.normal(HAZE_DB[quality], 2.0)),
        fibres_db=float(rng.uniform(2.0, 5.0)),
        sliding_mm=SLIDING_MM * float(rng.uniform(0.8, 1.2)),
    )


def elevation_width_mm(depth_mm: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Two-way -6 dB width of the beam across the image plane, mm."""
    return np.interp(depth_mm, _WIDTH_DEPTH_MM, _WIDTH_MM)


def smooth_field(
    places_mm: Float[np.ndarray, "n_points n_dims"], shortest_mm: float, longest_mm: float, seed: int, n_waves: int = 28
) -> Float[np.ndarray, " n_points"]:
    """Random field of unit variance: a sum of plane waves with random directions and lengths."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(places_mm.shape[1], n_waves))
    direction /= np.linalg.norm(direction, axis=0)
    length = np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm), n_waves))
    phase = rng.uniform(0, 2 * np.pi, n_waves)
    waves = np.cos((places_mm @ (2 * np.pi * direction / length)).astype(np.float32) + phase.astype(np.float32))
    return waves.sum(axis=1) * np.sqrt(2 / n_waves)


def _fill_cells(
    motion: WallMotion, pose: ViewPose, section: Section, across: slice, per_area: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uniform random material points in the slab around the view plane: grid coordinates along, across, and azimuth."""
    rest = motion.grid_mm[0]
    n_along, n_across = rest.shape[:2]
    columns = np.arange(n_across - 1)[across]
    diagonal_a = rest[1:, 1:] - rest[:-1, :-1]
    diagonal_b = rest[1:, :-1] - rest[:-1, 1:]
    area = 0.5 * np.abs(diagonal_a[..., 0] * diagonal_b[..., 1] - diagonal_a[..., 1] * diagonal_b[..., 0])[:, columns]
    centre = 0.25 * (rest[1:, 1:] + rest[:-1, :-1] + rest[1:, :-1] + rest[:-1, 1:])[:, columns]
    depth = pose.to_image(section, centre[..., 0], centre[..., 1])[1]
    width = elevation_width_mm(depth)
    half = 0.75 * width + 1.6
    expected = per_area * area * 2 * half / (POWER_WIDTH * width)
    count = rng.poisson(expected)
    cell = np.repeat(np.arange(count.size), count.ravel())
    i, j = np.divmod(cell, len(columns))
    s = i + rng.random(len(cell))
    w = columns[j] + rng.random(len(cell))
    y = rng.uniform(-1, 1, len(cell)) * half.ravel()[cell]
    # Centre the slab on the middle of each place's excursion across the plane.
    nodes_s, nodes_w = np.meshgrid(np.arange(n_along), np.arange(n_across), indexing="ij")
    travel = material_positions(motion, nodes_s.ravel(), nodes_w.ravel(), np.zeros(nodes_s.size))[1]
    middle = (0.5 * (travel.max(axis=0) + travel.min(axis=0))).reshape(n_along, n_across)
    start = y - middle[np.round(s).astype(int), np.round(w).astype(int)]
    rho = bilinear(rest[..., 0], s, w)
    inside = np.abs(start) < 0.98 * np.abs(rho)
    s, w, start, rho = s[inside], w[inside], start[inside], rho[inside]
    return s, w, np.arcsin(start / rho)


def bilinear(values: np.ndarray, s: np.ndarray, w: np.ndarray) -> np.ndarray:
    i = np.clip(s.astype(int), 0, values.shape[0] - 2)
    j = np.clip(w.astype(int), 0, values.shape[1] - 2)
    a, b = s - i, w - j
    return (
        (1 - a) * (1 - b) * values[i, j]
        + (1 - a) * b * values[i, j + 1]
        + a * (1 - b) * values[i + 1, j]
        + a * b * values[i + 1, j + 1]
    )


def _solid(s: np.ndarray, w: np.ndarray, motion: WallMotion, section: Section, look: TissueLook) -> np.ndarray:
    """Which material points are tissue: all outside the endocardium, trabeculae and papillary muscle inside it."""
    node = np.clip(np.round(s).astype(int), 0, motion.grid_mm.shape[1] - 1)
    inner, endo = motion.grid_mm[0, node, N_CAVITY - 1], motion.grid_mm[0, node, N_CAVITY]
    depth_mm = (N_CAVITY - w) * np.linalg.norm(endo - inner, axis=-1)
    arc_mm = (s - N_EXTENSION) * section.step_mm
    from_apex = 2 * (s - N_EXTENSION) / (MIDWALL_NODES - 1) - 1
    ragged = smooth_field(np.column_stack([arc_mm, 0.4 * depth_mm]), 5.0, 16.0, look.seed + 5)
    in_wall = np.abs(from_apex) < 0.97
    # Denser toward the apex, where trabeculae are.
    reach = look.trabeculae_mm * np.clip(0.5 + 0.55 * ragged, 0, 1.4) * np.where(np.abs(from_apex) < 0.6, 1.0, 0.4)
    muscle = np.zeros(len(s))
    if look.papillary_mm > 4:
        muscle = look.papillary_mm * np.exp(-(((from_apex - look.papillary_place) / 0.10) ** 4))
    return (depth_mm <= 0) | (in_wall & (depth_mm < np.maximum(reach, muscle)))


def to_metres(pose: ViewPose, section: Section, rho, elevation, zeta) -> Float[np.ndarray, "*batch 3"]:
    """Positions (lateral, elevation, depth) in m of points in the frame of the long axis."""
    x, z = pose.to_image(section, rho, zeta)
    return np.stack([x, elevation, z], axis=-1).astype(np.float32) * np.float32(1e-3)


def moving_tissue(
    motion: WallMotion,
    section: Section,
    pose: ViewPose,
    look: TissueLook,
    per_area: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n_frames n_points 3"], Float[np.ndarray, " n_points"]]:
    """Scatterers of the wall and of the tissue that slides with it.

    Args:
        motion: The moving section.
        section: The section at end-diastole.
        pose: Where it lies in the image.
        look: Brightness.
        per_area: Scatterers per mm^2 seen in the plane.
        rng: Random generator of this recording's speckle.

    Returns:
        Positions in m and reflectivities (random sign).
    """
    s, w, around = _fill_cells(motion, pose, section, slice(N_CAVITY - 2, None), per_area, rng)
    s, w, around = (value[_solid(s, w, motion, section, look)] for value in (s, w, around))
    rho, y, zeta = material_positions(motion, s, w, around)
    arc_mm = (s - N_EXTENSION) * section.step_mm
    across = (w - N_CAVITY) / (N_WALL - 1)
    layer_mm = np.where(across < 1, across * 10, 10 + (across - 1) * 13)
    middle = 0.5 * (MIDWALL_NODES - 1) * section.step_mm
    from_apex = (arc_mm - middle) / middle
    # Bundles of the wall are longest along it; across the plane they end too, so that what moves through it looks new.
    aside_mm = motion.grid_mm[0, np.clip(s.astype(int), 0, None), N_CAVITY + N_WALL // 2, 0] * around
    grain = np.column_stack([0.6 * arc_mm, layer_mm, aside_mm])
    coarse = BASE_TEXTURE * np.abs(from_apex) ** TEXTURE_FADE
    wall = look.texture_db * coarse * smooth_field(grain, 3.5, 11.0, look.seed)
    wall += look.patches_db * smooth_field(arc_mm[:, None], 35.0, 90.0, look.seed + 1, n_waves=8)
    heading = motion.grid_mm[0, 1:, N_CAVITY + N_WALL // 2] - motion.grid_mm[0, :-1, N_CAVITY + N_WALL // 2]
    heading = heading[np.clip(s.astype(int), 0, len(heading) - 1)]
    x, z = pose.to_image(section, rho[0], zeta[0])
    beam = np.stack(_turn_to_axis(pose, x, z), axis=-1)
    across_beam = 1 - ((heading * beam).sum(-1) / np.linalg.norm(heading, axis=-1) / np.linalg.norm(beam, axis=-1)) ** 2
    wall += look.fibres_db * (across_beam - 0.3)
    wall += look.lateral_db * np.clip(0.5 + 2 * from_apex, 0, 1) + look.apex_db * np.exp(-((from_apex / 0.2) ** 2))
    # The blood-tissue border reflects; the middle of a wall less so.
    wall += 2.5 * np.exp(-((across / 0.12) ** 2)) - 1.0 * np.exp(-(((across - 0.55) / 0.25) ** 2))
    hinge = np.minimum(np.abs(arc_mm), np.abs(arc_mm - 2 * middle))
    wall += 7.0 * np.exp(-((hinge / 4.0) ** 2))
    around_db = surroundings_db(np.column_stack([x, z]), rho[0], zeta[0], section, pose, look)
    # The pericardium is seen in pieces: bright where it faces the beam, lost where it does not.
    pieces = np.clip(0.75 + 0.45 * smooth_field(arc_mm[:, None], 8.0, 40.0, look.seed + 7, n_waves=12), 0, 1.4)
    line = np.exp(-(((layer_mm - 12.5) / 1.8) ** 2)) * np.clip(2.5 * from_apex + 0.2, 0.35, 1) * pieces
    outside = around_db + (look.pericardium_db - np.minimum(around_db, 0)) * line
    mix = np.clip((layer_mm - 9.0) / 2.5, 0, 1)
    level = (1 - mix) * wall + mix * outside
    sign = rng.choice(np.array([-1.0, 1.0]), size=len(s))
    positions = to_metres(pose, section, rho, y, zeta)
    positions += _slid(motion, s, w, from_apex, look.sliding_mm, rng)
    return positions, (sign * 10 ** (level / 20)).astype(np.float32)


def _slid(motion, s, w, from_apex, sliding_mm, rng) -> Float[np.ndarray, "n_frames n_points 3"]:
    """Displacement of every scatterer of the wall against the smooth motion since end-systole, m; more at the apex."""
    undone = np.abs(motion.twist_course - motion.twist_course[motion.es_index])
    course = np.tanh(undone / SLID_AT)
    in_wall = np.clip(1 - np.abs(w - N_CAVITY - 0.5 * (N_WALL - 1)) / (0.5 * N_WALL + 1), 0, 1) > 0
    size = 1e-3 * sliding_mm * in_wall * (1 + APICAL_SLIDING * np.clip(1 - 1.5 * np.abs(from_apex), 0, 1))
    own = rng.standard_normal((len(s), 3), dtype=np.float32) * size[:, None].astype(np.float32)
    return course[:, None, None].astype(np.float32) * own


def _ellipse(rho, zeta, centre, half, edge=0.12) -> np.ndarray:
    """1 inside an ellipse, 0 outside, with a soft edge."""
    radius = np.hypot((rho - centre[0]) / half[0], (zeta - centre[1]) / half[1])
    return 1 / (1 + np.exp(np.clip((radius - 1) / (0.25 * edge), -40, 40)))


def surroundings_db(places_mm, rho, zeta, section: Section, pose: ViewPose, look: TissueLook) -> np.ndarray:
    """Brightness of everything around the ventricle, at rest: tissue with dark chambers, by view."""
    # Layers that lie across the beam reflect: what is bright is long from side to side and thin along the beam.
    radius = np.hypot(places_mm[:, 0], places_mm[:, 1])
    layers = np.column_stack([0.3 * radius * np.arctan2(places_mm[:, 0], places_mm[:, 1]), radius])
    level = look.surroundings_db + 4.5 * smooth_field(layers, 12.0, 50.0, look.seed + 2)
    level += 3.5 * smooth_field(layers, 3.0, 10.0, look.seed + 3)
    length = section.midwall_mm[MIDWALL_NODES // 2, 1]
    half_annulus = 0.5 * abs(section.midwall_mm[-1, 0] - section.midwall_mm[0, 0])
    wall = float(section.thickness_mm.mean())
    left_edge = section.midwall_mm[: MIDWALL_NODES // 2, 0].min() - 0.5 * wall
    right_edge = section.midwall_mm[MIDWALL_NODES // 2 :, 0].max() + 0.5 * wall
    atrium = (0.0, -0.5 * ATRIUM_MM), (half_annulus + 5.0, 0.5 * ATRIUM_MM)
    dark = _ellipse(rho, zeta, *atrium)
    beyond = (np.hypot(rho / atrium[1][0], (zeta - atrium[0][1]) / atrium[1][1]) - 1.07) / 0.05
    level += ROOF_DB * np.exp(-np.clip(beyond**2, 0, 40)) * np.clip((-zeta - 0.6 * ATRIUM_MM) / 10, 0, 1)
    if pose.view is View.A4C:
        dark = np.maximum(dark, _ellipse(rho, zeta, (left_edge - 15.0, 0.30 * length), (13.5, 0.46 * length)))
        dark = np.maximum(dark, _ellipse(rho, zeta, (left_edge - 12.0, -26.0), (17.0, 19.0)))
    elif pose.view is View.A3C:
        dark = np.maximum(dark, _ellipse(rho, zeta, (right_edge - 6.0, -20.0), (10.0, 24.0)))
        dark = np.maximum(dark, _ellipse(rho, zeta, (right_edge + 13.0, 0.25 * length), (10.0, 0.3 * length)))
    # Lung and shadow at the far right: weaker with distance from the heart.
    level -= 0.16 * np.clip(rho - right_edge - 14.0, 0, 60)
    return (1 - dark) * level + dark * CHAMBER_DB


def resting_tissue(
    motion: WallMotion,
    section: Section,
    pose: ViewPose,
    look: TissueLook,
    per_area: float,
    depth_mm: float,
    half_angle_deg: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n_points 3"], Float[np.ndarray, " n_points"]]:
    """Scatterers at rest: the sector outside the moving grid, and clutter over everything.

    They never leave the beam, so they lie in the plane; their speckle has the same statistics.
    """
    half = np.deg2rad(half_angle_deg)
    count = int(per_area * half * depth_mm**2)
    radius, angle = depth_mm * np.sqrt(rng.random(count)), rng.uniform(-half, half, count)
    places = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    outer = motion.grid_mm[0, :, -1]
    border = np.column_stack(pose.to_image(section, outer[:, 0], outer[:, 1]))
    places = places[~_in_polygon(places, border)]
    rho, zeta = _to_axis(pose, section, places)
    level = surroundings_db(places, rho, zeta, section, pose, look)
    # Clutter lies over everything: strong near the probe, a thin haze beyond.
    still = rng.random((int(0.6 * per_area * half * depth_mm**2), 2))
    still_radius, still_angle = depth_mm * np.sqrt(still[:, 0]), half * (2 * still[:, 1] - 1)
    clutter = np.column_stack([still_radius * np.sin(still_angle), still_radius * np.cos(still_angle)])
    near_db = look.clutter_db - 14.0 * (still_radius - 10) / 30 - 10 * np.clip((still_radius - 36) / 9, 0, 1)
    near_db += 4.0 * smooth_field(clutter, 8.0, 30.0, look.seed + 4)
    # The face of the probe and the skin echo each other: bright bands, weaker with every trip.
    for trip in range(1, 4):
        near_db += (9 - 2 * trip) * np.exp(-(((still_radius - trip * look.skin_mm) / 0.8) ** 2))
    haze_db = look.haze_db + 4.0 * smooth_field(clutter, 20.0, 60.0, look.seed + 6)
    clutter_db = 10 * np.log10(10 ** (near_db / 10) + 10 ** (haze_db / 10))
    every = np.concatenate([places, clutter])
    amplitude = 10 ** (np.concatenate([level, clutter_db]) / 20) * rng.choice(np.array([-1.0, 1.0]), size=len(every))
    positions = np.column_stack([every[:, 0], np.zeros(len(every)), every[:, 1]])
    return (positions * 1e-3).astype(np.float32), amplitude.astype(np.float32)


def _turn_to_axis(pose: ViewPose, dx: np.ndarray, dz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A direction in the image as one in the frame of the long axis."""
    angle = np.deg2rad(pose.axis_deg)
    return dx * np.cos(angle) - dz * np.sin(angle), -dx * np.sin(angle) - dz * np.cos(angle)


def _to_axis(pose: ViewPose, section: Section, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `ViewPose.to_image`."""
    x0, z0 = pose.to_image(section, np.zeros(1), np.zeros(1))
    return _turn_to_axis(pose, places[:, 0] - x0, places[:, 1] - z0)


def _in_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Even-odd rule, points (n, 2), polygon closed implicitly; looped over the polygon's edges."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        if crosses.any():
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1.0))
    return inside
