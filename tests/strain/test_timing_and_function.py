"""Secondary indices: known answers, what they ignore, what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas import strain

TIMES = np.arange(11) / 50
CURVE = np.array([0, -4, -8, -12, -16, -18, -20, -15, -10, -5, 0.0])


def arch(width=50.0, height=80.0, n=41):
    """Half an ellipse, base at depth `height`, apex at 0."""
    angle = np.linspace(0, np.pi, n)
    return np.stack([-width / 2 * np.cos(angle), height * (1 - np.sin(angle))], axis=1)


def test_peak_after_end_systole_is_timed_and_counted():
    assert strain.time_to_peak_s(CURVE, TIMES, 0) == pytest.approx(0.12)
    assert strain.post_systolic_index(CURVE, 0, 4) == pytest.approx(100 * (20 - 16) / 20)
    assert strain.post_systolic_index(CURVE, 0, 6) == 0
    assert strain.post_systolic_index(CURVE, 0, 8) == 0
    assert strain.time_to_peak_s(CURVE, TIMES, 0, end_frame=3) == pytest.approx(0.06)


def test_a_segment_that_is_stretched_in_systole_has_an_index_above_100():
    assert strain.post_systolic_index([0, 3, 5, -5, 0], 0, 2) == pytest.approx(200)


def test_a_segment_that_never_shortens_has_no_peak():
    rounding = 1e-13 * np.array([0, *[-1, 1] * len(CURVE)])[: len(CURVE)]
    for curve in (-CURVE, rounding):
        assert np.isnan(strain.time_to_peak_s(curve, TIMES, 0))
        assert np.isnan(strain.post_systolic_index(curve, 0, 4))


def test_dispersion_is_the_sample_deviation_in_ms_of_segments_that_peak():
    times = [0.30, 0.34, np.nan, 0.38]
    assert strain.mechanical_dispersion_ms(times) == pytest.approx(40)
    assert np.isnan(strain.mechanical_dispersion_ms([0.3, np.nan]))
    with pytest.raises(ValueError, match="finite or NaN"):
        strain.mechanical_dispersion_ms([0.3, np.inf])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strain.time_to_peak_s(CURVE, TIMES[:5], 0), "times_s must increase"),
        (lambda: strain.time_to_peak_s(CURVE, TIMES, 5, 2), "end_frame must not come before ed_frame 5, got 2"),
        (lambda: strain.post_systolic_index(CURVE - CURVE[4], 4, 2), "ed_frame <= es_frame"),
        (lambda: strain.mapse_mm(np.zeros((2, 5, 2)), 0, 1), "apex away from its base"),
        (lambda: strain.wall_thickening_percent(arch()[None], arch()[None], 0, 0), "must lie apart"),
        (lambda: strain.ejection_fraction_percent(0, 10), "volumes must be positive"),
        (lambda: strain.biplane_volume_ml(arch(), arch(), 0), "n_discs must be at least 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=25, deadline=None)
@given(turn=st.floats(-3, 3), descent=st.floats(0, 20))
def test_annulus_travels_along_the_axis_however_the_heart_lies(turn, descent):
    rest = arch()
    moved = rest.copy()
    moved[:, 1] -= descent * rest[:, 1] / rest[:, 1].max()  # the base comes to the apex, which stays
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    line = np.stack([rest, moved]) @ rotation.T + 30
    assert strain.mapse_mm(line, 0, 1) == pytest.approx(descent, abs=1e-9)
    assert strain.mapse_percent(line, 0, 1) == pytest.approx(-100 * descent / 80, abs=1e-9)


def test_thickening_of_each_pair():
    inner = np.stack([arch(50), arch(40)])
    outer = inner + np.array([[0, 10.0], [0, 13.0]])[:, None]
    np.testing.assert_allclose(strain.wall_thickening_percent(inner, outer, 0, 1), 30)


def test_volume_of_half_an_ellipsoid():
    # Both rules are exact for it: 2/3 pi a b L.
    truth = 2 / 3 * np.pi * 25 * 25 * 80 / 1000
    fine = arch(n=2001)
    assert strain.area_length_volume_ml(fine) == pytest.approx(truth, rel=1e-3)
    assert strain.biplane_volume_ml(fine, fine, 400) == pytest.approx(truth, rel=1e-3)
    assert strain.biplane_volume_ml(fine, fine) == pytest.approx(truth, rel=5e-3)
    assert strain.biplane_volume_ml(fine, arch(30, n=2001), 400) == pytest.approx(truth * 30 / 50, rel=1e-3)


def test_ejection_fraction():
    assert strain.ejection_fraction_percent(120, 54) == pytest.approx(55)
    assert strain.ejection_fraction_percent(50, 60) == pytest.approx(-20)


def test_a_curve_that_is_not_zero_at_ed_is_refused():
    with pytest.raises(ValueError, match="must be 0 at ed_frame 0, got 5.000"):
        strain.time_to_peak_s(np.array([5.0, -10.0, 0.0]), np.array([0.0, 0.1, 0.2]), 0)
