"""Parity of the clean-room MyoTracker with arrays recorded from the public implementation, and properties that need none."""

import dataclasses

import pytest
import torch

from echotas.trackers.myotracker import MyoTracker, MyoTrackerConfig
from echotas.trackers.public_names import MYOTRACKER

from .golden import Golden, golden_cases

ARCHITECTURE = "MyoTracker"
ORDERS = pytest.mark.parametrize("order", ["corrected", "legacy"])
TINY = MyoTrackerConfig(
    stem_width=4, stage_widths=(4, 4, 4), fuse_width=8, feature_width=8, n_levels=3, radius=1, n_place_frequencies=2,
    place_spectrum="octaves", width=8, n_heads=2, n_blocks=2, attention_scale="standard",
)  # fmt: skip


# Recorded arrays


def build(sizes: dict) -> MyoTracker:
    return MyoTracker(MyoTrackerConfig(in_channels=sizes["input_shape"][1]))


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, MYOTRACKER)


def in_order(case, order: str) -> MyoTracker:
    """The network of the case with the axis order of one of its two runs."""
    network = MyoTracker(dataclasses.replace(case.network.config, legacy_axis_swap=order == "legacy")).to(case.dtype)
    network.load_state_dict(case.network.state_dict())
    return network.eval().requires_grad_(False)


def recorded_input(case) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames in [0, 1], and queries that all start in frame 0."""
    queries = case.tensor("queries_xy")
    return case.tensor("video") / 255, torch.cat([torch.zeros_like(queries[..., :1]), queries], dim=-1)


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_matches(case):
    case.check("enc_out", case.network.encode(case.tensor("video")[0, : len(case.arrays["enc_out"])] / 255))


def test_transformer_matches(case):
    case.check("former_out", case.network.transformer(case.tensor("former_in")[None])[0].transpose(0, 1))


@ORDERS
def test_tokens_displacements_and_tracks_match(case, order):
    network, seen = in_order(case, order), []
    network.transformer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    tracks = network(*recorded_input(case))
    ((token, delta),) = seen
    case.check(f"{order}_token", token)
    case.check(f"{order}_delta", delta.transpose(1, 2))
    case.check(f"{order}_tracks_xy", tracks.positions)
    case.check(f"{order}_raw_out", tracks.positions.flip(-1) if order == "legacy" else tracks.positions)


# Properties


def network(dtype=torch.float64, **changes) -> MyoTracker:
    torch.manual_seed(0)
    return MyoTracker(dataclasses.replace(TINY, **changes)).to(dtype).eval()


def frames(batch: int = 2, n_frames: int = 5, dtype=torch.float64, size: tuple[int, int] = (32, 48)) -> torch.Tensor:
    return torch.rand(batch, n_frames, 1, *size, dtype=dtype, generator=torch.Generator().manual_seed(1))


def queries(batch: int = 2, dtype=torch.float64) -> torch.Tensor:
    return torch.tensor(
        [[[0, 5, 6], [2, 20.5, 11], [4, 40, 30.25], [0, 47, 31]], [[1, 8, 9], [1, 30, 3], [0, 2.5, 20], [3, 11, 12]]],
        dtype=dtype,
    )[:batch]


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-9)


def test_published_size_is_the_default():
    assert sum(parameter.numel() for parameter in MyoTracker().parameters()) == 316_450


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("n_iterations", [1, 3])
@torch.no_grad()
def test_one_frame_and_one_point_work_in_both_precisions(dtype, n_iterations):
    tracks = network(dtype, n_iterations=n_iterations)(
        frames(1, 1, dtype), torch.tensor([[[0, 5, 6]]], dtype=torch.float32)
    )
    assert [one.shape for one in tracks.per_iteration] == [(1, 1, 1, 2)] * n_iterations
    assert tracks.positions is tracks.per_iteration[-1]
    assert tracks.positions.dtype == dtype and tracks.positions.isfinite().all()


@pytest.mark.parametrize("n_iterations", [1, 3])
@torch.no_grad()
def test_order_of_points_and_of_frames_does_not_matter(n_iterations):
    model, points, order = network(n_iterations=n_iterations), [2, 0, 3, 1], [3, 0, 4, 2, 1]
    tracks = model(frames(), queries()).positions
    assert close(model(frames(), queries()[:, points]).positions, tracks[:, :, points])
    moved = queries()
    moved[..., 0] = torch.tensor(order).argsort()[moved[..., 0].long()].to(moved)
    assert close(model(frames()[:, order], moved).positions, tracks[:, order])


@torch.no_grad()
def test_members_of_a_batch_do_not_meet():
    model = network(n_iterations=2)
    together = model(frames(), queries()).positions
    for index in range(2):
        alone = model(frames()[index, None], queries()[index, None]).positions
        assert close(alone[0], together[index])


@torch.no_grad()
def test_still_cine_gives_still_points():
    model = network(n_iterations=2)
    positions = model(frames(n_frames=1).expand(-1, 6, -1, -1, -1), queries() * torch.tensor([0, 1, 1])).positions
    assert close(positions, positions[:, :1].expand_as(positions))
    assert not close(positions[:, 0], queries()[..., 1:])  # the query frame is estimated like any other


@pytest.mark.parametrize("swap", [False, True])
@torch.no_grad()
def test_features_are_read_at_the_query_in_its_frame_or_mirrored_in_legacy_order(swap):
    model, seen = network(legacy_axis_swap=swap), []
    model.transformer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    size, n_frames = 12, 5
    features = torch.zeros(n_frames, TINY.feature_width, size, size, dtype=torch.float64)
    features[:, 0] = torch.arange(size) + 0.5  # where the cell's centre is along x, in cells
    features[:, 1] = torch.arange(size)[:, None] + 0.5
    features[:, 2] = torch.arange(n_frames)[:, None, None]
    model.encode = lambda frames: features
    query = torch.tensor([[[0, 20, 6], [3, 9, 17.5]]], dtype=torch.float64)
    model(frames(1, n_frames, size=(size * TINY.stride, size * TINY.stride)), query)
    start = 4 * TINY.n_place_frequencies
    read = seen[0][..., start : start + 3]  # batch, points, frames, columns: the same in all frames
    x_y = query[..., 1:] / TINY.stride
    expected = torch.cat([x_y.flip(-1) if swap else x_y, query[..., :1]], dim=-1)
    assert close(read, expected[:, :, None].expand_as(read))


def test_later_passes_read_features_where_the_points_are():
    model, seen = network(n_iterations=3), []
    model.transformer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        tracks = model(frames(), queries())
        once = model(frames(), queries(), n_iterations=1)
    assert len(tracks.per_iteration) == 3 and len(once.per_iteration) == 1
    assert close(tracks.per_iteration[0], once.positions)
    cells = tracks.per_iteration[0].transpose(1, 2) / TINY.stride
    slowest = torch.pi / 8
    assert close(seen[1][..., 0], (slowest * cells[..., 0]).sin())
    assert close(seen[1][..., 4], (slowest * cells[..., 1]).sin())


@pytest.mark.parametrize("changes", [{}, {"n_iterations": 3}, {"legacy_axis_swap": True}])
def test_every_weight_learns(changes):
    model = network(torch.float32, **changes).train()
    tracks = model(frames(dtype=torch.float32), queries(dtype=torch.float32))
    sum(positions.square().mean() for positions in tracks.per_iteration).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("shape", "points", "message"),
    [
        ((2, 5, 32, 48), (2, 4, 3), "frames must be"),
        ((2, 5, 3, 32, 48), (2, 4, 3), "frames must be"),
        ((2, 0, 1, 32, 48), (2, 4, 3), "frames must be"),
        ((2, 5, 1, 30, 48), (2, 4, 3), "height and width"),
        ((2, 5, 1, 12, 48), (2, 4, 3), "height and width"),
        ((2, 5, 1, 32, 48), (2, 4, 2), "queries must be"),
        ((2, 5, 1, 32, 48), (2, 0, 3), "queries must be"),
        ((2, 5, 1, 32, 48), (1, 4, 3), "queries must be"),
        ((2, 5, 1, 32, 48), (4, 3), "queries must be"),
    ],
)
def test_wrong_shapes_raise(shape, points, message):
    with pytest.raises(ValueError, match=message):
        network()(torch.zeros(shape), torch.zeros(points))


@pytest.mark.parametrize("frame", [-1.0, 5.0, 0.5, float("nan")])
def test_query_frame_must_be_one_of_the_frames(frame):
    start = queries()
    start[0, 0, 0] = frame
    with pytest.raises(ValueError, match="query frames"):
        network()(frames(), start)


@pytest.mark.parametrize(
    "changes", [{"n_heads": 3}, {"attention_scale": "none"}, {"n_iterations": 0}, {"place_spectrum": "none"}]
)
def test_impossible_configurations_raise(changes):
    with pytest.raises(ValueError, match="must be"):
        dataclasses.replace(TINY, **changes)


def test_at_least_one_pass():
    with pytest.raises(ValueError, match="n_iterations must be"):
        network()(frames(), queries(), n_iterations=0)
