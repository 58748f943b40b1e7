"""Strain of the six segments of one apical view.

A segment is a fixed set of tissue: each link of the line belongs to segments with fixed weights that sum to one, so

    L_s(t) = sum_j w_(s,j) l_j(t),    e_s(t) = 100 (L_s(t) - L_s(ED)) / L_s(ED),    sum_s L_s(t) = L(t)

and the mean of the six curves weighted by their length at ED is the global curve, exactly. Segments are ordered
base -> apex -> base as the points are (`geometry.segments` names them per view).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from .length import check_frame, check_line, link_lengths, relative_change_percent

__all__ = [
    "CUT_RULES",
    "apical_thirds_weights",
    "equal_arc_weights",
    "label_weights",
    "local_strain",
    "segment_lengths",
    "segment_weights",
    "segmental_strain",
]

N_SEGMENTS = 6


def segmental_strain(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    ed_frame: int,
    segment: Int[np.ndarray, " n_points"] | None = None,
    cut_frame: int | None = None,
    cut_rule: str = "equal_arcs",
) -> Float[np.ndarray, "6 n_frames"]:
    """Lagrangian strain of each segment, percent of its own length at ED.

    Args:
        points_mm: Ordered material points (x, y) in mm, base -> apex -> base.
        ed_frame: Frame of zero strain.
        segment: Segment 0..5 of each point, as in `records.Reading`; a link between two segments counts half for
            each. If None, the line is cut into six equal arcs at `cut_frame`, through links where need be.
        cut_frame: Frame of the cut; `ed_frame`, if None. Trackers that start at ES may cut there.
        cut_rule: A key of `CUT_RULES`, for a line without labels.

    Returns:
        Strain (6, n_frames) in percent, exactly 0 at `ed_frame`, negative = shortening.

    Raises:
        ValueError: A position is NaN, a segment holds no link or has no length at ED, or a frame is outside.

    Unit:
        percent of the segment's length at ED

    Better:
        no direction (negative = shortening)

    Formula:
        e_s(t) = 100 (L_s(t) - L_s(ED)) / L_s(ED), L_s = sum_j w_(s,j) l_j

    Pitfalls:
        Depends on where the line is cut: six equal arcs unless labels or another rule are given, and EchoPAC's is not public
        (`evaluation.cut_rule_table` measures what the choice is worth). The
        mean of the segments' peaks is not GLS, because they come at different times. A flipped view swaps its walls.

    Known as:
        TAS-Net paper -> regional strain (six segments per view, 18 in all)
    """
    points_mm = check_line(points_mm)
    check_frame("ed_frame", ed_frame, len(points_mm))
    cut_frame = ed_frame if cut_frame is None else cut_frame
    check_frame("cut_frame", cut_frame, len(points_mm))
    lengths_mm = segment_lengths(points_mm, segment_weights(points_mm, cut_frame, segment, cut_rule))
    return relative_change_percent(lengths_mm, ed_frame, "segments")


def segment_weights(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    cut_frame: int,
    segment: Int[np.ndarray, " n_points"] | None,
    cut_rule: str = "equal_arcs",
) -> Float[np.ndarray, "6 n_links"]:
    """Share of each link in each segment: from labels, or from a cut of the line at `cut_frame` if there are none."""
    if segment is None:
        if cut_rule not in CUT_RULES:
            raise ValueError(f"cut_rule must be one of {', '.join(CUT_RULES)}, got {cut_rule!r}")
        return CUT_RULES[cut_rule](points_mm[cut_frame])
    if np.shape(segment) != (points_mm.shape[1],):
        raise ValueError(f"segment must have one value per point ({points_mm.shape[1]}), got {np.shape(segment)}")
    return label_weights(segment)


def segment_lengths(
    points_mm: Float[np.ndarray, "n_frames n_points 2"], weights: Float[np.ndarray, "n_segments n_links"]
) -> Float[np.ndarray, "n_segments n_frames"]:
    """Length of each segment over time, mm.

    Unit:
        mm

    Better:
        no direction

    Formula:
        L_s(t) = sum_j w_(s,j) l_j(t)

    Pitfalls:
        The segments add up to the line only if the weights of each link sum to one; nothing here checks that.

    Known as:
        no other name in the papers read
    """
    return weights @ link_lengths(points_mm).T


def equal_arc_weights(line_mm: Float[np.ndarray, "n_points 2"]) -> Float[np.ndarray, "6 n_links"]:
    """Share of each link in each of six arcs of equal length.

    Args:
        line_mm: The line in the frame of the cut, (x, y) in mm.

    Raises:
        ValueError: The line has no length.
    """
    return _cut(line_mm, lambda ends: np.linspace(0, ends[-1], N_SEGMENTS + 1))


def apical_thirds_weights(line_mm: Float[np.ndarray, "n_points 2"]) -> Float[np.ndarray, "6 n_links"]:
    """Share of each link in each third of either wall, the walls parted at the apex: the point farthest from the middle of the base.

    Args:
        line_mm: The line in the frame of the cut, (x, y) in mm.

    Raises:
        ValueError: The line has no length, or its apex is one of its ends.
    """
    line_mm = np.asarray(line_mm, dtype=np.float64)
    apex = int(np.linalg.norm(line_mm - (line_mm[0] + line_mm[-1]) / 2, axis=1).argmax())
    if not 0 < apex < len(line_mm) - 1:
        raise ValueError(f"line_mm must have its apex between its ends, got it at point {apex} of {len(line_mm)}")
    return _cut(
        line_mm, lambda ends: np.concatenate([np.linspace(0, ends[apex], 4), np.linspace(ends[apex], ends[-1], 4)[1:]])
    )


def _cut(line_mm: np.ndarray, cuts_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    links = link_lengths(line_mm)
    ends = np.concatenate([[0.0], np.cumsum(links)])
    if ends[-1] <= 0:
        raise ValueError("line_mm must have a positive length to be cut into segments, got 0 mm")
    cuts = cuts_of(ends)
    overlap = np.minimum(ends[1:], cuts[1:, None]) - np.maximum(ends[:-1], cuts[:-1, None])  # (6, n_links)
    # Two points on one place make a link without length: it goes whole to the segment it lies in.
    segment = np.clip(np.searchsorted(cuts, ends[:-1], side="right") - 1, 0, N_SEGMENTS - 1)
    whole = np.arange(N_SEGMENTS)[:, None] == segment
    share = np.clip(overlap, 0, None) / np.where(links > 0, links, 1)
    weights = np.where(links > 0, share, whole)
    return weights / weights.sum(axis=0)


def label_weights(segment: Int[np.ndarray, " n_points"]) -> Float[np.ndarray, "6 n_links"]:
    """Share of each link in each segment from the labels of its two ends: 1, or half and half.

    Args:
        segment: Segment 0..5 of each point.

    Raises:
        ValueError: A label is outside 0..5, or a segment has no link.
    """
    segment = np.asarray(segment)
    if segment.size < 2 or segment.min() < 0 or segment.max() >= N_SEGMENTS:
        raise ValueError(f"segment must hold two or more values in 0..5, got {segment.tolist()}")
    member = np.arange(N_SEGMENTS)[:, None] == segment  # (6, n_points)
    weights = (member[:, :-1] + member[:, 1:].astype(np.float64)) / 2
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    if len(empty):
        raise ValueError(f"segment must give every segment 0..5 a point, got none for {empty.tolist()}")
    return weights


def local_strain(
    points_mm: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int
) -> Float[np.ndarray, "n_links n_frames"]:
    """Strain of every link, percent of its length at ED; the rows of a curved M-mode, base -> apex -> base.

    Raises:
        ValueError: A position is NaN, a link has no length at ED, or `ed_frame` is outside.

    Unit:
        percent of the link's length at ED

    Better:
        no direction (negative = shortening)

    Formula:
        e_j(t) = 100 (l_j(t) - l_j(ED)) / l_j(ED)

    Pitfalls:
        The shorter the links, the more percent an error of the same mm is worth.

    Known as:
        no other name in the papers read
    """
    points_mm = check_line(points_mm)
    return relative_change_percent(link_lengths(points_mm).T, ed_frame, "links")


CUT_RULES = {"equal_arcs": equal_arc_weights, "apical_thirds": apical_thirds_weights}
"""Where a line without labels is cut: six arcs of equal length, or each wall from base to apex in thirds. No vendor's rule is public."""
