"""A second pair of eyes: what an expert's semi-automatic reading of a cine adds to the truth.

Model of the virtual-patient numbers, section 9: the contour lies off the centre line (Gaussian process along the arc),
its ends off the hinges; end-systole is picked a frame early or late; a regularised tracker follows the tissue, too
smoothly and with error; drift is taken out; badly seen segments are rejected.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from echotas.geometry.segments import segment_of_arc
from echotas.phantom.anatomy import MIDWALL_NODES, Section
from echotas.phantom.kinematics import WallMotion, material_positions
from echotas.phantom.surroundings import N_CAVITY, N_EXTENSION
from echotas.phantom.views import ViewPose
from echotas.phantom.wall_shape import N_WALL
from echotas.records import Reading

__all__ = ["N_LINE", "ObserverModel", "read_cine", "reading_px"]

REJECT_COHERENCE = 0.1
"""A segment whose speckle correlates so much less than the cine's middle segment is rejected e times as often."""
N_LINE = 73
"""Points of an observer's line, about 2.5 mm apart."""


@dataclass(frozen=True)
class ObserverModel:
    """Sizes of an observer's errors (SD unless noted)."""

    offset_mm: float = 1.2
    """Contour against the centre line, a Gaussian process along the arc."""
    offset_length_mm: float = 25.0
    """Its length scale."""
    shift_mm: float = 0.8
    """Constant part of the offset."""
    hinge_mm: float = 2.5
    """Shift of each end along the wall."""
    apex_mm: float = 3.0
    """Shift of the apex: of the division between the walls, and a third of it outward."""
    es_step_probability: float = 0.5
    """Chance that end-systole is picked one frame early or late."""
    kernel_mm: float = 15.0
    """Smoothing of the tracker along the wall, full width at half maximum."""
    kernel_frames: float = 0.8
    """Smoothing of the tracker in time, SD in frames."""
    shrink: tuple[float, float] = (0.9, 1.0)
    """Range of the factor by which the tracker shortens displacements."""
    noise_mm: float = 0.55
    """Tracking error of a point far from the start frame."""
    gain_percent: float = 7.0
    """Relative error of the tracked deformation as a whole, own to the reading."""
    image_gain_percent: float = 6.0
    """The same, common to all readings of a recording: its speckle misleads every tracker alike."""
    drift_percent: float = 2.0
    """Drift over the beat before compensation, percent of length."""
    reject: tuple[float, float, float] = (0.06, 0.13, 0.22)
    """Chance to reject a segment in good, medium and poor images."""

    def __post_init__(self) -> None:
        for name in (
            "offset_mm",
            "shift_mm",
            "hinge_mm",
            "apex_mm",
            "noise_mm",
            "gain_percent",
            "image_gain_percent",
            "drift_percent",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("offset_length_mm", "kernel_mm", "kernel_frames"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


def _process(rng: np.random.Generator, place_mm: np.ndarray, length_mm: float, n: int = 1) -> Float[np.ndarray, "n p"]:
    """Unit-variance Gaussian processes with a squared-exponential kernel."""
    kernel = np.exp(-0.5 * ((place_mm[:, None] - place_mm) / length_mm) ** 2) + 1e-6 * np.eye(len(place_mm))
    return rng.normal(size=(n, len(place_mm))) @ np.linalg.cholesky(kernel).T


def read_cine(
    motion: WallMotion,
    section: Section,
    pose: ViewPose,
    observer: str,
    quality: str,
    rng: np.random.Generator,
    model: ObserverModel | None = None,
    image_error: float = 0.0,
    segment_coherence: Float[np.ndarray, "6"] | None = None,
) -> Reading:
    """One observer's reading.

    Args:
        motion: The moving section; its last time repeats the first.
        section: The section at end-diastole.
        pose: Where it lies in the image.
        observer: Name of the observer.
        quality: "good", "medium" or "poor"; sets the chance of rejecting segments.
        rng: Random generator of this reading.
        model: Error sizes; the documented ones if None.
        image_error: Standard normal score of this recording's own error, the same for all its observers.
        segment_coherence: How well the speckle of each segment can be followed, 0..1: what stands out as worse than the
            rest of the cine is rejected more often. All alike if None.

    Returns:
        The reading, its line in **mm** (lateral, depth); `reading_px` puts it into an image.

    Raises:
        ValueError: The quality is unknown.
    """
    model = model or ObserverModel()
    if quality not in ("good", "medium", "poor"):
        raise ValueError(f"quality must be good, medium or poor, got {quality!r}")
    n_frames = len(motion.grid_mm)
    step = 1 if rng.random() < 0.5 else -1
    moved = step if rng.random() < model.es_step_probability else 0
    es_frame = int(np.clip(motion.es_index + moved, 1, n_frames - 2))

    # Where the observer draws, in material coordinates.
    u = np.linspace(0, 1, N_LINE)
    place = u * (MIDWALL_NODES - 1) * section.step_mm
    ends = np.clip(rng.normal(size=2), -2.2, 2.2) * model.hinge_mm / section.step_mm
    apex = float(np.clip(rng.normal(), -2.2, 2.2)) * model.apex_mm
    start, stop = N_EXTENSION + ends[0], N_EXTENSION + MIDWALL_NODES - 1 + ends[1]
    along = start + (stop - start) * u + (apex / section.step_mm) * 4 * u * (1 - u)
    at_apex = np.exp(-0.5 * ((u - 0.5) / 0.1) ** 2)
    offset = model.offset_mm * _process(rng, place, model.offset_length_mm)[0]
    offset = offset + rng.normal() * model.shift_mm + rng.normal() * model.apex_mm / 3 * at_apex
    thickness = np.interp(u, np.linspace(0, 1, MIDWALL_NODES), section.thickness_mm)
    layer = 0.5 * (N_WALL - 1) + np.clip(offset / thickness * (N_WALL - 1), -2.2, 2.2)
    rho, _, zeta = material_positions(motion, along, N_CAVITY + layer, np.zeros(N_LINE))
    line = np.stack(pose.to_image(section, rho, zeta), axis=-1)

    # What the tracker makes of it, from the observer's end-systole on.
    moved_mm = line - line[es_frame]
    sigma = model.kernel_mm / 2.355 / (place[1] - place[0])
    if sigma > 0.3:  # narrower kernels do not reach the next point
        moved_mm = _smooth_along(moved_mm, sigma)
    beat = gaussian_filter1d(moved_mm[:-1], model.kernel_frames, axis=0, mode="wrap")
    moved_mm = np.concatenate([beat, beat[:1]]) - beat[es_frame]
    shrink = rng.uniform(*model.shrink)
    own = model.gain_percent * float(np.clip(rng.normal(), -2.5, 2.5))
    gain = 1 + 0.01 * (own + model.image_gain_percent * float(np.clip(image_error, -2.5, 2.5)))
    common = moved_mm.mean(axis=1, keepdims=True)
    moved_mm = common + shrink * gain / np.mean(model.shrink) * (moved_mm - common)
    away = np.abs(np.arange(n_frames) - es_frame)
    walk = np.stack([_process(rng, np.arange(n_frames) * 1.0, 6.0, 8) for _ in range(2)], axis=-1)
    shapes = _process(rng, place, 20.0, 8)
    error = np.einsum("kta,kp->tpa", walk - walk[:, [es_frame]], shapes) / np.sqrt(8)
    moved_mm = moved_mm + model.noise_mm * (1 - np.exp(-away / 4))[:, None, None] * error
    drift = 0.01 * model.drift_percent * rng.normal() * (np.arange(n_frames) - es_frame) / (n_frames - 1)
    moved_mm = moved_mm + drift[:, None, None] * (line[es_frame] - line[es_frame].mean(axis=0))
    # Drift compensation: what does not close is spread linearly over the beat.
    closing = moved_mm[-1] - moved_mm[0]
    share = (np.arange(n_frames) - es_frame) / (n_frames - 1)
    tracked = line[es_frame] + moved_mm - share[:, None, None] * closing

    chance = model.reject[("good", "medium", "poor").index(quality)]
    # Base and apex are lost more often than the middle.
    weight = np.array([1.2, 0.6, 1.2, 1.2, 0.6, 1.2])
    if segment_coherence is not None:
        seen = np.asarray(segment_coherence, dtype=float)
        weight = weight * np.clip(np.exp((np.median(seen) - seen) / REJECT_COHERENCE), 0.3, 4.0)
    return Reading(
        line_px=tracked,
        segment=segment_of_arc(tracked[0]),
        accepted=rng.random(6) >= chance * weight,
        observer=observer,
        ed_frame=0,
        es_frame=es_frame,
    )


def _smooth_along(moved_mm: Float[np.ndarray, "n_frames n_points 2"], sigma: float) -> np.ndarray:
    """Local-linear Gaussian smoothing along the line: a uniform stretch passes unchanged."""
    place = np.arange(moved_mm.shape[1], dtype=float)
    weight = np.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2)
    s0, s1 = weight.sum(1), (weight * (place - place[:, None])).sum(1)
    s2 = (weight * (place - place[:, None]) ** 2).sum(1)
    operator = weight * (s2[:, None] - s1[:, None] * (place - place[:, None])) / (s0 * s2 - s1**2)[:, None]
    return np.einsum("pq,tqa->tpa", operator, moved_mm)


def reading_px(reading: Reading, spacing_mm: tuple[float, float], width: int) -> Reading:
    """A reading given in mm, put into an image of this width whose probe centre is at column (width - 1) / 2, row 0."""
    return Reading(
        line_px=reading.line_px / np.asarray(spacing_mm) + np.array([(width - 1) / 2, 0.0]),
        segment=reading.segment,
        accepted=reading.accepted,
        observer=reading.observer,
        ed_frame=reading.ed_frame,
        es_frame=reading.es_frame,
    )
