"""Recordings survive the disk: round trip, same bytes, clear refusal of damaged and foreign files."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from echotas.records import Cine, Mesh, Reading, Sector, StrainCurve, Tracks
from echotas.store import StoreError, read_recording, read_tracks, write_recording, write_tracks


@pytest.fixture
def parts() -> dict:
    rng = np.random.default_rng(0)
    n_frames = 5
    return {
        "cine": Cine(
            frames=rng.integers(0, 255, (n_frames, 12, 10), dtype=np.uint8),
            spacing_mm=(0.5, 0.4),
            times_s=np.arange(n_frames) / 40,
            view="A4C",
            ed_frame=0,
            es_frame=2,
            patient_id="p1",
            recording_id="p1-A4C",
            sector=Sector((4.5, 0.0), 37.5, 2, 11),
            meta={"population": "virtual", "quality": 0.7},
        ),
        "mesh": Mesh(rng.random((n_frames, 6, 3, 2))),
        "truth": StrainCurve(np.arange(n_frames) / 40, rng.random(n_frames), rng.random((6, n_frames)), 0, 2),
        "readings": [Reading(rng.random((n_frames, 4, 2)), [0, 1, 2, 5], [1, 1, 0, 1, 1, 1], "A", 0, 2)],
        "labels": rng.integers(0, 3, (n_frames, 12, 10), dtype=np.uint8),
        "coherence": rng.random((n_frames, 6, 3)).astype(np.float32),
        "attributes": {"seed": 3},
    }


def test_recording_round_trip(tmp_path, parts):
    back = read_recording(write_recording(tmp_path / "a" / "r.h5", **parts))
    for name in ("spacing_mm", "view", "ed_frame", "es_frame", "patient_id", "recording_id", "meta"):
        assert getattr(back.cine, name) == getattr(parts["cine"], name)
    assert back.cine.sector.apex_px == parts["cine"].sector.apex_px
    np.testing.assert_array_equal(back.cine.frames, parts["cine"].frames)
    np.testing.assert_array_equal(back.mesh.points_px, parts["mesh"].points_px)
    np.testing.assert_array_equal(back.truth.segment_percent, parts["truth"].segment_percent)
    np.testing.assert_array_equal(back.readings[0].accepted, parts["readings"][0].accepted)
    np.testing.assert_array_equal(back.labels, parts["labels"])
    np.testing.assert_array_equal(back.coherence, parts["coherence"])
    assert back.through_plane_mm is None and back.attributes == {"seed": 3}


def test_same_recording_gives_same_bytes(tmp_path, parts):
    first, second = (write_recording(tmp_path / name, **parts).read_bytes() for name in ("one.h5", "two.h5"))
    assert first == second


def test_missing_spacing_stays_unknown(tmp_path, parts):
    cine = Cine(frames=parts["cine"].frames, spacing_mm=None, times_s=parts["cine"].times_s)
    assert read_recording(write_recording(tmp_path / "r.h5", cine=cine)).cine.spacing_mm is None


def test_truncated_file_is_refused_by_name(tmp_path, parts):
    path = write_recording(tmp_path / "r.h5", **parts)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(StoreError, match=r"r\.h5"):
        read_recording(path)


def test_foreign_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(StoreError, match="kind"):
        read_recording(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(StoreError, match="not a readable HDF5"):
        read_recording(tmp_path / "text.h5")
    with pytest.raises(StoreError, match="no such file"):
        read_recording(tmp_path / "absent.h5")


def test_part_with_other_frame_count_leaves_no_file(tmp_path, parts):
    with pytest.raises(StoreError, match="mesh must have 5 frames"):
        write_recording(tmp_path / "r.h5", **{**parts, "mesh": Mesh(np.zeros((4, 6, 3, 2)))})
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_old_file(tmp_path, parts):
    path = write_recording(tmp_path / "r.h5", **parts)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="JSON"):
        write_recording(path, **{**parts, "attributes": {"bad": float("nan")}})
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["r.h5"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    """A limit on the size of files makes the system refuse the write as a full disk does."""
    script = """
import resource, signal, sys
import numpy as np
from echotas.records import Cine
from echotas.store import StoreError, write_recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
frames = np.random.default_rng(0).integers(0, 256, (6, 200, 200)).astype(np.uint8)
cine = Cine(frames=frames, spacing_mm=(0.5, 0.5), times_s=np.arange(6) / 40, view="A4C", ed_frame=0, es_frame=2,
            patient_id="p", recording_id="r", meta={})
try:
    write_recording(sys.argv[1], cine=cine)
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "r.h5")], capture_output=True, text=True)
    assert "r.h5: could not be written" in done.stdout and done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_tracks_round_trip(tmp_path):
    tracks = Tracks(np.random.default_rng(1).random((4, 3, 2)), np.ones((4, 3)), 2)
    back, attributes = read_tracks(write_tracks(tmp_path / "t.h5", {"truth": tracks, "A": tracks}, {"tracker": "x"}))
    assert set(back) == {"truth", "A"} and attributes == {"tracker": "x"} and back["A"].query_frame == 2
    np.testing.assert_array_equal(back["A"].points_px, tracks.points_px)
