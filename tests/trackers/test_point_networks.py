"""Every peer as a tracker, with random weights: what `test_contract.py` does not ask of all trackers."""

import numpy as np
import pytest
import torch

from echotas.records import Cine
from echotas.trackers.base import Query
from echotas.trackers.blocks.point_network import Estimates, Grid, in_parts, of_clip
from echotas.trackers.cotracker3 import CoTracker3Tracker
from echotas.trackers.myotracker import MyoTrackerTracker
from echotas.trackers.registry import PEERS, class_of
from echotas.trackers.specknet import SpeckNetTracker

from .conftest import as_cine, horseshoe, mesh_uv, translated

QUERY = horseshoe().reshape(-1, 2)
UV = mesh_uv()
named = pytest.mark.parametrize("peer", [class_of(name) for name in PEERS], ids=PEERS)


@pytest.fixture(scope="module")
def moving() -> Cine:
    return as_cine(translated((1.0, -0.6), 5), es_frame=2)


@named
def test_order_of_points_does_not_matter(peer, moving):
    tracker, order = peer(config={}), np.random.default_rng(0).permutation(len(QUERY))
    tracker.network.double()  # random weights amplify the rounding of single precision
    straight, shuffled = tracker.track(moving, QUERY, 2, UV), tracker.track(moving, QUERY[order], 2, UV[order])
    np.testing.assert_allclose(shuffled.points_px, straight.points_px[:, order], atol=1e-6)


@named
def test_single_precision_agrees_with_double(peer, moving):
    single, double = peer(config={}), peer(config={})
    double.network.double()
    one, other = (tracker.track(moving, QUERY, 2, UV).points_px for tracker in (single, double))
    np.testing.assert_allclose(one, other, atol=0.05)


@named
def test_a_point_in_the_corner_and_a_larger_image_are_followed(peer):
    cine = as_cine(translated((1, 0), 3, size=200), es_frame=0)
    corners = np.array([[0.0, 0.0], [199.0, 0.0], [0.0, 199.0], [199.0, 199.0], [99.5, 99.5]])
    tracks = peer(config={}).track(cine, corners, 0)
    assert tracks.points_px.shape == (3, 5, 2) and np.isfinite(tracks.points_px).all()


@named
def test_weights_file_brings_sizes_grid_and_steps_back(peer, moving, tmp_path):
    tracker = peer(config={}, seed=5)
    path = peer.save(tracker.network, tmp_path / "w.safetensors", Grid(pixel_mm=0.8), 12)
    again = peer(path)
    assert again.n_steps == 12 and again.grid == Grid(pixel_mm=0.8) and again.n_parameters == tracker.n_parameters
    for one, other in zip(tracker.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_frames_are_encoded_in_parts_without_a_difference():
    frames = torch.randn(35, 2, 3)
    assert torch.equal(in_parts(lambda part: 2 * part, frames), 2 * frames)
    first, second = in_parts(lambda part: [part, part[:, 0]], frames)
    assert torch.equal(first, frames) and torch.equal(second, frames[:, 0])
    assert torch.equal(of_clip([first, second], np.array([30, 3]))[1], frames[[30, 3], 0][None])


@named
def test_starts_in_different_frames_share_features_without_a_difference(peer):
    cine = as_cine(translated((1.0, -0.6), 20), es_frame=2)
    tracker = peer(config={})
    together = tracker.track_all(cine, [Query(QUERY, 2, UV), Query(QUERY, 17, UV)])
    for tracks, frame in zip(together, (2, 17), strict=True):
        np.testing.assert_allclose(tracks.points_px, tracker.track(cine, QUERY, frame, UV).points_px, atol=1e-3)


@pytest.mark.parametrize("first_pixel", [0.0, 0.5])
def test_points_are_given_and_taken_as_the_network_counts_pixels(first_pixel, moving, monkeypatch):
    """A network that answers the centre of the first pixel of its grid, wherever it has that."""
    tracker, given = SpeckNetTracker(config={}), []
    tracker.grid = Grid(first_pixel=first_pixel)

    def answer(network, frames, query, n_iterations, features):
        given.append(query.clone())
        stay = torch.full_like(query, first_pixel)[:, None].repeat(1, frames.shape[1], 1, 1)
        stay[:, 0] = query
        return Estimates([stay], None)

    monkeypatch.setattr(tracker, "estimates", answer)
    found = tracker.track(moving, QUERY, 2).points_px
    matrix, _ = tracker.grid_for(moving, QUERY)
    np.testing.assert_allclose(given[0][0], QUERY @ matrix[:, :2].T + matrix[:, 2] + first_pixel, atol=1e-4)
    corner = np.linalg.inv(matrix[:, :2]) @ -matrix[:, 2]
    np.testing.assert_allclose(found[[0, 1, 3, 4]], np.broadcast_to(corner, (4, *QUERY.shape)), atol=1e-4)


def test_exception_foreign_or_missing_weights_are_refused(tmp_path):
    tracker = MyoTrackerTracker(config={})
    path = MyoTrackerTracker.save(tracker.network, tmp_path / "w.safetensors", Grid(), 0)
    with pytest.raises(ValueError, match="not a weights file of specknet that fits .*holds weights of 'myotracker'"):
        SpeckNetTracker(path)
    with pytest.raises(ValueError, match="not a weights file of specknet"):
        SpeckNetTracker(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize(
    ("peer", "arguments", "message"),
    [
        (CoTracker3Tracker, {"n_iterations": 0}, "n_iterations must be an integer >= 1"),
        (SpeckNetTracker, {"n_iterations": 2}, "specknet has no n_iterations to choose"),
        (SpeckNetTracker, {"config": {"gamma": 0.5}}, "gamma, final_power and window must be >= 1"),
    ],
)
def test_exception_bad_value_is_refused_when_made(peer, arguments, message):
    with pytest.raises(ValueError, match=message):
        peer(**{"config": {}, **arguments})


def test_exception_config_beside_weights(tmp_path):
    path = MyoTrackerTracker.save(MyoTrackerTracker(config={}).network, tmp_path / "w.safetensors", Grid(), 0)
    with pytest.raises(ValueError, match="config must be left out when weights are given"):
        MyoTrackerTracker(path, config={})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pixel_mm": 0}, "pixel_mm must be positive"),
        ({"image_size": (100, 128)}, "image_size must be two multiples of 16"),
        ({"margin_mm": -1}, "margin_mm >= 0"),
        ({"first_pixel": 0.3}, "first_pixel must be 0 or 0.5"),
    ],
)
def test_exception_bad_grid(values, message):
    with pytest.raises(ValueError, match=message):
        Grid(**values)
