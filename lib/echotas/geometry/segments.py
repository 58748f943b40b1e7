"""The six wall segments of an apical view, and the guard that a line runs the way their order assumes."""

import numpy as np
from jaxtyping import Float, Int

from echotas.geometry.contour import arc_length
from echotas.records import View

__all__ = ["N_SEGMENTS", "SEGMENTS", "check_orientation", "segment_names", "segment_of_arc"]

N_SEGMENTS = 6


def _names(left: str, right: str) -> tuple[str, ...]:
    return (
        *(f"{level} {left}" for level in ("basal", "mid", "apical")),
        *(f"{level} {right}" for level in ("apical", "mid", "basal")),
    )


SEGMENTS: dict[View, tuple[str, ...]] = {
    View.A4C: _names("inferoseptal", "anterolateral"),
    View.A2C: _names("inferior", "anterior"),
    View.A3C: _names("inferolateral", "anteroseptal"),
}
"""Segment names by view, base -> apex -> base, left wall of the standard display (apex up) first."""


def segment_names(view: View, mirrored: bool = False) -> tuple[str, ...]:
    """Names of the six segments in the order of a line that starts at the left image wall.

    Args:
        view: Apical view.
        mirrored: The image is flipped left-right against the standard display, so that its left wall is the other one.

    Raises:
        ValueError: The view has no segments ("other").
    """
    if view not in SEGMENTS:
        raise ValueError(f"view must be one of {[str(known) for known in SEGMENTS]} to name segments, got {view!s}")
    return SEGMENTS[View(view)][::-1] if mirrored else SEGMENTS[View(view)]


def segment_of_arc(line: Float[np.ndarray, "n_points 2"]) -> Int[np.ndarray, " n_points"]:
    """Segment 0..5 of each point of a line, in six parts of equal arc length; a limit belongs to the later part."""
    position = arc_length(np.asarray(line, dtype=np.float64))
    if position.ndim != 1 or not position[-1] > 0:
        raise ValueError(f"line must be (n_points, 2) with a length, got shape {np.shape(line)}")
    # The small shift keeps a point that rounding puts just before a limit in the later part.
    return np.floor(N_SEGMENTS * position / position[-1] + 1e-9).astype(np.int64).clip(0, N_SEGMENTS - 1)


def check_orientation(line: Float[np.ndarray, "n_points 2"], name: str = "line") -> None:
    """Refuse a line that does not run left base -> apex -> right base with the apex up.

    A reversed line would silently swap the two walls (septum and lateral wall in A4C).

    Raises:
        ValueError: The first point is not on the left, or the apex is not above the base near the middle of the line.
    """
    line = np.asarray(line, dtype=np.float64)
    first, last = line[0], line[-1]
    if first[0] >= last[0]:
        raise ValueError(
            f"{name} must start at the left image wall, got x = {first[0]:.1f} first and {last[0]:.1f} last"
        )
    middle = (first + last) / 2
    apex = int(np.linalg.norm(line - middle, axis=1).argmax())
    share = arc_length(line)[apex] / arc_length(line)[-1]
    if line[apex, 1] >= middle[1] or not 0.2 < share < 0.8:
        raise ValueError(
            f"{name} must run base -> apex -> base with the apex up, got the point furthest from the base at "
            f"{100 * share:.0f} % of its length, {middle[1] - line[apex, 1]:.1f} px above the base"
        )
