"""PWC-Net and c-PWC-Net: layers and size as published, exact geometry of matching and chaining, and that it learns."""

import dataclasses
import math

import pytest
import torch

from echotas.trackers.blocks.chained_flow import chain_flow
from echotas.trackers.blocks.correlation import sample_features
from echotas.trackers.blocks.cost_volume import cost_volume, warp
from echotas.trackers.blocks.flow_loss import LEVEL_WEIGHTS, _cell_means, flow_loss, frame_pairs
from echotas.trackers.pwc_net import PwcNet, PwcNetConfig

SMALL = PwcNetConfig(
    widths=(6, 8, 8), finest_level=1, radius=2, estimator_widths=(8, 6), context_widths=(8, 6), context_dilations=(1, 2),
)  # fmt: skip


def small(seed: int = 0, **changes) -> PwcNet:
    torch.manual_seed(seed)
    return PwcNet(dataclasses.replace(SMALL, **changes)).double().eval()


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# Layers and size.


def test_parameter_counts_are_the_published_ones():
    assert n_parameters(PwcNet()) == 14_078_762  # 14.08 M
    assert n_parameters(PwcNet(PwcNetConfig(in_channels=3, context_everywhere=False))) == 9_374_274  # PWC-Net, 9.37 M
    at_half = PwcNet(PwcNetConfig(finest_level=1))  # "six contexts" of the paper's table, 16.3 M
    assert round(n_parameters(at_half) / 1e6, 1) == 16.3


def test_pyramid_has_the_published_layers():
    convolutions = [module for module in PwcNet().pyramid.modules() if isinstance(module, torch.nn.Conv2d)]
    widths = (16, 32, 64, 96, 128, 196)
    assert [c.out_channels for c in convolutions] == [width for width in widths for _ in range(3)]
    assert [c.stride[0] for c in convolutions] == [2, 1, 1] * 6
    assert convolutions[0].in_channels == 1 and {c.kernel_size for c in convolutions} == {(3, 3)}


@pytest.mark.parametrize(("level", "in_width"), [(6, 81), (5, 213), (4, 181), (3, 149), (2, 117)])
@pytest.mark.parametrize("everywhere", [True, False])
def test_decoders_have_the_published_layers(level, in_width, everywhere):
    network = PwcNet(PwcNetConfig(context_everywhere=everywhere))
    assert list(network.decoders) == ["6", "5", "4", "3", "2"]
    decoder = network.decoders[str(level)]
    # Cost 81, features of the first frame, enlarged flow 2 and features 2; every layer also sees all before it.
    dense = [(in_width, 128), (in_width + 128, 128), (in_width + 256, 96), (in_width + 352, 64), (in_width + 416, 32)]
    assert [(layer[0].in_channels, layer[0].out_channels) for layer in decoder.estimator] == dense
    assert (decoder.head.in_channels, decoder.head.out_channels) == (in_width + 448, 2)
    assert (decoder.enlarge_flow is None) == (level == 2) == (decoder.enlarge_features is None)
    if not everywhere and level > 2:
        assert decoder.context is None
        return
    context = [module for module in decoder.context.modules() if isinstance(module, torch.nn.Conv2d)]
    assert context[0].in_channels == in_width + 448
    assert [c.out_channels for c in context] == [128, 128, 128, 96, 64, 32, 2]
    assert [c.dilation[0] for c in context] == [1, 2, 4, 8, 16, 1, 1]


# Matching.


def test_warp_by_whole_cells_shifts_and_reads_zero_outside():
    maps = noise(2, 3, 5, 7)
    flow = torch.tensor([2.0, -1.0], dtype=torch.float64)[:, None, None].expand(2, -1, 5, 7)
    expected = torch.zeros_like(maps)
    expected[..., 1:, :5] = maps[..., :4, 2:]
    torch.testing.assert_close(warp(maps, flow), expected, atol=1e-12, rtol=0)


def test_warp_between_cells_is_bilinear():
    row, column = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (6, 9)), indexing="ij")
    flow = torch.tensor([0.3, -0.6], dtype=torch.float64)[:, None, None].expand(1, -1, 6, 9)
    warped = warp((2 * column - 3 * row)[None, None], flow)
    expected = 2 * (column + 0.3) - 3 * (row - 0.6)
    torch.testing.assert_close(warped[0, 0, 1:, :-1], expected[1:, :-1], atol=1e-12, rtol=0)


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-4, 3)])
def test_cost_volume_is_the_mean_product_with_the_shifted_map(shift):
    first, second = noise(2, 5, 8, 11), noise(2, 5, 8, 11, seed=2)
    dx, dy = shift
    flow = torch.tensor(shift, dtype=torch.float64)[:, None, None].expand(2, -1, 8, 11)
    costs = cost_volume(first, second, 4)
    assert costs.shape == (2, 81, 8, 11)
    torch.testing.assert_close(
        costs[:, (dy + 4) * 9 + dx + 4], (first * warp(second, flow)).mean(1), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (5, 8), (4, 19)])
@pytest.mark.parametrize("radius", [0, 1, 4])
def test_cost_volume_at_every_size(size, radius):
    first, second = noise(2, 3, *size), noise(2, 3, *size, seed=2)
    height, width = size
    padded = torch.nn.functional.pad(second, [radius] * 4)
    side = range(2 * radius + 1)
    moved = torch.stack([padded[..., y : y + height, x : x + width] for y in side for x in side], dim=1)
    torch.testing.assert_close(cost_volume(first, second, radius), (first[:, None] * moved).mean(2), atol=1e-12, rtol=0)


def test_gradient_of_the_cost_volume():
    first, second = noise(1, 2, 3, 9).requires_grad_(), noise(1, 2, 3, 9, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda *maps: cost_volume(*maps, 2), (first, second))


def test_cost_peaks_at_the_true_shift():
    features = noise(1, 32, 12, 16)
    moved = features.roll((1, -2), (2, 3))  # (x, y) of everything: -2, 1
    best = cost_volume(features, moved, 3)[0, :, 4:-4, 4:-4].argmax(0)
    assert (best == (1 + 3) * 7 + (-2 + 3)).all()


# Network.


@pytest.mark.parametrize("size", [(16, 24), (20, 29), (5, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frames_of_any_size(size, dtype):
    first, second = noise(2, 1, *size).to(dtype), noise(2, 1, *size, seed=2).to(dtype)
    with torch.no_grad():
        levels, flow = small().to(dtype).levels(first, second), small().to(dtype).flow(first, second)
    assert list(levels) == [3, 2, 1]
    for level, values in levels.items():
        assert values.shape == (2, 2, *(math.ceil(side / 2**level) for side in size))
    assert flow.shape == (2, 2, *size) and flow.dtype == dtype and flow.isfinite().all()
    # Cell i is centred on pixel i * 2**level.
    torch.testing.assert_close(flow[..., ::2, ::2], levels[1])


def test_pyramid_cells_are_centred_on_their_pixels():
    # What a cell sees reaches equally far to both sides of its pixel, so no half-pixel shift is needed anywhere.
    model, frames = small(), noise(1, 1, 65, 65).requires_grad_()
    model._features(frames, frames.detach())[0][2][0, :, 8, 8].sum().backward()
    seen = frames.grad[0, 0].nonzero()
    assert (seen.min(0).values + seen.max(0).values == 2 * 32).all()


def test_both_ways_is_each_way_alone():
    model, first, second = small(), noise(1, 1, 16, 24), noise(1, 1, 16, 24, seed=2)
    with torch.no_grad():
        there, back = model.both_ways(first, second)
        torch.testing.assert_close(there, model.levels(first, second)[1], atol=1e-9, rtol=0)
        torch.testing.assert_close(back, model.levels(second, first)[1], atol=1e-9, rtol=0)


def test_context_corrects_the_estimate_on_every_level():
    model, first, second = small(), noise(1, 1, 16, 24), noise(1, 1, 16, 24, seed=2)
    with torch.no_grad():
        before = model.levels(first, second)
        model.decoders["3"].context[-1].bias += 1
        after = model.levels(first, second)
    torch.testing.assert_close(after[3], before[3] + SMALL.flow_scale)
    assert not torch.allclose(after[1], before[1])


# Tracking.


class Moving(PwcNet):
    """Flow of a known motion instead of an estimated one; `bias` px is added to it in both directions."""

    def __init__(self, velocity: torch.Tensor, bias: float = 0.0) -> None:
        super().__init__(SMALL)
        self.velocity, self.bias = velocity, bias

    def both_ways(self, first, second):
        sign = (second - first).mean((1, 2, 3)).sign()[:, None, None, None]  # frames hold their own number
        flow = self.velocity[None, :, None, None].expand(len(first), -1, first.shape[-2] // 2, first.shape[-1] // 2)
        return sign * flow + self.bias, -sign * flow + self.bias


POINTS = torch.tensor([[[3.0, 4.5], [10.25, 9.0]]], dtype=torch.float64)
VELOCITY = torch.tensor([1.25, -0.5], dtype=torch.float64)


@pytest.mark.parametrize("query_frame", [0, 2, 4])
def test_known_motion_is_chained_both_ways(query_frame):
    frames = torch.arange(5, dtype=torch.float64)[None, :, None, None, None].expand(-1, -1, 1, 16, 24)
    paths = Moving(VELOCITY)(frames, POINTS, query_frame)
    time = torch.arange(5, dtype=torch.float64)[:, None, None] - query_frame
    torch.testing.assert_close(paths.positions[0], POINTS + time * VELOCITY, atol=1e-12, rtol=0)
    assert paths.disagreement.max() < 1e-12


def test_points_given_in_several_frames_are_each_frames_alone():
    model, frames = small(), noise(2, 7, 1, 16, 24)
    points, starts = noise(2, 5, 2, seed=3).abs() * 12, [3, 0, 6, 3, 2]
    with torch.no_grad():
        together = model(frames, points, starts)
        for index, start in enumerate(starts):
            alone = model(frames, points[:, [index]], start)
            for one, other in zip(together, alone, strict=True):
                torch.testing.assert_close(one[:, :, [index]], other, atol=1e-9, rtol=0)


@pytest.mark.parametrize("composed", [True, False])
def test_flow_of_a_pair_is_found_once(composed):
    seen = []

    def flows(first, second):
        seen.extend(zip(first.mean((1, 2, 3)).tolist(), second.mean((1, 2, 3)).tolist(), strict=True))
        there = torch.zeros(len(first), 2, 16, 24, dtype=torch.float64)
        return there, there if composed else None

    frames = torch.arange(9, dtype=torch.float64)[None, :, None, None, None].expand(-1, -1, 1, 16, 24)
    chain_flow(flows, sample_features, frames, POINTS, [2, 5])
    ahead, behind = [(t, t + 1) for t in range(2, 8)], [(t, t - 1) for t in range(5, 0, -1)]
    # With the flow there comes the flow back; without composition each way is a pair of its own.
    assert seen == (ahead + [(2, 1), (1, 0)] if composed else ahead + behind)


def test_a_bias_of_both_directions_cancels_and_is_told():
    frames = torch.arange(3, dtype=torch.float64)[None, :, None, None, None].expand(-1, -1, 1, 16, 24)
    paths = Moving(VELOCITY, bias=0.2)(frames, POINTS)
    torch.testing.assert_close(paths.positions[:, -1], POINTS + 2 * VELOCITY, atol=1e-12, rtol=0)
    torch.testing.assert_close(paths.disagreement[0, 1:], torch.full((2, 2), 0.4 * 2**0.5, dtype=torch.float64))


def test_backward_flow_is_read_where_forward_flow_leads():
    there = torch.full((1, 2, 8, 12), 2.0, dtype=torch.float64)
    back = torch.arange(12, dtype=torch.float64)[None, None, None].expand(1, 2, 8, 12)  # x in cells of 2 px
    paths = chain_flow(lambda *_: (there, back), small()._at, noise(1, 2, 1, 16, 24), POINTS, 0)
    at, moved = (POINTS[..., 0] + 2) / 2, paths.positions[:, 1] - POINTS
    torch.testing.assert_close(moved, (2 - at)[..., None].expand_as(moved) / 2)
    torch.testing.assert_close(paths.disagreement[:, 1], (2 + at) * 2**0.5)


def test_without_composition_a_step_is_the_flow_there():
    model, frames = small(composed=False), noise(1, 3, 1, 16, 24)
    with torch.no_grad():
        paths = model(frames, POINTS)
        there = model.both_ways(frames[:, 0], frames[:, 1])[0]
        torch.testing.assert_close(paths.positions[:, 1], POINTS + model._at(there, POINTS))
        assert (paths.disagreement == 0).all()
        assert not torch.equal(paths.positions, small()(frames, POINTS).positions)


@pytest.mark.parametrize("n_frames", [1, 2, 4])
def test_clips_of_any_length_and_every_query_frame(n_frames):
    model, frames = small(), noise(1, n_frames, 1, 16, 24)
    for query_frame in range(n_frames):
        with torch.no_grad():
            paths = model(frames, POINTS, query_frame)
        assert paths.positions.shape == (1, n_frames, 2, 2) and paths.disagreement.shape == (1, n_frames, 2)
        assert torch.equal(paths.positions[:, query_frame], POINTS)
        assert paths.positions.isfinite().all() and (paths.disagreement[:, query_frame] == 0).all()


def test_points_and_clips_do_not_see_one_another():
    model, frames = small(), noise(2, 3, 1, 16, 24)
    points = torch.cat([POINTS, POINTS + 1])
    with torch.no_grad():
        together = model(frames, points).positions
        alone = torch.cat([model(frames[i : i + 1], points[i : i + 1]).positions for i in range(2)])
        permuted = model(frames, points.flip(1)).positions
        single = model(frames, points[:, :1]).positions
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)
    assert torch.equal(together.flip(2), permuted)
    assert torch.equal(together[:, :, :1], single)


# Training.


def test_loss_of_the_truth_is_zero_and_of_a_constant_error_known():
    true = torch.tensor([3.0, -4.0], dtype=torch.float64)[None, :, None, None].expand(2, -1, 20, 30)
    levels = {level: true[..., :: 2**level, :: 2**level] for level in (6, 5, 4, 3, 2)}
    assert flow_loss(levels, true).item() == pytest.approx(0, abs=1e-12)
    # 5 px = 0.25 units in every cell.
    cells = {6: 1, 5: 1, 4: 2 * 2, 3: 3 * 4, 2: 5 * 8}
    expected = sum(LEVEL_WEIGHTS[level] * n * 0.25 for level, n in cells.items())
    nothing = {level: torch.zeros_like(flow) for level, flow in levels.items()}
    assert flow_loss(nothing, true).item() == pytest.approx(expected)


def test_loss_counts_valid_pixels_only():
    true = torch.zeros(1, 2, 16, 16, dtype=torch.float64)
    true[..., :8] = float("nan")
    valid = torch.ones(1, 16, 16)
    valid[..., :8] = 0
    levels = {2: torch.zeros(1, 2, 4, 4, dtype=torch.float64)}
    assert flow_loss(levels, true, valid) == 0
    assert flow_loss(levels, true, 0 * valid) == 0
    levels[2][..., 0] = 7  # only cells without a valid pixel are wrong
    assert flow_loss(levels, true, valid) == 0
    assert flow_loss(levels, true.nan_to_num()) > 0


@pytest.mark.parametrize("level", [1, 2, 4])
def test_true_flow_of_a_cell_is_the_one_at_its_pixel(level):
    # A mean over pixels around the cell's own gives the exact value of linear motion away from the border.
    row, column = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (65, 97)), indexing="ij")
    true = torch.stack([0.3 * column - 0.1 * row, 0.2 * row])[None]
    stride = 2**level
    means, exact = _cell_means(true, stride), true[..., ::stride, ::stride]
    assert means.shape == exact.shape
    torch.testing.assert_close(means[..., 1:-1, 1:-1], exact[..., 1:-1, 1:-1], atol=1e-12, rtol=0)


def test_every_weight_learns():
    model = small().train()
    flow_loss(
        model.levels(noise(2, 1, 16, 24), noise(2, 1, 16, 24, seed=2)),
        torch.ones(2, 2, 16, 24),
        weights={1: 1, 2: 1, 3: 1},
    ).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.slow
def test_a_shift_is_learned():
    torch.manual_seed(0)
    model = PwcNet(dataclasses.replace(SMALL, flow_scale=4.0))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    generator = torch.Generator().manual_seed(3)

    def batch(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Smooth textures, each moved by its own whole number of px."""
        texture = torch.nn.functional.avg_pool2d(torch.randn(n, 1, 52, 52, generator=generator), 5, 1)[..., :48, :48]
        shift = torch.randint(-3, 4, (n, 2), generator=generator)
        second = [t[:, 8 - y : 40 - y, 8 - x : 40 - x] for t, (x, y) in zip(texture, shift.tolist(), strict=True)]
        true = shift[:, :, None, None].expand(-1, -1, 32, 32).float()
        return 5 * texture[..., 8:40, 8:40], 5 * torch.stack(second), true

    def endpoint_error() -> float:
        with torch.no_grad():
            first, second, true = batch(32)
            return (model.flow(first, second) - true).norm(dim=1).mean().item()

    for _ in range(150):
        first, second, true = batch(8)
        optimizer.zero_grad()
        flow_loss(model.levels(first, second), true, weights={1: 1, 2: 1, 3: 1}, flow_scale=4.0).backward()
        optimizer.step()
    assert endpoint_error() < 2.1  # 1.6 when written; standing still: 2.65 px


def test_pairs_go_both_ways_over_every_gap_that_fits():
    assert frame_pairs(3) == [(0, 1), (1, 0), (1, 2), (2, 1), (0, 2), (2, 0)]
    assert frame_pairs(4, gaps=(2,)) == [(0, 3), (3, 0)]
    assert frame_pairs(1) == []
    with pytest.raises(ValueError, match="gaps"):
        frame_pairs(4, gaps=(-1,))


# Wrong input.


@pytest.mark.parametrize(
    ("frames", "points", "query_frame", "told"),
    [
        ((1, 2, 16, 16), (1, 2, 2), 0, "frames must be"),
        ((1, 0, 1, 16, 16), (1, 2, 2), 0, "frames must be"),
        ((1, 2, 3, 16, 16), (1, 2, 2), 0, "frames must be"),
        ((1, 2, 1, 16, 16), (2, 2, 2), 0, "points must be"),
        ((1, 2, 1, 16, 16), (1, 0, 2), 0, "points must be"),
        ((1, 2, 1, 16, 16), (1, 2, 3), 0, "points must be"),
        ((1, 2, 1, 16, 16), (1, 2, 2), 2, "query_frame"),
        ((1, 2, 1, 16, 16), (1, 2, 2), -1, "query_frame"),
        ((1, 2, 1, 16, 16), (1, 2, 2), [0], "query_frame"),
        ((1, 2, 1, 16, 16), (1, 2, 2), [0, 2], "query_frame"),
    ],
)
def test_wrong_shapes_are_refused(frames, points, query_frame, told):
    with pytest.raises(ValueError, match=told):
        small().float()(torch.zeros(frames), torch.zeros(points), query_frame)


def test_frames_of_two_shapes_and_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        small().levels(noise(1, 1, 16, 16), noise(1, 1, 16, 24))
    with pytest.raises(ValueError, match="missing \\[1\\]"):
        flow_loss({1: torch.zeros(1, 2, 8, 8)}, torch.zeros(1, 2, 16, 16))
    with pytest.raises(ValueError, match="level 2 must be"):
        flow_loss({2: torch.zeros(1, 2, 1, 1)}, torch.zeros(1, 2, 16, 16))


@pytest.mark.parametrize(
    "sizes",
    [{"finest_level": 0}, {"finest_level": 7}, {"context_dilations": (1,)}, {"radius": -1}, {"flow_scale": 0}],
)
def test_wrong_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=next(iter(sizes))):
        PwcNetConfig(**sizes)
