"""Whole simulations of a tiny template."""

from dataclasses import replace

import numpy as np
import pytest

from echotas.geometry import inside
from echotas.records import Mesh, Sector
from echotas.simulation import STRATEGIES, SimulationConfig, simulate_sequence
from echotas.simulation.coherence import wall_mask
from echotas.simulation.imaging import scan_for
from echotas.speckle import correlation_curves

from .conftest import ES_FRAME, N_FRAMES, SPACING


def simulate(template, mesh, strategy, cache, config, **options):
    return simulate_sequence(template, mesh, strategy, config, cache_dir=cache, **options)


def inner_wall(mesh, shape, n_px=4):
    """Pixels at least about `n_px` inside the wall of the reference frame."""
    from scipy import ndimage

    return ndimage.binary_erosion(wall_mask(mesh.points_px[ES_FRAME], shape), iterations=n_px)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_synthetic_cine_has_the_templates_form_and_the_meshs_motion(template, moving_mesh, cache, config, strategy):
    result = simulate(template, moving_mesh, strategy, cache, config, seed=3)
    cine = result.cine
    assert cine.frames.shape == template.frames.shape and cine.frames.dtype == np.uint8
    for field in ("spacing_mm", "view", "ed_frame", "es_frame", "patient_id", "recording_id", "sector"):
        assert getattr(cine, field) == getattr(template, field)
    np.testing.assert_array_equal(cine.times_s, template.times_s)
    assert cine.meta == {"quality": "good", "synthetic": True, "strategy": strategy, "seed": 3, "template": "p1_A4C"}
    np.testing.assert_array_equal(result.mesh.points_px, moving_mesh.points_px)
    for values in (result.coherence, result.correlation_simulated):
        assert values.shape == moving_mesh.points_px.shape[:3]
    assert result.coherence.min() >= 0 and result.coherence.max() <= 1
    assert (result.correlation_simulated[ES_FRAME] == 1).all()
    assert (result.realism_mae is None) == (strategy == "S1")
    assert (result.realism_mae_before is None) == (strategy != "S3")
    black = template.frames.max(axis=0) == 0
    assert (cine.frames[:, black] == 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_same_seed_same_bytes_and_another_seed_other_speckle(template, moving_mesh, cache, config, strategy):
    one, again, other = (
        simulate(template, moving_mesh, strategy, cache, config, seed=seed).cine.frames for seed in (1, 1, 2)
    )
    assert one.tobytes() == again.tobytes()
    assert (one != other).mean() > 0.3


def test_nothing_changes_when_nothing_moves_and_the_template_is_still(still_template, still_mesh, cache, config):
    frames = simulate(still_template, still_mesh, "S1", cache, config).cine.frames
    assert (frames == frames[0]).all()


def test_fully_coherent_wall_keeps_its_speckle_over_a_twinkling_background(still_template, still_mesh, cache, tiny):
    config = SimulationConfig(p=1.0, background_noise="redraw", **tiny)
    frames = simulate(still_template, still_mesh, "S1", cache, config).cine.frames.astype(float)
    wall = inner_wall(still_mesh, frames.shape[1:])
    row, column = np.indices(wall.shape)
    sector = inside(Sector((62.0, 0.0), 28.0, 20.0, 115.0), np.stack([column, row], axis=-1).astype(float))
    distant = sector & (row > 108)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=0)
    assert wall.sum() > 200 and distant.sum() > 200
    assert change[distant].mean() > 5 * change[wall].mean()


def test_speckle_moves_with_the_mesh(still_template, still_mesh, cache, tiny):
    shift = np.array([2.0, 5.0])
    points = still_mesh.points_px.copy()
    points[ES_FRAME + 1 :] += shift
    frames = simulate(still_template, Mesh(points), "S1", cache, SimulationConfig(p=1.0, **tiny)).cine.frames
    options = {"window_mm": 7.0, "search_mm": 0.0, "spacing_mm": SPACING}
    following = correlation_curves(frames, points, ES_FRAME, **options)[-1, :, 1]
    staying = correlation_curves(frames, still_mesh.points_px, ES_FRAME, **options)[-1, :, 1]
    # Not 1: the point spread function turns and widens on the way.
    assert np.median(following) > 0.7
    assert np.median(staying) < 0.5


def test_brightness_of_the_wall_is_the_templates(template, moving_mesh, cache, config):
    wall = np.stack([wall_mask(points, template.frames.shape[1:]) for points in moving_mesh.points_px])
    wall &= template.frames.max(axis=0) > 0
    for strategy in ("S1", "S2"):
        frames = simulate(template, moving_mesh, strategy, cache, config).cine.frames
        assert frames[wall].mean() == pytest.approx(template.frames[wall].mean(), abs=3)


def test_wall_stands_out_from_the_background_as_in_the_template(still_template, still_mesh, cache, config):
    frames = simulate(still_template, still_mesh, "S1", cache, config).cine.frames
    wall = inner_wall(still_mesh, frames.shape[1:], 3)
    cavity = np.zeros_like(wall)
    cavity[75:100, 52:73] = True
    wanted = still_template.frames[0][wall].mean() - still_template.frames[0][cavity].mean()
    assert frames[0][wall].mean() - frames[0][cavity].mean() == pytest.approx(wanted, rel=0.4)


def test_dynamic_coherence_of_one_keeps_and_of_zero_loses_the_speckle(still_template, still_mesh, cache, config):
    """S2 with a template that does not change, and with one whose frames but ES are black in the wall's windows."""
    kept = simulate(still_template, still_mesh, "S2", cache, config)
    np.testing.assert_allclose(kept.coherence, 1, atol=1e-3)
    assert kept.correlation_simulated.min() > 0.98
    # Take all measured correlation for chance: every frame but ES is background only.
    unrelated = np.stack([np.roll(frame, 13 * t, axis=0) for t, frame in enumerate(still_template.frames)])
    unrelated = np.roll(unrelated, -13 * ES_FRAME, axis=1)
    lost_template = replace(still_template, frames=unrelated)
    lost = simulate(lost_template, still_mesh, "S2", cache, replace(config, correlation_floor=0.9))
    assert np.delete(lost.coherence, ES_FRAME, axis=0).mean() < 0.05
    assert np.median(np.delete(lost.correlation_simulated, ES_FRAME, axis=0)) < 0.5


def test_refinement_brings_the_correlation_nearer_to_the_templates(template, moving_mesh, cache, config):
    result = simulate(template, moving_mesh, "S3", cache, config)
    assert result.realism_mae < 0.95 * result.realism_mae_before
    first = simulate(template, moving_mesh, "S2", cache, config)
    assert first.realism_mae == pytest.approx(result.realism_mae_before)


def test_template_with_its_apex_elsewhere_gives_the_same_picture_there(template, moving_mesh, cache, config):
    right, down = 9, 4
    padded = np.pad(template.frames, ((0, 0), (down, 0), (right, 3)))
    sector = replace(template.sector, apex_px=(62.0 + right, 0.0 + down))
    moved = replace(template, frames=padded, sector=sector)
    mesh = Mesh(moving_mesh.points_px + [right, down])
    expected = simulate(template, moving_mesh, "S1", cache, config).cine.frames.astype(int)
    frames = simulate(moved, mesh, "S1", cache, config).cine.frames[:, down:, right:-3]
    assert (np.abs(frames - expected) <= 1).mean() > 0.99


def test_nodes_outside_the_sector_are_counted(template, moving_mesh, cache, config):
    mesh = Mesh(moving_mesh.points_px + [30, 0])
    result = simulate(template, mesh, "S1", cache, config)
    expected = (~inside(template.sector, mesh.points_px)).sum(axis=(1, 2))
    assert expected.max() > 0
    np.testing.assert_array_equal(result.n_outside, expected)


def test_reference_frame_can_be_chosen(template, moving_mesh, cache, config):
    result = simulate(template, moving_mesh, "S2", cache, config, reference_frame=0)
    assert result.reference_frame == 0
    assert (result.coherence[0] == 1).all() and not (result.coherence[ES_FRAME] == 1).all()


def test_scan_covers_the_sector_and_is_shared_by_similar_templates(template):
    config = SimulationConfig()
    scan = scan_for(template, config)
    assert (scan.sector_deg, scan.depth_m) == (60.0, 0.06)
    similar = replace(template, sector=Sector((62.0, 0.0), 29.0, 8.0, 110.0))
    assert scan_for(similar, config) == scan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing_mm": None}, "template must have a spacing_mm.*p1_A4C"),
        ({"sector": None}, "template must have a sector"),
        ({"spacing_mm": (0.5, 0.4)}, "square pixels"),
        ({"es_frame": None}, "reference_frame must be given"),
    ],
)
def test_exception_template(template, moving_mesh, change, message):
    with pytest.raises(ValueError, match=message):
        simulate_sequence(replace(template, **change), moving_mesh, "S1")


def test_exception_arguments(template, moving_mesh):
    with pytest.raises(ValueError, match="strategy must be one of S1, S2, S3, got 'S9'"):
        simulate_sequence(template, moving_mesh, "S9")
    with pytest.raises(ValueError, match=rf"one frame per template frame \({N_FRAMES}\), got 2"):
        simulate_sequence(template, Mesh(moving_mesh.points_px[:2]), "S1")
    with pytest.raises(ValueError, match="all nodes outside"):
        simulate_sequence(template, Mesh(moving_mesh.points_px + 1000), "S1")
    with pytest.raises(ValueError, match=r"reference_frame must be in 0\.\.5, got 6"):
        simulate_sequence(template, moving_mesh, "S1", reference_frame=6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gamma", 0.0),
        ("density_per_wavelength2", -1.0),
        ("p", 1.5),
        ("border_mm", 0.0),
        ("smoothing_mm", -1.0),
        ("background_noise", "none"),
        ("mix", "linear"),
        ("level_region", "all"),
        ("correlation_floor", 1.0),
        ("alpha", float("nan")),
        ("n_refinements", 0),
        ("rank", 2.5),
        ("dynamic_range_db", 0.0),
    ],
)
def test_exception_config(field, value):
    with pytest.raises(ValueError, match=field):
        SimulationConfig(**{field: value})
