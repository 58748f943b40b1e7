"""From one cine and one drawn wall line to tracked mesh and strain.

A mesh is laid around the drawn mid-wall line, its nodes are followed through the cine, and the length of the tracked
mid-wall line gives strain. Strain is a ratio, so it needs no pixel size while pixels are square; every millimetre does.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from echotas.geometry import (
    check_orientation,
    inside,
    mesh_uv,
    radial_mesh,
    require_inside,
    segment_of_arc,
    signed_areas,
)
from echotas.readers.contour import Contour
from echotas.records import Cine, Mesh, Tracks
from echotas.strain import compensate_drift, gls, midwall_error_mm, strain_curve, strain_error_percent
from echotas.strain.regional import segment_weights
from echotas.trackers import Tracker, create
from echotas.your_cine.closure import closure_distance
from echotas.your_cine.doubts import NOMINAL_WALL_MM
from echotas.your_cine.result import CineAnalysis
from echotas.your_cine.segments import names_of

__all__ = ["analyse", "check_contour"]

LARGEST_SHARE_OUTSIDE = 0.25
"""Share of a line that may lie outside the sector: a wall cut by the sector's side is common and is told as a doubt;
a line with more outside belongs to another picture."""


def analyse(
    cine: Cine,
    centre_line_px: Float[np.ndarray, "n_points 2"],
    es_frame: int | None,
    tracker: str | Tracker = "tas_net_released",
    *,
    wall_thickness_mm: float | None = None,
    wall_thickness_px: float | None = None,
    contour_frame: int | None = None,
    ed_frame: int | None = None,
    end_frame: int | None = None,
    accepted: np.ndarray | None = None,
    n_long: int = 36,
    n_rad: int = 5,
    **tracker_config: Any,
) -> CineAnalysis:
    """Track a wall through a cine and measure its longitudinal strain.

    ED is, in this order: `ed_frame`; the cine's own, if before ES; the last R wave before ES; the frame before ES with
    the longest tracked line. The end of the beat is `end_frame`; the cine's `meta["cycle_end_frame"]`; the next R wave;
    else unknown, and then nothing is said about drift and closure.

    Args:
        cine: The loop.
        centre_line_px: Mid-wall line in `contour_frame`, base -> apex -> base, left image wall first, px.
        es_frame: End-systole; if None, the frame of the line where `contour_frame` is given, else the cine's own.
        tracker: Name for `trackers.create`, or a tracker.
        wall_thickness_mm: Thickness of the wall at `contour_frame`; exactly one of the two thicknesses is needed.
        wall_thickness_px: The same in px, for a cine without spacing.
        contour_frame: Frame of the line; `es_frame`, if None.
        ed_frame: Frame of zero strain.
        end_frame: Next end-diastole.
        accepted: Segments that enter the global curve, bool (6,), e.g. of `accepted_segments`; all, if None.
        n_long: Nodes along the wall.
        n_rad: Nodes across it.
        tracker_config: Passed to `trackers.create`.

    Raises:
        ValueError: A frame is outside the cine or out of order, the line is outside the image or sector or runs the
            wrong way, the thickness is missing, given twice, or in mm without a spacing, pixels are not square and the
            spacing unknown.
    """
    es_frame, es_source = _es_frame(cine, es_frame, contour_frame)
    contour_frame = es_frame if contour_frame is None else contour_frame
    contour = check_contour(centre_line_px, cine, contour_frame)
    end_frame = _end_frame(cine, end_frame, es_frame)
    if ed_frame is not None:
        _check_frame("ed_frame", ed_frame, cine.n_frames)
        if ed_frame >= es_frame:
            raise ValueError(f"ed_frame must come before es_frame {es_frame}, got {ed_frame}")
    accepted = np.ones(6, dtype=bool) if accepted is None else np.asarray(accepted, dtype=bool)
    scale = _scale(cine)
    mesh_query = _mesh(contour, cine, scale, wall_thickness_mm, wall_thickness_px, n_long, n_rad)

    if isinstance(tracker, str):
        tracker = create(tracker, **tracker_config)
    elif tracker_config:
        raise ValueError(f"tracker_config must be empty when tracker is an object, got {sorted(tracker_config)}")
    sized = _for_tracker(cine, wall_thickness_px)
    tracks = tracker.track(sized, mesh_query.reshape(-1, 2), contour_frame, mesh_uv(n_long, n_rad))
    mesh = Mesh(tracks.points_px.reshape(cine.n_frames, n_long, n_rad, 2))
    confidence = tracks.confidence.reshape(cine.n_frames, n_long, n_rad)

    # Lengths are in mm or, without a spacing, in px: strain is their ratio and does not see the difference.
    line = mesh.midwall_px * scale
    ed_frame, ed_source = _ed_frame(cine, line, ed_frame, es_frame)
    strain = strain_curve(line, cine.times_s, ed_frame, es_frame, accepted=None if accepted.all() else accepted)
    curve = strain.global_percent
    without_drift = drift = closure = None
    if end_frame is not None:
        compensated = compensate_drift(curve, ed_frame, end_frame)
        drift = compensated.drift
        without_drift = gls(compensated.values, ed_frame, es_frame, end_frame)
        closure = closure_distance(mesh.points_px, ed_frame, end_frame)
    segment = segment_of_arc(line[contour_frame])
    return CineAnalysis(
        cine=cine,
        tracker=tracker.name,
        contour=contour,
        mesh=mesh,
        confidence=confidence,
        strain=strain,
        global_strain=gls(curve, ed_frame, es_frame, end_frame),
        global_strain_without_drift=without_drift,
        segment_names=names_of(cine.view),
        segment=segment,
        segment_confidence_curve=np.stack([confidence[:, segment == index].mean((1, 2)) for index in range(6)]),
        accepted=accepted,
        ed_frame=ed_frame,
        ed_source=ed_source,
        es_frame=es_frame,
        es_source=es_source,
        end_frame=end_frame,
        drift_percent=drift,
        closure_px=closure,
        folded_share=_folded_share(mesh, contour_frame),
        strain_error_percent=_strain_error(tracks, mesh, sized, tracker.error_length, ed_frame, es_frame, accepted),
    )


def _strain_error(
    tracks: Tracks, mesh: Mesh, cine: Cine, length: float | None, ed_frame: int, es_frame: int, accepted: np.ndarray
) -> np.ndarray | None:
    if tracks.error_mm is None or length is None:
        return None
    line = mesh.midwall_px * np.array(cine.spacing_mm)
    error = midwall_error_mm(tracks.error_mm, *mesh.points_px.shape[1:3])
    six = segment_weights(line, ed_frame, None)
    weights = np.concatenate([six[accepted].sum(0, keepdims=True), six])
    return strain_error_percent(line, error, ed_frame, length, weights)[:, es_frame]


def check_contour(line_px: np.ndarray, cine: Cine, frame: int) -> Contour:
    """The line as a `Contour` of this cine.

    Raises:
        ValueError: Fewer than 4 points, NaN, a frame outside the cine, points outside the image, more than a
            quarter of them outside the scanned sector (if known), or a line that does not run base -> apex -> base
            from the left image wall.
    """
    _check_frame("contour_frame", frame, cine.n_frames)
    contour = Contour(line_px, frame)
    height, width = cine.frames.shape[1:]
    line = contour.line_px
    outside = ((line < -0.5) | (line > np.array([width, height]) - 0.5)).any(1)
    if outside.any():
        worst = line[outside][0]
        raise ValueError(
            f"centre_line_px must lie inside the {width} x {height} px image, got {int(outside.sum())} points outside, "
            f"e.g. ({worst[0]:.1f}, {worst[1]:.1f})"
        )
    if cine.sector is not None and (~inside(cine.sector, line)).mean() > LARGEST_SHARE_OUTSIDE:
        require_inside(cine.sector, line, "centre_line_px")
    check_orientation(line, "centre_line_px")
    return contour


def _check_frame(name: str, frame: int, n_frames: int) -> None:
    if isinstance(frame, bool) or not isinstance(frame, int | np.integer) or not 0 <= frame < n_frames:
        raise ValueError(f"{name} must be a frame in 0..{n_frames - 1}, got {frame!r}")


def _scale(cine: Cine) -> np.ndarray:
    """Factor (x, y) that makes px lengths comparable in all directions: mm per px, or 1 for square pixels."""
    if cine.spacing_mm is not None:
        return np.asarray(cine.spacing_mm)
    if cine.meta.get("square_pixels", True):
        return np.ones(2)
    aspect = cine.meta.get("pixel_aspect")
    raise ValueError(
        "spacing_mm must be known where pixels are not square, even for strain"
        + (f", got none and a pixel aspect dx / dy of {aspect:.3f}" if aspect else ", got none")
    )


def _mesh(contour, cine, scale, thickness_mm, thickness_px, n_long, n_rad) -> np.ndarray:
    if (thickness_mm is None) == (thickness_px is None):
        raise ValueError(
            "exactly one of wall_thickness_mm and wall_thickness_px must be given, "
            f"got {thickness_mm} and {thickness_px}"
        )
    if thickness_mm is not None and cine.spacing_mm is None:
        raise ValueError(f"spacing unknown: wall_thickness_mm {thickness_mm} needs it, give wall_thickness_px instead")
    # In the scaled plane pixels are square, so that rays leave the line at right angles in the body, not on the screen.
    thickness = thickness_mm if thickness_mm is not None else thickness_px * float(np.sqrt(scale.prod()))
    mesh = radial_mesh(contour.line_px * scale, thickness, n_long, n_rad) / scale
    height, width = cine.frames.shape[1:]
    outside = int(((mesh < -0.5) | (mesh > np.array([width, height]) - 0.5)).any(-1).sum())
    if outside:
        raise ValueError(
            f"the wall must lie inside the {width} x {height} px image, got {outside} of {n_long * n_rad} mesh nodes "
            "outside: the wall is too thick or the line too near the border"
        )
    return mesh


def _for_tracker(cine: Cine, wall_thickness_px: float | None) -> Cine:
    """The cine as the tracker sees it: with a nominal pixel size if the true one is unknown."""
    if cine.spacing_mm is not None:
        return cine
    nominal = NOMINAL_WALL_MM / float(wall_thickness_px)
    return replace(
        cine, spacing_mm=(nominal, nominal), meta={**cine.meta, "spacing_source": "nominal, for windows only"}
    )


def _es_frame(cine: Cine, given: int | None, contour_frame: int | None) -> tuple[int, str]:
    sources = {"given": given, "drawn line": contour_frame, "file": cine.es_frame}
    source = next((name for name, frame in sources.items() if frame is not None), None)
    if source is None:
        raise ValueError("es_frame must be given, the cine does not state one")
    _check_frame("contour_frame" if source == "drawn line" else "es_frame", sources[source], cine.n_frames)
    return int(sources[source]), source


def _ed_frame(cine: Cine, line: np.ndarray, given: int | None, es_frame: int) -> tuple[int, str]:
    if given is not None:
        return int(given), "given"
    if cine.ed_frame is not None and cine.ed_frame < es_frame:
        return cine.ed_frame, "file"
    waves = [frame for frame in cine.meta.get("r_wave_frames") or [] if frame < es_frame]
    if waves:
        return max(waves), "R wave"
    if es_frame == 0:
        raise ValueError("es_frame must come after end-diastole, got the first frame of the cine")
    length = np.linalg.norm(np.diff(line[:es_frame], axis=1), axis=-1).sum(-1)
    return int(length.argmax()), "longest line"


def _end_frame(cine: Cine, given: int | None, es_frame: int) -> int | None:
    if given is None:
        later = [frame for frame in cine.meta.get("r_wave_frames") or [] if frame > es_frame]
        given = cine.meta.get("cycle_end_frame", min(later, default=None))
    if given is not None:
        _check_frame("end_frame", given, cine.n_frames)
        if given <= es_frame:
            raise ValueError(f"end_frame must come after es_frame {es_frame}, got {given}")
    return given


def _folded_share(mesh: Mesh, reference_frame: int) -> float:
    areas = signed_areas(mesh.points_px)
    return float((areas * np.sign(areas[reference_frame]) <= 0).mean())
