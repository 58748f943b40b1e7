"""Random generators addressed by (run seed, stage, item): same item, same numbers, in any order, on any worker."""

import hashlib
from collections.abc import Sequence

import numpy as np

__all__ = ["GOLDEN", "SILVER", "generator", "in_turn", "torch_seed"]

GOLDEN, SILVER = 0.6180339887498949, 0.41421356237309515
"""Steps of `in_turn`; two properties dealt with different steps are not tied to each other."""


def _entropy(seed: int, stage: str, item: str | int) -> list[int]:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")
    digest = hashlib.sha256(f"{stage}\x1f{item}".encode()).digest()
    return [int(seed), *np.frombuffer(digest[:16], dtype="<u4").tolist()]


def generator(seed: int, stage: str, item: str | int = "") -> np.random.Generator:
    """Random generator for one item of one stage.

    Args:
        seed: Run seed, >= 0.
        stage: What the numbers are for, e.g. "anatomy". Streams of different stages are independent.
        item: Which item, e.g. a patient id. Adding items never changes the numbers of existing ones.

    Raises:
        ValueError: The seed is negative or not an integer.
    """
    return np.random.default_rng(np.random.SeedSequence(_entropy(seed, stage, item)))


def torch_seed(seed: int, stage: str, item: str | int = "") -> int:
    """Seed for `torch.Generator.manual_seed`, 0 .. 2**63 - 1, from the same address as `generator`."""
    return int(generator(seed, stage, item).integers(0, 2**63 - 1))


def in_turn(shares: Sequence[float], index: int, *, offset: float = 0.0, step: float = GOLDEN) -> int:
    """Which share the item with this index falls into, dealt so that every prefix follows the shares closely.

    Args:
        shares: Positive numbers that add up to 1.
        index: Number of the item, >= 0.
        offset: Where the sequence starts, 0..1.
        step: Irrational step of the sequence.
    """
    edges = np.cumsum(shares)
    return min(int(np.searchsorted(edges, (offset + index * step) % 1.0, side="right")), len(edges) - 1)
