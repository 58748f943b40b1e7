"""`read_cine` tells files by their content and refuses what it does not know, with the file's name."""

import numpy as np
import pytest

from echotas.readers import ReaderError, file_kind, read_cine
from echotas.records import Cine, View
from echotas.store import read_recording, write_recording


@pytest.fixture
def files(tmp_path, fan, write_video, write_dicom):
    import nibabel

    frames = fan(n_frames=4, size=(48, 64), apex=(31.5, 0), radius=(0, 47))
    write_video(tmp_path / "a.avi", frames)
    write_dicom(tmp_path / "b.dcm", frames, [{"box": (0, 0, 63, 47), "delta_cm": (0.03, 0.03)}], FrameTime="20")
    write_recording(tmp_path / "c.h5", cine=Cine(frames, (0.3, 0.3), np.arange(4) / 50, "A2C", patient_id="v1"))
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.3, 0.3, 1, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "d.nii.gz")
    (tmp_path / "e.raw").write_bytes(frames.tobytes())
    (tmp_path / "e.mhd").write_text(
        "NDims = 3\nElementSpacing = 0.3 0.3 1\nDimSize = 64 48 4\nElementType = MET_UCHAR\nElementDataFile = e.raw\n"
    )
    return frames


KINDS = {"a.avi": "video", "b.dcm": "dicom", "c.h5": "recording", "d.nii.gz": "nifti", "e.mhd": "metaimage"}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_the_same_frames(tmp_path, files, name):
    assert file_kind(tmp_path / name) == KINDS[name]
    cine = read_cine(tmp_path / name, spacing_mm=0.3, view="A4C", frame_rate=50)
    np.testing.assert_array_equal(cine.frames, files)
    assert (cine.spacing_mm, cine.view) == ((0.3, 0.3), View.A4C)
    np.testing.assert_allclose(cine.times_s, np.arange(4) / 50)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_read_can_be_stored(tmp_path, files, name):
    cine = read_cine(tmp_path / name, frame_rate=50)
    stored = read_recording(write_recording(tmp_path / "stored.h5", cine=cine)).cine
    np.testing.assert_array_equal(stored.frames, cine.frames)
    assert (stored.meta, stored.spacing_mm) == (cine.meta, cine.spacing_mm)


@pytest.mark.parametrize("name", ["a.avi", "b.dcm", "c.h5"])
def test_the_ending_does_not_decide(tmp_path, files, name):
    (tmp_path / name).rename(tmp_path / "renamed.bin")
    np.testing.assert_array_equal(read_cine(tmp_path / "renamed.bin", frame_rate=50).frames, files)


def test_nothing_given_keeps_what_a_recording_says(tmp_path, files):
    cine = read_cine(tmp_path / "c.h5")
    assert (cine.view, cine.patient_id, cine.spacing_mm) == (View.A2C, "v1", (0.3, 0.3))


def test_nifti_needs_a_frame_rate(tmp_path, files):
    with pytest.raises(ReaderError, match=r"d\.nii\.gz: frame_rate must be given"):
        read_cine(tmp_path / "d.nii.gz")


def test_nifti_without_unit_and_spacing_has_no_spacing(tmp_path, files):
    import nibabel

    nibabel.save(nibabel.Nifti1Image(files.transpose(2, 1, 0), np.eye(4)), tmp_path / "plain.nii.gz")
    assert read_cine(tmp_path / "plain.nii.gz", frame_rate=50).spacing_mm is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.pdf", b"%PDF-1.7 something", "must be a video, DICOM, NIfTI, MetaImage or recording"),
        ("x.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "perhaps truncated"),
        ("x.h5", b"nothing of the kind", "not a readable HDF5 file"),
        ("x.dcm", b"nothing of the kind", "must be a DICOM file"),
        ("x.nii.gz", b"\x1f\x8b\x08 cut", "is no complete NIfTI image"),
        ("x.gif", b"GIF89a", "is no readable video|at least one frame"),
        ("x.mp4", b"", "got an empty file"),
    ],
)
def test_exception(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=message) as caught:
        read_cine(path, frame_rate=50)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ReaderError, match="no such file"):
        read_cine(tmp_path / "none.mp4")
    with pytest.raises(ReaderError, match="must be a file, got a folder"):
        read_cine(tmp_path)
