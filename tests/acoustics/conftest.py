"""One small scan for all acoustics tests: 20 beams over 16 degrees, 3 to 7 cm, so that a table takes a second."""

import numpy as np
import pytest

from echotas.acoustics import Scan, phased_2p5_mhz
from echotas.acoustics.fast import FastModel
from echotas.acoustics.response import ResponsePlan, build_response


@pytest.fixture(scope="session")
def scan():
    return Scan(phased_2p5_mhz(), n_beams=20, sector_deg=16.0, depth_m=0.07, focus_m=0.05, start_m=0.03)


@pytest.fixture(scope="session")
def response(scan):
    return build_response(ResponsePlan(scan))


@pytest.fixture(scope="session")
def model(response):
    return FastModel(response)


@pytest.fixture(scope="session")
def cloud():
    """Scatterers (n, 3) uniform over a sector wider than the scan's, and normal reflectivities."""

    def make(n, seed=0, depth_m=(0.028, 0.073), half_angle_deg=16.0, slab_m=0.0):
        rng = np.random.default_rng(seed)
        r = np.sqrt(rng.uniform(depth_m[0] ** 2, depth_m[1] ** 2, n))
        angle = np.radians(half_angle_deg) * rng.uniform(-1, 1, n)
        y = rng.uniform(-slab_m, slab_m, n)
        return np.stack([r * np.sin(angle), y, r * np.cos(angle)], axis=1), rng.standard_normal(n)

    return make
