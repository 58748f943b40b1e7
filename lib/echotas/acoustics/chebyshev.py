"""Interpolation between Chebyshev nodes, which converges faster than any power for smooth functions."""

import numpy as np
from jaxtyping import Float

__all__ = ["chebyshev_nodes", "interpolation_weights"]


def chebyshev_nodes(count: int) -> Float[np.ndarray, " count"]:
    """Zeros of the Chebyshev polynomial of degree `count`, in -1..1, falling."""
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def interpolation_weights(unit: Float[np.ndarray, "*shape"], count: int) -> Float[np.ndarray, "*shape count"]:
    """What the value at each of `chebyshev_nodes(count)` contributes to the interpolant at points in -1..1."""
    degree = np.arange(count)
    to_coefficients = np.cos(degree[:, None] * np.pi * (degree + 0.5) / count) * (2 - (degree[:, None] == 0)) / count
    return np.polynomial.chebyshev.chebvander(unit, count - 1) @ to_coefficients
