"""TED and CARDINAL: whole cycles with masks, ids that must not be mixed up."""

import numpy as np
import pytest

from echotas.readers import (
    Label,
    ReaderError,
    cardinal_patients,
    read_cardinal,
    read_ted,
    ted_patients,
    ted_to_camus,
)

N_FRAMES, SIZE = 6, (20, 16)


def frames():
    return np.random.default_rng(1).integers(0, 255, (N_FRAMES, *SIZE)).astype(np.uint8)


def masks():
    mask = np.zeros((N_FRAMES, *SIZE), np.uint8)
    mask[:, 4:16, 4:12] = Label.MYO
    mask[:, 8:16, 6:10] = Label.LV
    return mask


def write_mhd(path, values):
    path.with_suffix(".raw").write_bytes(values.astype(np.uint8).tobytes())
    path.write_text(
        f"NDims = 3\nElementSpacing = 0.308 0.154 1.54\nDimSize = {SIZE[1]} {SIZE[0]} {len(values)}\n"
        f"ElementType = MET_UCHAR\nElementDataFile = {path.with_suffix('.raw').name}\n"
    )


@pytest.fixture
def ted(tmp_path):
    folder = tmp_path / "TED" / "database" / "patient003"
    folder.mkdir(parents=True)
    (folder / "patient003_4CH_info.cfg").write_text("ED: 1\nES: 4\nNbFrame: 6\nImageQuality: Poor\n")
    write_mhd(folder / "patient003_4CH_sequence.mhd", frames())
    write_mhd(folder / "patient003_4CH_sequence_gt.mhd", masks())
    return folder


def test_ted_reads_the_whole_cycle(ted):
    labelled = read_ted(ted, frame_rate=52)
    np.testing.assert_array_equal(labelled.cine.frames, frames())
    np.testing.assert_array_equal(labelled.labels(), masks())
    assert labelled.cine.spacing_mm == (0.308, 0.154)
    assert (labelled.cine.ed_frame, labelled.cine.es_frame) == (0, 3)
    assert labelled.cine.meta["cycle_end_frame"] == 5
    assert labelled.drawn_frames == tuple(range(6))


def test_ted_frame_count_that_disagrees_names_the_file(ted):
    (ted / "patient003_4CH_info.cfg").write_text("ED: 1\nES: 4\nNbFrame: 7\n")
    with pytest.raises(ReaderError, match=r"patient003_4CH_info\.cfg: NbFrame must be .* \(6\), got 7"):
        read_ted(ted, frame_rate=52)


def test_ted_ids_are_mapped_not_taken_over(ted, tmp_path):
    (tmp_path / "ted2camus.csv").write_text("ted_id,camus_id\n1,patient0002\n3,17\n")
    names = ted_to_camus(tmp_path / "ted2camus.csv")
    assert read_ted(ted, frame_rate=52, camus_names=names).cine.meta["camus_patient"] == "patient0017"
    assert read_ted(ted, frame_rate=52).cine.patient_id == "ted-patient003"
    with pytest.raises(ReaderError, match="must be in the mapping to CAMUS"):
        read_ted(ted, frame_rate=52, camus_names={"patient001": "patient0002"})


def test_ted_refuses_an_atrium_label_and_a_mapping_that_repeats(ted, tmp_path):
    bad = masks()
    bad[2, 0, 0] = Label.LA
    write_mhd(ted / "patient003_4CH_sequence_gt.mhd", bad)
    with pytest.raises(ReaderError, match=r"sequence_gt\.mhd: labels must be whole numbers 0\.\.2"):
        read_ted(ted, frame_rate=52)
    (tmp_path / "twice.csv").write_text("ted_id,camus_id\n1,2\n2,2\n")
    with pytest.raises(ReaderError, match="every id must appear once"):
        ted_to_camus(tmp_path / "twice.csv")


def test_ted_patients_are_listed(ted):
    assert ted_patients(ted.parent) == ["patient003"]


@pytest.fixture
def cardinal(tmp_path):
    import nibabel

    for name, values in {"0A12_A4C_bmode": frames(), "0A12_A4C_mask": masks(), "0B34_A2C_bmode": frames()}.items():
        image = nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([0.308, 0.308, 1, 1]))
        image.header.set_xyzt_units("mm")
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_cardinal_reads_cine_and_mask(cardinal):
    labelled = read_cardinal(cardinal, "0A12", "A4C", frame_rate=50)
    np.testing.assert_array_equal(labelled.cine.frames, frames())
    np.testing.assert_array_equal(labelled.labels(), masks())
    assert labelled.cine.spacing_mm == pytest.approx((0.308, 0.308))
    assert dict(read_cardinal(cardinal, "0B34", "A2C", frame_rate=50).masks) == {}


def test_cardinal_patients_and_subsets(cardinal):
    assert cardinal_patients(cardinal) == ["0A12", "0B34"]
    (cardinal / "subset.txt").write_text("0B34\n")
    assert cardinal_patients(cardinal, cardinal / "subset.txt") == ["0B34"]
    (cardinal / "subset.txt").write_text("0B34\n9Z99\n")
    with pytest.raises(ReaderError, match=r"subset\.txt: ids must have a bmode file.*9Z99"):
        cardinal_patients(cardinal, cardinal / "subset.txt")


def test_cardinal_refuses_a_missing_view(cardinal):
    with pytest.raises(ReaderError, match=r"0A12_A2C_bmode\.nii\.gz: no such file"):
        read_cardinal(cardinal, "0A12", "A2C", frame_rate=50)
