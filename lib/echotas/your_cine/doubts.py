"""What to doubt about an analysed cine, one sentence each: reading, timing, and where the tracking looks wrong."""

from typing import TYPE_CHECKING

import numpy as np

from echotas.geometry import inside
from echotas.your_cine.closure import STRETCHES_PER_SEGMENT

if TYPE_CHECKING:
    from echotas.your_cine.result import CineAnalysis

__all__ = ["NOMINAL_WALL_MM", "doubts"]

NOMINAL_WALL_MM = 10.0
"""Thickness that the drawn wall is taken to have when a tracker must size its windows and the pixel size is unknown;
the wall at ES of an adult is about 9 to 14 mm. It scales search windows only, never a result."""
_LOW_CONFIDENCE = 0.5
_STRETCH_PERCENT = 5.0
"""Lengthening at ES above which a segment is named: wall that lengthens in systole is infarcted or badly tracked."""
_SHORTENING_PERCENT = -40.0
"""Shortening at ES beyond which a segment is named: healthy segments reach about -30 %."""
_SLOW_HZ = 40.0
"""Lowest frame rate that speckle tracking of a heart at rest is recommended for (Voigt et al., J Am Soc Echocardiogr
2015)."""
_LARGE_DRIFT_PERCENT = 5.0
"""Strain left at the end of the beat that is more than the 1 to 5 % per beat of routine clinical exports; for segments
and ~10 mm of wall too, where half a millimetre is as much."""


def doubts(result: "CineAnalysis") -> list[str]:
    """Sentences in the order reading, timing, tracking; empty if nothing stands out. Rejected segments are not judged."""
    cine, found = result.cine, list(result.cine.meta.get("warnings") or [])
    if cine.spacing_mm is None:
        found.append(
            "pixel size unknown: pixels are taken as square, strain only, no millimetres "
            f"(the tracker's windows take the wall as {NOMINAL_WALL_MM:.0f} mm thick)"
        )
    if cine.meta.get("frame_rate_source") == "container":
        found.append(f"times are those of the video player ({cine.frame_rate:.1f} frames/s), not of the scanner")
    elif round(cine.frame_rate) < _SLOW_HZ:
        found.append(
            f"{cine.frame_rate:.0f} frames/s are few for speckle tracking ({_SLOW_HZ:.0f} or more are recommended)"
        )
    if result.es_frame == cine.n_frames - 1:
        found.append("ES is the last frame of the cine: if systole goes on, shortening is underestimated")
    if result.ed_source == "longest line":
        found.append(f"ED was not given: frame {result.ed_frame}, where the tracked line before ES is longest")
    if result.end_frame is None:
        found.append(
            "the end of the beat was not given: nothing is said about drift, "
            "and the peak is taken over all later frames"
        )
    elif abs(result.drift_percent) > _LARGE_DRIFT_PERCENT:
        found.append(
            f"the line differs by {result.drift_percent:+.1f} % between start and end of the beat: tracking drifts"
        )
    segments = zip(
        result.segment_names, result.segment_es_percent, result.segment_confidence, result.accepted, strict=True
    )
    for name, strain, confidence, accepted in segments:
        if not accepted:
            continue
        if not _SHORTENING_PERCENT <= strain <= _STRETCH_PERCENT:
            change = "lengthens" if strain > 0 else "shortens"
            found.append(f"{name} {change} by {abs(strain):.0f} % at ES: look at the overlay before believing it")
        if confidence < _LOW_CONFIDENCE:
            found.append(f"{name} has a mean confidence of {confidence:.2f}")
    found += _not_closing(result)
    if result.folded_share > 0:
        found.append(f"{100 * result.folded_share:.1f} % of the mesh triangles turn over")
    height, width = cine.frames.shape[1:]
    points = result.mesh.points_px
    outside = (points < -0.5).any(-1) | (points > np.array([width, height]) - 0.5).any(-1)
    if cine.sector is not None:
        outside |= ~inside(cine.sector, points)
    if outside.any():
        found.append(f"{100 * outside.mean():.0f} % of the node positions lie outside the scanned sector")
    return found


def _not_closing(result: "CineAnalysis") -> list[str]:
    """The accepted segments whose strain does not return at the end of the beat, and the worst ~10 mm of wall in them."""
    if result.end_frame is None:
        return []
    segments = zip(result.segment_names, result.segment_drift_percent, result.accepted, strict=True)
    left = [(name, f"{drift:+.0f} %") for name, drift, kept in segments if kept and abs(drift) > _LARGE_DRIFT_PERCENT]
    found = []
    if len(left) == 1:
        found.append(f"{left[0][0]} does not close: {left[0][1]} at the end of the beat")
    elif left:
        listed = ", ".join(" ".join(item) for item in left)
        found.append(f"{len(left)} segments do not close at the end of the beat: {listed}")
    local = np.where(np.repeat(result.accepted, STRETCHES_PER_SEGMENT), result.local_drift_percent, 0.0)
    n_open = int((np.abs(local) > _LARGE_DRIFT_PERCENT).sum())
    if n_open:
        worst = int(np.abs(local).argmax())
        found.append(
            f"{n_open} of {len(local)} stretches of about 10 mm do not close: up to {local[worst]:+.0f} % at the end of "
            f"the beat, in the {result.segment_names[worst // STRETCHES_PER_SEGMENT]} segment"
        )
    return found
