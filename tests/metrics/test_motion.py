"""Motion metrics: known answers, invariances, slow loops, refusals."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas import metrics

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
SPACING = (0.3, 0.5)
SHAPE = (200, 320)


def paths(seed=0, n_frames=7, n_points=11):
    rng = np.random.default_rng(seed)
    line = np.stack([np.linspace(50, 90, n_points), np.linspace(20, 60, n_points) ** 1.1], axis=-1)
    true = line + rng.normal(0, 0.5, (n_frames, n_points, 2)).cumsum(axis=0)
    return true + rng.normal(0, 3, true.shape), true


def test_perfect_prediction_is_perfect_everywhere():
    _, true = paths()
    assert metrics.mean_trajectory_error_mm(true, true, SPACING) == 0
    assert metrics.median_trajectory_error_px(true, true, SHAPE) == 0
    assert metrics.position_accuracy(true, true, SPACING).average == 1
    assert metrics.end_point_error_mm(true, true, SPACING, 0, 3) == 0
    assert metrics.wall_error_mm(true, true, SPACING) == metrics.WallError(0.0, 0.0)


def test_a_known_offset_gives_its_length():
    _, true = paths()
    moved = true + np.array([10.0, 8.0])  # 3 mm and 4 mm
    assert metrics.mean_trajectory_error_mm(moved, true, SPACING) == pytest.approx(5)
    assert metrics.median_trajectory_error_px(moved, true, SHAPE) == pytest.approx(np.hypot(10 * 0.8, 8 * 1.28))
    assert metrics.position_accuracy(moved, true, SPACING, thresholds_mm=(4.9, 5.1)).shares == (0, 1)
    assert metrics.end_point_error_mm(moved, true, SPACING, 0, 3) == pytest.approx(0, abs=1e-12)


def test_mean_and_median_errors_match_slow_loops():
    predicted, true = paths()
    total, count, medians = 0.0, 0, []
    accepted = np.arange(11) % 3 > 0
    for point in np.flatnonzero(accepted):
        of_point = []
        for frame in range(7):
            if frame == 2:
                continue
            x, y = predicted[frame, point] - true[frame, point]
            total += ((x * SPACING[0]) ** 2 + (y * SPACING[1]) ** 2) ** 0.5
            count += 1
            of_point.append(((x * 256 / SHAPE[1]) ** 2 + (y * 256 / SHAPE[0]) ** 2) ** 0.5)
        medians.append(np.median(of_point))
    mean = metrics.mean_trajectory_error_mm(predicted, true, SPACING, accepted, query_frame=2)
    assert mean == pytest.approx(total / count)
    median = metrics.median_trajectory_error_px(predicted, true, SHAPE, accepted, query_frame=2)
    assert median == pytest.approx(np.mean(medians))


def test_query_frame_left_out_equals_query_frame_removed():
    predicted, true = paths()
    keep = np.arange(7) != 4
    for metric, where in (
        (metrics.mean_trajectory_error_mm, SPACING),
        (metrics.median_trajectory_error_px, SHAPE),
        (metrics.position_accuracy, SPACING),
        (metrics.position_accuracy_px, SHAPE),
        (metrics.wall_error_mm, SPACING),
    ):
        assert metric(predicted, true, where, query_frame=4) == metric(predicted[keep], true[keep], where)
        assert metric(predicted, true, where, query_frame=4) != metric(predicted, true, where)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_twice_the_pixels_at_half_the_spacing_changes_no_millimetre(seed):
    predicted, true = paths(seed)
    half = (SPACING[0] / 2, SPACING[1] / 2)
    assert metrics.mean_trajectory_error_mm(2 * predicted, 2 * true, half) == pytest.approx(
        metrics.mean_trajectory_error_mm(predicted, true, SPACING)
    )
    fine, coarse = metrics.wall_error_mm(2 * predicted, 2 * true, half), metrics.wall_error_mm(predicted, true, SPACING)
    assert (fine.along_mm, fine.across_mm) == pytest.approx((coarse.along_mm, coarse.across_mm))
    assert metrics.end_point_error_mm(2 * predicted, 2 * true, half, 0, 5) == pytest.approx(
        metrics.end_point_error_mm(predicted, true, SPACING, 0, 5)
    )
    assert metrics.median_trajectory_error_px(2 * predicted, 2 * true, (400, 640)) == pytest.approx(
        metrics.median_trajectory_error_px(predicted, true, SHAPE)
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_points_and_frames_does_not_matter(seed):
    predicted, true = paths(seed)
    rng = np.random.default_rng(seed)
    frames, points = rng.permutation(7), rng.permutation(11)
    mixed = predicted[frames][:, points], true[frames][:, points]
    assert metrics.mean_trajectory_error_mm(*mixed, SPACING) == pytest.approx(
        metrics.mean_trajectory_error_mm(predicted, true, SPACING)
    )
    assert metrics.median_trajectory_error_px(*mixed, SHAPE) == pytest.approx(
        metrics.median_trajectory_error_px(predicted, true, SHAPE)
    )
    assert metrics.position_accuracy(*mixed, SPACING).shares == pytest.approx(
        metrics.position_accuracy(predicted, true, SPACING).shares
    )


def test_wall_split_tells_slip_from_drift():
    true = np.zeros((3, 9, 2))
    true[..., 1] = np.linspace(0, 40, 9)  # a straight wall going down
    slip, drift = np.array([0.0, 6.0]), np.array([5.0, 0.0])  # 3 mm along, 1.5 mm across
    split = metrics.wall_error_mm(true + slip + drift, true, SPACING)
    assert (split.along_mm, split.across_mm) == pytest.approx((3, 1.5))


def test_wall_split_keeps_the_length_of_the_error():
    predicted, true = paths()
    errors = metrics.point_errors_mm(predicted, true, SPACING)
    for point in (0, 5, 10):
        only = np.arange(11) == point
        split = metrics.wall_error_mm(predicted[:1], true[:1], SPACING, only)
        assert np.hypot(split.along_mm, split.across_mm) == pytest.approx(errors[0, point])


def test_accuracy_is_strict_and_grows_with_the_threshold():
    true = np.zeros((1, 4, 2))
    predicted = np.zeros((1, 4, 2))
    predicted[0, :, 0] = [0, 1, 2, 3]
    accuracy = metrics.position_accuracy(predicted, true, (1.0, 1.0), thresholds_mm=(1.0, 2.0, 4.0))
    assert accuracy.shares == (0.25, 0.5, 1)
    assert accuracy.average == pytest.approx(7 / 12)


def test_no_accepted_point_is_nan_not_zero():
    predicted, true = paths()
    none = np.zeros(11, dtype=bool)
    assert np.isnan(metrics.mean_trajectory_error_mm(predicted, true, SPACING, none))
    assert np.isnan(metrics.median_trajectory_error_px(predicted, true, SHAPE, none))
    assert np.isnan(metrics.position_accuracy(predicted, true, SPACING, none).average)
    assert np.isnan(metrics.wall_error_mm(predicted, true, SPACING, none).along_mm)
    assert np.isnan(metrics.end_point_error_mm(predicted, true, SPACING, 0, 1, none))


def test_points_may_be_accepted_frame_by_frame():
    predicted, true = paths()
    accepted = np.random.default_rng(1).random((7, 11)) < 0.5
    errors = metrics.point_errors_mm(predicted, true, SPACING)
    assert metrics.mean_trajectory_error_mm(predicted, true, SPACING, accepted) == pytest.approx(
        errors[accepted].mean()
    )


# Under jaxtyping's checkers an unequal shape is a TypeError at the call, naming the same argument.
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted_px": paths()[0][:-1]}, "predicted_px"),
        ({"predicted_px": paths()[0][:, :-1]}, "predicted_px"),
        ({"predicted_px": np.full((7, 11, 2), np.nan)}, "predicted_px must be finite, got 154 NaN"),
        ({"spacing_mm": (0.3, 0.0)}, "spacing_mm must be two positive numbers"),
        ({"spacing_mm": None}, "spacing_mm"),
        ({"accepted": np.ones(10, dtype=bool)}, "accepted"),
        ({"query_frame": 7}, r"query_frame must be in 0\.\.6, got 7"),
        ({"query_frame": -1}, r"query_frame must be in 0\.\.6, got -1"),
    ],
)
def test_mean_trajectory_error_refuses(change, message):
    predicted, true = paths()
    arguments = {"predicted_px": predicted, "true_px": true, "spacing_mm": SPACING, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        metrics.mean_trajectory_error_mm(**arguments)


def test_other_motion_metrics_refuse():
    predicted, true = paths()
    with pytest.raises(ValueError, match="image_shape and size_px must be positive"):
        metrics.median_trajectory_error_px(predicted, true, (0, 320))
    with pytest.raises(ValueError, match=r"to_frame must be in 0\.\.6, got 9"):
        metrics.end_point_error_mm(predicted, true, SPACING, 0, 9)
    with pytest.raises(ValueError, match="thresholds_mm must be positive"):
        metrics.position_accuracy(predicted, true, SPACING, thresholds_mm=(0.0, 1.0))
    with pytest.raises(ValueError, match="leave a frame to measure"):
        metrics.mean_trajectory_error_mm(predicted[:1], true[:1], SPACING, query_frame=0)
    with pytest.raises(ValueError, match="ordered line"):
        metrics.wall_error_mm(predicted, np.zeros_like(true), SPACING)


@pytest.mark.skipif(
    not (GOLDEN / "metrics_tapvid.npz").exists(), reason=f"golden TAP-Vid metrics not found in {GOLDEN}"
)
@pytest.mark.parametrize("case", ["a", "b"])
def test_accuracy_matches_recorded_tapvid_metrics(case):
    golden = np.load(GOLDEN / "metrics_tapvid.npz")
    for video, queries in enumerate(golden[f"{case}_query_tyx"]):
        predicted, true = (golden[f"{case}_{kind}_tracks"][video].swapaxes(0, 1) for kind in ("pred", "gt"))
        frames = np.arange(len(true))[:, None]
        visible = ~golden[f"{case}_gt_occluded"][video].T
        for mode, evaluated in (("first", frames > queries[:, 0]), ("strided", frames != queries[:, 0])):
            accuracy = metrics.position_accuracy_px(predicted, true, (256, 256), visible & evaluated)
            recorded = [golden[f"{case}_{mode}_pts_within_{x}"][video] for x in (1, 2, 4, 8, 16)]
            assert accuracy.shares == pytest.approx(recorded, abs=1e-12)
            assert accuracy.average == pytest.approx(
                golden[f"{case}_{mode}_average_pts_within_thresh"][video], abs=1e-12
            )


def test_survival_counts_frames_before_a_point_is_lost_in_both_directions():
    true = np.zeros((11, 3, 2))
    predicted = true.copy()
    predicted[8:, 0, 0] = 20  # 10 mm, from frame 8 on: 7 of 10 frames
    predicted[2, 1, 1] = 20  # lost at frame 2 going back from 5, though it comes back at 1
    assert metrics.survival(predicted, true, (0.5, 0.5), 5) == pytest.approx((0.7 + 0.7 + 1) / 3)
    assert metrics.survival(predicted, true, (0.5, 0.5), 5, accepted=[False, False, True]) == 1
    assert metrics.survival(predicted, true, (0.5, 0.5), 5, threshold_mm=10) == 1
    assert np.isnan(metrics.survival(predicted, true, (0.5, 0.5), 5, accepted=[False] * 3))
    assert metrics.survival_px(predicted, true, (256, 64), 5, threshold_px=50) == pytest.approx((0.7 + 1 + 1) / 3)
    with pytest.raises(ValueError, match="threshold_mm must be positive"):
        metrics.survival(predicted, true, (0.5, 0.5), 5, threshold_mm=0)
    with pytest.raises(ValueError, match="query_frame"):
        metrics.survival(predicted, true, (0.5, 0.5), 11)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 8))
def test_survival_agrees_with_a_loop(seed, query):
    rng = np.random.default_rng(seed)
    true, predicted = rng.normal(0, 3, (2, 9, 5, 2))
    lived = []
    for point in range(5):
        for frames in (range(query + 1, 9), range(query - 1, -1, -1)):
            for frame in frames:
                if np.linalg.norm(predicted[frame, point] - true[frame, point]) > 5:
                    break
                lived.append((point, frame))
    assert metrics.survival(predicted, true, (1.0, 1.0), query) == pytest.approx(len(lived) / (5 * 8))
