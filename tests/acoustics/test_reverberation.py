"""Copies lie where the extra path puts them, with its level and its phase."""

import numpy as np
import pytest
from echo_points import at, relative_l2

from echotas.acoustics import add_reverberation, simulate


@pytest.fixture(scope="module")
def point(scan):
    return simulate(at(0.04, 0.0), np.ones(1), scan, method="exact")


def test_a_copy_is_the_echo_of_a_deeper_weaker_point(scan, point):
    gap = 7.33e-3
    copies = add_reverberation(point, scan, gap, -10.0, n_trips=2) - point
    envelope = np.abs(copies[0]).max(axis=0)
    first, second = (envelope[np.abs(scan.ranges_m - 0.04 - k * gap) < 1e-3] for k in (1, 2))
    assert 20 * np.log10(first.max() / np.abs(point).max()) == pytest.approx(-10, abs=0.3)
    assert 20 * np.log10(second.max() / np.abs(point).max()) == pytest.approx(-20, abs=0.3)
    assert scan.ranges_m[envelope.argmax()] == pytest.approx(0.04 + gap, abs=1e-4)


def test_phase_is_that_of_the_longer_path(scan, point):
    # A gap of whole samples moves samples and turns the carrier.
    gap = 50 * scan.range_step_m
    copy = (add_reverberation(point, scan, gap, -6.0, n_trips=1) - point)[..., 50:]
    turn = np.exp(-4j * np.pi * scan.probe.freq_center_hz / scan.probe.speed_of_sound * gap)
    assert relative_l2(copy, 10 ** (-6 / 20) * turn * point[..., :-50]) < 1e-3


def test_only_the_chosen_beams_and_ranges_repeat(scan, point):
    some = add_reverberation(point, scan, 5e-3, -6.0, beams=slice(0, 4))
    np.testing.assert_array_equal(some[:, 4:], point[:, 4:])
    none = add_reverberation(point, scan, 5e-3, -6.0, source_range_m=(0.055, 0.06))
    assert relative_l2(none, point) < 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gap_m": 0.0}, "gap_m must be a positive number"),
        ({"level_db": 0.0}, "level_db must be negative"),
        ({"n_trips": 0}, "n_trips must be an integer of at least 1, got 0"),
        ({"source_range_m": (0.02, 0.01)}, "near < far"),
    ],
)
def test_refuses(options, message, scan, point):
    with pytest.raises(ValueError, match=message):
        add_reverberation(point, scan, **({"gap_m": 5e-3, "level_db": -6.0} | options))


def test_refuses_frames_of_another_scan(scan, point):
    with pytest.raises(ValueError, match=r"iq must be \(n_frames, n_beams = 20"):
        add_reverberation(point[:, :3], scan, 5e-3, -6.0)
