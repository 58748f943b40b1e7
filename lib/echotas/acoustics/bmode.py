"""IQ to grey levels: one reference level and one gain curve per cine, so that nothing flickers."""

import numpy as np
import torch
from jaxtyping import Complex, Float, UInt8

__all__ = ["reference_level", "tgc_curve", "to_bmode"]


def reference_level(iq: Complex[np.ndarray, "n_frames n_beams n_ranges"], quantile: float = 0.999) -> float:
    """Envelope amplitude that a cine shows as white: a high quantile over all its frames.

    A quantile rather than the maximum, so that one bright echo does not darken the cine.

    Args:
        iq: IQ of a whole cine.
        quantile: In (0, 1].

    Returns:
        Amplitude in the units of the IQ; 0 for a silent cine.

    Raises:
        ValueError: The quantile is out of range, or the IQ is empty or not finite.
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must be in (0, 1], got {quantile}")
    envelope = np.abs(np.asarray(iq)).ravel()
    if envelope.size == 0 or not np.isfinite(np.sum(envelope)):
        raise ValueError("iq must be finite and not empty")
    rank = max(0, int(np.ceil(quantile * envelope.size)) - 1)
    return float(np.partition(envelope, rank)[rank])


def to_bmode(
    iq: Complex[np.ndarray, "*batch n_beams n_ranges"], dynamic_range_db: float = 50, reference: float | None = None
) -> UInt8[np.ndarray, "*batch n_beams n_ranges"]:
    """Log-compressed grey levels, still in beams and ranges.

    Grey level = 255 (1 + 20 log10(|iq| / reference) / dynamic_range_db), clipped to 0..255 and rounded.

    Args:
        iq: IQ of a frame or a cine.
        dynamic_range_db: Range shown between black and white, dB.
        reference: Amplitude shown as white; `reference_level(iq)` if None. Give one value to all parts of a cine.

    Returns:
        u8 of the same shape; zeros if the cine is silent.

    Raises:
        ValueError: The dynamic range or the reference is not positive, or the IQ is not finite.
    """
    if not (np.isfinite(dynamic_range_db) and dynamic_range_db > 0):
        raise ValueError(f"dynamic_range_db must be positive, got {dynamic_range_db}")
    iq = np.asarray(iq)
    if reference is None:
        reference = reference_level(iq)
        if reference == 0:
            return np.zeros(iq.shape, np.uint8)
    if not (np.isfinite(reference) and reference > 0):
        raise ValueError(f"reference must be positive, got {reference}")
    if not np.isfinite(np.sum(iq)):
        raise ValueError("iq must be finite, got NaN or infinite values")
    power = (
        torch.view_as_real(torch.from_numpy(np.ascontiguousarray(iq, np.complex64)) / float(reference))
        .square_()
        .sum(-1)
    )
    decibel = power.clamp_(min=1e-30).log10_().mul_(10)
    grey = decibel.mul_(255 / dynamic_range_db).add_(255).clamp_(0, 255).round_()
    return grey.to(torch.uint8).numpy()


def tgc_curve(
    iq: Complex[np.ndarray, "n_frames n_beams n_ranges"], ranges_m: Float[np.ndarray, " n_ranges"], degree: int = 1
) -> Float[np.ndarray, " n_ranges"]:
    """Gain over range that flattens a cine's mean level; multiply the IQ by it.

    One curve for all frames and beams: the least-squares polynomial of the log mean envelope over range. Degree 1 is
    the exponential of a time-gain compensation; 2 or 3 also follow the focus.

    Args:
        iq: IQ of a whole cine.
        ranges_m: Ranges of the samples, m.
        degree: Degree of the polynomial, >= 0.

    Returns:
        Gain, float32, with geometric mean 1; ones for a silent cine.

    Raises:
        ValueError: The number of ranges differs, or the degree is negative.
    """
    if np.shape(ranges_m) != np.shape(iq)[-1:]:
        raise ValueError(f"ranges_m must have one value per range ({np.shape(iq)[-1]}), got {np.shape(ranges_m)}")
    if degree < 0:
        raise ValueError(f"degree must not be negative, got {degree}")
    level = np.abs(np.asarray(iq)).mean(axis=tuple(range(np.ndim(iq) - 1)), dtype=np.float64)
    audible = level > 1e-6 * level.max()
    if audible.sum() <= degree:
        return np.ones(len(level), np.float32)
    fit = np.polynomial.Polynomial.fit(np.asarray(ranges_m)[audible], np.log(level[audible]), degree)
    log_gain = -fit(np.asarray(ranges_m))
    return np.exp(log_gain - log_gain.mean()).astype(np.float32)
