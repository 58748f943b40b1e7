"""Probe and scan: what they refuse, where their beams, pixels and delays lie."""

from dataclasses import replace

import numpy as np
import pytest
from echo_points import pymust
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.acoustics import Probe, Scan, phased_2p5_mhz

PROBE = phased_2p5_mhz()
SCAN = Scan(PROBE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_m": 0.35e-3}, r"width_m must not exceed pitch_m \(0\.0003\), got 0\.00035"),
        ({"pitch_m": 1e-3, "width_m": 0.9e-3}, "width_m must not exceed the shortest wavelength"),
        ({"n_elements": 1}, "n_elements must be an integer of at least 2, got 1"),
        ({"n_elements": 64.0}, "n_elements"),
        ({"speed_of_sound": 0}, "speed_of_sound must be a positive number, got 0"),
        ({"freq_center_hz": float("nan")}, "freq_center_hz"),
        ({"bandwidth_percent": 200}, r"bandwidth_percent must be in \(0, 200\), got 200"),
        ({"baffle": "hard"}, "baffle must be 'soft', 'rigid' or a positive number, got 'hard'"),
        ({"baffle": -1.0}, "baffle"),
        ({"height_m": -1}, "height_m"),
    ],
)
def test_probe_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PROBE, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focus_m": -0.02}, r"focus_m must lie in front of the probe \(> 0\), got -0\.02"),
        ({"focus_m": float("inf")}, "focus_m"),
        ({"n_beams": 1}, "n_beams must be an integer of at least 2, got 1"),
        ({"sector_deg": 180}, r"sector_deg must be in \(0, 160\), got 180"),
        ({"depth_m": 0}, "depth_m"),
        ({"start_m": 0.2}, r"start_m must be in \(0, depth_m = 0\.15\), got 0\.2"),
        ({"range_step_m": 4e-4}, "range_step_m must be in .* to sample the pulse, got 0.0004"),
        ({"sampling_hz": 5e6}, "sampling_hz must be at least 4 centre frequencies"),
        ({"f_number": 0}, "f_number"),
        ({"probe": None}, "probe must be a Probe, got NoneType"),
    ],
)
def test_scan_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SCAN, **change)


def test_probe_preset_is_the_p4_2v_at_2p5_mhz():
    reference = pymust.getparam("P4-2v")
    assert isinstance(PROBE, Probe)
    assert (PROBE.n_elements, PROBE.bandwidth_percent) == (reference.Nelements, reference.bandwidth)
    assert np.allclose(
        [PROBE.pitch_m, PROBE.width_m, PROBE.height_m, PROBE.focus_m],
        [reference.pitch, reference.width, reference.height, reference.focus],
    )


def test_focused_delays_match_pymust():
    parameters = pymust.getparam("P4-2v")
    parameters.c = PROBE.speed_of_sound
    angles = SCAN.angles_rad
    expected = pymust.txdelay(SCAN.focus_m * np.sin(angles), SCAN.focus_m * np.cos(angles), parameters)
    np.testing.assert_allclose(SCAN.transmit_delays_s, expected, atol=1e-12)


def test_ranges_end_at_the_depth_and_the_focus_defaults_to_half():
    assert SCAN.focus_m == 0.075
    assert SCAN.ranges_m[0] == SCAN.start_m
    assert SCAN.ranges_m[-1] == pytest.approx(SCAN.depth_m)
    assert len(SCAN.ranges_m) == SCAN.n_ranges
    assert np.degrees(SCAN.angles_rad[[0, -1]]) == pytest.approx([-37.5, 37.5])


@settings(max_examples=20, deadline=None)
@given(x=st.floats(-0.08, 0.08), z=st.floats(0.005, 0.14), dx=st.floats(0.1, 1.0), dy=st.floats(0.1, 1.0))
def test_pixels_and_positions_are_inverse(x, z, dx, dy):
    position = np.array([x, 0.0, z])
    pixel = SCAN.pixel_of(position, (dx, dy))
    np.testing.assert_allclose(SCAN.positions_of(pixel, (dx, dy)), position, atol=1e-12)


def test_apex_is_at_the_middle_of_row_zero():
    height, width = SCAN.image_shape((0.3, 0.3))
    assert width % 2 == 1
    np.testing.assert_allclose(SCAN.pixel_of(np.zeros(3), (0.3, 0.3)), [(width - 1) / 2, 0])
    sector = SCAN.sector((0.3, 0.3))
    assert sector.apex_px == ((width - 1) / 2, 0)
    assert sector.radius_max_px == pytest.approx(500)
    assert sector.half_angle_deg == 37.5
    assert height == 501
    corner = SCAN.pixel_of(
        SCAN.depth_m * np.array([np.sin(SCAN.angles_rad[-1]), 0, np.cos(SCAN.angles_rad[-1])]), (0.3, 0.3)
    )
    assert corner[0] <= width - 1


def test_a_point_off_the_plane_is_projected():
    np.testing.assert_array_equal(
        SCAN.pixel_of([0.01, 0.003, 0.06], (0.5, 0.5)), SCAN.pixel_of([0.01, 0, 0.06], (0.5, 0.5))
    )


@pytest.mark.parametrize("spacing", [None, (0.3, 0.0)])
def test_no_spacing_no_pixels(spacing):
    with pytest.raises(ValueError, match="spacing_mm"):
        SCAN.image_shape(spacing)
    with pytest.raises(ValueError, match="spacing_mm"):
        SCAN.pixel_of([0, 0, 0.05], spacing)


def test_wrong_shapes_and_unequal_spacing_are_refused():
    with pytest.raises(ValueError, match="positions_m must have a last axis of 3"):
        SCAN.pixel_of([0, 0.05], (0.3, 0.3))
    with pytest.raises(ValueError, match="points_px must have a last axis of 2"):
        SCAN.positions_of([0, 0, 0.05], (0.3, 0.3))
    with pytest.raises(ValueError, match=r"spacing_mm must be equal in x and y.*\(0\.3, 0\.4\)"):
        SCAN.sector((0.3, 0.4))
