"""How far paired values are shifted, without assuming a law: Hodges and Lehmann's estimate and its exact interval."""

import numpy as np
from jaxtyping import Float

__all__ = ["hodges_lehmann_interval", "hodges_lehmann_shift"]


def hodges_lehmann_shift(differences: Float[np.ndarray, " n_patients"]) -> float:
    """Median of the means of all pairs of differences (each with itself too): the shift the signed-rank test tests.

    Unit:
        that of the differences

    Better:
        no direction

    Formula:
        median of (d_i + d_j) / 2 over all i <= j

    Pitfalls:
        Neither the mean nor the median of the differences. One difference per patient; its sign is that of the
        differences passed in.

    Known as:
        no other name in the papers read
    """
    return float(np.median(_pair_means(differences)))


def hodges_lehmann_interval(
    differences: Float[np.ndarray, " n_patients"], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the shift that the signed-rank test would not reject.

    Args:
        differences: One per patient.
        confidence: Least coverage, 0-1.

    Returns:
        (low, high); NaN for fewer patients than can reach the confidence (six for 95 %).

    Raises:
        ValueError: No value, a NaN, not one per patient, or a confidence outside (0, 1).

    Unit:
        that of the differences

    Better:
        no direction

    Formula:
        (A_(c), A_(m + 1 - c)) of the m = n (n + 1) / 2 sorted means of pairs
        c = largest integer with P(W+ < c) <= (1 - confidence) / 2 under the exact law of the signed-rank sum

    Pitfalls:
        Covers at least what is asked for, often more: few patients allow few levels. Not the interval of the mean.

    Known as:
        no other name in the papers read

    References:
        Hollander and Wolfe 1999, section 3.3.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    means = np.sort(_pair_means(differences))
    n_patients = len(np.asarray(differences))
    # Number of ways to reach each signed-rank sum: every rank is in it or not.
    ways = np.ones(1)
    for rank in range(1, n_patients + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    below = np.cumsum(ways / ways.sum())  # below[c - 1] = P(W+ < c)
    c = int(np.searchsorted(below, (1 - confidence) / 2, side="right"))
    if c < 1:
        return float("nan"), float("nan")
    return float(means[c - 1]), float(means[len(means) - c])


def _pair_means(differences: np.ndarray) -> np.ndarray:
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 1 or not len(differences):
        raise ValueError(f"differences must hold one value per patient, got shape {differences.shape}")
    if not np.isfinite(differences).all():
        raise ValueError(f"differences must be finite, got {int((~np.isfinite(differences)).sum())} NaN or infinite")
    first, second = np.triu_indices(len(differences))
    return (differences[first] + differences[second]) / 2
