"""What else a tracked wall says about the ventricle: annular excursion, thickening, volumes and ejection fraction.

Two numbers are called MAPSE in print: millimetres that the annulus travels (clinical) and percent that the axis shortens
(Evain 2022). They have different names here.
"""

import math

import numpy as np
from jaxtyping import Float

from .length import check_frame, check_line

__all__ = [
    "area_length_volume_ml",
    "mapse_percent",
    "biplane_volume_ml",
    "ejection_fraction_percent",
    "mapse_mm",
    "wall_thickening_percent",
]

N_DISCS = 20


def mapse_mm(line_mm: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int, es_frame: int) -> float:
    """Mitral annular plane systolic excursion: mean travel of both annulus points from ED to ES along the axis, mm.

    The axis runs from the middle of the annulus to the apex (the point furthest from it) at ED; towards the apex is positive.

    Args:
        line_mm: Wall line in mm, base -> apex -> base; its ends are the annulus.
        ed_frame: End-diastole.
        es_frame: End-systole.

    Raises:
        ValueError: A position is NaN, a frame is outside, or base and apex coincide.

    Unit:
        mm

    Better:
        no direction (towards the apex is positive)

    Formula:
        mean over both annulus points of (x(ES) - x(ED)) . a
        a = unit vector from the middle of the annulus to the apex at ED

    Pitfalls:
        Evain 2022 calls a percentage MAPSE: `mapse_percent`. Motion of the whole heart or of the probe along the axis
        enters.

    Known as:
        no other name in the papers read; clinical MAPSE
    """
    line = _line(line_mm, ed_frame, es_frame)
    axis, _ = _axis(line[ed_frame])
    travel = line[es_frame, [0, -1]] - line[ed_frame, [0, -1]]
    return float((travel @ axis).mean())


def mapse_percent(line_mm: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int, es_frame: int) -> float:
    """Change of the distance from apex to the middle of the annulus, ED to ES, percent; negative = shortening.

    Evain 2022 prints its magnitude as "MAPSE". The apex is the same material point in both frames. Arguments and errors as
    `mapse_mm`.

    Unit:
        percent of the distance at ED

    Better:
        no direction (negative = shortening)

    Formula:
        100 (D(ES) / D(ED) - 1), D = distance from the apex to the middle of the annulus

    Pitfalls:
        Not the clinical MAPSE in mm, `mapse_mm`. Evain 2022 prints the magnitude, here shortening is negative.

    Known as:
        Evain 2022 -> MAPSE
    """
    line = _line(line_mm, ed_frame, es_frame)
    _, apex = _axis(line[ed_frame])
    length = np.linalg.norm(line[:, apex] - (line[:, 0] + line[:, -1]) / 2, axis=-1)
    return float(100 * (length[es_frame] / length[ed_frame] - 1))


def wall_thickening_percent(
    inner_mm: Float[np.ndarray, "n_frames n_points 2"],
    outer_mm: Float[np.ndarray, "n_frames n_points 2"],
    ed_frame: int,
    es_frame: int,
) -> Float[np.ndarray, " n_points"]:
    """Change of the distance between paired points of two layers, ED to ES, percent; positive = thickening.

    Args:
        inner_mm: Endocardial points, mm.
        outer_mm: The epicardial point of each.
        ed_frame: End-diastole.
        es_frame: End-systole.

    Raises:
        ValueError: Shapes differ, a position is NaN, a frame is outside, or the layers touch at ED.

    Unit:
        percent of the thickness at ED

    Better:
        no direction (positive = thickening)

    Formula:
        100 (h(ES) / h(ED) - 1), h_i = |outer_i - inner_i|

    Pitfalls:
        The distance of paired points is the thickness only while the pair stays opposite: slip of one layer against the
        other reads as thickening.

    Known as:
        no other name in the papers read
    """
    inner, outer = _line(inner_mm, ed_frame, es_frame), check_line(outer_mm)
    if inner.shape != outer.shape:
        raise ValueError(f"inner_mm and outer_mm must pair up, got shapes {inner.shape} and {outer.shape}")
    thickness = np.linalg.norm(outer - inner, axis=-1)
    if not thickness[ed_frame].all():
        raise ValueError("inner_mm and outer_mm must lie apart at ed_frame, got a thickness of 0 mm")
    return 100 * (thickness[es_frame] / thickness[ed_frame] - 1)


def area_length_volume_ml(contour_mm: Float[np.ndarray, "n_points 2"]) -> float:
    """Volume of one view by area and length, 8 A^2 / (3 pi L), ml.

    Args:
        contour_mm: Endocardial line, base -> apex -> base, closed across the annulus.

    Raises:
        ValueError: A position is NaN, or base and apex coincide.

    Unit:
        ml

    Better:
        no direction

    Formula:
        V = 8 A^2 / (3 pi L) / 1000
        A = area of the line closed across the annulus, mm^2; L = middle of the annulus to apex, mm

    Pitfalls:
        One view stands for the whole ventricle; `biplane_volume_ml` uses two. The line must be the endocardium: a
        mid-wall line gives too large a volume.

    Known as:
        no other name in the papers read
    """
    contour = check_line(np.asarray(contour_mm)[None])[0]
    x, y = contour.T
    area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
    _, apex = _axis(contour)
    length = np.linalg.norm(contour[apex] - (contour[0] + contour[-1]) / 2)
    return float(8 * area**2 / (3 * math.pi * length) / 1000)


def biplane_volume_ml(
    a4c_mm: Float[np.ndarray, "n_points 2"], a2c_mm: Float[np.ndarray, "n_points 2"], n_discs: int = N_DISCS
) -> float:
    """Volume by the biplane method of discs: sum of pi / 4 d_4C d_2C L / n, with L the longer of both axes, ml.

    Args:
        a4c_mm: Endocardial line of the four-chamber view, base -> apex -> base.
        a2c_mm: The same of the two-chamber view.
        n_discs: Discs.

    Raises:
        ValueError: A position is NaN, base and apex coincide, or there is no disc.

    Unit:
        ml

    Better:
        no direction

    Formula:
        V = sum over n discs of pi / 4 d_4C d_2C L / n / 1000, L = longer of both axes, mm

    Pitfalls:
        Discs are paired by relative height on each view's own axis, so a foreshortened view gives its widths at other
        heights while only its length is replaced. The lines must be the endocardium, of one phase.

    Known as:
        no other name in the papers read

    References:
        Lang et al. 2015 (chamber quantification); Schiller et al. 1989.
    """
    if n_discs < 1:
        raise ValueError(f"n_discs must be at least 1, got {n_discs}")
    widths, lengths = zip(*(_discs(contour, n_discs) for contour in (a4c_mm, a2c_mm)), strict=True)
    return float(math.pi / 4 * np.sum(widths[0] * widths[1]) * max(lengths) / n_discs / 1000)


def ejection_fraction_percent(ed_volume_ml: float, es_volume_ml: float) -> float:
    """100 (EDV - ESV) / EDV; negative if the volume grows.

    Raises:
        ValueError: The volume at ED is not positive, or one at ES is negative.

    Unit:
        percent of the volume at ED

    Better:
        no direction

    Formula:
        EF = 100 (EDV - ESV) / EDV

    Pitfalls:
        A ratio: volumes wrong by one factor leave it right, so it does not prove them. Both volumes must come from the
        same method and views.

    Known as:
        no other name in the papers read
    """
    if not ed_volume_ml > 0 or not es_volume_ml >= 0:
        raise ValueError(f"volumes must be positive, got {ed_volume_ml} ml at ED and {es_volume_ml} ml at ES")
    return 100 * (ed_volume_ml - es_volume_ml) / ed_volume_ml


def _line(line_mm: np.ndarray, ed_frame: int, es_frame: int) -> np.ndarray:
    line = check_line(line_mm)
    check_frame("ed_frame", ed_frame, len(line))
    check_frame("es_frame", es_frame, len(line))
    return line


def _axis(contour: np.ndarray) -> tuple[np.ndarray, int]:
    """Unit vector from the middle of the annulus to the apex, and the apex's index."""
    away = contour - (contour[0] + contour[-1]) / 2
    distance = np.linalg.norm(away, axis=-1)
    apex = int(distance.argmax())
    if distance[apex] == 0:
        raise ValueError("the line must have an apex away from its base, got coinciding points")
    return away[apex] / distance[apex], apex


def _discs(contour_mm: np.ndarray, n_discs: int) -> tuple[np.ndarray, float]:
    """Widths across the axis at the middle of each disc, mm, and the axis length, mm."""
    contour = check_line(np.asarray(contour_mm)[None])[0]
    axis, apex = _axis(contour)
    base = (contour[0] + contour[-1]) / 2
    along, across = (contour - base) @ axis, (contour - base) @ np.array([-axis[1], axis[0]])
    length = along[apex]
    heights = (np.arange(n_discs) + 0.5) / n_discs * length
    sides = []
    for part in (slice(0, apex + 1), slice(apex, None)):
        order = np.argsort(along[part], kind="stable")
        sides.append(np.interp(heights, along[part][order], across[part][order]))
    return np.abs(sides[1] - sides[0]), float(length)
