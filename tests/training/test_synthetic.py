"""Synthetic cines: exact tracks, any order, speckle that moves with the mesh and fades."""

import pickle

import numpy as np
import pytest

from echotas.records import Cine
from echotas.trackers import create
from echotas.trackers.blocks.patches import patch_correlation
from echotas.training.synthetic import SyntheticCines, SyntheticConfig, synthetic_cine

SMALL = SyntheticConfig(n_frames=8, size_mm=(80.0, 72.0), length_mm=(40.0, 45.0), width_mm=(30.0, 35.0))
STILL = SyntheticConfig(
    **{
        **vars(SMALL),
        "shrink": (0, 0),
        "shift_mm": 0,
        "drift_mm": 0,
        "shear": 0,
        "turn_deg": 0,
        "warp_mm": (0, 0),
        "noise": (1e-4, 1e-4),
    }
)


@pytest.fixture(scope="module")
def cine():
    return synthetic_cine(0, 3, SMALL)


def test_address_decides_the_bytes_and_another_address_gives_another_cine(cine):
    again, other = synthetic_cine(0, 3, SMALL), synthetic_cine(0, 4, SMALL)
    np.testing.assert_array_equal(cine.frames, again.frames)
    np.testing.assert_array_equal(cine.mesh_px, again.mesh_px)
    assert (cine.frames != other.frames).mean() > 0.5


def test_mesh_starts_and_ends_a_closed_cycle_inside_the_image(cine):
    assert cine.frames.shape == (8, 160, 144) and cine.frames.dtype == np.uint8
    assert cine.mesh_px.shape == (8, 36, 5, 2)
    steps = np.linalg.norm(np.diff(cine.mesh_px, axis=0, append=cine.mesh_px[:1]), axis=-1).mean((1, 2))
    assert steps[-1] < 2.5 * np.median(steps)
    inside = (cine.mesh_px > 0) & (cine.mesh_px < np.array([144, 160]))
    assert inside.all(-1).mean() > 0.9


def test_mesh_does_not_fold(cine):
    mesh = cine.mesh_px.astype(float)
    along, across = np.diff(mesh, axis=1)[:, :, :-1], np.diff(mesh, axis=2)[:, :-1]
    area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    assert (np.sign(area) == np.sign(area[0, 0, 0])).mean() > 0.99


def test_speckle_moves_with_the_mesh():
    errors, still = [], []
    for index in range(4):
        made = synthetic_cine(1, index, SMALL)
        start, truth = made.es_frame, made.mesh_px.reshape(8, -1, 2)
        inside = ((truth[start] > 4) & (truth[start] < np.array([139, 155]))).all(-1)
        frame = (start + 1) % 8
        order = [start, frame]
        tracks = create("lucas_kanade").track(
            Cine(made.frames[order], made.spacing_mm, np.array([0, 0.1]), es_frame=0), truth[start][inside], 0
        )
        errors.append(np.median(np.linalg.norm(tracks.points_px[1] - truth[frame][inside], axis=-1)))
        still.append(np.median(np.linalg.norm(truth[start][inside] - truth[frame][inside], axis=-1)))
    assert np.median(errors) < 0.3 * np.median(still)


def test_speckle_fades_as_scatterers_leave_the_slice_though_nothing_moves_in_it():
    correlations = []
    for amplitude in (0.01, 3.0):
        config = SyntheticConfig(**{**vars(STILL), "through_plane_mm": (amplitude, amplitude)})
        made = [synthetic_cine(2, index, config) for index in range(3)]
        values = []
        for item in made:
            place = item.mesh_px[0, 4:-4, 2].astype(float)
            now = [patch_correlation(item.frames[0], frame, place, place, (15, 15)).mean() for frame in item.frames]
            values.append(min(now))
        correlations.append(np.mean(values))
    assert correlations[0] > 0.95 and correlations[1] < 0.8


def test_sequence_makes_each_cine_once_and_travels_without_them():
    cines = SyntheticCines(0, 2, first=3, config=SMALL)
    assert len(cines) == 2 and cines[0] is cines[0]
    np.testing.assert_array_equal(cines[0].frames, synthetic_cine(0, 3, SMALL).frames)
    assert cines.patient_ids == [cines[0].patient_id, cines[1].patient_id]
    sent = pickle.dumps(cines)
    assert len(sent) < 2000 and repr(pickle.loads(sent)) == repr(cines)
    assert len(list(cines)) == 2  # iteration ends


def test_exception_empty_sequence():
    with pytest.raises(ValueError, match="count must be >= 1, got 0"):
        SyntheticCines(0, 0)
