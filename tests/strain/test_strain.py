"""Strain: known answers, invariances, the identity of global and segments, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas import strain

TIMES = np.arange(20) / 50
SHORTENING = 1 - 0.1 * (1 - np.cos(2 * np.pi * np.arange(20) / 20))  # -20 % at frame 10, back at the end


def horseshoe(n_points=37, size_mm=60.0):
    angle = np.linspace(0, np.pi, n_points)
    return np.stack([-size_mm / 2 * np.cos(angle), size_mm * (1 - np.sin(angle))], axis=-1)


def beating(n_points=37):
    return SHORTENING[:, None, None] * horseshoe(n_points)


def crooked(seed, n_frames=6, n_points=23):
    rng = np.random.default_rng(seed)
    return horseshoe(n_points) + rng.normal(0, 1, (n_frames, n_points, 2))


def test_uniform_stretch_of_ten_percent_gives_ten_percent():
    line = horseshoe()
    points = np.stack([line, 1.1 * line])
    assert strain.longitudinal_strain(points, 0) == pytest.approx([0, 10])
    assert strain.segmental_strain(points, 0) == pytest.approx(np.tile([0, 10], (6, 1)))


def test_strain_is_zero_when_nothing_moves():
    points = np.repeat(horseshoe()[None], 5, axis=0)
    curve = strain.strain_curve(points, TIMES[:5], 0, 2)
    # Sums of the same numbers may differ in the last bit with their place in memory.
    np.testing.assert_allclose(curve.global_percent, 0, atol=1e-12)
    np.testing.assert_allclose(curve.segment_percent, 0, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(-np.pi, np.pi), st.floats(-50, 50), st.floats(0.1, 10))
def test_rigid_motion_and_scale_leave_strain_unchanged(seed, angle, shift, scale):
    points = crooked(seed)
    frames = np.arange(len(points))
    turn = np.stack([[np.cos(a), -np.sin(a), np.sin(a), np.cos(a)] for a in angle * frames]).reshape(-1, 2, 2)
    moved = scale * np.einsum("tij,tnj->tni", turn, points) + shift * frames[:, None, None]
    assert strain.longitudinal_strain(moved, 2) == pytest.approx(strain.longitudinal_strain(points, 2), abs=1e-8)
    assert strain.segmental_strain(moved, 2) == pytest.approx(strain.segmental_strain(points, 2), abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5), st.booleans())
def test_length_weighted_mean_of_segments_is_global(seed, ed_frame, labelled):
    points = crooked(seed)
    segment = np.sort(np.arange(23) % 6) if labelled else None
    segments = strain.segmental_strain(points, ed_frame, segment)
    weights = strain.label_weights(segment) if labelled else strain.equal_arc_weights(points[ed_frame])
    length_ed = strain.segment_lengths(points, weights)[:, ed_frame]
    mean = (segments * length_ed[:, None]).sum(axis=0) / length_ed.sum()
    assert mean == pytest.approx(strain.longitudinal_strain(points, ed_frame), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_reversing_the_line_reverses_the_segments(seed):
    points = crooked(seed)
    assert strain.segmental_strain(points[:, ::-1], 0) == pytest.approx(
        strain.segmental_strain(points, 0)[::-1], abs=1e-8
    )


def test_equal_arcs_match_a_fine_resampling():
    line = crooked(3)[0]
    weights = strain.equal_arc_weights(line)
    links = strain.link_lengths(line)
    # brute force: walk along the line in many small steps and count which link and segment each step is in
    at = (np.arange(600_000) + 0.5) / 600_000 * links.sum()
    link = np.searchsorted(np.cumsum(links), at)
    counted = np.zeros_like(weights)
    np.add.at(counted, ((6 * at / links.sum()).astype(int), link), 1)
    assert weights == pytest.approx(counted / counted.sum(axis=0), abs=1e-3)
    assert weights @ links == pytest.approx(np.full(6, links.sum() / 6))


def test_coinciding_points_do_not_break_the_cut():
    line = horseshoe()
    doubled = np.insert(line, [0, 5, 12, 36], line[[0, 5, 12, 36]], axis=0)
    weights = strain.equal_arc_weights(doubled)
    assert weights.sum(axis=0) == pytest.approx(np.ones(len(doubled) - 1))
    assert weights @ strain.link_lengths(doubled) == pytest.approx(np.full(6, strain.line_length(line) / 6))


def test_one_shortening_segment_is_found_in_its_place():
    links = np.ones((2, 36))
    links[1, 12:18] = 0.7  # third segment
    points = np.stack([np.concatenate([np.zeros((2, 1)), links.cumsum(axis=1)], axis=1), np.zeros((2, 37))], axis=-1)
    assert strain.segmental_strain(points, 0)[:, 1] == pytest.approx([0, 0, -30, 0, 0, 0])
    assert strain.longitudinal_strain(points, 0)[1] == pytest.approx(-5)
    accepted = np.array([True, True, False, True, True, True])
    assert strain.longitudinal_strain(points, 0, accepted=accepted)[1] == pytest.approx(0, abs=1e-9)
    assert strain.longitudinal_strain(points, 0, accepted=~accepted)[1] == pytest.approx(-30)
    assert strain.local_strain(points, 0)[:, 1] == pytest.approx(100 * (links[1] - 1))


def test_pixels_of_unequal_sides_are_scaled_separately():
    assert strain.line_length(strain.to_mm(np.array([[0.0, 0.0], [3.0, 4.0]]), (2.0, 0.5))) == pytest.approx(
        np.hypot(6, 2)
    )


def test_gls_names_its_three_values():
    curve = np.array([0.0, -8, -15, -14, -17, -9, 1, -3, -20])
    values = strain.gls(curve, 0, 3, end_frame=7)
    assert (values.es_percent, values.es_frame) == (-14, 3)
    assert (values.peak_systolic_percent, values.peak_systolic_frame) == (-15, 2)
    assert (values.peak_percent, values.peak_frame) == (-17, 4)
    assert strain.gls(curve, 0, 3).peak_percent == -20


def test_gls_of_a_wall_that_only_stretches_is_zero_at_ed():
    values = strain.gls(np.array([0.0, 3, 5, 2]), 0, 2)
    assert (values.peak_systolic_percent, values.peak_systolic_frame, values.es_percent) == (0, 0, 5)


@pytest.mark.parametrize(
    ("curve", "frames", "message"),
    [
        ([0, -5, np.nan], (0, 1), "curve_percent must be finite, got 1 NaN"),
        ([0, -5, -3], (1, 0), "ed_frame <= es_frame <= end_frame must hold, got 1, 0, 2"),
        ([0, -5, -3], (0, 3), r"es_frame must be in 0\.\.2, got 3"),
        ([0, -5, -3], (-1, 1), r"ed_frame must be in 0\.\.2, got -1"),
        ([2, -5, -3], (0, 1), "must be 0 at ed_frame 0, got 2.000"),
    ],
)
def test_gls_refuses(curve, frames, message):
    with pytest.raises(ValueError, match=message):
        strain.gls(np.array(curve, dtype=float), *frames)


def test_lines_that_cannot_be_measured_are_refused():
    points = beating()
    lost = points.copy()
    lost[3, 4] = np.nan
    with pytest.raises(ValueError, match="points_mm must be finite, got 2 NaN"):
        strain.longitudinal_strain(lost, 0)
    with pytest.raises(ValueError, match="positive length at ed_frame 1, got 0 mm"):
        strain.longitudinal_strain(np.ones((3, 5, 2)), 1)
    with pytest.raises(ValueError, match="at least one segment, got all six rejected"):
        strain.longitudinal_strain(points, 0, accepted=np.zeros(6, dtype=bool))
    with pytest.raises(ValueError, match=r"every segment 0\.\.5 a point, got none for \[5\]"):
        strain.segmental_strain(points, 0, segment=np.sort(np.arange(37) % 5))
    with pytest.raises(ValueError, match=r"ed_frame must be in 0\.\.19, got 20"):
        strain.segmental_strain(points, 20)
    with pytest.raises(ValueError, match="spacing_mm must be known"):
        strain.to_mm(points, None)


def test_times_of_another_cine_are_refused():
    with pytest.raises((ValueError, TypeError), match="times"):
        strain.strain_curve(beating(), TIMES[:-1], 0, 10)


def test_linear_drift_is_found_and_removed_only_on_request():
    true = 100 * (SHORTENING - 1)
    true[-1] = 0
    drifting = true + 4 * np.arange(20) / 19
    assert strain.drift_percent(drifting, 0) == pytest.approx(4)
    free = strain.compensate_drift(drifting, 0)
    assert free.values == pytest.approx(true)
    assert free.drift == pytest.approx(4)


def test_point_drift_closes_the_cycle():
    points = beating()
    drifting = points + np.arange(20)[:, None, None] * np.array([0.3, -0.4])
    free = strain.compensate_point_drift(drifting, 0, 15)
    assert strain.cycle_closure_mm(free.values, 0, 15) == pytest.approx(0, abs=1e-12)
    assert free.drift == pytest.approx(strain.cycle_closure_mm(drifting, 0, 15))
    still = np.repeat(points[:1], 20, axis=0) + np.arange(20)[:, None, None] * np.array([0.3, -0.4])
    assert strain.cycle_closure_mm(still, 0, 15) == pytest.approx(15 * 0.5)


def test_drift_needs_a_beat():
    with pytest.raises(ValueError, match="end_frame must come after ed_frame 3, got 3"):
        strain.drift_percent(np.zeros(5), 3, 3)


def test_strain_rate_of_a_parabola_is_exact_at_any_frame_times():
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.03, 30))
    rate = strain.strain_rate(100 * (2 * times**2 - 3 * times), times, window_s=0.1)
    assert rate == pytest.approx(4 * times - 3)


def test_strain_rate_does_not_depend_on_frame_rate():
    peaks = []
    for frame_rate in (100, 200):
        times = np.arange(frame_rate + 1) / frame_rate
        peaks.append(strain.strain_rate(-10 * (1 - np.cos(2 * np.pi * times)), times, window_s=0.1).min())
    assert peaks[0] == pytest.approx(-0.2 * np.pi, rel=0.03)
    assert peaks[0] == pytest.approx(peaks[1], rel=0.02)


@pytest.mark.parametrize(
    ("times", "window_s", "message"),
    [(TIMES[:2], 0.1, "three or more"), (TIMES[[0, 2, 1]], 0.1, "times_s must increase"), (TIMES[:3], 0.0, "window_s")],
)
def test_strain_rate_refuses(times, window_s, message):
    with pytest.raises(ValueError, match=message):
        strain.strain_rate(np.zeros(len(times)), times, window_s)
