"""Standard errors of strain: known answers, limits, and agreement with drawing the errors."""

import numpy as np
import pytest

from echotas.strain import longitudinal_strain, segmental_strain
from echotas.strain.regional import segment_weights
from echotas.strain.uncertainty import length_error_mm, strain_error_percent


def wall(n_points: int = 25, n_frames: int = 3) -> np.ndarray:
    angle = np.linspace(np.pi, 2 * np.pi, n_points)
    line = np.stack([30 * np.cos(angle), 60 * np.sin(angle)], axis=-1)
    return line * np.linspace(1, 0.8, n_frames)[:, None, None]


def test_a_straight_line_depends_on_its_ends_alone():
    line = np.zeros((1, 5, 2))
    line[0, :, 0] = np.arange(5.0)
    error = np.full((1, 5), 0.3)
    whole = length_error_mm(line, error, np.ones((1, 4)), 1e-6)
    assert whole[0, 0] == pytest.approx(0.3 * 2**0.5)


def test_a_common_error_costs_nothing():
    error = np.full((3, 25), 0.5)
    assert strain_error_percent(wall(), error, 0, np.inf).max() < 0.5
    straight = np.stack([np.linspace(0, 90, 25), np.zeros(25)], axis=-1)[None]
    assert length_error_mm(straight, error[:1], np.ones((1, 24)), np.inf)[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("segments", [False, True])
def test_it_is_the_spread_of_strains_with_drawn_errors(segments):
    rng = np.random.default_rng(0)
    line, length = wall(), 0.4
    error = np.zeros((3, 25))
    error[0] = 0.1 + 0.1 * np.linspace(0, 1, 25)  # end-diastole tracked, end-systole drawn
    place = np.linspace(0, 1, 25)
    root = np.linalg.cholesky(np.exp(-np.abs(place[:, None] - place) / length) + 1e-12 * np.eye(25))
    drawn = []
    for _ in range(3000):
        moved = line + error[..., None] * (root @ rng.standard_normal((3, 25, 2)))
        drawn.append(segmental_strain(moved, 0) if segments else longitudinal_strain(moved, 0)[None])
    expected = np.std(drawn, axis=0)[:, 2]
    # The cut into segments moves with the errors when they are drawn; to first order it does not.
    tolerance = 0.25 if segments else 0.08
    weights = segment_weights(line, 0, None) if segments else None
    np.testing.assert_allclose(strain_error_percent(line, error, 0, length, weights)[:, 2], expected, rtol=tolerance)


def test_no_error_at_end_diastole_and_none_without_errors():
    error = np.full((3, 25), 0.2)
    found = strain_error_percent(wall(), error, 1, 0.2)
    assert found.shape == (1, 3) and found[0, 1] == 0 and (found[0, [0, 2]] > 0).all()
    assert (strain_error_percent(wall(), 0 * error, 1, 0.2) == 0).all()
    assert strain_error_percent(wall(), 2 * error, 1, 0.2) == pytest.approx(2 * found)


@pytest.mark.parametrize(
    ("error", "length", "message"),
    [
        (np.ones((3, 24)), 0.1, r"error_mm must be \(3, 25\)"),
        (np.full((3, 25), np.nan), 0.1, "error_mm must be finite"),
        (np.full((3, 25), -1.0), 0.1, "error_mm must be finite and >= 0"),
        (np.ones((3, 25)), 0.0, "correlation_length must be positive"),
    ],
)
def test_exception_bad_errors(error, length, message):
    with pytest.raises(ValueError, match=message):
        strain_error_percent(wall(), error, 0, length)
