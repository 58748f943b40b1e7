"""Checks on scatterers, shared by every engine."""

import numpy as np

__all__ = ["check_frames", "check_scatterers"]


def check_scatterers(positions_m: np.ndarray, reflectivity: np.ndarray) -> None:
    """Raise `ValueError` unless positions are finite and in front of the array, and reflectivities finite and real."""
    if positions_m.shape[-1:] != (3,):
        raise ValueError(f"positions_m must have a last axis of 3 (x, y, z), got shape {positions_m.shape}")
    if np.iscomplexobj(reflectivity):
        raise ValueError("reflectivity must be real, got complex values")
    # A sum is NaN or infinite as soon as one term is, and costs a fraction of a full isfinite().
    if not np.isfinite(np.sum(positions_m)):
        raise ValueError("positions_m must be finite, got NaN or infinite values")
    if not np.isfinite(np.sum(reflectivity)):
        raise ValueError("reflectivity must be finite, got NaN or infinite values")
    shallowest = positions_m[..., 2].min() if positions_m.size else np.inf
    if not shallowest > 0:
        raise ValueError(f"positions_m must lie in front of the array (depth z > 0), got z = {shallowest:.6g} m")


def check_frames(positions_m: np.ndarray, reflectivity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n_frames or 1, n, 3) and reflectivities (n_frames or 1, n) that broadcast over frames.

    Args:
        positions_m: (n_frames, n, 3) of moving or (n, 3) of static scatterers, m.
        reflectivity: (n_frames, n), or (n,) if constant.

    Raises:
        ValueError: A shape does not fit, a value is not finite, or a scatterer is not in front of the array.
    """
    positions, weights = np.asarray(positions_m), np.asarray(reflectivity)
    if positions.ndim not in (2, 3) or positions.shape[-1] != 3:
        raise ValueError(f"positions_m must be (n_frames, n, 3) or (n, 3), got shape {positions.shape}")
    if weights.ndim not in (1, 2) or weights.shape[-1] != positions.shape[-2]:
        raise ValueError(
            f"reflectivity must be (n_frames, n = {positions.shape[-2]}) or (n,), got shape {weights.shape}"
        )
    if positions.ndim == 3 and weights.ndim == 2 and len(positions) != len(weights):
        raise ValueError(f"reflectivity must have as many frames as positions_m ({len(positions)}), got {len(weights)}")
    check_scatterers(positions, weights)
    return positions[None] if positions.ndim == 2 else positions, weights[None] if weights.ndim == 1 else weights
