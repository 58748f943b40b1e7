"""Motion of the wall: from material coordinates (along, across, around) and time to a place in three dimensions.

In the view plane the centre line is integrated from tangent angle and stretch,

    P(s, t) = P_apex(t) + int lambda(s', t) (cos alpha(s', t), sin alpha(s', t)) ds',

so its strain is the prescribed one, by construction; `wall_shape` has the layers. Around the axis, the half-planes turn
by the twist theta(s, t): tissue leaves the plane by rho sin(theta). The beat itself is periodic; breathing and the
operator's hand may shift the whole heart against the probe, which changes no strain.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from echotas.phantom.anatomy import MIDWALL_NODES, Section
from echotas.phantom.surroundings import N_CAVITY, N_EXTENSION, N_OUTER, fill_around
from echotas.phantom.wall_shape import (
    N_WALL,
    THICKENING,
    align_axis,
    at_nodes,
    bending,
    integrate_line,
    layer_offsets,
    segment_weights,
)

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
]


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
    drift_mm: np.ndarray
    """The part of the heart's place that does not repeat with the beat: (n_frames, 3) along rho, across the plane, along
    zeta, since end-diastole."""
    twist_course: np.ndarray
    """Course of the twist, 0 at end-diastole, 1 at its peak, (n_frames,)."""
    tilt: float
    """Elevation gained per mm along the axis: tangent of the angle between plane and axis, signed."""
    es_index: int
    """The time that is end-systole."""

    @property
    def wall_mm(self) -> Float[np.ndarray, "n_frames n_nodes 5 2"]:
        """The wall only: (n_frames, MIDWALL_NODES, N_WALL, 2) (rho, zeta)."""
        return self.grid_mm[:, N_EXTENSION:-N_EXTENSION, N_CAVITY : N_CAVITY + N_WALL]


def move_wall(
    section: Section,
    segment_strain_percent: Float[np.ndarray, "n_segments n_frames"],
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
    drift_mm: Float[np.ndarray, "n_frames 3"] | None = None,
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
        drift_mm: Shift of the heart against the probe that does not repeat with the beat, (n_frames, 3) along rho,
            across the plane, along zeta; none if None.

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
    drift = np.zeros((n_frames, 3)) if drift_mm is None else np.asarray(drift_mm, dtype=float)
    if drift.shape != (n_frames, 3):
        raise ValueError(f"drift_mm must be ({n_frames}, 3), got {drift.shape}")

    local = (segment_weights(section.step_mm) @ strain).T
    mean = local.mean(axis=1)
    at_es = min(mean[es_index], -1.0)
    course = mean / at_es
    twist_time = course if twist_course is None else np.asarray(twist_course, dtype=float)

    bend = bending(section, local[es_index], circumferential_share * at_es / 100, annulus_share * at_es / 100)
    piece = section.step_mm * (1 + local / 100)
    angle = section.angle_rad + course[:, None] * bend
    line, angle = align_axis(integrate_line(angle, piece), angle, np.deg2rad(rocking_deg) * course)
    apex_zeta = section.midwall_mm[MIDWALL_NODES // 2, 1]
    line = line + np.stack([np.zeros(n_frames), apex_zeta - apex_descent_mm * course], axis=-1)[:, None]

    direction = at_nodes(angle)
    normal = np.stack([-np.sin(direction), np.cos(direction)], axis=-1)
    offsets = layer_offsets(section, line, normal, angle, piece, THICKENING[thickening])
    wall = line[:, :, None] + offsets[..., None] * normal[:, :, None] + drift[:, None, None, ::2]

    grid = fill_around(wall, normal)

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
        elevation_mm=elevation_shift_mm * (course - course[es_index]) + drift[:, 1] - drift[es_index, 1],
        drift_mm=drift,
        twist_course=twist_time,
        tilt=float(np.tan(np.deg2rad(tilt_deg))),
        es_index=int(es_index),
    )


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
    """Places of material points over time in the frame of the long axis, mm.

    Args:
        motion: The moving section.
        along: Grid coordinate along, 0 .. n_along - 1 (may be fractional).
        across: Grid coordinate across, 0 .. n_across - 1.
        around_rad: Azimuth from the view plane at end-systole, on the point's own side of the axis.
        frames: Which frames.

    Returns:
        Distance from the axis as seen in the plane, elevation, and height along the axis, each (n_frames, n_points).
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
    # The heart turns about its own axis, which drifts along; the tilt concerns its own descent.
    aside = motion.drift_mm[frames, 0][:, None]
    along = motion.drift_mm[frames, 2][:, None] - motion.drift_mm[motion.es_index, 2]
    rho = rho - aside
    elevation = rho * np.sin(turn) + motion.elevation_mm[frames, None] + motion.tilt * (zeta - along - at_es)
    return aside + rho * np.cos(turn), elevation, zeta
