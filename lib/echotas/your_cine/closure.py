"""How far a beat closes: what is left of motion and of strain at its end, where the wall should be back at its start."""

import numpy as np
from jaxtyping import Float

from echotas.geometry.segments import N_SEGMENTS
from echotas.strain import link_lengths

__all__ = ["STRETCHES_PER_SEGMENT", "closure_distance", "local_drift_percent"]

STRETCHES_PER_SEGMENT = 3
"""A mid-wall line of 180 to 240 mm in six segments: a third of one is 10 to 13 mm of wall, with or without a pixel size."""


def closure_distance(points: Float[np.ndarray, "n_frames n_long n_rad 2"], ed_frame: int, end_frame: int) -> float:
    """Mean distance of all nodes between ED and the end of the beat, in their unit."""
    return float(np.linalg.norm(points[end_frame] - points[ed_frame], axis=-1).mean())


def local_drift_percent(
    line: Float[np.ndarray, "n_frames n_points 2"], ed_frame: int, end_frame: int
) -> Float[np.ndarray, " n_stretches"]:
    """Strain left at the end of the beat in each third of a segment, percent of its length at ED.

    Args:
        line: Tracked line, base -> apex -> base, in any unit with square pixels.
        ed_frame: Frame of zero strain, where the line is cut into equal arcs, as `strain.strain_curve` cuts its segments.
        end_frame: Next end-diastole.

    Returns:
        (18,), base -> apex -> base; stretch i lies in segment i // 3. 0 where the beat closes.
    """
    links = link_lengths(np.asarray(line)[[ed_frame, end_frame]])
    along = np.concatenate([np.zeros((2, 1)), np.cumsum(links, axis=1)], axis=1)
    cuts = np.linspace(0, along[0, -1], STRETCHES_PER_SEGMENT * N_SEGMENTS + 1)
    # The tissue at a cut is a fixed share of its link: where a link ends up at the end of the beat, the cut does too.
    at_ed, at_end = np.diff(cuts), np.diff(np.interp(cuts, along[0], along[1]))
    return 100 * (at_end / at_ed - 1)
