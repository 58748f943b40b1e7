"""Predicted errors: what the head learns, and whether the calibration finds the law that errors were drawn from."""

import dataclasses

import numpy as np
import pytest
import torch

from echotas.trackers.cotracker import Followed, Window
from echotas.trackers.tas_net import TasNet
from echotas.training.calibration import TrackedLine, calibrate, fit_error_law
from echotas.training.losses import error_loss, track_losses

from .test_training import CONFIG, sequence


def drawn_lines(rng, factor: float, length: float, n_lines: int = 150, n_points: int = 24) -> list[TrackedLine]:
    """Lines whose points are off by errors of the law: `factor` times the predicted ones, correlated over `length`."""
    angle = np.linspace(np.pi, 2 * np.pi, n_points)
    true = np.stack([30 * np.cos(angle), 60 * np.sin(angle)], axis=-1)
    place = np.linspace(0, 1, n_points)
    correlation = np.exp(-np.abs(place[:, None] - place) / length)
    root = np.linalg.cholesky(correlation + 1e-10 * np.eye(n_points))
    lines = []
    for _ in range(n_lines):
        predicted = rng.uniform(0.05, 0.2, (3, n_points))
        predicted[0] = 0
        noise = factor * predicted[..., None] * (root @ rng.standard_normal((3, n_points, 2)))
        lines.append(TrackedLine(true + noise, np.repeat(true[None], 3, axis=0), predicted, 0, 2))
    return lines


@pytest.mark.parametrize(("factor", "length"), [(1.0, 0.1), (2.0, 0.5)])
def test_the_law_of_drawn_errors_is_found(factor, length):
    found = fit_error_law(drawn_lines(np.random.default_rng(0), factor, length))
    assert found[0] == pytest.approx(factor, rel=0.15)
    assert np.log(found[1]) == pytest.approx(np.log(length), abs=0.5)


def test_exception_no_line():
    with pytest.raises(ValueError, match="at least one tracked line"):
        fit_error_law([])


def test_calibration_sets_both_numbers_and_starts_from_the_heads_own_word():
    torch.manual_seed(0)
    model = TasNet(CONFIG.model).eval()
    cines = [sequence(seed) for seed in (1, 2)]
    first = calibrate(model, cines, 2)
    assert first == pytest.approx((float(model.error_scale), float(model.error_length)))
    assert calibrate(model, cines, 2) == pytest.approx(first)


def followed(off_mm: float, error_mm: float) -> tuple[Followed, torch.Tensor]:
    truth = torch.rand(1, 6, 3, 2, dtype=torch.float64) * 40
    positions = truth / 4 + torch.tensor([off_mm / 4, 0.0], dtype=torch.float64)
    window = Window(0, torch.arange(3), [positions], truth[..., 0], truth[..., :1], positions)
    error = torch.full((1, 6, 3), error_mm, dtype=torch.float64)
    return Followed(positions, truth[..., 0], [window], [error]), truth


def test_loss_is_least_where_the_predicted_error_is_the_one_made():
    # Off by 2 mm on one axis: the Laplace scale that fits |dx| + |dy| = 2 over two axes is 1, a standard error of sqrt(2).
    values = {error: float(error_loss(*followed(2.0, error), 4.0, 4)) for error in (1.0, 2**0.5, 2.0)}
    assert min(values, key=values.get) == 2**0.5 and values[2**0.5] == pytest.approx(2.0)


def test_training_the_prediction_pulls_at_no_track():
    torch.manual_seed(0)
    model = TasNet(dataclasses.replace(CONFIG.model, begin_with="still"))
    truth = torch.rand(1, 5, 6, 2) * 30 + 10
    loss = error_loss(model(torch.rand(1, 5, 64, 64), truth[:, 0]), truth, 2.0, 4)
    loss.backward()
    pulled = {name for name, value in model.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0}
    assert pulled and all(name.startswith("error_head.") for name in pulled)
    model.zero_grad()
    sum(track_losses(model(torch.rand(1, 5, 64, 64), truth[:, 0]), truth, torch.rand(1, 5, 6), 2.0, 4)).backward()
    assert all(value.grad is None for value in model.error_head.parameters())
