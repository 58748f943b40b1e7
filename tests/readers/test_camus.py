"""CAMUS in both releases, from a two-patient tree with a known square in one corner."""

import numpy as np
import pytest

from echotas.readers import Label, ReaderError, camus_patients, camus_subset, read_camus, read_nifti
from echotas.records import View

WIDTH, DEPTH, N_FRAMES = 24, 30, 5


def a_cine():
    """Frames (frame, row, column): a bright square top right, frame number in the bottom left pixel."""
    frames = np.zeros((N_FRAMES, DEPTH, WIDTH), np.uint8)
    frames[:, 2:6, 18:22] = 200
    frames[:, -1, 0] = np.arange(N_FRAMES) + 1
    return frames


def a_mask():
    mask = np.zeros((N_FRAMES, DEPTH, WIDTH), np.uint8)
    mask[:, 8:24, 6:18] = Label.MYO
    mask[:, 12:24, 9:15] = Label.LV
    mask[:, 0, 0] = np.arange(N_FRAMES) % 4  # tells the frames apart
    return mask


def write_nifti(path, frames, spacing=(0.308, 0.308)):
    import nibabel

    affine = np.diag([-spacing[0], -spacing[1], 1, 1])
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0).astype(np.float32), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def write_mhd(path, frames, spacing=(0.308, 0.154)):
    frames = np.asarray(frames)
    path.with_suffix(".raw").write_bytes(frames.astype(np.uint8).tobytes())
    path.write_text(
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = {spacing[0]} {spacing[1]} 1.54\n"
        f"DimSize = {frames.shape[2]} {frames.shape[1]} {len(frames)}\n"
        f"ElementType = MET_UCHAR\nElementDataFile = {path.with_suffix('.raw').name}\n"
    )


CFG = "ED: {ed}\nES: {es}\nNbFrame: 5\n\nSex: F\nAge: 62\njunk line\nImageQuality: Good\nEF: 55\nFrameRate: 50\n"


@pytest.fixture
def nifti_patient(tmp_path):
    def make(number=1, ed=1, es=5, end="\n", gt=True):
        folder = tmp_path / "database_nifti" / f"patient{number:04d}"
        folder.mkdir(parents=True)
        (folder / "Info_4CH.cfg").write_bytes(CFG.format(ed=ed, es=es).replace("\n", end).encode())
        write_nifti(folder / f"{folder.name}_4CH_half_sequence.nii.gz", a_cine())
        if gt:
            write_nifti(folder / f"{folder.name}_4CH_half_sequence_gt.nii.gz", a_mask())
        return folder

    return make


@pytest.fixture
def mhd_patient(tmp_path):
    def make(number=1, group="training", ed=1, es=4, gt=True):
        folder = tmp_path / group / f"patient{number:04d}"
        folder.mkdir(parents=True)
        cfg = CFG.format(ed=ed, es=es).replace("FrameRate: 50\n", "").replace("EF:", "LVef:")
        (folder / "Info_2CH.cfg").write_text(cfg)
        write_mhd(folder / f"{folder.name}_2CH_sequence.mhd", a_cine())
        if gt:
            write_mhd(folder / f"{folder.name}_2CH_ED_gt.mhd", a_mask()[[ed - 1]])
            write_mhd(folder / f"{folder.name}_2CH_ES_gt.mhd", a_mask()[[es - 1]])
        return folder

    return make


def test_nifti_is_upright_in_frame_row_column_order(nifti_patient):
    labelled = read_camus(nifti_patient(), "A4C")
    np.testing.assert_array_equal(labelled.cine.frames, a_cine())
    np.testing.assert_array_equal(labelled.labels(), a_mask())
    assert labelled.cine.spacing_mm == pytest.approx((0.308, 0.308))
    assert labelled.cine.view == View.A4C


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_events_count_from_zero_and_other_keys_are_read(nifti_patient, end):
    cine = read_camus(nifti_patient(end=end), "A4C").cine
    assert (cine.ed_frame, cine.es_frame) == (0, 4)
    assert cine.frame_rate == pytest.approx(50)
    assert (cine.meta["quality"], cine.meta["age"], cine.meta["ejection_fraction_percent"]) == ("Good", 62, 55)
    assert (cine.meta["half"], cine.meta["reversed"]) == ("ejection", False)


def test_filling_half_is_turned_and_says_so(nifti_patient):
    folder = nifti_patient(ed=5, es=1)
    turned = read_camus(folder, "A4C")
    np.testing.assert_array_equal(turned.cine.frames, a_cine()[::-1])
    np.testing.assert_array_equal(turned.labels(), a_mask()[::-1])
    assert (turned.cine.ed_frame, turned.cine.es_frame) == (0, 4)
    assert turned.cine.meta["reversed"]
    kept = read_camus(folder, "A4C", reverse_filling=False)
    np.testing.assert_array_equal(kept.cine.frames, a_cine())
    assert (kept.cine.ed_frame, kept.cine.es_frame, kept.cine.meta["reversed"]) == (4, 0, False)


def test_only_end_frames_count_as_drawn(nifti_patient):
    assert read_camus(nifti_patient(), "A4C").drawn_frames == (0, 4)


def test_missing_masks_leave_no_labels(nifti_patient):
    labelled = read_camus(nifti_patient(gt=False), "A4C")
    assert dict(labelled.masks) == {}
    with pytest.raises(ValueError, match="5 of 5 frames without a mask"):
        labelled.labels()


def test_mask_of_another_shape_is_refused(nifti_patient):
    folder = nifti_patient()
    write_nifti(folder / f"{folder.name}_4CH_half_sequence_gt.nii.gz", a_mask()[:-1])
    with pytest.raises(ReaderError, match=r"half_sequence_gt\.nii\.gz: masks must have the shape \(5, 30, 24\)"):
        read_camus(folder, "A4C")


def test_events_inside_the_half_sequence_are_refused(nifti_patient):
    with pytest.raises(ReaderError, match=r"Info_4CH\.cfg: ED and ES must be the first and last of 5 frames"):
        read_camus(nifti_patient(ed=2, es=5), "A4C")


def test_frame_count_that_disagrees_is_refused(nifti_patient):
    folder = nifti_patient()
    path = folder / "Info_4CH.cfg"
    path.write_text(path.read_text().replace("NbFrame: 5", "NbFrame: 9"))
    with pytest.raises(ReaderError, match=r"NbFrame must be the number of frames in the cine \(5\), got 9"):
        read_camus(folder, "A4C")


def test_nan_and_wide_grey_levels_are_refused(nifti_patient):
    folder = nifti_patient(gt=False)
    path = folder / f"{folder.name}_4CH_half_sequence.nii.gz"
    bad = a_cine().astype(np.float32)
    bad[0, 0, 0] = np.nan
    write_nifti(path, bad)
    with pytest.raises(ReaderError, match="grey levels must be finite, got 1 NaN"):
        read_camus(folder, "A4C")
    write_nifti(path, a_cine().astype(np.float32) * 20)
    with pytest.raises(ReaderError, match=r"grey levels must lie in 0\.\.255, got 0\.\.4000"):
        read_camus(folder, "A4C")


def test_truncated_nifti_is_refused(nifti_patient):
    folder = nifti_patient(gt=False)
    path = folder / f"{folder.name}_4CH_half_sequence.nii.gz"
    path.write_bytes(path.read_bytes()[:120])
    with pytest.raises(ReaderError, match=r"half_sequence\.nii\.gz: is no complete NIfTI image"):
        read_camus(folder, "A4C")


def test_mhd_keeps_its_anisotropic_spacing_and_its_two_masks(mhd_patient):
    labelled = read_camus(mhd_patient(), "A2C", frame_rate=45)
    np.testing.assert_array_equal(labelled.cine.frames, a_cine())
    assert labelled.cine.spacing_mm == (0.308, 0.154)
    assert sorted(labelled.masks) == [0, 3]
    np.testing.assert_array_equal(labelled.masks[3], a_mask()[3])
    assert labelled.cine.meta["ejection_fraction_percent"] == 55


def test_mhd_needs_a_frame_rate(mhd_patient):
    with pytest.raises(ReaderError, match="frame_rate must be given"):
        read_camus(mhd_patient(), "A2C")


def test_releases_and_groups_never_share_a_patient_id(nifti_patient, mhd_patient):
    ids = {
        read_camus(nifti_patient(), "A4C").cine.patient_id,
        read_camus(mhd_patient(), "A2C", frame_rate=45).cine.patient_id,
        read_camus(mhd_patient(group="testing", gt=False), "A2C", frame_rate=45).cine.patient_id,
    }
    assert len(ids) == 3


def test_mhd_of_another_size_than_stated_is_refused(mhd_patient):
    folder = mhd_patient()
    raw = folder / f"{folder.name}_2CH_sequence.raw"
    raw.write_bytes(raw.read_bytes()[:-7])
    with pytest.raises(ReaderError, match="must hold 3600 bytes .*, got 3593"):
        read_camus(folder, "A2C", frame_rate=45)


def test_patients_and_subsets_are_listed(nifti_patient, tmp_path):
    nifti_patient(7)
    nifti_patient(2)
    assert camus_patients(tmp_path / "database_nifti") == ["patient0002", "patient0007"]
    (tmp_path / "list.txt").write_text("patient0007\n\n2\n")
    assert camus_subset(tmp_path / "list.txt") == ["patient0007", "patient0002"]


def test_exception(tmp_path, nifti_patient):
    with pytest.raises(ReaderError, match="no such patient folder"):
        read_camus(tmp_path / "patient0009", "A4C")
    with pytest.raises(ReaderError, match="view must be A2C or A4C in CAMUS, got A3C"):
        read_camus(nifti_patient(), "A3C")
    with pytest.raises(ReaderError, match=r"Info_2CH\.cfg: no such file"):
        read_camus(tmp_path / "database_nifti" / "patient0001", "A2C")
    with pytest.raises(ReaderError, match="patientXXXX folders, got none"):
        camus_patients(tmp_path)


def test_real_frame_is_upright_with_its_mask(real):
    image, spacing = read_nifti(real("camus_a4c_ed_es/patient0004_4CH_ED.nii.gz"))
    mask, _ = read_nifti(real("camus_a4c_ed_es/patient0004_4CH_ED_gt.nii.gz"))
    assert image.shape == mask.shape == (1, 454, 641)
    assert spacing == pytest.approx((0.308, 0.308))
    # The probe is at the top: the fan is narrow there, and the atrium lies below the ventricle.
    assert (image[0, 40] > 0).sum() < (image[0, 300] > 0).sum()
    rows = [np.nonzero(mask[0] == label)[0].mean() for label in (Label.LV, Label.LA)]
    assert rows[0] < rows[1]
