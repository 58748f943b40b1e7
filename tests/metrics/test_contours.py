"""Distance of shapes: parallel lines, slips along the line, brute force, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from echotas.metrics import contour_distance_mm

LINE = np.stack([np.linspace(0, 50, 11), np.zeros(11)], axis=1)


def test_parallel_lines_are_their_gap_apart():
    distance = contour_distance_mm(LINE, LINE + [0, 3])
    assert (distance.mean_mm, distance.hausdorff_mm, distance.hausdorff95_mm) == pytest.approx((3, 3, 3))


def test_other_points_on_the_same_line_are_no_distance():
    other = np.stack([np.sort(np.r_[0, 50, 50 * np.random.default_rng(0).random(7)]), np.zeros(9)], axis=1)
    assert contour_distance_mm(LINE, other).hausdorff_mm == pytest.approx(0, abs=1e-12)


def test_one_spike_moves_the_largest_distance_and_hardly_the_mean():
    spiked = np.insert(LINE, 5, [22.5, 10], axis=0)
    distance = contour_distance_mm(LINE, spiked)
    assert distance.hausdorff_mm == pytest.approx(10, abs=0.1)
    assert distance.mean_mm < 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_agrees_with_brute_force_on_fine_points_and_is_symmetric(seed):
    rng = np.random.default_rng(seed)
    first, second = (np.cumsum(rng.normal(0, 3, (12, 2)), axis=0) for _ in range(2))

    def fine(line):
        return np.concatenate([np.linspace(a, b, 400) for a, b in zip(line[:-1], line[1:], strict=True)])

    table = cdist(fine(first), fine(second))
    distance = contour_distance_mm(first, second, 0.02)
    assert distance.hausdorff_mm == pytest.approx(max(table.min(0).max(), table.min(1).max()), abs=0.05)
    assert contour_distance_mm(second, first, 0.02) == distance


def test_refuses():
    for first, spacing, message in (
        (LINE[:1], 0.2, r"first_mm must be \(n >= 2, 2\)"),
        (LINE * np.nan, 0.2, "first_mm must be finite, got 22"),
        (0 * LINE, 0.2, "first_mm must have a length"),
        (LINE, 0.0, "spacing_mm must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            contour_distance_mm(first, LINE, spacing)
