"""The grid around the wall: blood inside it, tissue that slides along outside it, the atrium beyond the hinges.

What touches the wall moves with it, what is far away rests, and between the two the motion fades; so no scatterer-free
gap opens anywhere that would betray the wall's ends.
"""

import numpy as np
from jaxtyping import Float

from echotas.phantom.anatomy import MIDWALL_NODES
from echotas.phantom.wall_shape import N_WALL

__all__ = ["N_CAVITY", "N_EXTENSION", "N_OUTER", "fill_around"]

N_CAVITY = 4
"""Layers of blood inside the endocardium, from the axis outward."""
N_OUTER = 3
"""Layers outside the epicardium; the last one rests."""
N_EXTENSION = 12
"""Nodes beyond each hinge: atrial wall, its far end at rest."""

EXTENSION_MM = 30.0
OUTER_MM = 11.0


def fill_around(
    wall: Float[np.ndarray, "n_frames n_nodes 5 2"], normal: Float[np.ndarray, "n_frames n_nodes 2"]
) -> Float[np.ndarray, "n_frames n_along n_across 2"]:
    """Grid of wall and surroundings.

    Args:
        wall: Layers of the wall, (rho, zeta) mm.
        normal: Outward normal of the centre line.

    Returns:
        (rho, zeta) mm. Along: `N_EXTENSION` nodes, the wall's nodes, `N_EXTENSION` nodes. Across: `N_CAVITY` layers
        from the axis outward, the wall's layers, `N_OUTER` layers of which the last rests.
    """
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
    return np.concatenate(
        [_atrial_extension(body, normal, 0)[:, ::-1], body, _atrial_extension(body, normal, -1)], axis=1
    )


def _atrial_extension(body: np.ndarray, normal: np.ndarray, end: int) -> Float[np.ndarray, "n_frames n_ext n_across 2"]:
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
    distances[:, N_CAVITY + N_WALL :] = (
        distances[:, [N_CAVITY + N_WALL - 1]] + OUTER_MM * np.linspace(0, 1, N_OUTER + 1)[1:]
    )
    place = centre[:, None] + distances[..., None] * across[:, None]
    # The cavity side reaches to the axis.
    endo = place[:, N_CAVITY]
    foot = np.column_stack([np.zeros(N_EXTENSION), endo[:, 1]])
    fill = np.linspace(0, 1, N_CAVITY + 1)[:-1, None]
    place[:, :N_CAVITY] = (1 - fill) * foot[:, None] + fill * endo[:, None]
    follow = np.cos(0.5 * np.pi * share) ** 2
    moved = (body[:, end] - rest)[:, None] * follow[None, :, None, None]
    return place[None] + moved
