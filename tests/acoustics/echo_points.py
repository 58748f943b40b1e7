"""What several acoustics tests need: one scatterer in its place, a relative difference, and PyMUST."""

import numpy as np
import pymust

__all__ = ["at", "pymust", "relative_l2"]


def relative_l2(a, b):
    """Norm of a - b over the norm of b."""
    return float(np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b))


def at(range_m, angle_rad, elevation_m=0.0):
    """One scatterer (1, 3) whose echo appears at a range and angle."""
    x = range_m * np.sin(angle_rad)
    return np.array([[x, elevation_m, np.sqrt(range_m**2 - x**2 - elevation_m**2)]])
