import numpy as np
import pytest

from echotas.records import Cine, Mesh
from echotas.trackers import create
from echotas.trackers.mean_motion import cycle_phase, fit_mean_motion, long_axis

from .conftest import as_cine, horseshoe, mesh_uv

UV = mesh_uv()


def squeeze(n_frames: int, es_frame: int, amount: float = 0.2) -> np.ndarray:
    """Mesh that is longest at both ends and shortened towards the apex by `amount` at ES, linear in phase."""
    mesh = horseshoe()
    apex = mesh[len(mesh) // 2, :, 1].mean()
    longer = 1 + amount * np.abs(cycle_phase(n_frames, es_frame))
    points = np.repeat(mesh[None], n_frames, axis=0)
    points[..., 1] = apex + (points[..., 1] - apex) * longer[:, None, None]
    return points


def blank(n_frames: int, es_frame: int, **fields) -> Cine:
    return as_cine(np.ones((n_frames, 120, 120), np.uint8), es_frame=es_frame, **fields)


@pytest.fixture
def fitted(tmp_path):
    # Same motion, different frame counts and ES: the phase must line them up.
    cines = [(blank(n, es), Mesh(squeeze(n, es))) for n, es in ((17, 8), (25, 8))]
    fit_mean_motion(cines, tmp_path / "mm.npz")
    return create("mean_motion", path=tmp_path / "mm.npz")


@pytest.mark.parametrize("query_frame", [0, 4, 8, 20])
def test_known_motion_comes_back_for_another_heart_rate(fitted, query_frame):
    truth = squeeze(21, 8).reshape(21, -1, 2)
    tracks = fitted.track(blank(21, 8), truth[query_frame], query_frame, UV)
    np.testing.assert_allclose(tracks.points_px, truth, atol=0.05)


def test_motion_turns_and_scales_with_the_long_axis(fitted):
    truth = squeeze(21, 8).reshape(21, -1, 2)
    angle = np.deg2rad(30)
    turn = 1.2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = (truth - 60) @ turn.T + 60
    tracks = fitted.track(blank(21, 8), turned[8], 8, UV)
    np.testing.assert_allclose(tracks.points_px, turned, atol=0.05)


def test_average_of_two_motions_is_in_the_middle(tmp_path):
    cines = [(blank(17, 8), Mesh(squeeze(17, 8, amount))) for amount in (0.1, 0.3)]
    fit_mean_motion(cines, tmp_path / "mm.npz")
    truth = squeeze(17, 8, 0.2).reshape(17, -1, 2)
    tracks = create("mean_motion", path=tmp_path / "mm.npz").track(blank(17, 8), truth[8], 8, UV)
    np.testing.assert_allclose(tracks.points_px, truth, atol=1e-6)


def test_long_axis_goes_from_base_to_apex():
    axis = long_axis(horseshoe().reshape(-1, 2), UV)
    np.testing.assert_allclose(axis.base_px, [60, 68], atol=1e-9)
    np.testing.assert_allclose(axis.axes, [[0, -1], [1, 0]], atol=1e-9)
    assert axis.length_px == pytest.approx(27)


def test_phase_maps_systole_and_diastole_separately():
    np.testing.assert_allclose(cycle_phase(7, 2), [-1, -0.5, 0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(cycle_phase(7, 4, ed_frame=2), [-1, -1, -1, -0.5, 0, 0.5, 1])


def test_exception_needs_coordinates_and_es(fitted):
    query = horseshoe().reshape(-1, 2)
    with pytest.raises(ValueError, match="mesh_uv must be given"):
        fitted.track(blank(5, 2), query, 2)
    with pytest.raises(ValueError, match="mesh_uv must hold points near the apex"):
        fitted.track(blank(5, 2), query[[0, 1, -1]], 2, UV[[0, 1, -1]])
    with pytest.raises(ValueError, match="es_frame must be known"):
        fitted.track(blank(5, None), query, 2, UV)


def test_exception_bad_fits_and_files(tmp_path):
    with pytest.raises(ValueError, match="at least one cine"):
        fit_mean_motion([], tmp_path / "mm.npz")
    with pytest.raises(ValueError, match="es_frame must be known"):
        fit_mean_motion([(blank(5, None), Mesh(squeeze(5, 2)))], tmp_path / "mm.npz")
    (tmp_path / "other.npz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=r"other\.npz: not a mean-motion file"):
        create("mean_motion", path=tmp_path / "other.npz")
