"""Parity of the clean-room LocoTrack with arrays recorded from the public implementation, and what holds without them."""

from dataclasses import replace

import pytest
import torch

from echotas.trackers.blocks.matching import peak_position
from echotas.trackers.blocks.time_mixer import fading_bias
from echotas.trackers.locotrack import LEVELS, Located, LocoTrack, LocoTrackConfig, degree_sincos
from echotas.trackers.public_names import LOCOTRACK

from .golden import Golden, golden_cases

ARCHITECTURE = "LocoTrack"
SIZES = {"base": LocoTrackConfig(), "small": LocoTrackConfig.small()}


def build(sizes: dict) -> LocoTrack:
    return LocoTrack(replace(SIZES[sizes["model_size"]], temperature=sizes["softmax_temperature"]))


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, LOCOTRACK)


@pytest.fixture(scope="module")
def frames(case) -> torch.Tensor:
    return case.tensor("video") * 2 / 255 - 1


@pytest.fixture(scope="module")
def queries(case) -> torch.Tensor:
    return case.tensor("queries_tyx")[..., [0, 2, 1]]


@pytest.fixture(scope="module")
def levels(case, frames) -> list[torch.Tensor]:
    return [level.unflatten(0, frames.shape[:2]) for level in case.network.encode(frames.flatten(0, 1))]


@pytest.fixture(scope="module")
def support(case, levels, queries) -> list[torch.Tensor]:
    return case.network.support(levels, queries[..., 0].long(), queries[..., 1:])


@pytest.fixture(scope="module")
def run(case, frames, queries) -> Located:
    return case.network(frames, queries, n_iterations=case.specification["config"]["num_pips_iter"])


def check_if_recorded(case, name, make):
    if name not in case:
        pytest.skip(f"{name} is not recorded in this case")
    case.check(name, make())


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


@pytest.mark.parametrize("group", range(4))
def test_encoder_group_matches(case, frames, group):
    check_if_recorded(case, f"enc_resnet_unit_{group}", lambda: case.network.encoder(frames[0, :1])[group])


@pytest.mark.parametrize("index", range(len(LEVELS)))
def test_unit_features_match(case, levels, index):
    name = f"grid_stride{LEVELS[index][1]}"
    check_if_recorded(case, name, lambda: levels[index][:, :1].permute(0, 1, 3, 4, 2))


@pytest.mark.parametrize("index", range(len(LEVELS)))
def test_features_around_queries_match(case, support, index):
    side = case.network.config.radius * 2 + 1
    name = f"support_stride{LEVELS[index][1]}"
    n_recorded = case.arrays[name].shape[1] if name in case else 0
    check_if_recorded(case, name, lambda: support[index][:, :n_recorded].unflatten(2, (side, side)))


def test_motion_encoding_matches(case):
    case.check("posenc_out", degree_sincos(case.tensor("posenc_in"), case.network.config.n_degrees))


@pytest.mark.parametrize("index", range(len(LEVELS)))
def test_pair_encoder_matches(case, index):
    pairs = case.tensor("cmd_in").flatten(3).flatten(1, 2)
    case.check(f"cmd{index}_out", case.network.pair_encoders[index](pairs))


def test_transformer_matches(case):
    case.check("mixer_out", case.network.mixer(case.tensor("mixer_in")))


def test_heatmap_of_the_initialisation_matches(case, levels, support):
    case.check("init_heatmap", case.network.match(case.network.matcher.prepare(*levels[:2]), support).heatmaps[0, :, 0])


@pytest.mark.parametrize("iteration", range(2))
def test_token_matches(case, levels, support, run, iteration):
    stage = run.stages[iteration]
    name = f"it{iteration}_token"
    check_if_recorded(case, name, lambda: case.network.token(levels, support, stage).transpose(1, 2))


def test_first_update_matches(case, levels, support, run):
    token = case.network.token(levels, support, run.stages[0])
    case.check("it0_update", case.network.update(token).transpose(1, 2))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("tracks_per_stage", "positions"),
        ("occlusion_per_stage", "occlusion"),
        ("expected_dist_per_stage", "large_error"),
    ],
)
def test_run_matches_in_every_stage(case, run, name, field):
    case.check(name, torch.stack([getattr(stage, field) for stage in run.stages]).transpose(2, 3))


# Without recorded arrays.

TINY = LocoTrackConfig(
    in_channels=1,
    stem_width=4,
    group_widths=(4, 6, 8, 8),
    n_blocks=1,
    radius=2,
    pair_layers=((3, 2, 8), (2, 2, 8)),
    norm_channels=4,
    n_degrees=3,
    width=16,
    n_heads=2,
    n_layers=1,
    spare_outputs=0,
)


def tiny(**changes) -> LocoTrack:
    torch.manual_seed(0)
    return LocoTrack(replace(TINY, **changes)).double()


def noise(batch: int = 1, n_frames: int = 4, height: int = 24, width: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, n_frames, 1, height, width, generator=generator, dtype=torch.float64) * 2 - 1


QUERIES = torch.tensor([[0, 7.0, 9.5], [2, 20.25, 12.0], [3, 33.0, 4.0], [2, 39.5, 23.0]], dtype=torch.float64)


def test_any_size_of_clip_works():
    for n_frames, height, width, n_points in ((1, 8, 8, 1), (1, 24, 40, 2), (7, 16, 8, 1)):
        queries = torch.zeros(n_points, 3, dtype=torch.float64)
        located = tiny()(noise(2, n_frames, height, width), queries)
        assert located.positions.shape == (2, n_frames, n_points, 2)
        assert located.positions.isfinite().all()
        assert ((located.visibility >= 0) & (located.visibility <= 1)).all()


def test_points_do_not_see_each_other_whatever_the_chunk():
    network, order = tiny(), torch.tensor([2, 0, 3, 1])
    expected = network(noise(), QUERIES).positions[:, :, order]
    for chunk in (1, 3, 64):
        torch.testing.assert_close(network(noise(), QUERIES[order], chunk=chunk).positions, expected)


def test_clips_of_a_batch_are_independent_and_may_have_their_own_queries():
    network, frames = tiny(), noise(batch=2)
    queries = torch.stack([QUERIES, QUERIES.flip(0)])
    together = network(frames, queries)
    for index in range(2):
        alone = network(frames[index : index + 1], queries[index])
        torch.testing.assert_close(together.positions[index], alone.positions[0])
        torch.testing.assert_close(together.visibility[index], alone.visibility[0])


def test_start_holds_the_query_in_its_own_frame():
    start = tiny()(noise(), QUERIES, n_iterations=0).positions[0]
    own = start[QUERIES[:, 0].long(), torch.arange(len(QUERIES))]
    assert torch.equal(own, QUERIES[:, 1:])
    assert not torch.equal(start[1], QUERIES[:, 1:])


def test_without_initialisation_every_frame_starts_from_the_query_with_the_same_tensors():
    network = tiny(initialise=False)
    network.load_state_dict(tiny().state_dict())
    located = network(noise(), QUERIES)
    start = located.stages[0]
    assert torch.equal(start.positions, QUERIES[:, 1:].expand(1, 4, -1, -1))
    assert not start.occlusion.any() and not start.large_error.any()
    assert not torch.equal(located.positions, start.positions)
    assert not torch.equal(located.positions, tiny()(noise(), QUERIES).positions)


def test_every_tensor_learns():
    network = tiny()
    located = network(noise(), QUERIES, n_iterations=2)
    sum(stage.positions.square().mean() + stage.visibility.mean() for stage in located.stages).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # A bias before the softmax cancels.
        assert parameter.grad.any() or name == "matcher.fuse.bias", name


def test_single_precision_stays_single():
    located = tiny().float()(noise().float(), QUERIES)
    assert {value.dtype for stage in located.stages for value in stage} == {torch.float32}


@pytest.mark.parametrize(
    ("frames", "queries", "message"),
    [
        (noise()[0], QUERIES, "frames must be"),
        (noise().expand(-1, -1, 3, -1, -1), QUERIES, "frames must be"),
        (noise()[:, :0], QUERIES, "frames must be"),
        (noise(height=20), QUERIES, "multiples of 8"),
        (noise(), QUERIES[:, :2], "queries must be"),
        (noise(), QUERIES[:0], "queries must be"),
        (noise(), QUERIES.expand(3, -1, -1), "queries must be"),
        (noise(n_frames=3), QUERIES, "in 0..2"),
        (noise(), QUERIES - 1, "in 0..3"),
    ],
)
def test_wrong_shapes_are_refused(frames, queries, message):
    with pytest.raises(ValueError, match=message):
        tiny()(frames, queries)


@pytest.mark.parametrize(
    "wrong",
    [{"group_widths": (4, 4)}, {"pair_layers": ()}, {"pair_layers": ((3, 2, 6),)}, {"radius": -1}, {"n_heads": 3}],
)
def test_wrong_sizes_are_refused(wrong):
    with pytest.raises(ValueError):
        LocoTrack(replace(TINY, **wrong))


def test_half_of_the_heads_looks_back_and_half_ahead():
    bias = fading_bias(5, 4)
    assert torch.equal(bias[:2].isinf(), torch.ones(5, 5).triu(1).bool().expand(2, -1, -1))
    torch.testing.assert_close(bias[2:], bias[:2].mT)
    torch.testing.assert_close(bias[1, 4], torch.arange(-4, 1, dtype=torch.float64) / 24)


def test_position_of_a_peak_ignores_what_is_far_from_it():
    heat = torch.zeros(1, 12, 20, dtype=torch.float64)
    heat[0, 3, 4] = 0.6
    heat[0, 3, 5] = 0.2
    heat[0, 3, 9] = 0.2  # five cells away
    torch.testing.assert_close(peak_position(heat, 5.0), torch.tensor([[4.75, 3.5]], dtype=torch.float64))


def test_position_of_a_peak_in_the_corner_takes_what_lies_inside():
    heat = torch.zeros(1, 6, 7, dtype=torch.float64)
    heat[0, 5, 6], heat[0, 4, 6] = 0.75, 0.25
    torch.testing.assert_close(peak_position(heat, 5.0), torch.tensor([[6.5, 5.25]], dtype=torch.float64))
