"""What every reader needs to turn decoded pixels into a cine: grey levels, times, and checks that name the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from echotas.readers.errors import ReaderError
from echotas.records import Cine, View, check_spacing

__all__ = ["build_cine", "coloured_share", "grey_from_rgb", "grey_levels", "times_from_rate"]

COLOUR_DIFFERENCE = 32
"""Largest minus smallest of R, G, B above which a pixel counts as coloured; chroma subsampling and tinted grey maps
of grey cines stay below it (3 in the mp4 cines looked at)."""

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Luminance of R, G, B (ITU-R BT.601, the matrix of JPEG and of standard-definition video)."""


def build_cine(path: str | Path, *, spacing_mm: Any, view: Any, **fields: Any) -> Cine:
    """A `Cine` whose rule breaks are reported with the file's name.

    Args:
        path: File the pixels come from.
        spacing_mm: (dx, dy) in mm, or one number for square pixels, or None.
        view: A `View` or its name; None means other.
        fields: The remaining fields of `Cine`.

    Raises:
        ReaderError: A field breaks a rule of `Cine`.
    """
    try:
        if spacing_mm is not None:
            spacing_mm = check_spacing((spacing_mm, spacing_mm) if np.ndim(spacing_mm) == 0 else spacing_mm)
        return Cine(spacing_mm=spacing_mm, view=View.OTHER if view is None else View(view), **fields)
    except (ValueError, TypeError) as error:
        raise ReaderError(path, str(error)) from error


def times_from_rate(path: str | Path, n_frames: int, frame_rate: float) -> np.ndarray:
    """Frame times in s, (n_frames,), from a constant rate in Hz.

    Raises:
        ReaderError: The rate is not a positive finite number.
    """
    if not np.isfinite(frame_rate) or frame_rate <= 0:
        raise ReaderError(path, f"frame_rate must be a positive number of frames per second, got {frame_rate}")
    return np.arange(n_frames) / float(frame_rate)


def grey_levels(path: str | Path, values: np.ndarray) -> np.ndarray:
    """Stored values as u8 grey levels, unchanged where they already are 0..255.

    Floating-point copies of 8-bit images are rounded. Wider integers (16-bit exports) are not rescaled silently.

    Raises:
        ReaderError: A value is NaN or infinite, or lies outside 0..255.
    """
    values = np.asarray(values)
    if values.dtype == np.uint8:
        return values
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ReaderError(path, f"grey levels must be finite, got {bad} NaN or infinite values")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low < -0.5 or high > 255.5:
        raise ReaderError(path, f"grey levels must lie in 0..255, got {low:g}..{high:g}")
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def grey_from_rgb(rgb: np.ndarray) -> np.ndarray:
    """Luminance, u8 (..., height, width), of u8 (..., height, width, 3); R = G = B passes through unchanged."""
    weighted = sum(weight * rgb[..., index].astype(np.float32) for index, weight in enumerate(LUMA_WEIGHTS))
    return np.rint(weighted).astype(np.uint8)


def coloured_share(frames_rgb: Sequence[np.ndarray] | np.ndarray) -> float:
    """Share of coloured pixels, 0..1, among u8 (..., height, width, 3): overlays, colour flow, tinted maps."""
    rgb = np.asarray(frames_rgb)
    difference = rgb.max(-1).astype(np.int16) - rgb.min(-1)
    return float((difference > COLOUR_DIFFERENCE).mean())
