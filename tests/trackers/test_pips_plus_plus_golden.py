"""Parity of the clean-room PIPs++ with arrays recorded from the public implementation, and what its architecture implies."""

import dataclasses

import pytest
import torch

from echotas.trackers.blocks.correlation import feature_pyramid, sample_features
from echotas.trackers.pips_plus_plus import Paths, PipsPlusPlus, PipsPlusPlusConfig, path_loss, steps
from echotas.trackers.public_names import PIPS_PLUS_PLUS

from .golden import Golden, golden_cases

ARCHITECTURE = "PIPs++"

SMALL = PipsPlusPlusConfig(
    in_channels=1, stem_width=4, stage_widths=(4, 4, 8, 8), fuse_width=8, feature_width=8, stride=4, n_levels=3, radius=2,
    n_flow_frequencies=3, motion_width=8, n_motion_blocks=4, unused_norm=False,
)  # fmt: skip


def build(sizes: dict) -> PipsPlusPlus:
    return PipsPlusPlus(PipsPlusPlusConfig(stride=sizes["stride"]))


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, PIPS_PLUS_PLUS)


@pytest.fixture(scope="module")
def features(case) -> torch.Tensor:
    return case.network.encode(case.tensor("video") * 2 / 255 - 1)[None]


def iterations_of(case, name: str) -> int:
    return len(case.arrays[name])


def run(case, features, n_iterations: int, **options) -> Paths:
    return case.network.refine(features, case.tensor("initial_tracks")[None], n_iterations, **options)


def recorded_state(case, features, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlations and steps at the recorded path before iteration `index`."""
    network = case.network
    positions = case.tensor("tracks_pinned")[index][None] / network.config.stride
    fixed = sample_features(features[:, 0], positions[:, 0])[:, None].expand(-1, features.shape[1], -1, -1)
    templates = network.templates(features, positions, fixed, moving=index > 0)
    pyramid = feature_pyramid(features[0], network.config.n_levels)
    return network.correlate(pyramid, templates, positions), steps(positions)


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_matches(case, features):
    case.check("enc_out", features[0, : len(case.arrays["enc_out"])])


def test_motion_network_matches(case):
    correlation, flow = (case.tensor(f"delta_in_{name}")[None].transpose(1, 2) for name in ("corr", "flow"))
    case.check("delta_out", case.network.correction(correlation, flow)[0].transpose(0, 1))


@pytest.mark.parametrize("index", [0, 1])
def test_one_iteration_from_the_recorded_path_matches(case, features, index):
    correlation, flow = recorded_state(case, features, index)
    case.check(f"it{index}_corr588", correlation[0].transpose(0, 1))
    case.check(f"it{index}_flow", flow[0].transpose(0, 1))
    case.check(f"it{index}_delta", case.network.correction(correlation, flow)[0].transpose(0, 1))


def test_run_matches_in_every_iteration(case, features):
    n_iterations = iterations_of(case, "tracks_before_pin")
    frames, start = case.tensor("video")[None] * 2 / 255 - 1, case.tensor("initial_tracks")[None]
    paths = case.network(frames, start, n_iterations)
    before = torch.cat(paths.iterations)
    case.check("tracks_before_pin", before)
    pinned = torch.cat([start.expand(n_iterations, -1, -1, -1)[:, :1], before[:, 1:]], dim=1)
    case.check("tracks_pinned", torch.cat([start, pinned, paths.positions]))
    case.check("tracks", paths.positions[0])
    for name, template in zip(("feat_t0", "feat_tm2", "feat_tm4"), paths.templates, strict=True):
        case.check(name, template[0, ::4])
    case.check("loss", path_loss(paths.iterations, case.tensor("loss_gt")[None], case.tensor("loss_valid")[None]))


def test_damped_run_matches(case, features):
    paths = run(case, features, iterations_of(case, "beautify6_tracks") - 1, damp_end=True)
    case.check("beautify6_tracks", torch.cat([*paths.iterations, paths.positions]))


# Without recorded arrays.


def small(**changes) -> PipsPlusPlus:
    torch.manual_seed(0)
    return PipsPlusPlus(dataclasses.replace(SMALL, **changes)).double().eval()


def clip(n_frames: int, batch: int = 1, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, n_frames, 1, 32, 48, generator=generator, dtype=torch.float64) - 1


POINTS = torch.tensor([[[10.0, 12.0], [30.5, 20.25], [47.0, 0.0], [22.0, 31.0]]], dtype=torch.float64)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_frames(n_frames, dtype):
    with torch.no_grad():
        paths = small().to(dtype)(clip(n_frames).to(dtype), POINTS.to(dtype), n_iterations=3)
    assert paths.positions.shape == (1, n_frames, 4, 2) and paths.positions.dtype == dtype
    assert paths.positions.isfinite().all() and len(paths.iterations) == 3
    assert torch.equal(paths.positions[:, 0], POINTS.to(dtype))


def test_the_smallest_frame_gives_finite_paths():
    with torch.no_grad():
        assert small()(clip(3)[..., :16, :16], POINTS).positions.isfinite().all()


def test_points_at_rest_are_a_constant_initial_path():
    model, frames = small(), clip(5)
    with torch.no_grad():
        ours, whole = model(frames, POINTS), model(frames, POINTS[:, None].repeat(1, 5, 1, 1))
    assert torch.equal(ours.positions, whole.positions)


def test_points_do_not_see_one_another():
    model, frames = small(), clip(5)
    order = [2, 0, 3, 1]
    with torch.no_grad():
        all_points, alone = model(frames, POINTS).positions, model(frames, POINTS[:, :1]).positions
        permuted = model(frames, POINTS[:, order]).positions
    torch.testing.assert_close(all_points[:, :, order], permuted, atol=1e-9, rtol=0)
    torch.testing.assert_close(all_points[:, :, :1], alone, atol=1e-9, rtol=0)


def test_a_batch_gives_what_its_items_give_alone():
    model, frames = small(), clip(5, batch=2)
    points = torch.cat([POINTS, POINTS.flip(1)])
    with torch.no_grad():
        together = model(frames, points).positions
        alone = torch.cat([model(frames[i : i + 1], points[i : i + 1]).positions for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)


def test_damping_halves_the_last_correction():
    model, frames = small(), clip(5)
    with torch.no_grad():
        plain, damped = model(frames, POINTS, 4).iterations, model(frames, POINTS, 4, damp_end=True).iterations
    assert torch.equal(plain[2], damped[2])
    before = torch.cat([POINTS[:, None], plain[2][:, 1:]], dim=1)
    torch.testing.assert_close(damped[3] - before, (plain[3] - before) / 2, atol=1e-9, rtol=0)


def test_a_small_head_leaves_points_in_place():
    with torch.no_grad():
        positions = small(head_std=1e-6)(clip(5), POINTS).positions
    torch.testing.assert_close(positions, POINTS[:, None].expand_as(positions), atol=1e-2, rtol=0)


@pytest.mark.parametrize("lags", [(2, 4), (1,), ()])
def test_every_weight_learns(lags):
    model = small(lags=lags).train()
    paths = model(clip(6), POINTS, n_iterations=2)
    valid = torch.ones(1, 6, 4, dtype=torch.float64)
    path_loss(paths.iterations, POINTS[:, None] + 1, valid).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    # Biases in front of an instance normalisation have no effect; weights do.
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters() if parameter.ndim > 1)


def test_loss_of_a_perfect_path_is_zero_and_of_no_valid_position_too():
    path, valid = POINTS[:, None], torch.ones(1, 1, 4, dtype=torch.float64)
    assert path_loss([path, path], path, valid) == 0
    assert path_loss([path + 3], path, 0 * valid) == 0
    assert path_loss([path + 2], path, valid).item() == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize(
    ("frames", "start", "told"),
    [
        (torch.zeros(1, 4, 3, 32, 32), torch.zeros(1, 2, 2), "frames must be"),
        (torch.zeros(4, 1, 32, 32), torch.zeros(1, 2, 2), "frames must be"),
        (torch.zeros(1, 0, 1, 32, 32), torch.zeros(1, 2, 2), "frames must be"),
        (torch.zeros(1, 4, 1, 33, 32), torch.zeros(1, 2, 2), "multiples of 4"),
        (torch.zeros(1, 4, 1, 32, 12), torch.zeros(1, 2, 2), ">= 16"),
        (torch.zeros(1, 4, 1, 32, 32), torch.zeros(2, 2, 2), "start must be"),
        (torch.zeros(1, 4, 1, 32, 32), torch.zeros(1, 0, 2), "start must be"),
        (torch.zeros(1, 4, 1, 32, 32), torch.zeros(1, 2, 3), "start must be"),
        (torch.zeros(1, 4, 1, 32, 32), torch.zeros(1, 3, 2, 2), "start must be"),
        (torch.zeros(1, 4, 1, 32, 32), torch.zeros(2, 2), "start must be"),
    ],
)
def test_wrong_shapes_are_refused(frames, start, told):
    with pytest.raises(ValueError, match=told):
        small().float()(frames, start)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="n_iterations"):
        small()(clip(2), POINTS, n_iterations=0)
    for changes, told in (
        ({"lags": (0,)}, "lags"),
        ({"stage_widths": (4, 4)}, "stage_widths"),
        ({"radius": -1}, "radius"),
    ):
        with pytest.raises(ValueError, match=told):
            dataclasses.replace(SMALL, **changes)
