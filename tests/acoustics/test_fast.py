"""The tabulated engine: close to the exact one, linear, the same on every path, honest about what it leaves out."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from echo_points import at, relative_l2
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.acoustics import Scan, count_off_table, phased_2p5_mhz, simulate
from echotas.acoustics.elevation import build_elevation_table
from echotas.acoustics.fast import FastModel
from echotas.acoustics.lens import lens_factor
from echotas.acoustics.response import Response, ResponsePlan, build_response
from echotas.acoustics.splat import SPLINE_ORDERS, splat_matrix, spline_taps


@pytest.fixture(scope="module")
def exact_iq(scan, cloud):
    return simulate(*cloud(500), scan, method="exact")[0]


@pytest.fixture(scope="module")
def elevation_response(scan):
    return build_response(ResponsePlan(scan, elevation=True))


def test_fast_is_within_3_percent_of_exact_beyond_3_cm(model, cloud, exact_iq):
    # The table ends at 7 degrees off the beam; that, not the rank, is most of what is left.
    assert relative_l2(model.simulate(*cloud(500))[0][0], exact_iq) < 0.03


def test_error_falls_with_rank_and_window(response, scan, cloud, exact_iq):
    def error(table, rank):
        # kernels are sorted by their share of the energy, so a lower rank is a shorter table
        plan = replace(table.plan, rank=rank)
        shorter = Response(plan, table.coef[:, :, :rank].copy(), table.axial[:, :, :rank].copy())
        return relative_l2(FastModel(shorter).simulate(*cloud(500))[0][0], exact_iq)

    wider = build_response(ResponsePlan(scan, offset_deg=11.0))
    errors = [error(response, 1), error(response, 3), error(response, 8), error(wider, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1
    assert errors[-1] < 0.015


@pytest.fixture(scope="module")
def wide(scan):
    """Rank 12, 12 degrees, and the same table cut to fewer ranks."""
    table = build_response(ResponsePlan(scan, rank=12, offset_deg=12.0))

    def model(rank):
        plan = replace(table.plan, rank=rank)
        return FastModel(Response(plan, table.coef[:, :, :rank].copy(), table.axial[:, :, :rank].copy()))

    return {rank: model(rank) for rank in (2, 4, 8, 12)}


@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 400), seed=st.integers(0, 2**31), half_angle_deg=st.floats(2, 14))
def test_any_scatterers_are_met_within_2_percent_and_better_with_every_rank(n, seed, half_angle_deg, scan, cloud, wide):
    positions, reflectivity = cloud(n, seed, depth_m=(0.031, 0.069), half_angle_deg=half_angle_deg)
    exact = simulate(positions, reflectivity, scan, method="exact")[0]
    errors = [relative_l2(wide[rank].simulate(positions, reflectivity)[0][0], exact) for rank in sorted(wide)]
    assert errors[-1] < 0.02
    # Ranks 8 and 12 differ by less than what the window and the splat leave.
    assert errors[0] > errors[1] > errors[2] > 0.98 * errors[3]


def test_an_unbuildable_table_is_refused_before_it_is_built(scan):
    plan = ResponsePlan(replace(scan, n_beams=20_000, sector_deg=90.0, depth_m=0.2), rank=32, offset_deg=30)
    with pytest.raises(
        ValueError, match=r"response table of [\d,]+ MB while it is built, more than 6,000: use fewer beams"
    ):
        build_response(plan)


def test_the_memory_estimate_of_the_standard_table_is_of_the_right_size():
    plan = ResponsePlan(Scan(phased_2p5_mhz()), rank=12, offset_deg=12.0)
    assert 200 < plan.memory_mb < 1500


def test_cole_has_the_right_level_but_another_pattern(scan, cloud, exact_iq):
    iq = simulate(*cloud(500), scan, method="cole")[0]
    assert 0.7 < np.linalg.norm(iq) / np.linalg.norm(exact_iq) < 1.4
    assert 0.2 < relative_l2(iq, exact_iq) < 0.9


@pytest.mark.parametrize(("beam", "range_m"), [(0, 0.035), (9, 0.05), (19, 0.066)])
@pytest.mark.parametrize("method", ["fast", "cole"])
def test_a_point_appears_at_its_range_and_angle(beam, range_m, method, scan, model):
    iq = simulate(at(range_m, scan.angles_rad[beam]), np.ones(1), scan, method=method)[0]
    peak_beam, peak_range = np.unravel_index(np.abs(iq).argmax(), iq.shape)
    assert peak_beam == beam
    assert scan.ranges_m[peak_range] == pytest.approx(range_m, abs=1.1e-4)


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(-3, 3), split=st.integers(0, 40), seed=st.integers(0, 100))
def test_iq_is_linear_in_the_reflectivity(model, cloud, factor, split, seed):
    positions, reflectivity = cloud(40, seed)
    whole = model.simulate(positions, reflectivity)[0]
    head = model.simulate(positions[:split], reflectivity[:split])[0]
    tail = model.simulate(positions[split:], reflectivity[split:])[0]
    assert np.linalg.norm(head + tail - whole) <= 1e-4 * np.linalg.norm(whole)
    scaled = model.simulate(positions, factor * reflectivity)[0]
    assert np.linalg.norm(scaled - factor * whole) <= 1e-4 * np.linalg.norm(whole)


def test_static_scatterers_equal_moving_ones_that_stay(model, cloud):
    positions, reflectivity = cloud(300)
    weights = reflectivity * np.linspace(0.5, 1.5, 6)[:, None]
    static, off_static = model.simulate(positions, weights)
    moving, off_moving = model.simulate(np.repeat(positions[None], 6, axis=0), weights)
    np.testing.assert_allclose(static, moving, atol=1e-5 * np.abs(moving).max())
    np.testing.assert_array_equal(off_static, off_moving)
    assert off_static.shape == (6,)


def test_constant_reflectivity_needs_no_frames(model, cloud):
    positions, reflectivity = cloud(50)
    moving = positions + np.array([0, 0, 1e-4]) * np.arange(5)[:, None, None]
    np.testing.assert_array_equal(
        model.simulate(moving, reflectivity)[0], model.simulate(moving, np.tile(reflectivity, (5, 1)))[0]
    )


def test_same_input_same_bytes(scan, model, cloud):
    positions, reflectivity = cloud(200)
    again = FastModel(build_response(ResponsePlan(scan)))
    assert model.simulate(positions, reflectivity)[0].tobytes() == again.simulate(positions, reflectivity)[0].tobytes()


def test_frames_do_not_depend_on_their_batch(model, cloud):
    positions, reflectivity = cloud(100)
    moving = positions + np.array([1e-4, 0, 0]) * np.arange(6)[:, None, None]
    alone = model.simulate(moving[5:], reflectivity[None])[0]
    assert relative_l2(model.simulate(moving, reflectivity)[0][5:], alone) < 1e-5


def test_speckle_has_rayleigh_statistics(model, scan):
    rng = np.random.default_rng(3)
    n = 40_000
    r, angle = rng.uniform(0.028, 0.072, n), np.radians(14) * rng.uniform(-1, 1, n)
    positions = np.stack([r * np.sin(angle), 0 * r, r * np.cos(angle)], axis=1)
    iq = model.simulate(positions, rng.standard_normal((24, n)))[0]
    envelope = np.abs(iq[:, :, 50:-50])
    snr = envelope.mean(axis=(0, 1)) / envelope.std(axis=(0, 1))
    # Rayleigh: sqrt(pi / (4 - pi)) = 1.913, within 3 percent
    assert snr.mean() == pytest.approx(1.913, rel=0.03)


def test_scatterers_off_the_table_are_counted_and_silent(model, scan, cloud, caplog):
    inside, reflectivity = cloud(20, half_angle_deg=7)
    outside = np.concatenate([at(0.05, np.radians(20)), at(0.05, -np.radians(20)), at(0.08, 0.0), at(0.01, 0.0)])
    positions = np.concatenate([inside, outside])
    weights = np.concatenate([reflectivity, np.ones(4)])
    with caplog.at_level(logging.INFO, logger="echotas.acoustics.fast"):
        iq, off_table = model.simulate(positions, weights)
    assert off_table.tolist() == [4]
    assert count_off_table(positions, scan) == 4
    assert "4 of 24 scatterers" in caplog.text
    assert relative_l2(iq, model.simulate(inside, reflectivity)[0]) < 1e-6


def test_elevation_is_within_6_percent_of_exact(scan, cloud, elevation_response):
    positions, reflectivity = cloud(500, slab_m=6e-3)
    exact = simulate(positions, reflectivity, scan, method="exact", elevation=True)[0]
    errors = [
        relative_l2(FastModel(elevation_response, elevation_terms=q).simulate(positions, reflectivity)[0][0], exact)
        for q in (1, 3, 5)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.06


def test_echoes_fade_off_the_image_plane(scan, elevation_response):
    model = FastModel(elevation_response)
    offsets = np.array([0, 1, 2, 4, 8]) * 1e-3
    points = np.stack([at(0.06, 0.0, y) for y in offsets])
    level = np.abs(model.simulate(points, np.ones((5, 1)))[0]).max(axis=(1, 2))
    assert (np.diff(level) < 0).all()
    # Two-way -6 dB width of this lens is 2.4 mm at its 6 cm focus.
    assert 0.4 < level[1] / level[0] < 0.85
    assert level[4] < 0.02 * level[0]
    assert model.simulate(at(0.06, 0.0, 16e-3), np.ones(1))[1].tolist() == [1]
    assert count_off_table(at(0.06, 0.0, 16e-3), scan, elevation=True) == 1


def test_elevation_table_reproduces_the_lens(scan):
    nodes = np.linspace(0.03, 0.07, 9)
    table = build_elevation_table(scan, nodes, 4)
    elevation = np.arange(table.amplitudes.shape[-1]) * 0.25e-3
    freq_hz = np.linspace(1.6e6, 3.4e6, 15)
    half = table.filters.shape[-1] // 2
    lag_s = 2 * scan.range_step_m * np.arange(-half, half + 1) / scan.probe.speed_of_sound
    shift = np.exp(-2j * np.pi * (freq_hz - scan.probe.freq_center_hz)[:, None] * lag_s)
    for j in (0, 4, 8):
        rebuilt = table.amplitudes[:, j].T @ (table.filters[j] @ shift.T)
        expected = lens_factor(elevation, np.full_like(elevation, nodes[j]), freq_hz, scan.probe) ** 2
        assert relative_l2(rebuilt, expected) < 0.03


def test_the_lens_is_even_in_elevation(scan, elevation_response):
    model = FastModel(elevation_response)
    above, below = (model.simulate(at(0.05, 0.05, y), np.ones(1))[0] for y in (2e-3, -2e-3))
    np.testing.assert_array_equal(above, below)


@pytest.mark.parametrize("order", SPLINE_ORDERS)
def test_splat_weights_sum_to_one_and_keep_the_position(order):
    coordinate = torch.linspace(5, 8.9, 33)
    first, weights = spline_taps(coordinate, order)
    assert torch.allclose(weights.sum(dim=1), torch.ones(33))
    mean = (weights * (first[:, None] + torch.arange(order + 1))).sum(dim=1)
    assert torch.allclose(mean, coordinate, atol=1e-5)
    matrix, inside = splat_matrix(coordinate, coordinate, (12, 11), order)
    assert inside.all()
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=0)).ravel(), 1, rtol=1e-6)


def test_no_scatterers_give_zeros(model, scan):
    iq, off_table = model.simulate(np.empty((3, 0, 3)), np.empty((3, 0)))
    assert iq.shape == (3, scan.n_beams, scan.n_ranges)
    assert not iq.any() and not off_table.any()


@pytest.mark.parametrize(
    ("positions", "reflectivity", "options", "message"),
    [
        (np.zeros((2, 5, 3)), np.ones((2, 5)), {}, "in front of the array"),
        (np.ones((2, 5, 3)), np.ones((3, 5)), {}, r"as many frames as positions_m \(2\), got 3"),
        (np.ones((2, 5, 3)), np.ones((2, 4)), {}, r"reflectivity must be \(n_frames, n = 5\) or \(n,\)"),
        (np.ones((5, 2)), np.ones(5), {}, r"positions_m must be \(n_frames, n, 3\) or \(n, 3\), got shape \(5, 2\)"),
        (np.ones((5, 3)), np.full(5, np.nan), {}, "reflectivity must be finite"),
        (np.ones((5, 3)), np.ones(5), {"method": "field"}, "method must be one of .*, got 'field'"),
        (np.ones((5, 3)), np.ones(5), {"rank": 0}, r"rank must be an integer in 1\.\.32, got 0"),
        (np.ones((5, 3)), np.ones(5), {"splat_order": 4}, "splat_order must be one of"),
        (np.ones((5, 3)), np.ones(5), {"offset_deg": -1}, r"offset_deg must be in \(0, 30\], got -1"),
    ],
)
def test_simulate_refuses(positions, reflectivity, options, message, scan, model):
    with pytest.raises(ValueError, match=message):
        simulate(positions, reflectivity, scan, **options)


def test_a_table_beyond_85_degrees_is_refused(scan):
    with pytest.raises(ValueError, match="offset_deg must keep the table below 85 degrees"):
        ResponsePlan(replace(scan, sector_deg=150.0), offset_deg=20)
