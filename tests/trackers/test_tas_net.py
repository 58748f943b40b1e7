import dataclasses

import numpy as np
import pytest
import torch

from echotas.trackers import create
from echotas.trackers.blocks.correlation import correlation_windows, feature_pyramid, sample_features
from echotas.trackers.blocks.positions import flow_frequencies, flow_sincos, place_table, time_table
from echotas.trackers.blocks.resampling import crop_to_grid, move_points, resample_frames
from echotas.trackers.cotracker import CoTracker
from echotas.trackers.tas_net import (
    N_ITERATIONS,
    SMALL_CORE,
    TasNet,
    TasNetConfig,
    TasNetTracker,
    load_weights,
    save_weights,
)

from .conftest import as_cine, horseshoe, mesh_uv, translated

# 2 + 4 flow, 3 x 9 correlation, 9 appearance, 2 flags: 44 columns.
TINY_CORE = dataclasses.replace(
    SMALL_CORE, stem_width=4, stage_widths=(4, 4, 4, 4), fuse_width=8, feature_width=9, radius=1, n_levels=3,
    n_flow_frequencies=1, width=16, n_heads=2, n_time_blocks=2, n_space_blocks=1, head_std=0.02,
)  # fmt: skip
TINY = TasNetConfig(core=TINY_CORE, mesh_widths=(8,), image_size=(64, 64), margin_mm=2.0)
QUERY = torch.tensor([[[20.0, 30.0], [40.5, 22.0], [33.0, 50.0]]], dtype=torch.float64)


def network(**changes) -> TasNet:
    torch.manual_seed(0)
    return TasNet(dataclasses.replace(TINY, **changes)).double().eval()


def frames(n_frames: int) -> torch.Tensor:
    cine = translated((1.0, 0.5), n_frames, size=64)
    return torch.from_numpy(cine).double()[None] / 127.5 - 1


def test_mesh_embedding_changes_nothing_at_initialisation():
    model = network()
    uv = torch.rand(1, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        plain, placed = model(frames(10), QUERY), model(frames(10), QUERY, uv)
        assert torch.equal(plain.positions, placed.positions)
        torch.nn.init.normal_(model.mesh_embedding[-1].weight)
        assert not torch.equal(plain.positions, model(frames(10), QUERY, uv).positions)


def test_without_mesh_embedding_it_is_cotracker_to_the_bit():
    model = network(mesh_embedding=False)
    core = CoTracker(TINY_CORE).double().eval()
    core.load_state_dict(model.core.state_dict())
    queries = torch.cat([torch.zeros(3, 1), QUERY[0]], dim=1)
    with torch.no_grad():
        ours, theirs = model(frames(9), QUERY), core(frames(9)[:, :, None], queries)
    assert torch.equal(ours.positions, theirs.positions) and torch.equal(ours.visibility, theirs.visibility)


@pytest.mark.parametrize(("n_frames", "first"), [(1, [0]), (4, [0]), (8, [0]), (9, [0, 4]), (13, [0, 4, 8])])
def test_windows_cover_every_frame_of_any_length(n_frames, first):
    with torch.no_grad():
        followed = network()(frames(n_frames), QUERY)
    assert [window.first_frame for window in followed.windows] == first
    assert followed.windows[-1].first_frame + followed.windows[-1].visibility.shape[1] == n_frames
    assert followed.positions.shape == (1, n_frames, 3, 2)


def test_a_batch_gives_what_its_items_give_alone():
    model = network()
    pair = torch.cat([frames(9), frames(9).flip(3)])
    queries = torch.cat([QUERY, QUERY + 3])
    with torch.no_grad():
        together = model(pair, queries).positions
        alone = [model(pair[i : i + 1], queries[i : i + 1]).positions for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-9, rtol=0)


def test_points_support_each_other():
    model = network()
    with torch.no_grad():
        alone, together = model(frames(8), QUERY[:, :1]).positions, model(frames(8), QUERY).positions
    assert not torch.allclose(alone[:, :, 0], together[:, :, 0])


def test_time_reversal_about_the_query_reverses_the_tracks():
    tracker = TasNetTracker.from_network(network())
    cine = translated((1.0, 0.5), 9)
    query = horseshoe().reshape(-1, 2)
    forward = tracker.track(as_cine(cine), query, 4, mesh_uv())
    backward = tracker.track(as_cine(cine[::-1]), query, 4, mesh_uv())
    np.testing.assert_allclose(backward.points_px[::-1], forward.points_px, atol=1e-9)


def test_weights_survive_the_file_and_carry_their_configuration(tmp_path):
    model = network().float()
    path = save_weights(model, tmp_path / "w.safetensors")
    again = load_weights(path)
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    query, cine = horseshoe().reshape(-1, 2), as_cine(translated((1.0, 0.5), 9))
    expected = TasNetTracker.from_network(model).track(cine, query, 4, mesh_uv())
    np.testing.assert_array_equal(
        create("tas_net", weights=path, smoothing_mm=0.0).track(cine, query, 4, mesh_uv()).points_px, expected.points_px
    )


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = (create("tas_net", config=TINY, seed=seed).network.core.visibility_head.weight for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.rand(1), expected)


def test_exception_bad_weights_and_sizes(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.safetensors: not a TAS-Net weights file"):
        create("tas_net", weights=tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match="config must be left out"):
        create("tas_net", weights="w", config=TINY)
    with pytest.raises(ValueError, match="image_size must"):
        TasNetConfig(image_size=(100, 112))
    with pytest.raises(ValueError, match="token must have a multiple of 4"):
        dataclasses.replace(SMALL_CORE, feature_width=33)


def test_correlation_window_is_the_dot_product_with_the_map_around_the_point():
    maps = torch.randn(1, 5, 12, 14, dtype=torch.float64)
    feature = torch.randn(1, 1, 5, dtype=torch.float64)
    columns = correlation_windows(feature_pyramid(maps, 2), feature, torch.tensor([[[6.0, 4.0]]]).double(), radius=2)
    fine = torch.einsum("c,chw->hw", feature[0, 0], maps[0])[2:7, 4:9] / 5**0.5
    torch.testing.assert_close(columns[0, 0, :25].reshape(5, 5), fine.T)  # x offset slow
    coarse = torch.nn.functional.avg_pool2d(maps, 2)
    torch.testing.assert_close(columns[0, 0, 25 + 12], (coarse[0, :, 2, 3] * feature[0, 0]).sum() / 5**0.5)


def test_correlation_is_zero_outside_the_map():
    maps = torch.ones(1, 4, 8, 8, dtype=torch.float64)
    columns = correlation_windows(
        [maps], torch.ones(1, 1, 4).double(), torch.tensor([[[0.0, 20.0]]]).double(), radius=1
    )
    assert (columns == 0).all()


def test_features_are_sampled_at_x_then_y():
    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    values = sample_features(maps, torch.tensor([[[3.0, 1.0], [0.5, 2.0], [-5.0, 0.0]]]))
    torch.testing.assert_close(values[0, :, 0], torch.tensor([7.0, 8.5, 0.0]))


def test_tables_have_their_documented_order():
    time = time_table(3, 8)
    torch.testing.assert_close(time[2, :2], torch.tensor([2.0, 0.2], dtype=torch.float64).sin())
    torch.testing.assert_close(time[2, 4:6], torch.tensor([2.0, 0.2], dtype=torch.float64).cos())
    place = place_table(5, 6, 8)
    assert torch.equal(place[:4, 0], place[:4, 3]) and torch.equal(place[4:, :, 0], place[4:, :, 5])
    torch.testing.assert_close(flow_frequencies(32, "released")[:2], torch.tensor([0.0, 31.25], dtype=torch.float64))
    flow = torch.tensor([0.3, -0.7], dtype=torch.float64)
    columns = flow_sincos(flow, torch.tensor([1.0, 2.0], dtype=torch.float64))
    expected = [0.3, -0.7, *(f(w * v) for v in (0.3, -0.7) for w in (1, 2) for f in (np.sin, np.cos))]
    np.testing.assert_allclose(columns.numpy(), expected)


def test_grid_holds_the_points_in_its_middle_and_maps_back():
    points = horseshoe().reshape(-1, 2)
    matrix, size = crop_to_grid(points, (0.5, 0.25), 1.0, (64, 64), 20.0)
    assert size == (64, 80)
    moved = move_points(points, matrix)
    np.testing.assert_allclose((moved.min(0) + moved.max(0)) / 2, [39.5, 31.5])
    np.testing.assert_allclose(np.ptp(moved, axis=0), np.ptp(points, axis=0) * [0.5, 0.25])
    np.testing.assert_allclose(move_points(moved, matrix, inverse=True), points)


def test_resampled_frames_show_the_image_where_the_points_say():
    image = np.zeros((1, 60, 80), np.uint8)
    image[0, 20:23, 50:53] = 200  # centre (51, 21)
    matrix, size = crop_to_grid(np.array([[51.0, 21.0], [31.0, 41.0]]), (1.0, 1.0), 1.0, (64, 64), 0.0)
    resampled = resample_frames(image, matrix, size)[0]
    x, y = move_points(np.array([51.0, 21.0]), matrix)
    rows, columns = np.nonzero(resampled > 100)
    assert abs(columns.mean() - x) <= 0.5 and abs(rows.mean() - y) <= 0.5


def test_a_still_cine_gives_a_still_mesh_with_the_released_weights():
    query = horseshoe().reshape(-1, 2)
    tracks = TasNetTracker().track(as_cine(np.repeat(translated((0, 0), 1), 8, axis=0)), query, 2, mesh_uv())
    assert np.abs(tracks.points_px - query).max() < 0.1
    assert tracks.error_mm.shape == tracks.confidence.shape and (np.delete(tracks.error_mm, 2, axis=0) > 0).all()


@pytest.mark.parametrize("shift_px", [(3.0, 0.0), (-1.5, 2.6)])
def test_a_translation_is_followed_with_the_released_weights(shift_px):
    query = horseshoe().reshape(-1, 2)
    tracks = TasNetTracker().track(as_cine(translated(shift_px, 4)), query, 1, mesh_uv())
    truth = query + (np.arange(4) - 1)[:, None, None] * np.array(shift_px)
    assert np.abs(tracks.points_px - truth).mean() < 0.1


def test_a_cine_moved_by_three_pixels_gives_tracks_moved_by_three_pixels():
    query, cine = horseshoe().reshape(-1, 2), translated((1.0, 0.5), 8, size=160)
    here = TasNetTracker().track(as_cine(cine[:, 10:140, 10:140]), query, 2, mesh_uv())
    there = TasNetTracker().track(as_cine(cine[:, 10:140, 7:137]), query + [3, 0], 2, mesh_uv())
    # The network's grid starts at whole multiples of 8 of its px, so it does not move with the points.
    np.testing.assert_allclose(there.points_px, here.points_px + [3, 0], atol=0.2)


@pytest.mark.parametrize("begin_with", ["still", "lucas_kanade"])
def test_refinements_are_those_of_what_it_begins_with_unless_stated(begin_with):
    config = TasNetConfig(begin_with=begin_with)
    network = TasNet(config)
    assert TasNetTracker(config=config).n_iterations == N_ITERATIONS[begin_with]
    assert TasNetTracker.from_network(network).n_iterations == N_ITERATIONS[begin_with]
    assert TasNetTracker(config=config, n_iterations=5).n_iterations == 5
    assert TasNetTracker.from_network(network, 2).n_iterations == 2
