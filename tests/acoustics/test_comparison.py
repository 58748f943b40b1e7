"""Speckle as theory has it, and the measures by which engines are compared."""

import numpy as np
import pytest

from echotas.acoustics import Scan, phased_2p5_mhz, simulate
from echotas.acoustics.comparison import (
    decorrelation,
    half_width,
    patch_of_scatterers,
    relative_error,
    speckle_statistics,
    window_of,
)

SCAN = Scan(phased_2p5_mhz(), n_beams=64, sector_deg=60.0, depth_m=0.12, focus_m=0.08, start_m=0.03)


@pytest.fixture(scope="module")
def speckle(tmp_path_factory):
    """IQ of a large, dense patch from the fast engine."""
    rng = np.random.default_rng(0)
    positions, reflectivity = patch_of_scatterers(rng, 360_000, (0.06, 0.118), 30.0)  # 25 per square wavelength
    return simulate(positions, reflectivity[None], SCAN, cache_dir=tmp_path_factory.mktemp("tables"))[0]


def test_envelope_of_dense_speckle_is_rayleigh(speckle):
    statistics = speckle_statistics(speckle, SCAN, window_of(SCAN, (0.065, 0.113), 26))
    assert statistics["snr"] == pytest.approx(1.913, rel=0.03)
    # A 19 mm aperture at 0.62 mm and 1 MHz of band: a degree or two across, a fifth of a millimetre along.
    assert 0.5 < statistics["lateral_beams"] * 60 / 63 < 2.5
    assert 0.1 < statistics["axial_mm"] < 0.4


def test_window_holds_what_it_says():
    window = window_of(SCAN, (0.05, 0.06), 10)
    beams, ranges = np.nonzero(window)
    assert np.abs(np.degrees(SCAN.angles_rad[beams])).max() <= 10
    assert SCAN.ranges_m[ranges].min() >= 0.05 and SCAN.ranges_m[ranges].max() <= 0.06


def test_unmoved_scatterers_stay_correlated_and_scrambled_ones_do_not(tmp_path):
    scan = Scan(phased_2p5_mhz(), n_beams=20, sector_deg=16.0, depth_m=0.07, focus_m=0.05, start_m=0.03)
    rng = np.random.default_rng(1)
    positions, reflectivity = patch_of_scatterers(rng, 4000, (0.04, 0.06), 9)
    other, _ = patch_of_scatterers(rng, 4000, (0.04, 0.06), 9)
    moved = np.stack([positions, positions, positions + [0.0, 0.0, 1e-4], other])
    window = window_of(scan, (0.043, 0.057), 7)
    result = decorrelation(moved, reflectivity, scan, window, "fast", cache_dir=tmp_path)
    assert result[:2] == pytest.approx([1, 1])
    assert 0.6 < result[2] < 0.98 and abs(result[3]) < 0.25


def test_image_error_is_blind_to_gain_and_width_is_in_mm():
    rng = np.random.default_rng(0)
    iq = rng.standard_normal((64, SCAN.n_ranges)) + 1j * rng.standard_normal((64, SCAN.n_ranges))
    assert relative_error(iq * 2j, iq)["iq"] == pytest.approx(0, abs=1e-12)
    assert relative_error(iq + 1, iq)["iq"] > 0.3
    point = np.exp(-(np.linspace(-4, 4, SCAN.n_ranges) ** 2))[None] * np.exp(-(np.linspace(-3, 3, 64)[:, None] ** 2))
    axial, lateral = half_width(point, SCAN)
    assert axial == pytest.approx(2 * np.sqrt(np.log(2)) / 8 * (SCAN.n_ranges - 1) * 0.1, rel=0.01)
    assert lateral > 0
