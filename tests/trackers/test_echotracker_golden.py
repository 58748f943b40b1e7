"""Parity of the clean-room EchoTracker with arrays recorded from the public implementation, and its own properties."""

import dataclasses

import pytest
import torch

from echotas.trackers.blocks.correlation import correlation_windows, feature_pyramid
from echotas.trackers.blocks.iteration_loss import iteration_loss
from echotas.trackers.blocks.template_correlation import window_correlations
from echotas.trackers.blocks.trajectory_resnet import path_steps, step_sincos
from echotas.trackers.echotracker import EchoTracker, EchoTrackerConfig, EchoTracks
from echotas.trackers.public_names import ECHOTRACKER

from .golden import Golden, golden_cases

ARCHITECTURE = "EchoTracker"
TINY = EchoTrackerConfig(
    stem_width=4, stage_widths=(4, 4, 4, 4), fuse_width=8, feature_width=8, coarse_stride=4, n_levels=3, radius=1,
    coarse_map=(5, 4), frame_map=(4, 5), n_step_frequencies=3, mixed_width=11, width=8, n_blocks=4,
)  # fmt: skip
QUERIES = torch.tensor([[[0.0, 20.0, 12.0], [0.0, 31.5, 20.0], [0.0, 3.0, 30.0]]], dtype=torch.float64)


def build(sizes: dict) -> EchoTracker:
    config = EchoTrackerConfig(coarse_stride=sizes["stride"], fine_stride=sizes["stride"] // sizes["scale"])
    return EchoTracker(config)


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, ECHOTRACKER)


@pytest.fixture(scope="module")
def run(case) -> tuple[EchoTracks, dict[str, list[torch.Tensor]]]:
    """The full run, and what went into and came out of its parts: n_points first, then frames."""
    seen = {"coarse_in": [], "coarse_out": [], "mix_in": [], "fine_in": [], "fine_out": []}

    def listen(part):
        def hook(_, given, result):
            for side, value in (("in", given[0]), ("out", result)):
                if f"{part}_{side}" in seen:
                    seen[f"{part}_{side}"].append(value.flatten(0, -3))

        return hook

    parts = {"coarse": case.network.coarse_net, "mix": case.network.mix, "fine": case.network.fine_net}
    hooks = [module.register_forward_hook(listen(part)) for part, module in parts.items()]
    points = case.tensor("queries_xy")
    queries = torch.cat([torch.zeros_like(points[:, :1]), points], dim=1)
    n_iterations = len(case.arrays["tracks_per_stage"]) - 1
    tracks = case.network(frames(case), queries[None], n_iterations)
    for hook in hooks:
        hook.remove()
    return tracks, seen


def frames(case) -> torch.Tensor:
    return case.tensor("video")[None] * 2 / 255 - 1


def columns(case, tokens: torch.Tensor, n_correlation: int) -> dict[str, torch.Tensor]:
    """Columns of tokens by name."""
    config = case.network.config
    widths = [n_correlation, config.frame_map[0] * config.frame_map[1], 4 * config.n_step_frequencies, 2, 2]
    return dict(zip(("corr", "frames", "sincos", "flow", "xy"), tokens.split(widths, dim=-1), strict=True))


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoders_match(case):
    for name, encoder in (("enc_coarse", case.network.coarse_encoder), ("enc_fine", case.network.fine_encoder)):
        case.check(name, encoder(frames(case)[0, : len(case.arrays[name])]))


def test_step_encoding_matches(case):
    case.check("flow_sincos", step_sincos(case.tensor("flow_in"), case.network.config.n_step_frequencies))


@pytest.mark.parametrize("stage", ["spatial", "temporal"])
def test_networks_along_the_path_match(case, stage):
    given = {name: case.tensor(f"delta_{stage}_in_{name}") for name in ("corr", "frames", "flow", "xy")}
    steps = step_sincos(given["flow"], case.network.config.n_step_frequencies)
    net = {"spatial": case.network.coarse_net, "temporal": case.network.fine_net}[stage]
    case.check(f"delta_{stage}_out", net(torch.cat([given["corr"], given["frames"], steps, given["xy"]], dim=-1)))


def test_change_between_frames_matches(case):
    case.check("frame_flow", case.network.frame_changes(frames(case))[0])


def test_coarse_stage_matches(case, run):
    tokens = columns(case, run[1]["coarse_in"][0], case.arrays["coarse_corr"].shape[-1])
    case.check("coarse_corr", tokens["corr"])
    case.check("coarse_xy", tokens["xy"])
    case.check("coarse_delta", run[1]["coarse_out"][0])
    assert not tokens["flow"].any()


def test_fine_iterations_match(case, run):
    seen, n_checked = run[1], 0
    for index, (mixed, tokens, change) in enumerate(
        zip(seen["mix_in"], seen["fine_in"], seen["fine_out"], strict=True)
    ):
        found = columns(case, tokens, case.network.config.mixed_width)
        values = {"corr588": mixed, "corr392": found["corr"], "flow": found["flow"], "xy": found["xy"], "delta": change}
        for name, value in values.items():
            if f"fine_it{index}_{name}" in case:
                case.check(f"fine_it{index}_{name}", value)
                n_checked += 1
    assert n_checked == sum(name.startswith("fine_it") for name in case.arrays)


def test_run_matches_in_every_stage(case, run):
    tracks = run[0]
    case.check("tracks_per_stage", torch.stack(tracks.stages)[:, 0])
    case.check("tracks", tracks.positions[0])


def test_loss_matches(case, run):
    loss = case.network.loss(run[0], case.tensor("loss_gt")[None], case.tensor("loss_valid")[None])
    case.check("loss", loss.reshape(1, 1))


def network(**changes) -> EchoTracker:
    torch.manual_seed(0)
    return EchoTracker(dataclasses.replace(TINY, **changes)).double().eval()


def noise(n_frames: int, batch: int = 1, size: tuple[int, int] = (32, 40)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, n_frames, 1, *size, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_any_number_of_frames_gives_finite_paths(n_frames):
    for training in (False, True):
        tracks = network().train(training)(noise(n_frames), QUERIES, n_iterations=2)
        assert len(tracks.stages) == 3 and tracks.positions.shape == (1, n_frames, 3, 2)
        assert torch.isfinite(tracks.positions).all()


def test_points_are_independent_of_order_and_company():
    model, order = network(), torch.tensor([2, 0, 1])
    with torch.no_grad():
        together = model(noise(5), QUERIES).positions
        torch.testing.assert_close(model(noise(5), QUERIES[:, order]).positions, together[:, :, order])
        torch.testing.assert_close(model(noise(5), QUERIES[:, 1:2]).positions, together[:, :, 1:2])


def test_clips_of_a_batch_are_independent():
    model, clips = network(), noise(5, batch=2)
    queries = torch.cat([QUERIES, QUERIES.flip(1)])
    queries[1, :, 0] = torch.tensor([3.0, 0.0, 4.0])
    with torch.no_grad():
        together = model(clips, queries).positions
        for index in range(2):
            alone = model(clips[index : index + 1], queries[index : index + 1]).positions
            torch.testing.assert_close(alone[0], together[index])


def test_pinned_coarse_path_passes_through_the_query():
    queries = QUERIES.clone()
    queries[..., 0] = torch.tensor([3.0, 0.0, 4.0])
    with torch.no_grad():
        coarse = network(pin_query=True)(noise(5), queries, n_iterations=0).positions[0]
    for point, (frame, *xy) in enumerate(queries[0].tolist()):
        assert coarse[int(frame), point].tolist() == xy


def test_change_into_the_first_frame_is_the_last_frame_as_released_or_nothing():
    clip = noise(3)
    released, plain = network().frame_changes(clip), network(released_first_change=False).frame_changes(clip)
    assert not plain[:, 0].any() and released[:, 0].any()
    assert torch.equal(released[:, 1:], plain[:, 1:])


def test_windows_sampled_first_equal_windows_of_the_whole_product():
    torch.manual_seed(0)
    pyramid = feature_pyramid(torch.randn(2, 6, 8, 12, dtype=torch.float64), 3)
    templates = torch.randn(2, 4, 3, 6, dtype=torch.float64)
    points = torch.rand(2, 4, 2, dtype=torch.float64) * 16 - 2
    each = [correlation_windows(pyramid, templates[:, :, index], points, radius=2) for index in range(3)]
    found = window_correlations(
        [level[None] for level in pyramid], templates.transpose(0, 1)[None], points[None], radius=2
    )
    torch.testing.assert_close(found[0].transpose(0, 1), torch.cat(each, dim=-1))


def test_last_step_is_repeated():
    paths = torch.tensor([0.0, 1.0, 3.0])[:, None, None].expand(3, 1, 2)
    assert path_steps(paths)[:, 0, 0].tolist() == [1, 2, 2]
    assert path_steps(paths[:1])[:, 0, 0].tolist() == [0]


def test_loss_weights_stages_and_leaves_out_what_is_not_valid():
    true = torch.zeros(1, 2, 1, 2)
    stages = [true + 1, true + 2]
    assert iteration_loss(stages, true, decay=0.5).item() == pytest.approx((0.5 * 1 + 2) / 2)
    wrong = stages[1].clone()
    wrong[:, 1] = 100
    assert iteration_loss([wrong], true, torch.tensor([[[1.0], [0.0]]])).item() == pytest.approx(2)
    assert iteration_loss([wrong], true, torch.zeros(1, 2, 1)).item() == 0


def test_gradient_reaches_every_parameter_that_can_act():
    model = network().train()
    tracks = model(noise(5), QUERIES, n_iterations=2)
    model.loss(tracks, tracks.positions.detach() + 1).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert all(net.head.weight.grad.any() for net in (model.coarse_net, model.fine_net))


@pytest.mark.parametrize(
    ("shape", "queries", "message"),
    [
        ((1, 3, 2, 32, 40), QUERIES, "frames must be"),
        ((3, 1, 32, 40), QUERIES, "frames must be"),
        ((1, 3, 1, 32, 42), QUERIES, "multiples of 4"),
        ((1, 3, 1, 12, 40), QUERIES, ">= 16 px"),
        ((1, 3, 1, 32, 40), QUERIES[..., 1:], "queries must be"),
        ((1, 3, 1, 32, 40), QUERIES[:, :0], "queries must be"),
        ((2, 3, 1, 32, 40), QUERIES, "batch = 2"),
        ((1, 3, 1, 32, 40), QUERIES + 3, "query frames"),
    ],
)
def test_wrong_shapes_are_refused(shape, queries, message):
    with pytest.raises(ValueError, match=message):
        network()(torch.zeros(shape, dtype=torch.float64), queries)


@pytest.mark.parametrize(
    "changes", [{"stage_widths": (4, 4)}, {"coarse_map": (3,)}, {"coarse_stride": 3}, {"n_blocks": 0}]
)
def test_wrong_configurations_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        network(**changes)
