"""Folds: none in a rigid motion, one where one is made, no guess from a broken mesh."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas import metrics


def grid(n_frames=3, n_long=6, n_rad=4):
    longitudinal, radial = np.meshgrid(np.arange(n_long), np.arange(n_rad), indexing="ij")
    return np.repeat(np.stack([longitudinal, radial], axis=-1)[None].astype(float), n_frames, axis=0)


@settings(max_examples=20, deadline=None)
@given(st.floats(-np.pi, np.pi), st.floats(-100, 100))
def test_rigid_motion_folds_nothing(angle, shift):
    mesh = grid()
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mesh[1] = mesh[1] @ turn.T + shift
    count = metrics.count_folds(mesh)
    assert not count.any_fold
    assert count.min_jacobian_det == pytest.approx(1)
    assert count.n_triangles == 30


def test_area_change_is_the_determinant():
    mesh = grid()
    mesh[2] *= (0.5, 0.8)
    assert metrics.count_folds(mesh).min_jacobian_det == pytest.approx(0.4)


def test_a_mirrored_frame_folds_every_triangle():
    mesh = grid(4)
    mesh[3, ..., 0] *= -1
    count = metrics.count_folds(mesh)
    assert (count.any_fold, count.folded_triangles, count.folded_frames) == (True, 1, pytest.approx(1 / 3))
    assert count.min_jacobian_det == pytest.approx(-1)


def test_pushing_one_node_over_folds_what_touches_it():
    mesh = grid()
    mesh[1, 2, 2] += (1.5, 0)  # past its neighbour at (3, 2)
    count = metrics.count_folds(mesh)
    assert count.any_fold
    # brute force: signs of all triangles by the shoelace formula
    from echotas.geometry import triangles

    folded = set()
    for index, corners in enumerate(triangles(6, 4)):
        (ax, ay), (bx, by), (cx, cy) = mesh[1].reshape(-1, 2)[corners]
        (px, py), (qx, qy), (rx, ry) = mesh[0].reshape(-1, 2)[corners]
        now = ax * (by - cy) + bx * (cy - ay) + cx * (ay - by)
        then = px * (qy - ry) + qx * (ry - py) + rx * (py - qy)
        if now / then <= 0:
            folded.add(index)
    assert 0 < len(folded) <= 6
    assert count.folded_triangles == pytest.approx(len(folded) / 30)
    assert count.folded_frames == 0.5


def test_a_collapsed_cell_counts_as_folded():
    mesh = grid()
    mesh[1, 1] = mesh[1, 0]
    assert metrics.count_folds(mesh).min_jacobian_det == 0
    assert metrics.count_folds(mesh).any_fold


def test_reference_frame_is_the_query_frame():
    mesh = grid()
    mesh[0, ..., 0] *= -1
    assert metrics.count_folds(mesh, 1).folded_frames == 0.5
    assert metrics.count_folds(mesh, 0).folded_frames == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda mesh: mesh[:1], "points must be"),
        (lambda mesh: mesh[:, :, :1], "points must be"),
        (lambda mesh: np.where(mesh == 2, np.nan, mesh), "points must be finite"),
        (lambda mesh: mesh * (0, 1), "without folds in reference_frame 0, got triangles of 0 positive, 0 negative"),
        (lambda mesh: mesh[:, [1, 0, 2, 3, 4, 5]], "without folds in reference_frame 0"),
    ],
)
def test_meshes_that_cannot_be_judged_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        metrics.count_folds(change(grid()))
    with pytest.raises(ValueError, match="reference_frame"):
        metrics.count_folds(grid(), 3)
