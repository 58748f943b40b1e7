"""Smoothing, lost points, the oracle: what the shared contract does not cover."""

import numpy as np
import pymust
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates, shift

from echotas.records import Mesh
from echotas.trackers import create
from echotas.trackers.block_matching import _match, _read_grid
from echotas.trackers.blocks.patches import crop_box, patch_correlation
from echotas.trackers.lucas_kanade_mesh import smooth_local_linear

from .conftest import as_cine, horseshoe, mesh_uv, texture, translated

QUERY = horseshoe().reshape(-1, 2)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6), st.floats(2, 20), st.integers(0, 2**31 - 1))
def test_smoothing_keeps_any_uniform_stretch_exactly(coefficients, sigma, seed):
    a = np.array(coefficients).reshape(2, 3)
    weights = np.random.default_rng(seed).uniform(0.05, 1, len(QUERY))
    values = QUERY @ a[:, :2].T + a[:, 2]
    np.testing.assert_allclose(smooth_local_linear(QUERY, values, weights, sigma), values, atol=1e-6)


def test_smoothing_keeps_the_stretch_of_points_on_a_line():
    line = np.stack([np.linspace(0, 50, 20), np.zeros(20)], axis=1)
    np.testing.assert_allclose(smooth_local_linear(line, 0.3 * line, np.ones(20), 5.0), 0.3 * line, atol=1e-9)


def test_smoothing_removes_most_of_the_noise():
    noise = np.random.default_rng(0).normal(size=(200, 2))
    place = np.random.default_rng(1).uniform(0, 30, (200, 2))
    assert smooth_local_linear(place, noise, np.ones(200), 6.0).std() < 0.4 * noise.std()


@pytest.mark.parametrize(
    ("name", "bias"), [("lucas_kanade", 0.01), ("lucas_kanade_mesh", 0.01), ("farneback", 0.02), ("dis", 0.02)]
)
def test_uniform_contraction_keeps_its_strain(name, bias):
    image = texture(160, 160)
    row, column = np.mgrid[:120, :120].astype(float)
    scales = [1.0, 0.97, 0.94]
    frames = np.stack(
        [map_coordinates(image, [80 + (row - 60) / s, 80 + (column - 60) / s], order=3).clip(0, 255) for s in scales]
    )
    tracks = create(name).track(as_cine(np.rint(frames).astype(np.uint8)), QUERY, 0, mesh_uv())
    spread = np.sqrt(((tracks.points_px - tracks.points_px.mean(1, keepdims=True)) ** 2).sum((1, 2)))
    assert spread[2] / spread[0] == pytest.approx(0.94, abs=bias)


def test_a_point_without_texture_follows_its_neighbours():
    frames = translated((1.0, 0.0), 3)
    x, y = QUERY[10].round().astype(int)
    frames[:, y - 2 : y + 3, x - 2 : x + 3] = np.random.default_rng(0).integers(0, 256, (3, 5, 5))
    tracks = create("lucas_kanade", window_mm=2.5, max_return_mm=0.1).track(as_cine(frames), QUERY, 0)
    assert np.abs(tracks.points_px[1, 10] - QUERY[10] - [1, 0]).max() < 0.5
    assert tracks.confidence[1, 10] < np.median(tracks.confidence[1])


def test_confidence_never_rises_away_from_the_query():
    frames = translated((1.0, 0.0), 6)
    frames[3] = texture(120, 120, seed=5).astype(np.uint8)
    confidence = create("farneback").track(as_cine(frames), QUERY, 0).confidence
    assert (np.diff(confidence, axis=0) <= 0).all()
    assert confidence[2].mean() > 0.8 > 0.5 > confidence[3].mean()


def test_patch_correlation_is_one_for_the_same_patch_and_ignores_gain():
    image = texture(60, 60)
    points = np.array([[20.0, 30.0], [31.5, 22.25]])
    same = patch_correlation(image.astype(np.float32), (0.5 * image + 20).astype(np.float32), points, points, (11, 9))
    np.testing.assert_allclose(same, 1, atol=1e-5)
    flat = np.full((60, 60), 7, np.float32)
    np.testing.assert_array_equal(patch_correlation(flat, flat, points, points, (11, 9)), 0)


def test_crop_box_holds_points_and_margin_inside_the_image():
    box = crop_box(np.array([[10.2, 50.0], [20.0, 55.5]]), (5.0, 100.0), (80, 60))
    assert box == (0, 80, 5, 26)


def test_block_matching_reads_a_linear_field_between_its_windows():
    x, y = np.arange(10.0, 60, 10), np.arange(10.0, 50, 10)
    field = np.stack(np.meshgrid(x, y)) * 0.1
    points = np.array([[12.5, 33.0], [50.0, 10.0]])
    np.testing.assert_allclose(_read_grid(field, x, y, points), 0.1 * points)
    field[:, 0, 0] = np.nan
    assert np.isfinite(_read_grid(field, x, y, np.array([[0.0, 0.0]]))).all()


@pytest.mark.parametrize(
    ("windows", "overlap"), [((20, 20), 50.0), ((32, 16, 8), 50.0), ((24, 12), 75.0), ((10,), 0.0)]
)
def test_block_matching_field_is_that_of_pymust(windows, overlap):
    frames = texture(140, 140)[:, :, None] + np.zeros(2)
    frames[..., 1] = shift(frames[..., 0], (1.3, -2.2), mode="nearest")
    frames[:, -20:] = frames[:12, :15] = np.nan
    parameters = pymust.utils.Param()
    parameters.winsize, parameters.overlap = np.repeat(np.array(windows)[:, None], 2, axis=1), overlap
    dx, dy, x, y = pymust.sptrack(frames, parameters)
    field, centres = _match(np.moveaxis(frames, -1, 0), windows, overlap)
    np.testing.assert_allclose(field, [dx, dy], atol=1e-6)  # NaN where there it is
    np.testing.assert_array_equal([centres + 0.5] * 2, [x[0], y[:, 0]])


def test_block_matching_of_a_point_where_no_window_fits_leaves_it():
    tracks = create("block_matching").track(as_cine(translated((1.0, 0.0), 3)), np.zeros((1, 2)), 0)
    np.testing.assert_array_equal(tracks.points_px, 0)


def test_oracle_is_exact_inside_the_mesh_up_to_its_rounding():
    mesh = horseshoe()
    grown = np.stack([mesh, 60 + 1.1 * (mesh - 60)])
    inside = mesh[:-1, :-1].reshape(-1, 2) * 0.5 + mesh[1:, 1:].reshape(-1, 2) * 0.5
    cine = as_cine(np.ones((2, 120, 120), np.uint8))
    exact = create("oracle", truth=Mesh(grown), quantum_px=0).track(cine, inside, 0)
    np.testing.assert_allclose(exact.points_px[1], 60 + 1.1 * (inside - 60), atol=1e-9)
    rounded = create("oracle", truth=Mesh(grown)).track(cine, inside, 0)
    assert 0 < np.abs(rounded.points_px[1] - exact.points_px[1]).max() <= 0.05 + 1e-9


def test_oracle_moves_outside_points_with_the_nearest_mesh_point():
    mesh = horseshoe()
    cine = as_cine(np.ones((2, 120, 120), np.uint8))
    truth = np.stack([mesh, mesh + [2, -1]])
    tracks = create("oracle", truth=truth, quantum_px=0).track(cine, np.array([[5.0, 5.0]]), 0)
    np.testing.assert_allclose(tracks.points_px[1], [[7.0, 4.0]])


def test_exception_oracle_of_another_cine():
    with pytest.raises(ValueError, match="truth must have the cine's 2 frames, got 3"):
        create("oracle", truth=np.repeat(horseshoe()[None], 3, 0)).track(as_cine(translated((0, 0), 2)), QUERY, 0)
