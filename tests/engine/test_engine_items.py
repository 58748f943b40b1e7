"""The data engine's steps on one template: masks give motion, motion is simulated exactly, results depend on the seed only."""

import numpy as np
import pytest

from echotas.engine import motion_error_table, motion_from_masks, read_motion, simulate_template, track_template
from echotas.geometry.mesh import boundary, radial_mesh
from echotas.records import Cine, Mesh, Sector
from echotas.simulation import SimulationConfig
from echotas.store import StoreError, read_recording, write_recording
from echotas.strain import strain_curve

SPACING = 1.0
CONFIG = SimulationConfig(density_per_wavelength2=0.3, n_beams=24, rank=3, sector_step_deg=75.0, depth_step_m=0.08)


def _inside(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from matplotlib.path import Path as MplPath

    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return MplPath(polygon).contains_points(np.stack([columns.ravel(), rows.ravel()], axis=1)).reshape(shape)


@pytest.fixture
def template(tmp_path):
    """A horseshoe wall 30 to 75 mm deep that shrinks by 10 % and back, with its masks and its truth."""
    shape, n_frames = (81, 99), 5
    angle = np.linspace(np.pi, 2 * np.pi, 40)
    line = np.stack([49 + 16 * np.cos(angle), 68 + 38 * np.sin(angle)], axis=-1)
    reference = radial_mesh(line, 9.0)
    factors = 1 - np.array([0, 0.05, 0.1, 0.05, 0])
    centre = np.array([49.0, 68.0])
    mesh = Mesh(centre + (reference - centre) * factors[:, None, None, None])
    labels = np.zeros((n_frames, *shape), dtype=np.uint8)
    for mask, points in zip(labels, mesh.points_px, strict=True):
        mask[_inside(boundary(points), shape)] = 2
        mask[_inside(points[:, 0], shape)] = 1
    frames = np.where(labels == 2, 120, np.where(labels == 1, 40, 90)).astype(np.uint8)
    times = np.arange(n_frames) / 20
    cine = Cine(
        frames, (SPACING, SPACING), times, "A4C", 0, 2, "p1", "t1", Sector((49.0, 0.0), 37.5, 3, 80), {"source": "test"}
    )
    truth = strain_curve(mesh.midwall_px * SPACING, times, 0, 2)
    return write_recording(tmp_path / "t1.h5", cine=cine, mesh=mesh, truth=truth, labels=labels)


@pytest.fixture
def motion(template, tmp_path):
    return motion_from_masks(template, tmp_path / "motion" / "t1.h5", 36, 5)


def test_mask_motion_follows_the_wall(template, motion):
    mesh = read_motion(motion)
    assert mesh.points_px.shape == (5, 36, 5, 2)
    table = motion_error_table([template], motion.parent)
    assert table["wall_mm"].item() < 2.0  # masks are a pixel grid of 1 mm, and their motion is smoothed in time


def test_simulation_carries_the_given_motion_exactly(template, motion, tmp_path):
    out = simulate_template(
        template, tmp_path / "s.h5", {template: motion}, "S1", CONFIG, seed=1, stage="S1", cache_dir=tmp_path / "cache"
    )
    made = read_recording(out)
    np.testing.assert_array_equal(made.mesh.points_px, read_motion(motion).points_px)
    assert made.cine.frames.shape == read_recording(template).cine.frames.shape
    assert made.coherence.shape == (5, 36, 5) and (made.coherence[2] == 1).all()
    again = simulate_template(
        template,
        tmp_path / "again.h5",
        {template: motion},
        "S1",
        CONFIG,
        seed=1,
        stage="S1",
        cache_dir=tmp_path / "cache",
    )
    assert again.read_bytes() == out.read_bytes()
    other = simulate_template(
        template,
        tmp_path / "other.h5",
        {template: motion},
        "S1",
        CONFIG,
        seed=2,
        stage="S1",
        cache_dir=tmp_path / "cache",
    )
    assert (read_recording(other).cine.frames != made.cine.frames).any()


def test_tracked_template_starts_at_the_es_mask(template, tmp_path):
    out = track_template(template, tmp_path / "tracked.h5", "frozen", {}, 36, 5)
    points = read_motion(out).points_px
    np.testing.assert_array_equal(points, np.repeat(points[2:3], 5, axis=0))


def test_template_without_masks_is_refused_by_name(tmp_path):
    cine = Cine(np.zeros((3, 8, 8), np.uint8), (1, 1), np.arange(3) / 20, es_frame=1)
    path = write_recording(tmp_path / "bare.h5", cine=cine)
    with pytest.raises(StoreError, match=r"bare\.h5.*masks"):
        motion_from_masks(path, tmp_path / "m.h5", 36, 5)
