"""How often each patient is drawn: bootstrap resamples as counts, for statistics that are sums over patients.

A statistic made of sums over patients needs no copies of rows: the sums are weighted by how often each patient was drawn.
The draws are those of `cluster_bootstrap` from the same generator state.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

__all__ = ["check_resampling", "draw_counts", "percentile_ends"]

# Resamples handled together: small enough for the processor's cache, large enough to hide the loop.
CHUNK = 32


def draw_counts(
    n_clusters: int, n_resamples: int, rng: np.random.Generator, chunk: int = CHUNK
) -> Iterator[Float[np.ndarray, "n_chunk n_clusters"]]:
    """How often each cluster is in each resample, `chunk` resamples at a time; every row adds up to `n_clusters`.

    Args:
        n_clusters: Patients, numbered in sorted order of their names.
        n_resamples: Resamples.
        rng: Source of the draws; all are taken before the first chunk is returned.
        chunk: Resamples per array.
    """
    drawn = rng.integers(n_clusters, size=(n_resamples, n_clusters))
    for start in range(0, n_resamples, chunk):
        rows = drawn[start : start + chunk]
        flat = rows + n_clusters * np.arange(len(rows))[:, None]
        counts = np.bincount(flat.ravel(), minlength=rows.size)
        yield counts.reshape(rows.shape).astype(np.float64)


def percentile_ends(resampled: Float[np.ndarray, " n_resamples"], confidence: float) -> tuple[float, float, int]:
    """Ends of the percentile interval, and how many resamples were undefined (NaN) and left out.

    (NaN, NaN) if none is defined.
    """
    defined = resampled[~np.isnan(resampled)]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high), len(resampled) - len(defined)


def check_resampling(n_resamples: int, confidence: float) -> None:
    """Refuse a number of resamples below 1 or a confidence outside (0, 1)."""
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"n_resamples must be positive and confidence in (0, 1), got {n_resamples} and {confidence}")
