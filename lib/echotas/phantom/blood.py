"""What is inside the cavity: blood, and the leaflets of the mitral valve.

At 0.3-0.6 m/s blood crosses a resolution cell within a frame, so its scatterers are new in every frame. The leaflets
hang on the hinges: closed in systole, wide open in early filling, half open in diastasis, open again in atrial filling.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator

from echotas.phantom.anatomy import MIDWALL_NODES, Section
from echotas.phantom.kinematics import WallMotion
from echotas.phantom.surroundings import N_CAVITY, N_EXTENSION
from echotas.phantom.timing import BeatTiming
from echotas.phantom.tissue import bilinear, to_metres
from echotas.phantom.views import ViewPose

__all__ = ["blood_frame", "leaflets", "valve_opening"]

BLOOD_DB = -11.0
LEAFLET_DB = 7.0
LEAFLET_SPREAD_DB = 4.5
LEAFLET_SCATTERERS = 90
LEAFLET_THICKNESS_MM = 1.6


def blood_frame(
    motion: WallMotion, section: Section, pose: ViewPose, frame: int, per_area: float, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n_points 3"], Float[np.ndarray, " n_points"]]:
    """Blood of one frame, in the plane: left ventricle, and the atrium below it between its walls."""
    grid = motion.grid_mm[frame, :, : N_CAVITY + 1]
    diagonal_a = grid[1:, 1:] - grid[:-1, :-1]
    diagonal_b = grid[1:, :-1] - grid[:-1, 1:]
    area = 0.5 * np.abs(diagonal_a[..., 0] * diagonal_b[..., 1] - diagonal_a[..., 1] * diagonal_b[..., 0])
    count = rng.poisson(per_area * area)
    cell = np.repeat(np.arange(count.size), count.ravel())
    i, j = np.divmod(cell, N_CAVITY)
    s, w = i + rng.random(len(cell)), j + rng.random(len(cell))
    rho, zeta = bilinear(grid[..., 0], s, w), bilinear(grid[..., 1], s, w)
    # Fewer scatterers than tissue has: stronger ones, for the same mean power.
    strength = 10 ** (BLOOD_DB / 20) * rng.choice(np.array([-1.0, 1.0]), size=len(s))
    return to_metres(pose, section, rho, np.zeros_like(rho), zeta), strength.astype(np.float32)


def valve_opening(timing: BeatTiming, times_ms: Float[np.ndarray, " n_times"]) -> Float[np.ndarray, " n_times"]:
    """How far the mitral valve is open, 0 closed to 1 wide open; periodic."""
    t = timing
    early = t.mitral_opening_ms + 60
    late = 0.7 if t.atrial_wave else 0.3
    knots, values = [-40.0, 10.0, t.mitral_opening_ms - 5, early], [late, 0.0, 0.0, 1.0]
    if t.atrial_start_ms > t.early_filling_end_ms + 40:
        knots += [t.early_filling_end_ms, t.atrial_start_ms]
        values += [0.4, 0.4]
    knots += [t.cycle_ms - 40, t.cycle_ms + 10]
    values += [late, 0.0]
    keep = [0] + [k for k in range(1, len(knots)) if knots[k] > knots[k - 1]]
    curve = PchipInterpolator(np.array(knots)[keep], np.array(values)[keep])
    return np.clip(curve(np.mod(times_ms, t.cycle_ms)), 0, 1)


def leaflets(
    motion: WallMotion,
    section: Section,
    pose: ViewPose,
    opening: Float[np.ndarray, " n_frames"],
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n_frames n_points 3"], Float[np.ndarray, " n_points"]]:
    """Scatterers of both leaflets over the beat: two thin curved lines from the hinges, longer on the septal side."""
    hinges = motion.grid_mm[:, [N_EXTENSION, N_EXTENSION + MIDWALL_NODES - 1], N_CAVITY]
    width = np.linalg.norm(hinges[:, 1] - hinges[:, 0], axis=-1)
    across = (hinges[:, 1] - hinges[:, 0]) / width[:, None]
    inward = np.column_stack([-across[:, 1], across[:, 0]])
    closed_deg = rng.uniform(4, 14)
    rho, zeta, places = [], [], []
    for side, share in ((0, 0.62), (1, 0.46)):
        u = np.sort(rng.random(LEAFLET_SCATTERERS))
        places.append(u)
        thick = rng.uniform(-0.5, 0.5, LEAFLET_SCATTERERS) * LEAFLET_THICKNESS_MM * (0.6 + 1.6 * (u - 0.45) ** 2 * 4)
        # Angle from the annular plane: almost flat when closed, 75 degrees wide open; the line sags toward the atrium.
        angle = np.deg2rad(closed_deg + (75 - closed_deg) * opening)[:, None] - np.deg2rad(14) * (1 - u)
        length = share * width[:, None]
        along = length * u * np.cos(angle) + thick * np.sin(angle)
        up = length * u * np.sin(angle) - thick * np.cos(angle)
        sign = 1.0 if side == 0 else -1.0
        place = hinges[:, side, None] + sign * along[..., None] * across[:, None] + up[..., None] * inward[:, None]
        rho.append(place[..., 0])
        zeta.append(place[..., 1])
    rho, zeta = np.concatenate(rho, axis=1), np.concatenate(zeta, axis=1)
    # Thick and bright at the hinge and at the tip, thin between.
    along = np.concatenate(places)
    level = LEAFLET_DB + 4.0 * (2 * np.abs(along - 0.45)) ** 2 - 3.0 + rng.normal(0, LEAFLET_SPREAD_DB, len(along))
    # Where a leaflet runs along the beam it vanishes.
    gap = rng.uniform(0.15, 0.8, 2).repeat(LEAFLET_SCATTERERS)
    level -= rng.uniform(4, 14) * np.exp(-(((along - gap) / 0.15) ** 2))
    strength = 10 ** (level / 20) * rng.choice(np.array([-1.0, 1.0]), size=rho.shape[1])
    # A thin sheet has few scatterers per cell; their number per area sets its brightness against the wall.
    return to_metres(pose, section, rho, np.zeros_like(rho), zeta), strength.astype(np.float32)
