"""Parity of the clean-room EchoTracker2 with arrays recorded from the public implementation, and its own properties."""

import dataclasses

import numpy as np
import pytest
import torch

from echotas.trackers.blocks.joint_attention import (
    JointTransformer,
    listed_neighbours,
    nearest_neighbours,
    past_future_bias,
)
from echotas.trackers.blocks.temporal_shift import NeighbourFrames, pad_same
from echotas.trackers.echotracker import EchoTracks
from echotas.trackers.echotracker2 import UNITS, EchoTracker2, EchoTracker2Config, step_octaves
from echotas.trackers.public_names import ECHOTRACKER2

from .golden import Golden, golden_cases

ARCHITECTURE = "EchoTracker2"
TINY = EchoTracker2Config(
    in_channels=1, encoder_widths=(4, 6, 8, 8), n_encoder_blocks=1, patch_size=3, pair_widths=(4, 8),
    pair_kernels=(3, 2), pair_group_width=4, n_octaves=3, width=16, n_heads=4, n_layers=2, head_width=2,
    n_neighbours=3, resolution=None,
)  # fmt: skip
QUERIES = torch.tensor(
    [[[0.0, 20.0, 12.0], [0.0, 31.5, 20.0], [0.0, 3.0, 30.0], [0.0, 10.0, 3.0], [0.0, 35.0, 9.0]]], dtype=torch.float64
)


def build(sizes: dict) -> EchoTracker2:
    return EchoTracker2(
        EchoTracker2Config(
            patch_size=sizes["patch_size"],
            point_attention=sizes["sp_attn"],
            neighbour_frames=sizes["itsm_resnet"],
            resolution=sizes["initial_resolution"],
        )
    )


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, ECHOTRACKER2)


@pytest.fixture(scope="module")
def run(case) -> tuple[EchoTracks, list[torch.Tensor], list[torch.Tensor]]:
    """The full run, and tokens and updates of its iterations (n_points, n_frames, columns)."""
    tokens, updates = [], []

    def hook(_, given, result):
        tokens.append(given[0][0])
        updates.append(result[0])

    handle = case.network.transformer.register_forward_hook(hook)
    queries = case.tensor("queries_tyx")[None, :, [0, 2, 1]]
    tracks = case.network(frames(case), queries, case.specification["config"]["num_pips_iter"])
    handle.remove()
    return tracks, tokens, updates


def frames(case) -> torch.Tensor:
    return case.tensor("video")[None] * 2 / 255 - 1


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_matches(case):
    channels = case.network.config.in_channels
    units = case.network.encoder(frames(case).expand(-1, -1, channels, -1, -1))
    recorded = [name for name in case.arrays if name.startswith("enc_unit_")]
    assert recorded
    for name in recorded:
        case.check(name, units[int(name.removeprefix("enc_unit_"))][0, 1:2])


def test_neighbour_frames_match(case):
    if "adapter0_in" not in case:
        pytest.skip("no adapter in this case")
    case.check("adapter0_out", case.network.encoder.adapters[0](case.tensor("adapter0_in")[None])[0])


def test_maps_match(case):
    for stride, level in zip((4, 8, 2), case.network.encode(frames(case)), strict=True):
        case.check(f"grid_stride{stride}", level[0, 1:2].movedim(1, -1))


@pytest.mark.parametrize("level", range(len(UNITS)))
def test_encoders_of_the_correlation_match(case, level):
    correlation = case.tensor("cmd_in").flatten(3, 4).flatten(1, 2)
    case.check(f"cmd{level}_out", case.network.pair_encoders[level](correlation))


def test_transformer_matches(case):
    tokens = case.tensor("mixer_in")[None]
    neighbours = listed_neighbours(tokens.shape[1], case.network.config.n_neighbours)[None]
    case.check("mixer_out", case.network.transformer(tokens, neighbours)[0, ..., :2])


def test_first_iteration_matches(case, run):
    case.check("it0_token", run[1][0][: len(case.arrays["it0_token"])])
    case.check("it0_update", run[2][0][..., :2])


def test_run_matches_in_every_iteration(case, run):
    case.check("tracks_per_iter", torch.stack(run[0].stages)[:, 0].transpose(1, 2))
    case.check("tracks", run[0].positions[0].transpose(0, 1))


def test_public_chunks_change_nothing_for_so_few_points(case, monkeypatch):
    config = dataclasses.replace(case.network.config, released_batches=True)
    queries = case.tensor("queries_tyx")[None, :, [0, 2, 1]]
    if queries.shape[1] > config.chunk_size:
        pytest.skip("more points than a chunk holds")
    monkeypatch.setattr(case.network, "config", config)
    tracks = case.network(frames(case), queries, n_iterations=1)
    case.check("tracks_per_iter", torch.stack(tracks.stages)[:, 0].transpose(1, 2), rows=[0])


def network(**changes) -> EchoTracker2:
    torch.manual_seed(0)
    return EchoTracker2(dataclasses.replace(TINY, **changes)).double().eval()


def noise(n_frames: int, batch: int = 1, size: tuple[int, int] = (32, 40)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, n_frames, 1, *size, generator=generator, dtype=torch.float64) * 2 - 1


def paths(model: EchoTracker2, *given, **more) -> torch.Tensor:
    with torch.no_grad():
        return model(*given, **more).positions


@pytest.mark.parametrize("n_frames", [1, 2, 7])
@pytest.mark.parametrize("n_points", [1, 5])
def test_any_number_of_frames_and_points_gives_finite_paths(n_frames, n_points):
    for training in (False, True):
        tracks = network().train(training)(noise(n_frames), QUERIES[:, :n_points], n_iterations=2)
        assert len(tracks.stages) == 2 and tracks.positions.shape == (1, n_frames, n_points, 2)
        assert torch.isfinite(tracks.positions).all()


def test_smallest_frames_and_repeated_grey():
    tracks = network(in_channels=3)(noise(2, size=(16, 16)), QUERIES[:, :1] / 3, n_iterations=1)
    assert torch.isfinite(tracks.positions).all()


@pytest.mark.parametrize("changes", [{"neighbours": "nearest"}, {"n_neighbours": None}, {"point_attention": False}])
def test_order_of_points_does_not_matter_without_listed_neighbours(changes):
    model, order = network(**changes), torch.tensor([2, 0, 4, 1, 3])
    torch.testing.assert_close(paths(model, noise(5), QUERIES[:, order]), paths(model, noise(5), QUERIES)[:, :, order])


def test_listed_neighbours_follow_the_list():
    model, order = network(), torch.tensor([2, 0, 4, 1, 3])
    there, back = paths(model, noise(5), QUERIES), paths(model, noise(5), QUERIES.flip(1)).flip(2)
    torch.testing.assert_close(there, back)
    assert not torch.allclose(paths(model, noise(5), QUERIES[:, order]), there[:, :, order])


def test_clips_of_a_batch_are_independent_unless_released():
    clips, queries = noise(5, batch=2), torch.cat([QUERIES, QUERIES.flip(1)])
    queries[1, :, 0] = torch.tensor([3.0, 0.0, 4.0, 0.0, 0.0])
    for released in (False, True):
        model = network(released_batches=released)
        together = paths(model, clips, queries)
        alone = torch.cat([paths(model, clips[index, None], queries[index, None]) for index in range(2)])
        assert torch.allclose(alone, together, rtol=0, atol=1e-10) is not released


def test_public_chunks_cut_neighbours_apart():
    whole, cut = network(), network(released_batches=True, chunk_size=2)
    pair = paths(whole, noise(5), QUERIES[:, :2])
    torch.testing.assert_close(paths(cut, noise(5), QUERIES)[:, :, :2], pair)
    assert not torch.allclose(paths(whole, noise(5), QUERIES)[:, :, :2], pair)


def test_correlation_in_parts_is_the_same(monkeypatch):
    whole = paths(network(), noise(5), QUERIES)
    monkeypatch.setattr("echotas.trackers.echotracker2.PATCHES_AT_ONCE", 10)
    torch.testing.assert_close(paths(network(), noise(5), QUERIES), whole)


def test_updates_are_in_px_of_the_resolution():
    change = paths(network(resolution=(64, 40)), noise(3), QUERIES, n_iterations=1) - QUERIES[:, None, :, 1:]
    plain = paths(network(), noise(3), QUERIES, n_iterations=1) - QUERIES[:, None, :, 1:]
    torch.testing.assert_close(change, plain * torch.tensor([1.0, 0.5]))


def test_loss_counts_all_iterations_or_as_released_the_last():
    true = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    tracks = EchoTracks(true + 2, [true + 1, true + 2])
    assert network(loss_decay=0.5).loss(tracks, true).item() == pytest.approx((0.5 + 2) / 2)
    assert network(released_loss=True).loss(tracks, true).item() == pytest.approx(2)


def test_neighbours():
    assert listed_neighbours(5, 3).sum(1).tolist() == [2, 3, 3, 3, 2]
    assert listed_neighbours(5, None).all()
    line = torch.tensor([0.0, 10.0, 1.0, 11.0])[None, :, None] * torch.ones(2)
    expected = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=torch.bool)
    # The second nearest only: three would bring in one of the far pair.
    mask = nearest_neighbours(line, 2)[0]
    assert torch.equal(mask, expected)
    assert nearest_neighbours(line, 9).all() and nearest_neighbours(line * 0, 1)[0].equal(torch.eye(4).bool())


def test_heads_look_back_or_ahead():
    bias = past_future_bias(3, 4)
    assert bias[0].tolist() == [[0, -np.inf, -np.inf], [-(24**-0.5), 0, -np.inf], [-2 * 24**-0.5, -(24**-0.5), 0]]
    assert torch.equal(bias[2], bias[0].T) and bias[1, 1, 0] == pytest.approx(-1 / 24)


def test_clips_of_a_batch_have_neighbours_of_their_own():
    transformer = JointTransformer(5, 2, width=8, n_heads=2, n_layers=2).double().eval()
    tokens = torch.randn(2, 6, 3, 5, dtype=torch.float64)
    neighbours = nearest_neighbours(torch.rand(2, 6, 2), 3)
    assert not torch.equal(*neighbours)
    together = transformer(tokens, neighbours)
    alone = [transformer(tokens[item : item + 1], neighbours[item : item + 1]) for item in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_steps_are_zero_at_the_ends():
    positions = torch.tensor([0.0, 0.5, 0.75])[None, :, None, None].expand(1, 3, 1, 2)
    columns = step_octaves(positions, 2)[0, :, 0]
    assert columns[:, 0].tolist() == [-0.5, -0.25, 0] and columns[:, 2].tolist() == [0, 0.5, 0.25]
    torch.testing.assert_close(columns[:, 8:12], (2 * columns[:, :4]).sin())
    torch.testing.assert_close(columns[:, 12:16], columns[:, :4].cos())


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"), [(7, 2, (2, 3)), (3, 2, (0, 1)), (3, 1, (1, 1)), (2, 2, (0, 0))]
)
def test_odd_padding_goes_to_the_right_and_bottom(kernel, stride, expected):
    padded = pad_same(torch.ones(1, 1, 8, 8), kernel, stride)[0, 0]
    before, after = expected
    for line in (padded[before], padded[:, before]):
        assert line.tolist() == [0] * before + [1] * 8 + [0] * after


def test_first_and_last_frame_are_their_own_neighbours():
    torch.manual_seed(0)
    part = NeighbourFrames(4)
    x = torch.randn(1, 3, 4, 5, 5)
    repeated = torch.cat([x[:, :1], x, x[:, -1:]], dim=1)
    torch.testing.assert_close(part(x), part(repeated)[:, 1:-1])


def test_gradient_reaches_every_parameter():
    model = network().train()
    tracks = model(noise(5), QUERIES, n_iterations=2)
    model.loss(tracks, tracks.positions.detach() + 1).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert model.encoder.stem.weight.grad.any() and model.transformer.head.weight.grad.any()


@pytest.mark.parametrize(
    ("shape", "queries", "message"),
    [
        ((1, 3, 2, 32, 40), QUERIES, "frames must be"),
        ((3, 1, 32, 40), QUERIES, "frames must be"),
        ((1, 3, 1, 32, 42), QUERIES, "multiples of 8"),
        ((1, 3, 1, 8, 40), QUERIES, ">= 16 px"),
        ((1, 3, 1, 32, 40), QUERIES[..., 1:], "queries must be"),
        ((2, 3, 1, 32, 40), QUERIES, "batch = 2"),
        ((1, 3, 1, 32, 40), QUERIES + 3, "query frames"),
    ],
)
def test_wrong_shapes_are_refused(shape, queries, message):
    with pytest.raises(ValueError, match=message):
        network()(torch.zeros(shape, dtype=torch.float64), queries)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder_widths": (4, 6)},
        {"pair_kernels": (3,)},
        {"pair_widths": (5, 8)},
        {"patch_size": 4},
        {"n_neighbours": 4},
        {"neighbours": "far"},
        {"head_width": 1},
        {"chunk_size": 0},
        {"n_heads": 3},
    ],
)
def test_wrong_configurations_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        network(**changes)


def test_no_iterations_are_refused():
    with pytest.raises(ValueError, match="n_iterations"):
        network()(noise(2), QUERIES, n_iterations=0)
