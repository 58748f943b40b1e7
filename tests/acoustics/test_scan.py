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
        ({"radius_m": 0.0}, "radius_m must be positive"),
        ({"radius_m": 5e-3}, "radius_m must leave the array less than half a circle, got 0.005"),
        ({"attenuation_db": -0.5}, "attenuation_db must be a number >= 0, got -0.5"),
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
        ({"transmit": "pointed"}, "transmit must be one of focused, plane, diverging, got 'pointed'"),
        ({"source_m": 0}, "source_m must be a positive number"),
        ({"n_simultaneous": 3}, r"n_simultaneous must divide n_beams \(128\), got 3"),
        (
            {"receive_apodisation": "kaiser"},
            "receive_apodisation must be one of rectangular, hann, hamming, got 'kaiser'",
        ),
        (
            {"probe": replace(PROBE, radius_m=0.02), "start_m": 2e-3},
            r"start_m must lie beyond the array's face \(0.00219 m\), got 0.002",
        ),
    ],
)
def test_scan_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SCAN, **change)


def test_a_plane_wave_along_the_axis_fires_all_elements_at_once():
    scan = replace(SCAN, transmit="plane", n_beams=3)
    np.testing.assert_allclose(scan.transmit_delays_s[1], 0, atol=1e-15)
    np.testing.assert_allclose(scan.centre_delays_s[1], 0, atol=1e-15)


def test_a_diverging_wave_is_a_focus_behind_the_array():
    scan = replace(SCAN, transmit="diverging", source_m=0.03, n_beams=3)
    from_source = np.hypot(PROBE.element_x_m, 0.03) / PROBE.speed_of_sound
    np.testing.assert_allclose(scan.transmit_delays_s[1], from_source - from_source.min(), atol=1e-15)


def test_beams_of_one_event_lie_evenly_spread():
    scan = replace(SCAN, n_beams=12, n_simultaneous=3)
    assert scan.events.tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert scan.transmit_delays_s[scan.events].min(axis=(1, 2)) == pytest.approx(0)


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
