"""What every tracker in the registry must do, whatever its method."""

import numpy as np
import pytest

from echotas.records import Cine
from echotas.trackers import available, create
from echotas.trackers.base import Query
from echotas.trackers.registry import PEERS

from .conftest import as_cine, horseshoe, mesh_uv, translated

CLASSICAL = ("block_matching", "farneback", "dis", "lucas_kanade", "lucas_kanade_mesh")
NETWORKS = (*PEERS, "tas_net", "tas_net_pretrained", "tas_net_released")
QUERY = horseshoe().reshape(-1, 2)
UV = mesh_uv()


@pytest.fixture(scope="module")
def moving() -> Cine:
    return as_cine(translated((1.0, -0.6), 4), es_frame=2)


@pytest.mark.parametrize("name", available())
def test_smoke_shapes_and_pinned_query(name, moving, config_of):
    tracks = create(name, **config_of(name, 4)).track(moving, QUERY, 2, UV)
    assert tracks.points_px.shape == (4, len(QUERY), 2)
    assert tracks.query_frame == 2
    np.testing.assert_array_equal(tracks.points_px[2], QUERY)
    np.testing.assert_array_equal(tracks.confidence[2], 1.0)


@pytest.mark.parametrize("name", available())
def test_same_input_gives_the_same_bytes(name, moving, config_of):
    runs = [create(name, **config_of(name, 4)).track(moving, QUERY, 1, UV) for _ in range(2)]
    assert runs[0].points_px.tobytes() == runs[1].points_px.tobytes()
    assert runs[0].confidence.tobytes() == runs[1].confidence.tobytes()


@pytest.mark.parametrize("name", available())
def test_nothing_moves_in_a_still_cine(name, config_of):
    cine = as_cine(np.repeat(translated((0, 0), 1), 5, axis=0))
    tracks = create(name, **config_of(name, 5)).track(cine, QUERY, 2, UV)
    moved = np.abs(tracks.points_px - QUERY)
    if (
        name in PEERS
    ):  # trained for minutes, on speckle and not on this texture: on average no more than a pixel of their own, 1 mm
        assert moved.mean() < 2.0
    else:
        # The oracle rounds to 0.1 px; TAS-Net sees which frame is which: 0.6 px are 0.3 mm, a 13th of a cell.
        tolerance = {"oracle": 0.051, "block_matching": 0.02}.get(name, 0.6 if name in NETWORKS else 1e-3)
        assert moved.max() < tolerance


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("shift_px", [(3.0, 0.0), (-1.5, 2.6)])
def test_classical_trackers_recover_a_translation(name, shift_px, config_of):
    cine = as_cine(translated(shift_px, 4))
    tracks = create(name).track(cine, QUERY, 1, UV)
    truth = QUERY + (np.arange(4) - 1)[:, None, None] * np.array(shift_px)
    # A step of 3 px is a fifth of the block matching window: its Hann-weighted peak is pulled towards zero.
    tolerance = 0.6 if name == "block_matching" else 0.2
    assert np.abs(tracks.points_px - truth).mean() < tolerance
    assert tracks.confidence.mean() > 0.7


@pytest.mark.parametrize("name", available())
def test_order_of_points_does_not_matter(name, moving, config_of):
    tracker = create(name, **config_of(name, 4))
    order = np.random.default_rng(0).permutation(len(QUERY))
    straight, shuffled = tracker.track(moving, QUERY, 2, UV), tracker.track(moving, QUERY[order], 2, UV[order])
    tolerance = 3e-2 if name in NETWORKS else 1e-6  # single precision; in double exact (test_point_networks)
    np.testing.assert_allclose(shuffled.points_px, straight.points_px[:, order], atol=tolerance)


@pytest.mark.parametrize("name", available())
def test_several_lines_at_once_are_each_line_alone(name, moving, config_of):
    tracker = create(name, **config_of(name, 4))
    starts = [(QUERY, 2), (QUERY + [0.4, -0.3], 2), (QUERY + [9.0, 6.0], 2), (QUERY, 1)]
    together = tracker.track_all(moving, [Query(points, frame, UV) for points, frame in starts])
    for (points, frame), tracks in zip(starts, together, strict=True):
        alone = tracker.track(moving, points, frame, UV)
        tolerance = {"block_matching": 0.1, "dis": 1e-2}.get(name, 3e-2 if name in NETWORKS else 1e-6)
        np.testing.assert_allclose(tracks.points_px, alone.points_px, atol=tolerance)


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("n_frames", [1, 2])
def test_shortest_cines(name, n_frames, config_of):
    cine = as_cine(translated((1, 0), n_frames), es_frame=0)
    tracks = create(name, **config_of(name, n_frames)).track(cine, QUERY, n_frames - 1, UV)
    assert tracks.points_px.shape == (n_frames, len(QUERY), 2)


@pytest.mark.parametrize("name", available())
def test_no_points_give_no_tracks(name, moving, config_of):
    tracks = create(name, **config_of(name, 4)).track(moving, np.zeros((0, 2)), 0)
    assert tracks.points_px.shape == (4, 0, 2)


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize(
    ("query", "frame", "uv", "message"),
    [
        (np.where(np.arange(len(QUERY))[:, None] == 3, np.nan, QUERY), 0, UV, "query_px must be finite"),
        (QUERY.T, 0, UV, "query_px must be"),
        (QUERY, 4, UV, "query_frame must be"),
        (QUERY, -1, UV, "query_frame must be"),
        (QUERY, 1.0, UV, "query_frame must be"),
        (QUERY + 90, 0, UV, "inside the 120 x 120 px image"),
        (QUERY, 0, UV[:-1], "mesh_uv must have"),
        (QUERY, 0, UV + 0.5, "mesh_uv must be finite and lie"),
    ],
)
def test_exception_names_the_broken_rule(name, query, frame, uv, message, moving, config_of):
    with pytest.raises(ValueError, match=message):
        create(name, **config_of(name, 4)).track(moving, query, frame, uv)


@pytest.mark.parametrize("name", [*CLASSICAL, *PEERS, "tas_net"])
def test_exception_unknown_spacing_is_refused(name, config_of):
    cine = Cine(translated((0, 0), 2), None, np.arange(2.0), es_frame=0)
    with pytest.raises(ValueError, match="spacing_mm must be known"):
        create(name).track(cine, QUERY, 0, UV)


@pytest.mark.parametrize("name", CLASSICAL)
def test_half_the_rows_at_twice_the_spacing_is_the_same_motion(name):
    frames = translated((1.5, 2.0), 3)
    tall = Cine(frames[:, ::2], (0.5, 1.0), np.arange(3.0))
    tracks = create(name).track(tall, QUERY / [1, 2], 0, UV)
    truth = (QUERY + np.arange(3)[:, None, None] * [1.5, 2.0]) / [1, 2]
    assert np.abs((tracks.points_px - truth) * [1, 2]).mean() < 0.5
