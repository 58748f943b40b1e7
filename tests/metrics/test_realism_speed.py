"""Realism and speed: known answers and refusals."""

import numpy as np
import pytest

from echotas import metrics


def test_realism_is_the_mean_absolute_difference():
    real = np.random.default_rng(0).uniform(0, 1, (4, 3, 2))
    simulated = np.random.default_rng(1).uniform(0, 1, (4, 3, 2))
    loop = [abs(real[index] - simulated[index]) for index in np.ndindex(4, 3, 2) if index[0] != 1]
    assert metrics.correlation_error(real, simulated, reference_frame=1) == pytest.approx(np.mean(loop))
    assert metrics.correlation_error(real, real) == 0


def test_points_outside_the_sector_may_be_nan_if_they_do_not_count():
    real = np.full((2, 3), 0.5)
    simulated = np.array([[0.5, 0.7, np.nan], [0.5, 0.7, 0.5]])
    valid = np.isfinite(simulated)
    assert metrics.correlation_error(real, simulated, valid=valid) == pytest.approx(0.4 / 5)
    with pytest.raises(ValueError, match=r"simulated must hold correlations in -1\.\.1, got 1 values"):
        metrics.correlation_error(real, simulated)
    assert np.isnan(metrics.correlation_error(real, simulated, valid=np.zeros_like(valid)))


def test_realism_refuses():
    with pytest.raises((ValueError, TypeError), match="simulated"):
        metrics.correlation_error(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match="reference_frame"):
        metrics.correlation_error(np.zeros((2, 3)), np.zeros((2, 3)), 2)
    with pytest.raises(ValueError, match="real must hold correlations"):
        metrics.correlation_error(np.full((2, 3), 50.0), np.zeros((2, 3)))


def test_speed_is_the_median_per_frame_without_the_warm_up():
    ticks = iter([0.0, 1.0, 10.0, 12.0, 20.0, 26.0])  # three calls of 1, 2 and 6 s
    calls, waits = [], []
    speed = metrics.measure_ms_per_frame(
        lambda: calls.append(1), 10, 3, 2, synchronize=lambda: waits.append(1), clock=lambda: next(ticks)
    )
    assert (speed.median_ms, speed.min_ms, speed.max_ms) == (200, 100, 600)
    assert (len(calls), len(waits), speed.n_repeats) == (5, 6, 3)


def test_speed_refuses():
    with pytest.raises(ValueError, match="n_frames"):
        metrics.measure_ms_per_frame(lambda: None, 0)
