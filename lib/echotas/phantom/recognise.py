"""Which heart is this? The textbook patterns of regional strain, as a rule anybody can check.

Each of the 18 end-systolic strains is divided by the normal strain of its place (the normal apex shortens more than the
base). What is lost is then correlated with the picture of each disease; the closest picture wins. It is no diagnostic
aid: it shows that the virtual diseases look like themselves and not like each other.
"""

import numpy as np
from jaxtyping import Float

from echotas.phantom.pathology import LEVELS, NORMAL_STRAIN, TERRITORIES, WALLS
from echotas.phantom.views import VIEW_AZIMUTH_DEG
from echotas.records import View

__all__ = ["PATTERNS", "recognise", "segments_of_views"]


def _patterns() -> dict[str, np.ndarray]:
    shape = (len(WALLS), len(LEVELS))
    patterns = {}
    for name, places in TERRITORIES.items():
        patterns[name] = np.zeros(shape)
        for place in places:
            patterns[name][place] = 1.0
    patterns["lbbb"] = np.zeros(shape)
    patterns["lbbb"][:2, :2] = 1.0
    patterns["amyloid"] = np.tile([1.0, 0.7, 0.0], (len(WALLS), 1))
    return patterns


PATTERNS = _patterns()
"""Where each disease weakens the wall, 1 most: walls (order of `pathology.WALLS`) x base, mid, apical."""


def segments_of_views(es_strain_percent: dict[View | str, Float[np.ndarray, "6"]]) -> Float[np.ndarray, "6 3"]:
    """The 18 segments of a heart, walls x levels, from the six of each apical view in the order of `geometry.segments`.

    Raises:
        ValueError: One of A4C, A2C, A3C is missing.
    """
    heart = np.full((len(WALLS), len(LEVELS)), np.nan)
    given = {View(view): np.asarray(values, dtype=float) for view, values in es_strain_percent.items()}
    for view, azimuth in VIEW_AZIMUTH_DEG.items():
        if view not in given:
            raise ValueError(f"es_strain_percent must have the views A4C, A2C and A3C, got {sorted(map(str, given))}")
        left = round(azimuth / 60) % 6
        heart[left], heart[(left + 3) % 6] = given[view][:3], given[view][:2:-1]
    return heart


def recognise(heart_percent: Float[np.ndarray, "6 3"]) -> str:
    """Name of the disease whose pattern the strain resembles most: a key of `PATTERNS`.

    Args:
        heart_percent: End-systolic strain of the 18 segments, walls x levels; what is weak is less negative.
    """
    left = (np.asarray(heart_percent, dtype=float) / NORMAL_STRAIN).ravel()
    return min(PATTERNS, key=lambda name: np.corrcoef(left, PATTERNS[name].ravel())[0, 1])
