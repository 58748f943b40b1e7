"""What is exactly known about a virtual recording: strain of the material centre line, and label masks."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from echotas.phantom.wall_shape import N_WALL
from echotas.records import StrainCurve

__all__ = ["annotated_labels", "true_strain"]

_SUBPIXEL_BITS = 4


def true_strain(
    midwall_mm: Float[np.ndarray, "n_frames n_points 2"],
    times_s: Float[np.ndarray, " n_frames"],
    es_frame: int,
) -> StrainCurve:
    """Strain of the material centre line against frame 0, globally and in six parts of equal arc at frame 0.

    A link that a limit cuts counts for both parts by its share, so the mean of the six curves, weighted by their
    length at frame 0, is the global curve exactly.
    """
    links = np.linalg.norm(np.diff(midwall_mm, axis=1), axis=2)
    ends = np.concatenate([[0.0], np.cumsum(links[0])])
    cuts = np.linspace(0, ends[-1], 7)
    overlap = np.minimum(ends[1:], cuts[1:, None]) - np.maximum(ends[:-1], cuts[:-1, None])
    lengths = np.clip(overlap, 0, None) / links[0] @ links.T
    total = links.sum(axis=1)
    return StrainCurve(
        times_s=times_s,
        global_percent=100 * (total / total[0] - 1),
        segment_percent=100 * (lengths / lengths[:, :1] - 1),
        ed_frame=0,
        es_frame=es_frame,
    )


def _fill(image: np.ndarray, outline_px: np.ndarray, value: int) -> None:
    points = np.round(outline_px * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(image, [points.reshape(-1, 1, 2)], value, shift=_SUBPIXEL_BITS)


def annotated_labels(
    mesh_px: Float[np.ndarray, "n_frames n_long n_rad 2"],
    shape: tuple[int, int],
    rng: np.random.Generator,
    noise_px: float = 1.6,
) -> UInt8[np.ndarray, "n_frames height width"]:
    """Masks of every frame as an annotator would draw them: 0 background, 1 LV cavity, 2 myocardium.

    Endocardium and epicardium are moved along the wall's normal by a process that is smooth along the arc and over the
    beat, and closes with it.

    Args:
        mesh_px: True mesh; the last frame repeats the first.
        shape: (height, width) of the image.
        rng: Random generator of the annotator.
        noise_px: SD of the contour error, px; 0 draws the truth.
    """
    n_frames, n_long = mesh_px.shape[:2]
    u = np.linspace(0, 1, n_long)
    kernel = np.exp(-0.5 * ((u[:, None] - u) / 0.12) ** 2) + 1e-6 * np.eye(n_long)
    root = np.linalg.cholesky(kernel)
    phase = 2 * np.pi * np.arange(n_frames) / (n_frames - 1)
    # A constant error and two harmonics of the beat: what a careful annotator gets wrong changes slowly.
    courses = np.stack([np.ones(n_frames), *(f(k * phase) for k in (1, 2) for f in (np.cos, np.sin))])
    strength = np.array([0.8, 0.35, 0.35, 0.25, 0.25])
    masks = np.zeros((n_frames, *shape), np.uint8)
    outlines = []
    for layer in (0, N_WALL - 1):
        white = rng.normal(size=(len(courses), n_long)) @ root.T
        error = noise_px * np.einsum("kt,k,kl->tl", courses, strength, white)
        outward = mesh_px[:, :, -1] - mesh_px[:, :, 0]
        outward = outward / np.linalg.norm(outward, axis=-1, keepdims=True)
        outlines.append(mesh_px[:, :, layer] + error[..., None] * outward)
    for mask, endo, epi in zip(masks, *outlines, strict=True):
        _fill(mask, np.concatenate([epi, endo[::-1]]), 2)
        _fill(mask, endo, 1)
    return masks
