"""What a reader with exact contours would measure on a virtual patient: size, shape and contraction, ED to ES.

The rows are those measured on 499 annotated four-chamber pairs (virtual-patient numbers, sections 1.1 and 3.1), so that
a cohort can be put beside them.
"""

import numpy as np
from jaxtyping import Float

from echotas.phantom.cohort import Beat
from echotas.strain import longitudinal_strain

__all__ = ["MEASURED_A4C", "shape_and_contraction"]

MEASURED_A4C = {
    "EF>50": {
        "length_mm": (74.7, 8.0), "annulus_mm": (30.3, 5.5), "width_25_mm": (43.5, 6.0), "width_50_mm": (41.1, 6.0),
        "width_75_mm": (36.2, 5.1), "volume_ml": (89, 30), "endo_strain_percent": (-21.0, 4.0),
        "epi_strain_percent": (-14.9, 3.7), "shortening_percent": (-17.6, 4.3), "ejection_fraction_percent": (59, 6),
    },
    "EF35-50": {
        "length_mm": (78.0, 8.6), "annulus_mm": (33.0, 5.7), "width_25_mm": (46.7, 7.2), "width_50_mm": (44.0, 7.5),
        "width_75_mm": (38.9, 6.6), "volume_ml": (108, 41), "endo_strain_percent": (-15.0, 3.4),
        "epi_strain_percent": (-10.7, 3.4), "shortening_percent": (-13.2, 3.7), "ejection_fraction_percent": (44, 4),
    },
    "EF<35": {
        "length_mm": (79.6, 9.6), "annulus_mm": (35.3, 6.4), "width_25_mm": (50.3, 9.4), "width_50_mm": (47.4, 8.9),
        "width_75_mm": (41.1, 7.4), "volume_ml": (129, 58), "endo_strain_percent": (-9.5, 3.6),
        "epi_strain_percent": (-6.2, 3.5), "shortening_percent": (-8.9, 3.8), "ejection_fraction_percent": (28, 8),
    },
}  # fmt: skip
"""Mean and SD by EF class over 499 annotated A4C pairs of CAMUS."""


def _area_mm2(outline: Float[np.ndarray, "n 2"]) -> float:
    x, y = outline.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _long_axis(endo: Float[np.ndarray, "n 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Mid-annulus, and the way from it to the farthest endocardial point."""
    base = 0.5 * (endo[0] + endo[-1])
    return base, endo[np.linalg.norm(endo - base, axis=1).argmax()] - base


def _width_mm(endo: Float[np.ndarray, "n 2"], share: float) -> float:
    """Cavity width at a share of the way from base to apex, across the long axis."""
    base, axis = _long_axis(endo)
    length = np.linalg.norm(axis)
    axis = axis / length
    along, across = (endo - base) @ axis, (endo - base) @ np.array([-axis[1], axis[0]])
    top = int(along.argmax())
    left = np.interp(share * length, along[: top + 1], across[: top + 1])
    right = np.interp(share * length, along[top:][::-1], across[top:][::-1])
    return abs(float(right - left))


def _shape(mesh: Float[np.ndarray, "n_long 5 2"]) -> dict[str, float]:
    endo, epi = mesh[:, 0], mesh[:, -1]
    area, length = _area_mm2(endo), float(np.linalg.norm(_long_axis(endo)[1]))
    return {
        "length_mm": length,
        "annulus_mm": float(np.linalg.norm(endo[-1] - endo[0])),
        "width_25_mm": _width_mm(endo, 0.25),
        "width_50_mm": _width_mm(endo, 0.50),
        "width_75_mm": _width_mm(endo, 0.75),
        "volume_ml": 0.85 * area**2 / length / 1000,
        "wall_area_mm2": _area_mm2(np.concatenate([epi, endo[::-1]])),
    }


def shape_and_contraction(beat: Beat) -> dict[str, float]:
    """Size and shape at end-diastole, and their change to end-systole.

    Args:
        beat: From `build_beat`.

    Returns:
        At end-diastole: length_mm (mid-annulus to endocardial apex), annulus_mm, width_25_mm, width_50_mm, width_75_mm
        (cavity, from the base), volume_ml (area-length), wall_area_mm2, annulus_depth_mm, outside_sector (share of the
        wall beyond +-37.5 degrees). To end-systole: endo_strain_percent, epi_strain_percent, shortening_percent (long
        axis), annulus_change_percent, width_25_change_percent and so on, ejection_fraction_percent,
        septal_excursion_mm, lateral_excursion_mm (hinges toward the apex), apex_descent_mm, wall_area_change_percent,
        and thickening_percent of the septum's and the lateral wall's middle thirds.
    """
    es = beat.es_frame
    first, last = beat.mesh_mm[0], beat.mesh_mm[es]
    ed, systole = _shape(first), _shape(last)
    base, axis = _long_axis(first[:, 0])
    axis = axis / np.linalg.norm(axis)
    moved = (last[:, 0] - first[:, 0]) @ axis
    angle = np.abs(np.rad2deg(np.arctan2(first[..., 0], first[..., 1])))
    n_long = len(first)
    thickness = [np.linalg.norm(mesh[:, -1] - mesh[:, 0], axis=-1) for mesh in (first, last)]
    middle = [slice(n_long // 9, 2 * n_long // 9 + 2), slice(-2 * n_long // 9 - 2, -(n_long // 9))]

    def change(name: str) -> float:
        return 100 * (systole[name] / ed[name] - 1)

    return ed | {
        "annulus_depth_mm": float(base[1]),
        "outside_sector": float((angle > 37.5).mean()),
        "endo_strain_percent": float(longitudinal_strain(beat.mesh_mm[:, :, 0], 0)[es]),
        "epi_strain_percent": float(longitudinal_strain(beat.mesh_mm[:, :, -1], 0)[es]),
        "shortening_percent": change("length_mm"),
        "annulus_change_percent": change("annulus_mm"),
        **{f"width_{share}_change_percent": change(f"width_{share}_mm") for share in (25, 50, 75)},
        "ejection_fraction_percent": -change("volume_ml"),
        "septal_excursion_mm": float(moved[0]),
        "lateral_excursion_mm": float(moved[-1]),
        "apex_descent_mm": -float(moved[n_long // 2 - 1 : n_long // 2 + 1].mean()),
        "wall_area_change_percent": change("wall_area_mm2"),
        "septal_thickening_percent": 100 * float(thickness[1][middle[0]].mean() / thickness[0][middle[0]].mean() - 1),
        "lateral_thickening_percent": 100 * float(thickness[1][middle[1]].mean() / thickness[0][middle[1]].mean() - 1),
    }
