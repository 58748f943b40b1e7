"""Wall lines: arc length, resampling, normals, and the two borders of a segmented myocardium.

A wall line is open and runs base -> apex -> base, left image wall first.
"""

import cv2
import numpy as np
from contourpy import contour_generator
from jaxtyping import Float, Int
from scipy import ndimage

__all__ = [
    "LABEL_LV",
    "LABEL_MYO",
    "arc_length",
    "endo_epi_from_mask",
    "outward_normals",
    "resample_line",
    "smooth_line",
]

LABEL_LV = 1
"""Cavity label of a segmentation (CAMUS numbering)."""
LABEL_MYO = 2
"""Myocardium label of a segmentation (CAMUS numbering)."""

_CONTACT_PX = 2.0  # a cavity border pixel this near to the wall touches it (diagonal neighbour, and the mask smoothing)
_BASAL_WEIGHT = 1.5  # above 1: walls taper inwards towards the base more often than their end faces slope upwards
_MIN_AREA_PX = 30  # fewer pixels than this cannot carry a 36-point line


def arc_length(line: Float[np.ndarray, "*batch n_points 2"]) -> Float[np.ndarray, "*batch n_points"]:
    """Cumulative length along a line, 0 at its first point, in the unit of the points."""
    steps = np.linalg.norm(np.diff(line, axis=-2), axis=-1)
    return np.concatenate([np.zeros_like(steps[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)


def resample_line(line: Float[np.ndarray, "n_points 2"], n: int) -> Float[np.ndarray, "n 2"]:
    """Points at `n` equal arc steps of a polyline, both ends kept.

    Raises:
        ValueError: Fewer than two points asked or given, a position is not finite, or the line has no length.
    """
    line = _checked_line(line)
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}")
    position = arc_length(line)
    return _at_arc(line, position, np.linspace(0, position[-1], n))


def smooth_line(line: Float[np.ndarray, "n_points 2"], sigma_points: float) -> Float[np.ndarray, "n_points 2"]:
    """Line smoothed by a Gaussian along its points; the ends stay where they are, straight lines stay unchanged.

    Args:
        line: Polyline, best equally spaced.
        sigma_points: Standard deviation of the kernel, in points; below 0.1, where nothing would change, a copy.
    """
    line = _checked_line(line)
    if sigma_points < 0.1:
        return line.copy()
    # Point reflection about the ends continues the tangent, so that the ends are fixed points of the filter.
    pad = min(len(line) - 1, int(4 * sigma_points) + 1)
    head, tail = 2 * line[0] - line[pad:0:-1], 2 * line[-1] - line[-2 : -pad - 2 : -1]
    smooth = ndimage.gaussian_filter1d(np.concatenate([head, line, tail]), sigma_points, axis=0, radius=pad)
    smooth = smooth[pad : pad + len(line)]
    smooth[0], smooth[-1] = line[0], line[-1]
    return smooth


def outward_normals(line: Float[np.ndarray, "n_points 2"]) -> Float[np.ndarray, "n_points 2"]:
    """Unit normals of an open line around a cavity, pointing away from it, in either direction of travel."""
    line = _checked_line(line)
    tangent = np.gradient(line, axis=0)
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    if (length == 0).any():
        raise ValueError(f"line must not turn back on itself, got {int((length == 0).sum())} points without direction")
    tangent /= length
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    return normal if _signed_area(line) >= 0 else -normal


def endo_epi_from_mask(
    mask: Int[np.ndarray, "height width"],
) -> tuple[Float[np.ndarray, "n_endo 2"], Float[np.ndarray, "n_epi 2"]]:
    """Endocardial and epicardial lines of a segmented left ventricle.

    Endocardium: the border of the cavity without its longest stretch that does not touch the wall (the base).
    Epicardium: the border of cavity and wall together, between the two outer basal corners. Both to sub-pixel
    precision, from the largest connected piece of each label.

    Args:
        mask: Labels, 1 = cavity, 2 = myocardium, anything else is background.

    Returns:
        Two lines in px, about one point per px, base -> apex -> base, left image wall first.

    Raises:
        ValueError: A label is missing or only a few px large, the two do not touch, or the wall closes around the
            cavity so that there is no base.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"mask must be (height, width), got shape {mask.shape}")
    cavity = _largest_piece(mask == LABEL_LV, "cavity", LABEL_LV)
    wall = _largest_piece(mask == LABEL_MYO, "myocardium", LABEL_MYO)
    whole = ndimage.binary_fill_holes(cavity | wall)
    endo = _open_at_base(_outline(cavity & ~wall), wall)
    epi = _outer_border(_outline(whole), endo)
    return _left_first(endo), _left_first(epi)


def _checked_line(line: np.ndarray) -> np.ndarray:
    line = np.asarray(line, dtype=np.float64)
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2:
        raise ValueError(f"line must be (n_points >= 2, 2), got shape {line.shape}")
    if not np.isfinite(line).all():
        raise ValueError("line must be finite, got NaN or infinite positions")
    if arc_length(line)[-1] == 0:
        raise ValueError("line must have a length, got all points at one place")
    return line


def _at_arc(line: np.ndarray, position: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(wanted, position, line[:, axis]) for axis in (0, 1)], axis=1)


def _signed_area(line: np.ndarray) -> float:
    """Area of the line closed by its chord, positive if it runs left wall -> apex -> right wall (y down)."""
    x, y = line.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _left_first(line: np.ndarray) -> np.ndarray:
    return line[::-1].copy() if line[0, 0] > line[-1, 0] else line


def _largest_piece(piece: np.ndarray, name: str, label: int) -> np.ndarray:
    n_px = int(piece.sum())
    if n_px < _MIN_AREA_PX:
        raise ValueError(f"mask must hold the {name} (label {label}) with at least {_MIN_AREA_PX} px, got {n_px}")
    labelled, n_pieces = ndimage.label(piece, structure=np.ones((3, 3)))
    if n_pieces == 1:
        return piece
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    return labelled == sizes.argmax()


def _outline(piece: np.ndarray) -> np.ndarray:
    """Longest closed border of a mask, sub-pixel, last point not repeated."""
    # One px of smoothing removes the staircase; padding closes pieces that touch the image edge.
    soft = ndimage.gaussian_filter(np.pad(piece, 3).astype(np.float64), 1.0)
    lines = contour_generator(z=soft).lines(0.5)
    line = max(lines, key=len)[:-1] - 3
    closed = np.concatenate([line, line[:1]])
    n_points = max(int(arc_length(closed)[-1]), 8)
    return resample_line(closed, n_points + 1)[:-1]


def _open_at_base(outline: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Closed cavity border cut open over its longest stretch away from the wall."""
    distance = cv2.distanceTransform((~wall).astype(np.uint8), cv2.DIST_L2, 5)
    column, row = np.rint(outline).astype(int).T
    column, row = column.clip(0, wall.shape[1] - 1), row.clip(0, wall.shape[0] - 1)
    touches = distance[row, column] <= _CONTACT_PX
    if not touches.any():
        raise ValueError("mask must have a wall that touches the cavity, got two separate pieces")
    if touches.all():
        raise ValueError("mask must be open at the base, got a wall that closes around the cavity")
    first = int(np.flatnonzero(touches)[0])
    outline, touches = np.roll(outline, -first, axis=0), np.roll(touches, -first)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~touches, [False]]).astype(int)))
    gaps = edges.reshape(-1, 2)
    start, stop = gaps[np.argmax(gaps[:, 1] - gaps[:, 0])]
    endo = np.roll(outline, -stop, axis=0)[: len(outline) - (stop - start)]
    if len(endo) < _MIN_AREA_PX // 2:
        raise ValueError(f"mask must have a wall along the cavity, got contact over {len(endo)} px only")
    return endo


def _outer_border(outline: np.ndarray, endo: np.ndarray) -> np.ndarray:
    """Border of the whole ventricle between the outer basal corners of the two walls."""
    middle, chord = (endo[0] + endo[-1]) / 2, endo[-1] - endo[0]
    gap = np.linalg.norm(chord)
    chord = chord / gap
    basal = np.array([-chord[1], chord[0]])
    apex = endo[np.argmax(np.linalg.norm(endo - middle, axis=1))]
    basal = -basal if basal @ (apex - middle) > 0 else basal
    corners = []
    for hinge, outward in ((endo[0], -chord), (endo[-1], chord)):
        # The corner is the point furthest out and down at once, looked for within half the ventricle's basal width.
        near = np.linalg.norm(outline - hinge, axis=1) <= max(0.5 * gap, 5.0)
        score = np.where(near, (outline - hinge) @ (outward + _BASAL_WEIGHT * basal), -np.inf)
        corners.append(int(score.argmax()))
    one, other = corners
    if one == other:
        raise ValueError("mask must have a wall on both sides of the base, got both outer corners at one place")
    paths = [
        np.roll(outline, -start, axis=0)[: (stop - start) % len(outline) + 1]
        for start, stop in ((one, other), (other, one))
    ]
    return max(paths, key=lambda path: float(np.max((path - middle) @ -basal)))
