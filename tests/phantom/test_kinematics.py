"""Geometry and motion of the virtual patient, without images (virtual-patient numbers, section 10)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.phantom import POPULATIONS, PhantomSettings, build_beat, plan
from echotas.phantom.anatomy import MIDWALL_NODES, draw_anatomy, section_at
from echotas.phantom.kinematics import mesh_trajectories, move_wall
from echotas.phantom.truth import true_strain
from echotas.seeds import generator
from echotas.strain import longitudinal_strain, segmental_strain


@pytest.fixture(scope="module")
def normals():
    return [build_beat(one) for one in plan("V-HUNT-A", 24, 3, views=["A4C"], population="normal")]


@pytest.fixture(scope="module")
def everyone():
    return [
        build_beat(plan("V-HUNT-A", 3, 5, views=[view], population=population)[-1])
        for population in POPULATIONS
        for view in ("A2C", "A3C", "A4C")
    ]


def cell_areas(mesh):
    """Signed areas of both halves of every mesh cell."""
    a, b = mesh[:, 1:, :-1] - mesh[:, :-1, :-1], mesh[:, :-1, 1:] - mesh[:, :-1, :-1]
    c, d = mesh[:, 1:, 1:] - mesh[:, :-1, 1:], mesh[:, 1:, 1:] - mesh[:, 1:, :-1]
    return np.concatenate(
        [a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], c[..., 0] * d[..., 1] - c[..., 1] * d[..., 0]]
    )


def test_ejection_and_strain_follow_the_measured_line(everyone):
    for beat in everyone:
        endo = beat.mesh_mm[:, :, 0]
        base = 0.5 * (endo[:, 0] + endo[:, -1])
        length = np.linalg.norm(endo - base[:, None], axis=-1).max(axis=1)
        width = np.linalg.norm(endo[:, 9] - endo[:, -10], axis=-1)
        volume, es = width**2 * length, beat.es_frame
        ejection = 100 * (1 - volume[es] / volume[0])
        endo_strain = longitudinal_strain(endo, 0)[es]
        # The rule is global: pathologies that stop one level bend it, hence the loose band.
        assert abs(endo_strain - (0.25 - 0.355 * ejection)) < 9, (beat.plan.population, ejection, endo_strain)


def test_no_cell_ever_folds(everyone):
    for beat in everyone:
        areas = cell_areas(beat.mesh_mm)
        areas = areas * np.sign(np.median(areas))
        assert areas.min() > 0.05 * np.median(areas), beat.plan.population


def test_motion_is_periodic_and_slow_enough(everyone):
    for beat in everyone:
        # In the heart's own frame: breathing and the operator's hand do not repeat with the beat.
        heart = beat.motion.wall_mm - beat.motion.drift_mm[:, None, None, ::2]
        assert np.abs(heart[0] - heart[-1]).max() < 1e-9
        slid = np.linalg.norm(beat.mesh_mm[-1] - beat.mesh_mm[0], axis=-1)
        assert slid.max() < 4 and np.ptp(slid) < 0.1
        assert np.abs(beat.through_plane_mm[beat.es_frame]).max() < 1e-9
        speed = np.linalg.norm(np.diff(beat.mesh_mm, axis=0), axis=-1) / np.diff(beat.times_s)[:, None, None]
        assert speed.max() / 50 < 3.5, beat.plan.population


def test_tissue_leaves_the_plane_by_the_measured_amount(normals):
    moved = np.array([np.abs(beat.through_plane_mm[0, :, 2]) for beat in normals])
    assert 0.8 < np.median(moved[:, [1, 2, -3, -2]]) < 3.0
    assert 1.5 < np.median(moved[:, [13, 14, 21, 22]]) < 3.6


def test_segments_weighted_by_length_give_the_global_curve(everyone):
    for beat in everyone:
        line = beat.mesh_mm[:, :, 2]
        truth = true_strain(line, beat.times_s, beat.es_frame)
        # Equal arcs at frame 0, so the weights are equal.
        assert np.abs(truth.segment_percent.mean(axis=0) - truth.global_percent).max() < 1e-9
        assert np.abs(longitudinal_strain(line, 0) - truth.global_percent).max() < 1e-9
        assert np.abs(segmental_strain(line, 0) - truth.segment_percent).max() < 1e-9


def test_apex_shortens_more_than_base_in_normals(normals):
    strain = np.array(
        [true_strain(b.mesh_mm[:, :, 2], b.times_s, b.es_frame).segment_percent[:, b.es_frame] for b in normals]
    )
    difference = strain[:, [2, 3]].mean() - strain[:, [0, 5]].mean()
    assert -7 < difference < -1


def test_slowest_frame_lies_in_diastasis_and_filling_is_fast(normals):
    early = []
    for beat in normals:
        speed = np.linalg.norm(np.diff(beat.mesh_mm, axis=0), axis=-1) / np.diff(beat.times_s)[:, None, None]
        median = np.median(speed.reshape(len(speed), -1), axis=1)
        middle = 500 * (beat.times_s[1:] + beat.times_s[:-1])
        timing = beat.timing
        filling = (middle > timing.mitral_opening_ms) & (middle < timing.early_filling_end_ms)
        early.append(median[filling].max())
        assert 0.27 < timing.aortic_closure_ms / timing.cycle_ms < 0.5
        if timing.heart_rate_bpm < 78:
            after = middle > timing.mitral_opening_ms
            slowest = middle[after][median[after].argmin()]
            frame_ms = 1000 * beat.times_s[1]
            assert timing.early_filling_end_ms - frame_ms <= slowest <= timing.atrial_start_ms + frame_ms
    assert 40 < np.median(early) < 110


def test_layers_shorten_from_inside_out(normals):
    layers = np.array([[longitudinal_strain(b.mesh_mm[:, :, k], 0)[b.es_frame] for k in (0, 2, 4)] for b in normals])
    endo, mid, epi = np.median(layers, axis=0)
    assert endo < mid < epi and 1.1 < endo / epi < 1.6


def _section(seed: int, thickness_factor: float = 1.0):
    anatomy = draw_anatomy("EF>50", generator(seed, "test"), np.full((6, 3), thickness_factor))
    return section_at(anatomy, 0.0)


@given(seed=st.integers(0, 1000), strain=st.floats(-25, -5))
@settings(max_examples=20, deadline=None)
def test_prescribed_uniform_strain_is_exact(seed, strain):
    course = np.array([0.0, 0.5, 1.0, 0.4, 0.0])
    motion = move_wall(_section(seed), np.outer(np.full(6, strain), course), 2, twist_deg=0.0)
    line = motion.wall_mm[:, :, 2]
    length = np.linalg.norm(np.diff(line, axis=1), axis=-1).sum(axis=1)
    np.testing.assert_allclose(100 * (length / length[0] - 1), strain * course, atol=1e-9)


def test_anatomical_wall_keeps_its_volume():
    """Product of the three stretches, by finite differences on the grid, away from the apex where rho vanishes."""
    course = np.array([0.0, 0.6, 1.0, 0.5])
    for seed in range(5):
        motion = move_wall(
            _section(seed, 0.8), np.outer(np.full(6, -16.0), course), 2, twist_deg=0.0, thickening="anatomical"
        )
        wall = motion.wall_mm
        along = np.linalg.norm(wall[:, 2:] - wall[:, :-2], axis=-1)[:, :, 1:-1]
        across = np.linalg.norm(wall[:, 1:-1, 2:] - wall[:, 1:-1, :-2], axis=-1)
        around = np.abs(wall[:, 1:-1, 1:-1, 0])
        place = np.abs(np.linspace(-1, 1, MIDWALL_NODES))[1:-1]
        volume = (along * across * around)[:, (place > 0.4) & (place < 0.97)]
        change = np.abs(volume[2] / volume[0] - 1)
        # The innermost layer near the apex is where smoothing and curvature cost most.
        assert np.percentile(change, 95) < 0.03 and change.max() < 0.10


def test_a_resting_wall_stays_where_it_is():
    motion = move_wall(_section(1), np.zeros((6, 4)), 2, apex_descent_mm=0.0, twist_deg=0.0)
    mesh, elevation = mesh_trajectories(motion)
    np.testing.assert_allclose(mesh, np.broadcast_to(mesh[:1], mesh.shape), atol=1e-9)
    assert np.abs(elevation).max() < 1e-9


def test_twist_turns_base_and_apex_in_opposite_senses():
    course = np.array([0.0, 0.5, 1.0, 0.4, 0.0])
    motion = move_wall(_section(2), np.outer(np.full(6, -20.0), course), 2, twist_deg=12.0)
    turned = motion.twist_rad[2] - motion.twist_rad[0]
    wall = turned[12:-12, 6]
    assert wall[0] * wall[MIDWALL_NODES // 2] < 0
    np.testing.assert_allclose(np.rad2deg(wall[MIDWALL_NODES // 2] - wall[0]), 12.0, atol=2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segment_strain_percent": np.zeros((5, 4))}, "segment_strain_percent"),
        ({"segment_strain_percent": np.ones((6, 4))}, "start at 0"),
        ({"es_index": 9}, "es_index"),
        ({"thickening": "rubber"}, "thickening"),
    ],
)
def test_exception(change, message):
    arguments = {"segment_strain_percent": np.zeros((6, 4)), "es_index": 2} | change
    with pytest.raises(ValueError, match=message):
        move_wall(_section(0), **arguments)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="thickening"):
        PhantomSettings(thickening="none")
    with pytest.raises(ValueError, match="foreshortening_deg"):
        section_at(draw_anatomy("EF>50", generator(0, "test")), 0.0, foreshortening_deg=40.0)
    with pytest.raises(ValueError, match="wall_scale"):
        draw_anatomy("EF>50", generator(0, "test"), np.full((6, 3), -1.0))
    with pytest.raises(ValueError, match="ef_class"):
        draw_anatomy("EF 60", generator(0, "test"))
