"""Jerk: known derivatives, and time in seconds, not frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.metrics.smoothness import jerk_mm_per_s3

SPACING = (0.3, 0.5)


def even(n_frames, frame_rate):
    return np.arange(n_frames) / frame_rate


def cubic(times, third=(12.0, -18.0)):
    """Paths (n_frames, 2 points, 2) in px whose third derivative is `third` px/s^3."""
    t = times[:, None, None]
    return 50 + np.array([[3.0, -7.0], [1.0, 2.0]]) * t - 4 * t**2 + np.array(third) / 6 * t**3


def beat(times, n_points=7, amplitude_px=20.0):
    """A smooth beat: two harmonics, points with their own amplitude and phase."""
    t, phase = times[:, None], np.linspace(0, 1, n_points)
    x = amplitude_px * np.cos(2 * np.pi * t + phase) + 3 * np.sin(4 * np.pi * t)
    return np.stack([100 + x, 80 + 0.5 * amplitude_px * np.sin(2 * np.pi * t - phase)], axis=-1)


@settings(max_examples=30, deadline=None)
@given(st.floats(20, 200), st.integers(4, 60))
def test_a_cubic_path_has_its_third_derivative(frame_rate, n_frames):
    times = even(n_frames, frame_rate)
    expected = np.hypot(12 * SPACING[0], 18 * SPACING[1])
    # Third differences at 200 Hz magnify rounding of positions near 50 px by 8e6 x 1e-14.
    assert jerk_mm_per_s3(cubic(times), times, SPACING) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("motion", [lambda t: 0 * t, lambda t: 40 * t, lambda t: 3 - 2 * t + 5 * t**2])
def test_rest_even_speed_and_even_acceleration_have_no_jerk(motion):
    times = even(30, 50)
    points = np.repeat(motion(times)[:, None, None], 2, axis=-1)
    assert jerk_mm_per_s3(points, times, SPACING) == pytest.approx(0, abs=1e-6)


def test_a_harmonic_has_the_jerk_of_its_amplitude():
    times = even(400, 400)  # one whole beat of 1 Hz; 0.1 % of discretisation is left at 400 Hz
    points = np.zeros((400, 1, 2))
    points[:, 0, 0] = 10 * np.cos(2 * np.pi * times)
    expected = 10 * SPACING[0] * (2 * np.pi) ** 3 / np.sqrt(2)
    assert jerk_mm_per_s3(points, times, SPACING) == pytest.approx(expected, rel=5e-3)


@settings(max_examples=20, deadline=None)
@given(st.floats(60, 150), st.sampled_from([2, 3]))
def test_a_path_sampled_faster_has_the_same_jerk(frame_rate, factor):
    slow = even(int(frame_rate) + 1, frame_rate)
    fast = even(factor * int(frame_rate) + 1, factor * frame_rate)
    # The second harmonic at 60 Hz: third differences lose (pi f / rate)^2 / 2, about half a percent; ends differ too.
    assert jerk_mm_per_s3(beat(fast), fast, SPACING) == pytest.approx(
        jerk_mm_per_s3(beat(slow), slow, SPACING), rel=0.03
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10))
def test_the_same_frames_played_slower_have_less_jerk(factor):
    times = even(40, 50)
    points = beat(times)
    assert jerk_mm_per_s3(points, factor * times, SPACING) == pytest.approx(
        jerk_mm_per_s3(points, times, SPACING) / factor**3
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10), st.floats(-100, 100), st.integers(0, 10**6))
def test_pixels_start_time_place_and_order_do_not_matter(zoom, shift, seed):
    times = even(40, 50)
    points = beat(times)
    one = jerk_mm_per_s3(points, times, SPACING)
    order = np.random.default_rng(seed).permutation(points.shape[1])
    moved = zoom * points[::-1, order] + shift
    other = jerk_mm_per_s3(moved, times + 12.3, (SPACING[0] / zoom, SPACING[1] / zoom))
    assert other == pytest.approx(one, rel=1e-6)


def test_noise_adds_what_its_docstring_says():
    times, rng = even(2000, 50), np.random.default_rng(0)
    points = rng.normal(0, 0.2, (2000, 20, 2))
    # 20 is 1 + 9 + 9 + 1, and there are two coordinates; 40,000 values leave half a percent.
    assert jerk_mm_per_s3(points, times, (0.5, 0.5)) == pytest.approx(0.1 * np.sqrt(40) * 50**3, rel=0.02)


def test_four_frames_of_one_point_are_enough():
    points = np.array([0.0, 0, 0, 1])[:, None, None] * np.ones(2)
    assert jerk_mm_per_s3(points, even(4, 10), (1.0, 1.0)) == pytest.approx(np.sqrt(2) * 1000)


def test_rounded_times_pass_and_a_dropped_frame_does_not():
    times = even(40, 60)
    points = beat(times)
    rounded = np.round(times, 4)
    assert jerk_mm_per_s3(points, rounded, SPACING) == pytest.approx(jerk_mm_per_s3(points, times, SPACING), rel=1e-3)
    with pytest.raises(ValueError, match="times_s must have even intervals within 0 %"):
        jerk_mm_per_s3(points, rounded, SPACING, tolerance=0.0)
    assert jerk_mm_per_s3(points, times, SPACING, tolerance=0.0) > 0
    keep = np.arange(40) != 20
    with pytest.raises(ValueError, match="times_s must have even intervals within 1 %, got 16.7 to 33.3 ms"):
        jerk_mm_per_s3(points[keep], times[keep], SPACING)


GOOD = {"points_px": np.zeros((5, 2, 2)), "times_s": even(5, 50), "spacing_mm": SPACING}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"points_px": np.zeros((3, 2, 2)), "times_s": even(3, 50)}, "points_px must be .n_frames >= 4"),
        ({"points_px": np.zeros((5, 0, 2))}, "points_px must be"),
        ({"points_px": np.zeros((5, 2, 3))}, "points_px must be"),
        ({"points_px": np.full((5, 2, 2), np.nan)}, "points_px must be finite, got 20 NaN"),
        ({"times_s": even(6, 50)}, "times_s must have one value per frame"),
        ({"times_s": np.zeros(5)}, "times_s must be finite and increase"),
        ({"times_s": np.array([0, 1, 2, 3, np.nan])}, "times_s must be finite and increase"),
        ({"times_s": np.array([0, 1, 2, 3, 5.0])}, "times_s must have even intervals"),
        ({"spacing_mm": (0.0, 0.3)}, "spacing_mm must be two positive"),
        ({"tolerance": -0.1}, "tolerance must be"),
        ({"tolerance": float("nan")}, "tolerance must be"),
    ],
)
def test_jerk_refuses(wrong, message):
    with pytest.raises(
        (ValueError, TypeError), match=f"{message}|typechecking parameter"
    ):  # by shape, where shapes are checked
        jerk_mm_per_s3(**{**GOOD, **wrong})
