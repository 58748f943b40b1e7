"""The pressure field against PyMUST and against what a focus does."""

import numpy as np
import pytest
from echo_points import pymust

from echotas.acoustics import Scan, phased_2p5_mhz
from echotas.acoustics.field import pressure_field

SCAN = Scan(phased_2p5_mhz(), n_beams=5, sector_deg=40.0, depth_m=0.08, focus_m=0.05)


def at(x, z):
    return np.stack(np.broadcast_arrays(np.asarray(x), 0.0, np.asarray(z)), axis=-1)


@pytest.mark.parametrize("changes", [{}, {"attenuation_db": 0.5, "baffle": "rigid"}])
def test_field_matches_pymust(changes):
    probe = phased_2p5_mhz(**changes)
    scan = Scan(probe, n_beams=5, sector_deg=40.0, depth_m=0.08, focus_m=0.05)
    x, z = np.meshgrid(np.linspace(-0.03, 0.03, 21), np.linspace(0.01, 0.08, 15))
    parameters = pymust.getparam("P4-2v")
    parameters.fc, parameters.c, parameters.bandwidth = probe.freq_center_hz, probe.speed_of_sound, 74
    parameters.baffle = probe.baffle
    parameters.attenuation = probe.attenuation_db * 8.69 * np.log(10) / 20
    theirs = pymust.pfield(x, None, z, scan.transmit_delays_s[[1]], parameters)[0]
    ours = pressure_field(at(x, z), scan, 1)
    ours, theirs = ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs)
    # PyMUST's field keeps the band above -60 dB of one way and steps it more finely: parts in a thousand.
    assert np.abs(ours - theirs).max() < 0.01 * theirs.max()


def test_field_is_strongest_on_the_beam_at_the_focus():
    angle = SCAN.angles_rad[3]
    around = angle + np.radians(np.linspace(-15, 15, 31))
    level = pressure_field(at(0.05 * np.sin(around), 0.05 * np.cos(around)), SCAN, 3)
    assert level.argmax() == 15
    mirrored = pressure_field(at(-0.05 * np.sin(around), 0.05 * np.cos(around)), SCAN, 1)
    np.testing.assert_allclose(mirrored, level, rtol=1e-4)


def test_lens_focuses_in_elevation():
    y = np.array([0.0, 2e-3, 6e-3])
    level = pressure_field(np.stack([0 * y, y, 0.06 + 0 * y], axis=-1), SCAN, 2, elevation=True)
    assert level[0] > 2 * level[1] > 4 * level[2]


def test_mean_over_the_band_has_converged():
    grid = at(np.linspace(-0.02, 0.02, 9), np.linspace(0.02, 0.08, 9))
    coarse, fine = pressure_field(grid, SCAN, 2), pressure_field(grid, SCAN, 2, n_frequencies=256)
    np.testing.assert_allclose(coarse, fine, rtol=0.01, atol=2e-3 * fine.max())


@pytest.mark.parametrize(
    ("points", "beam", "message"),
    [
        (np.zeros((2, 2)), 0, r"last axis of 3 \(x, y, z\), got shape \(2, 2\)"),
        ([[0.0, 0.0, -0.01]], 0, r"in front of the array \(depth z > 0\), got -0.01"),
        ([[0.0, 0.0, np.nan]], 0, "positions_m must be finite"),
        ([[0.0, 0.0, 0.01]], 5, r"beam must be in 0\.\.4, got 5"),
    ],
)
def test_field_refuses(points, beam, message):
    with pytest.raises(ValueError, match=message):
        pressure_field(np.array(points), SCAN, beam)
