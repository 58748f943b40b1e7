"""A mesh that is smooth and does not fold: exact where it must be, whatever the points do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.metrics import count_folds
from echotas.trackers.blocks.fold_free import mesh_order, unfold

from .conftest import N_LONG, N_RAD, horseshoe, mesh_uv

ORDER, SHAPE = mesh_order(mesh_uv())


def moved(linear, shift, n_frames: int = 3) -> np.ndarray:
    start = horseshoe().reshape(-1, 2)
    return np.stack([start, *(start @ np.asarray(linear).T + shift for _ in range(n_frames - 1))])


def test_a_uniform_stretch_stays_what_it_is():
    paths = moved([[0.8, 0.1], [0.0, 0.85]], [3.0, -2.0])
    np.testing.assert_allclose(unfold(paths, 0, ORDER, SHAPE, (0.5, 0.4), 4.0), paths, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 12.0))
def test_noise_that_folds_is_smoothed_until_nothing_folds(seed, noise):
    paths = moved(np.eye(2) * 0.9, [1.0, 1.0])
    paths[1:] += np.random.default_rng(seed).normal(0, noise, paths[1:].shape)
    free = unfold(paths, 0, ORDER, SHAPE, (0.5, 0.5), 2.0)
    np.testing.assert_array_equal(free[0], paths[0])
    assert not count_folds(free.reshape(-1, N_LONG, N_RAD, 2), 0).any_fold


def test_a_mirrored_wall_is_left_as_found():
    paths = moved([[-1.0, 0.0], [0.0, 1.0]], [120.0, 0.0])
    np.testing.assert_array_equal(unfold(paths, 0, ORDER, SHAPE, (0.5, 0.5), 4.0), paths)


def test_points_that_are_sure_count_for_more():
    paths = moved(np.eye(2), [0.0, 0.0])
    paths[1:, ::2] += [4.0, 0.0]
    error = np.ones(paths.shape[:2])
    error[:, ::2] = 0.1
    towards = unfold(paths, 0, ORDER, SHAPE, (0.5, 0.5), 4.0, error)[1, :, 0] - paths[0, :, 0]
    without = unfold(paths, 0, ORDER, SHAPE, (0.5, 0.5), 4.0)[1, :, 0] - paths[0, :, 0]
    assert towards.mean() > 3.0 > without.mean()


def test_the_order_of_the_points_does_not_matter():
    shuffle = np.random.default_rng(0).permutation(len(mesh_uv()))
    paths = moved(np.eye(2), [0.0, 0.0]) + np.random.default_rng(1).normal(0, 2, (3, N_LONG * N_RAD, 2)) * [
        [[0]],
        [[1]],
        [[1]],
    ]
    order, shape = mesh_order(mesh_uv()[shuffle])
    assert shape == SHAPE
    np.testing.assert_allclose(
        unfold(paths[:, shuffle], 0, order, shape, (0.5, 0.5), 3.0),
        unfold(paths, 0, ORDER, SHAPE, (0.5, 0.5), 3.0)[:, shuffle],
        atol=1e-8,
    )


@pytest.mark.parametrize("uv", [None, mesh_uv()[:-1], np.random.default_rng(0).random((12, 2)), mesh_uv()[:3]])
def test_other_points_are_no_mesh(uv):
    assert mesh_order(uv) is None
