"""Lines and the borders of a segmented wall."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.geometry import arc_length, endo_epi_from_mask, outward_normals, resample_line, smooth_line

ARCH = np.stack([50 + 30 * np.cos(t := np.linspace(-np.pi, 0, 60)), 90 + 70 * np.sin(t)], axis=1)


def wall_mask(shape=(160, 140), centre=(70, 120), inner=(25, 80), outer=(35, 92)):
    """Half an elliptic ring, open downwards: 1 = cavity, 2 = wall."""
    row, column = np.indices(shape)
    x, y = column - centre[0], row - centre[1]
    mask = np.zeros(shape, dtype=np.int64)
    mask[(x / outer[0]) ** 2 + (y / outer[1]) ** 2 <= 1] = 2
    mask[(x / inner[0]) ** 2 + (y / inner[1]) ** 2 <= 1] = 1
    mask[y > 0] = 0
    return mask


def test_arc_length_of_a_right_angle():
    assert arc_length(np.array([[0.0, 0], [3, 0], [3, 4]])).tolist() == [0, 3, 7]


def test_arc_length_works_over_frames():
    lines = np.stack([ARCH, 2 * ARCH])
    np.testing.assert_allclose(arc_length(lines)[1], 2 * arc_length(ARCH))


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 200), scale=st.floats(0.1, 50))
def test_resampled_points_are_equally_spaced_on_a_straight_line(n, scale):
    line = np.array([[0.0, 0.0], [0.1, 0.2], [1.0, 2.0]]) * scale
    result = resample_line(line, n)
    np.testing.assert_allclose(np.diff(result, axis=0), np.tile(line[-1] / (n - 1), (n - 1, 1)), atol=1e-9 * scale)


def test_resampling_keeps_ends_and_length():
    result = resample_line(ARCH, 400)
    np.testing.assert_allclose(result[[0, -1]], ARCH[[0, -1]])
    assert arc_length(result)[-1] == pytest.approx(arc_length(ARCH)[-1], rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0, 30), slope=st.floats(-3, 3))
def test_smoothing_leaves_a_straight_line_alone(sigma, slope):
    line = np.stack([np.arange(50.0), slope * np.arange(50.0)], axis=1)
    np.testing.assert_allclose(smooth_line(line, sigma), line, atol=1e-9)


def test_smoothing_removes_jitter_and_keeps_the_ends():
    jitter = ARCH + np.random.default_rng(0).normal(0, 0.5, ARCH.shape)
    smooth = smooth_line(jitter, 2.0)
    np.testing.assert_array_equal(smooth[[0, -1]], jitter[[0, -1]])
    assert np.abs(smooth - ARCH).mean() < 0.7 * np.abs(jitter - ARCH).mean()


@pytest.mark.parametrize("line", [ARCH, ARCH[::-1]])
def test_normals_point_away_from_the_cavity_in_either_direction(line):
    outward = line - [50, 90]
    assert (np.sum(outward_normals(line) * outward, axis=1) > 0).all()


def test_borders_of_a_mask_match_the_ellipses_it_was_drawn_from():
    endo, epi = endo_epi_from_mask(wall_mask())
    for line, (a, b) in ((endo, (25, 80)), (epi, (35, 92))):
        radius = np.hypot((line[:, 0] - 70) / a, (line[:, 1] - 120) / b)
        upper = line[:, 1] < 110  # the base ends are cut square
        assert np.abs(radius[upper] - 1).max() * a < 1.0
        assert line[0, 0] < line[-1, 0]
        assert np.abs(line[[0, -1], 1] - 120).max() < 3


def test_borders_ignore_specks_and_the_atrium():
    mask = wall_mask()
    clean = endo_epi_from_mask(mask)
    mask[2:5, 2:5], mask[150:155, 4:6] = 2, 1
    mask[125:150, 50:90] = 3
    for line, expected in zip(endo_epi_from_mask(mask), clean, strict=True):
        np.testing.assert_allclose(line, expected)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((50, 50), int), r"cavity \(label 1\).*got 0"),
        (np.where(wall_mask() == 2, 0, wall_mask()), r"myocardium \(label 2\).*got 0"),
        (np.where(wall_mask() == 1, 0, wall_mask()), r"cavity \(label 1\)"),
        (np.zeros((3, 50, 50), int), r"mask must be \(height, width\)"),
    ],
)
def test_exception_mask(mask, message):
    with pytest.raises(ValueError, match=message):
        endo_epi_from_mask(mask)


def test_exception_mask_shapes():
    row, column = np.indices((100, 100))
    radius = np.hypot(row - 50, column - 50)
    ring = np.where(radius < 20, 1, np.where(radius < 30, 2, 0))
    with pytest.raises(ValueError, match="open at the base"):
        endo_epi_from_mask(ring)
    apart = np.zeros((100, 100), int)
    apart[10:30, 10:30], apart[60:80, 60:80] = 1, 2
    with pytest.raises(ValueError, match="touches the cavity"):
        endo_epi_from_mask(apart)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (np.zeros((1, 2)), "n_points >= 2"),
        (np.full((3, 2), np.nan), "finite"),
        (np.ones((3, 2)), "length"),
    ],
)
def test_exception_line(line, message):
    with pytest.raises(ValueError, match=message):
        resample_line(line, 5)
