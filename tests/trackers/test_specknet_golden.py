"""Parity of the clean-room SpeckNet with arrays recorded from the public implementation, and its own properties."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from echotas.trackers.public_names import SPECKNET
from echotas.trackers.specknet import COMBINATIONS, SpeckNet, SpeckNetConfig

from .golden import Golden, golden_cases

ARCHITECTURE = "SpeckNet"
FRAME = 1  # whose encoder maps are recorded


def build(sizes: dict) -> SpeckNet:
    return SpeckNet(SpeckNetConfig(levels=(3, 2, 1)[: sizes["multi_scale_level"]]))


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, SPECKNET)


@pytest.fixture(scope="module")
def features(case) -> list[torch.Tensor]:
    return case.network.encode(frames(case))


def frames(case) -> torch.Tensor:
    return case.tensor("video")[None] * 2 / 255 - 1


def queries(case) -> torch.Tensor:
    return case.tensor("queries_tyx")[None][..., [0, 2, 1]]


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_stages_match(case):
    for index, maps in enumerate(case.network.encoder(frames(case)[0, FRAME : FRAME + 1])):
        case.check(f"enc_unit_{index}", maps)


def test_context_blocks_match(case):
    case.check("extra_out", case.network.context(case.tensor("extra_in")[None])[0])


def test_features_of_every_level_match(case, features):
    for index, maps in enumerate(features):
        case.check(f"feat_level{index}", maps[:, FRAME].movedim(1, -1))


def test_joined_similarity_matches(case, features):
    size = case.arrays["cost_point0"].shape[1:]
    case.check("cost_point0", case.network.similarity(features, queries(case), size)[0, :, 0])


def test_positions_match(case):
    positions = case.network(frames(case), queries(case))
    case.check("tracks", positions[0].transpose(0, 1))


SMALL = SpeckNetConfig(stem_width=8, stage_widths=(8, 12, 12, 12), n_blocks=1, n_context_blocks=2, context_width=16)


def small(n_frames: int = 3, batch: int = 2, **changes) -> tuple[SpeckNet, torch.Tensor, torch.Tensor]:
    """A small network, frames of 32 x 48 px and five queries per clip; float64."""
    torch.manual_seed(0)
    network = SpeckNet(replace(SMALL, **changes)).double()
    videos = F.interpolate(torch.randn(batch * n_frames, 1, 8, 12, dtype=torch.float64), (32, 48), mode="bilinear")
    start = torch.rand(batch, 5, 2, dtype=torch.float64) * torch.tensor([48, 32])
    frame = torch.randint(n_frames, (batch, 5, 1)).double()
    return network, videos.unflatten(0, (batch, n_frames)).tanh(), torch.cat([frame, start], dim=-1)


@pytest.mark.parametrize("temporal_context", [True, False])
@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_small_network_runs_forward_and_backward(combination, temporal_context, dtype):
    network, videos, start = small(combination=combination, temporal_context=temporal_context)
    network, videos, start = network.to(dtype), videos.to(dtype), start.to(dtype)
    positions = network(videos, start)
    assert positions.shape == (2, 3, 5, 2) and positions.dtype == dtype
    assert (positions >= 0).all() and (positions <= torch.tensor([48, 32])).all()
    positions.square().mean().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in network.parameters())


@torch.no_grad()
def test_one_frame_returns_the_queries():
    network, videos, start = small(n_frames=1)
    torch.testing.assert_close(network(videos, start)[:, 0], start[..., 1:])


@torch.no_grad()
def test_points_do_not_influence_each_other():
    network, videos, start = small()
    expected = network(videos, start)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(network(videos, start[:, order]), expected[:, :, order])
    torch.testing.assert_close(network(videos, start, n_at_once=2), expected)


@torch.no_grad()
def test_clips_of_a_batch_do_not_influence_each_other():
    network, videos, start = small()
    torch.testing.assert_close(network(videos, start)[1:], network(videos[1:], start[1:]))


@torch.no_grad()
@pytest.mark.parametrize("temporal_context", [True, False])
def test_only_temporal_context_lets_frames_see_their_neighbours(temporal_context):
    network, videos, _ = small(temporal_context=temporal_context)
    changed = videos.clone()
    changed[:, 2] = -changed[:, 2]
    for before, after in zip(network.encode(videos), network.encode(changed), strict=True):
        assert torch.equal(before[:, 1], after[:, 1]) is not temporal_context


@torch.no_grad()
def test_a_shift_by_whole_cells_is_found_without_training():
    """Points at cell centres, a shift by cells of the last stage: only the border of the image differs."""
    network, _, _ = small(temporal_context=False)
    first = F.interpolate(torch.randn(1, 1, 24, 36, dtype=torch.float64), (96, 144), mode="bilinear")[0]
    videos = torch.stack([first, first.roll((16, -32), dims=(1, 2))])[None].tanh()
    start = torch.tensor([[[0, 84.0, 44.0], [0, 92.0, 52.0]]], dtype=torch.float64)
    # One cell alone: the centre of mass of untrained similarities is drawn to wherever the neighbours are alike.
    network.config = replace(network.config, window=1.0)
    moved = network(videos, start)[0, 1] - start[0, :, 1:]
    torch.testing.assert_close(moved, torch.tensor([[-32.0, 16.0]] * 2, dtype=torch.float64), rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_maps_of_zeros_and_steep_powers_give_finite_positions(dtype):
    network, videos, start = small(keep_negative=False, gamma=15.0)
    network = network.to(dtype)
    assert network(videos.to(dtype), start.to(dtype)).isfinite().all()
    empty = network.locate(torch.zeros(2, 3, 5, 4, 6, dtype=dtype), start.to(dtype))
    assert empty.isfinite().all()


def test_centre_of_mass_is_at_cell_centres():
    network, _, start = small(batch=1)
    maps = torch.zeros(1, 3, 5, 4, 6, dtype=torch.float64)
    maps[..., 1, 2] = maps[..., 1, 3] = 1.0
    start[..., 0] = 0
    found = network.locate(maps, start)
    torch.testing.assert_close(found[:, 1:], torch.tensor([24.0, 12.0]).double().expand(1, 2, 5, 2))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda videos, start: (videos[0], start),
        lambda videos, start: (videos.repeat(1, 1, 3, 1, 1), start),
        lambda videos, start: (videos[..., :-1], start),
        lambda videos, start: (videos[..., :16, :16], start),
        lambda videos, start: (videos, start[0]),
        lambda videos, start: (videos, start[:1]),
        lambda videos, start: (videos, start[:, :0]),
        lambda videos, start: (videos[:, :0], start),
        lambda videos, start: (videos, start + 3),
        lambda videos, start: (videos, start + 0.5),
    ],
)
def test_wrong_shapes_and_frames_are_refused(spoil):
    network, videos, start = small()
    with pytest.raises(ValueError, match="must"):
        network(*spoil(videos, start))


@pytest.mark.parametrize(
    "changes",
    [
        {"combination": "mean"},
        {"gamma": 15.0},
        {"gamma": 0.0},
        {"window": 0.5},
        {"levels": (3, 0)},
        {"levels": (4,)},
        {"levels": ()},
        {"stage_strides": (1, 2)},
        {"stage_strides": (1, 3, 1, 2)},
        {"cost_stride": 3},
    ],
)
def test_impossible_configurations_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        replace(SMALL, **changes)
