import numpy as np
import pytest

from echotas.evaluation.tracker_speed import CASES, resized, tracker_speed_table
from echotas.records import Cine, Mesh


@pytest.fixture(scope="module")
def scene() -> tuple[Cine, Mesh]:
    u, v = np.meshgrid(np.linspace(0, np.pi, 19), np.linspace(24, 30, 5), indexing="ij")
    mesh = np.stack([60 - v * np.cos(u), 90 - v * np.sin(u)], axis=-1)
    frames = np.random.default_rng(0).integers(0, 256, (10, 100, 120), dtype=np.uint8)
    cine = Cine(frames, (0.5, 0.5), np.arange(10) / 40, es_frame=1, ed_frame=0)
    return cine, Mesh(np.repeat(mesh[None], 10, axis=0))


def test_every_case_is_timed_in_a_process_of_its_own(scene):
    cine, mesh = scene
    uv = np.stack(np.meshgrid(np.linspace(0, 1, 19), np.linspace(0, 1, 5), indexing="ij"), -1).reshape(-1, 2)
    table = tracker_speed_table(cine, mesh, 1, uv, {"frozen": ("frozen", {}), "truth": ("oracle", {})}, n_repeats=1)
    assert list(table.index) == ["frozen", "truth"] and set(table) == {*CASES, "peak_mb"}
    assert (table > 0).all(axis=None) and (table["peak_mb"] > 30).all()


def test_points_stay_on_their_tissue_when_the_image_is_resized(scene):
    cine, mesh = scene
    small, points = resized(cine, mesh.points_px, 60)
    assert small.frames.shape[1:] == (60, 60) and small.spacing_mm == pytest.approx((1.0, 0.5 * 100 / 60))
    corner = np.array([[[[-0.5, -0.5]], [[119.5, 99.5]]]])
    np.testing.assert_allclose(resized(cine, corner, 60)[1].reshape(2, 2), [[-0.5, -0.5], [59.5, 59.5]])
    mm = (points + 0.5) * small.spacing_mm
    np.testing.assert_allclose(mm, (mesh.points_px + 0.5) * cine.spacing_mm)
