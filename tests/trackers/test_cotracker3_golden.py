"""Parity of the clean-room CoTracker3 (offline) with arrays recorded from the public implementation, and its properties."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from echotas.trackers.cotracker3 import CoTracker3, CoTracker3Config, Tracked, step_sincos
from echotas.trackers.public_names import COTRACKER3

from .golden import Golden, golden_cases

ARCHITECTURE = "CoTracker3 offline"
PUBLISHED = CoTracker3Config()
TINY = CoTracker3Config(
    in_channels=1, stem_width=4, stage_widths=(4, 4, 4, 4), fuse_width=8, feature_width=8, n_levels=3, radius=1,
    correlation_hidden=8, correlation_width=6, n_step_octaves=2, image_size=(48, 64), n_table_frames=6, width=16,
    n_heads=2, n_layers=2, n_virtual=3, head_std=0.05,
)  # fmt: skip


class Noting(CoTracker3):
    """Keeps what a run computes on its way, by the names of the recorded arrays."""

    def __init__(self, config: CoTracker3Config) -> None:
        super().__init__(config)
        self.notes, self.updates = {}, []

    def products(self, pyramid, support, positions, level):
        value = super().products(pyramid, support, positions, level)
        self.notes[f"it{len(self.updates)}_lev{level}_products"] = value
        return value

    def tokens(self, pyramid, support, state):
        value = super().tokens(pyramid, support, state)
        self.notes[f"it{len(self.updates)}_token"] = value
        return value

    def update(self, tokens):
        self.updates.append(super().update(tokens))
        return self.updates[-1]


def build(sizes: dict) -> Noting:
    return Noting(
        CoTracker3Config(
            stride=sizes["stride"],
            radius=sizes["corr_radius"],
            n_levels=sizes["corr_levels"],
            n_virtual=sizes["num_virtual_tracks"],
            image_size=sizes["model_resolution"],
            n_table_frames=sizes["window_len"],
            # A case states these only where they are not the published ones.
            width=sizes.get("hidden_size", PUBLISHED.width),
            n_heads=sizes.get("num_heads", PUBLISHED.n_heads),
            n_layers=sizes.get("time_depth", PUBLISHED.n_layers),
            feature_width=sizes.get("latent_dim", PUBLISHED.feature_width),
        )
    )


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, COTRACKER3)


@pytest.fixture(scope="module")
def run(case) -> tuple[Tracked, dict, list]:
    """One run of all recorded iterations: what it returned, and what was noted on its way."""
    case.network.notes, case.network.updates = {}, []
    tracked = case.network(recorded_frames(case), case.tensor("queries"), n_iterations=len(case.arrays["deltas"]))
    return tracked, case.network.notes, case.network.updates


def recorded_frames(case) -> torch.Tensor:
    return case.tensor("video") * 2 / 255 - 1


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_matches(case):
    """The recorded maps are those before their cells are scaled to unit length."""
    raw = case.network.encoder(recorded_frames(case)[0, : len(case.arrays["enc_out"])])
    case.check("enc_out", raw)
    lengths = case.network.encode(recorded_frames(case)[0, :1]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_tables_match(case):
    like = torch.zeros(0, dtype=case.dtype)
    for name in ("time_emb", "time_emb_interp"):
        case.check(name, case.network.time_encoding(len(case.arrays[name]), like))
    case.check("posenc_out", step_sincos(case.tensor("posenc_in"), case.network.config.n_step_octaves))


def test_transformer_matches(case):
    update = CoTracker3.update(case.network, case.tensor("former_in")[None])
    case.check("former_out", update[0].transpose(0, 1))


def test_products_and_their_condensation_match(case, run):
    third = case.arrays["video"].shape[1] // 3
    names = [name for name in case.arrays if "_corr" in name]
    assert names
    for name in names:
        place, kind = name.split("_corr")
        products = run[1][f"{place}_products"].transpose(1, 2)
        if kind == "4d":
            case.check(name, products[0, [0, third, 2 * third]])
        else:
            case.check(name, case.network.correlation_mlp(products)[0])


def test_tokens_match(case, run):
    names = [name for name in case.arrays if name.endswith("_token")]
    assert names
    for name in names:
        case.check(name, run[1][name])


def test_corrections_match(case, run):
    case.check("deltas", torch.stack(run[2]).transpose(2, 3))


def test_run_matches_in_every_iteration(case, run):
    tracked = run[0]
    case.check("tracks", tracked.positions)
    case.check("visibility", tracked.visibility.sigmoid())
    case.check("confidence", tracked.confidence.sigmoid())
    case.check("tracks_per_iter", torch.stack([estimate.positions for estimate in tracked.estimates]))
    case.check("visibility_per_iter", torch.stack([estimate.visibility.sigmoid() for estimate in tracked.estimates]))
    case.check("confidence_per_iter", torch.stack([estimate.confidence.sigmoid() for estimate in tracked.estimates]))


def test_released_losses_follow_from_what_is_returned(case, run):
    if "loss_gt" not in case:
        pytest.skip("no losses in this case")
    truth, visible = case.tensor("loss_gt"), case.tensor("loss_gt_vis")
    seen, hidden = (mask / (mask.sum() + 1e-6) for mask in (visible, 1 - visible))
    parts = {"loss_visible": 0, "loss_invisible": 0, "loss_vis_bce": 0, "loss_conf_bce": 0}
    estimates = run[0].estimates
    for index, (positions, visibility, confidence) in enumerate(estimates):
        later_counts_more = 0.8 ** (len(estimates) - 1 - index)  # of the positions only
        huber = F.huber_loss(positions, truth, delta=6, reduction="none").mean(-1)
        absolute = (positions - truth).abs().mean(-1)
        parts["loss_visible"] += later_counts_more * (huber * seen).sum()
        parts["loss_invisible"] += later_counts_more * (absolute * hidden).sum()
        parts["loss_vis_bce"] += F.binary_cross_entropy_with_logits(visibility, visible)
        near = ((positions - truth).norm(dim=-1) <= 12).to(visible)
        # Invisible points add nothing but are counted.
        each = F.binary_cross_entropy_with_logits(confidence, near, reduction="none") * visible
        parts["loss_conf_bce"] += each.mean(dim=(1, 2))
    for name, value in parts.items():
        case.check(name, (value / len(estimates)).reshape(case.arrays[name].shape))


# Properties, without recorded arrays.


def network(**changes) -> CoTracker3:
    torch.manual_seed(0)
    return CoTracker3(dataclasses.replace(TINY, **changes)).double().eval()


def cine(n_frames: int, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, n_frames, 1, 32, 48, generator=generator, dtype=torch.float64) * 2 - 1


def queries(*rows: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(rows or [(0, 10.5, 20), (2, 30, 8), (1, 47, 31), (2, 3, 4)], dtype=torch.float64)[None]


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [1, 2, 6, 9])
def test_any_number_of_frames_and_points(n_frames):
    for rows in ([(0, 3, 5)], [(n_frames - 1, 3, 5), (0, 40, 30), (0, -9, 60)]):
        tracked = network()(cine(n_frames), queries(*rows), n_iterations=3)
        assert tracked.positions.shape == (1, n_frames, len(rows), 2)
        assert tracked.visibility.shape == tracked.confidence.shape == (1, n_frames, len(rows))
        assert len(tracked.estimates) == 3 and torch.equal(tracked.estimates[-1].positions, tracked.positions)
        assert all(torch.isfinite(value).all() for value in tracked[:3])


@torch.no_grad()
def test_untrained_network_leaves_points_at_their_query():
    tracked = network(head_std=1e-3)(cine(4), queries())
    assert (tracked.positions - queries()[:, None, :, 1:]).abs().max() < 0.5
    assert tracked.visibility.abs().max() < 0.1


@torch.no_grad()
def test_permuting_points_permutes_tracks():
    order = [2, 0, 3, 1]
    straight, permuted = network()(cine(5), queries()), network()(cine(5), queries()[:, order])
    for one, other in zip(straight[:3], permuted[:3], strict=True):
        torch.testing.assert_close(one[:, :, order], other, atol=1e-10, rtol=0)


@torch.no_grad()
def test_points_support_each_other_and_the_query_frame_matters():
    model = network()
    together = model(cine(5), queries()).positions
    assert (together[:, :, :1] - model(cine(5), queries()[:, :1]).positions).abs().max() > 1e-6
    later = queries()
    later[..., 0] += 1
    assert (together - model(cine(5), later).positions).abs().max() > 1e-6


@torch.no_grad()
def test_a_batch_gives_what_its_items_give_alone():
    pair = torch.cat([queries(), queries().flip(1) + torch.tensor([1, 2, -3])])
    together = network()(cine(5, batch=2), pair)
    for index in range(2):
        alone = network()(cine(5, batch=2)[index : index + 1], pair[index : index + 1])
        for one, other in zip(together[:3], alone[:3], strict=True):
            torch.testing.assert_close(one[index : index + 1], other, atol=1e-10, rtol=0)


@torch.no_grad()
def test_single_precision_follows_double():
    tracked = network()(cine(5), queries())
    single = network().float()(cine(5).float(), queries().float())
    assert single.positions.dtype == single.visibility.dtype == torch.float32
    torch.testing.assert_close(single.positions.double(), tracked.positions, atol=1e-3, rtol=0)


def test_every_weight_learns():
    model = network().train()
    tracked = model(cine(4, batch=2), queries().expand(2, -1, -1), n_iterations=2)
    sum(sum(value.square().sum() for value in estimate) for estimate in tracked.estimates).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    # Biases of keys cancel in the softmax; convolution biases in the instance normalisation.
    silent = [name for name, one in model.named_parameters() if name.endswith("weight") and not one.grad.any()]
    assert not silent


def test_an_iteration_does_not_learn_through_the_position_before_it():
    """The bias of the motion head then counts once, in cells, for every coordinate that the last iteration corrects."""
    model = network()
    _, second = model(cine(3), queries(), n_iterations=2).estimates
    (gradient,) = torch.autograd.grad(second.positions.sum(), model.motion_head.bias)
    torch.testing.assert_close(gradient, torch.full((2,), 3.0 * 4 * model.config.stride, dtype=torch.float64))


@pytest.mark.parametrize(
    ("frames", "rows", "n_iterations", "message"),
    [
        (torch.zeros(2, 1, 32, 48), queries(), 4, "frames must be"),
        (torch.zeros(1, 3, 3, 32, 48), queries(), 4, "frames must be"),
        (torch.zeros(1, 0, 1, 32, 48), queries(), 4, "frames must be"),
        (torch.zeros(1, 3, 1, 30, 48), queries(), 4, "multiples of 4"),
        (torch.zeros(1, 3, 1, 8, 48), queries(), 4, "at 3 levels"),
        (torch.zeros(2, 3, 1, 32, 48), queries(), 4, "queries must be"),
        (torch.zeros(1, 3, 1, 32, 48), queries()[0], 4, "queries must be"),
        (torch.zeros(1, 3, 1, 32, 48), queries()[..., :2], 4, "queries must be"),
        (torch.zeros(1, 3, 1, 32, 48), queries()[:, :0], 4, "queries must be"),
        (torch.zeros(1, 2, 1, 32, 48), queries(), 4, "query frames"),
        (torch.zeros(1, 3, 1, 32, 48), queries((-1, 2, 3)), 4, "query frames"),
        (torch.zeros(1, 3, 1, 32, 48), queries((0.5, 2, 3)), 4, "query frames"),
        (torch.zeros(1, 3, 1, 32, 48), queries((float("nan"), 2, 3)), 4, "query frames"),
        (torch.zeros(1, 3, 1, 32, 48), queries(), 0, "n_iterations"),
    ],
)
def test_wrong_input_is_refused(frames, rows, n_iterations, message):
    with pytest.raises(ValueError, match=message):
        network()(frames.double(), rows, n_iterations)


@pytest.mark.parametrize(
    "sizes",
    [{"stage_widths": (4, 4)}, {"image_size": (0, 4)}, {"correlation_width": 5}, {"n_heads": 3}, {"n_virtual": 0},
     {"n_table_frames": 0}],
)  # fmt: skip
def test_wrong_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=next(iter(sizes)).replace("correlation_width", "token")):
        network(**sizes)
