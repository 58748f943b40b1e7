"""DICOM: frames, pixel size by region, frame times by attribute, refusals."""

import numpy as np
import pytest

from echotas.readers import ReaderError, read_dicom
from echotas.records import View

BOX = (0, 0, 39, 29)


@pytest.fixture
def frames(fan):
    return fan(n_frames=6, size=(30, 40), apex=(19.5, 0), radius=(0, 29))


def region(box=BOX, delta=(0.05, 0.04), **more):
    return {"box": box, "delta_cm": delta, **more}


def test_frames_and_anisotropic_spacing_come_back(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTime="20"))
    np.testing.assert_array_equal(cine.frames, frames)
    assert cine.spacing_mm == pytest.approx((0.5, 0.4))
    np.testing.assert_allclose(cine.times_s, np.arange(6) * 0.02)
    assert cine.meta["warnings"] == []


def test_identifying_attributes_are_not_copied(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTime="20"))
    text = repr((cine.patient_id, cine.recording_id, cine.meta))
    assert "Doe" not in text
    assert "4711" not in text


def test_frame_time_vector_gives_uneven_times(tmp_path, frames, write_dicom):
    steps = ["0", "20", "20", "30", "20", "20"]
    path = write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTimeVector=steps, FrameIncrementPointer=0x00181065)
    cine = read_dicom(path)
    np.testing.assert_allclose(cine.times_s, np.cumsum([0, 20, 20, 30, 20, 20]) / 1e3)
    assert cine.meta["frame_rate_source"] == "FrameTimeVector"


def test_frame_increment_pointer_decides(tmp_path, frames, write_dicom):
    both = {"FrameTimeVector": ["0"] + ["25"] * 5, "FrameTime": "20"}
    by_time = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], FrameIncrementPointer=0x00181063, **both))
    by_vector = read_dicom(
        write_dicom(tmp_path / "b.dcm", frames, [region()], FrameIncrementPointer=0x00181065, **both)
    )
    assert (by_time.frame_rate, by_vector.frame_rate) == (pytest.approx(50), pytest.approx(40))


def test_cine_rate_alone_is_used_with_a_warning(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], CineRate="30"))
    assert cine.frame_rate == pytest.approx(30)
    assert any("CineRate" in warning for warning in cine.meta["warnings"])


def test_zero_frame_time_is_passed_over(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTime="0", CineRate="50"))
    assert cine.frame_rate == pytest.approx(50)
    assert any("FrameTime is not used" in warning for warning in cine.meta["warnings"])


def test_no_timing_is_refused_unless_given(tmp_path, frames, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", frames, [region()])
    with pytest.raises(ReaderError, match=r"a\.dcm: frame_rate must be given"):
        read_dicom(path)
    assert read_dicom(path, frame_rate=60).frame_rate == pytest.approx(60)


def test_negative_deltas_give_a_positive_spacing(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region(delta=(0.05, -0.05))], FrameTime="20"))
    assert cine.spacing_mm == pytest.approx((0.5, 0.5))


def test_region_beyond_the_image_is_rescaled(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region((10, 4, 75, 55))], FrameTime="20"))
    assert cine.spacing_mm == pytest.approx((1.0, 0.8))
    assert cine.meta["region_px"] == [5, 2, 37.5, 27.5]
    assert cine.meta["spacing_source"] == "region rescaled"
    assert any("rescaled by 2" in warning for warning in cine.meta["warnings"])


def test_region_far_beyond_the_image_is_refused(tmp_path, frames, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", frames, [region((10, 4, 900, 700))], FrameTime="20")
    with pytest.raises(ReaderError, match=r"region must fit the image of 40 x 30 px, got a corner at \(900, 700\)"):
        read_dicom(path)


def test_largest_centimetre_region_wins(tmp_path, frames, write_dicom):
    regions = [
        region((0, 0, 9, 9), (0.1, 0.1)),
        region((0, 0, 39, 25), (0.02, 0.02)),
        region((0, 0, 39, 29), (0.7, 0.7), units=(4, 4)),  # seconds: a sweep
        region((0, 0, 39, 29), (0.9, 0.9), kind=2),  # M-mode
    ]
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, regions, FrameTime="20"))
    assert cine.spacing_mm == pytest.approx((0.2, 0.2))


def test_region_without_length_unit_leaves_the_spacing_unknown(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region(units=(0, 0))], FrameTime="20"))
    assert cine.spacing_mm is None
    assert any("not cm" in warning for warning in cine.meta["warnings"])


def test_pixel_spacing_is_a_fallback_in_row_column_order(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, FrameTime="20", PixelSpacing=["0.2", "0.3"]))
    assert cine.spacing_mm == pytest.approx((0.3, 0.2))
    assert any("PixelSpacing" in warning for warning in cine.meta["warnings"])


def test_given_spacing_overrides_the_region(tmp_path, frames, write_dicom):
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTime="20"), spacing_mm=0.7)
    assert (cine.spacing_mm, cine.meta["spacing_source"]) == ((0.7, 0.7), "given")


def test_doppler_only_is_refused(tmp_path, frames, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", frames, [region(kind=3, data=3)], FrameTime="20")
    with pytest.raises(ReaderError, match="must have a 2-D tissue region"):
        read_dicom(path)


def test_grey_stored_as_rgb_comes_back_as_grey(tmp_path, frames, write_dicom):
    rgb = np.repeat(frames[..., None], 3, axis=-1)
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", rgb, [region()], FrameTime="20"))
    np.testing.assert_array_equal(cine.frames, frames)
    assert cine.meta["coloured_share"] == 0


def test_ybr_is_converted_once(tmp_path, frames, write_dicom):
    ybr = np.stack([frames, np.full_like(frames, 128), np.full_like(frames, 128)], axis=-1)
    cine = read_dicom(
        write_dicom(tmp_path / "a.dcm", ybr, [region()], FrameTime="20", PhotometricInterpretation="YBR_FULL")
    )
    np.testing.assert_allclose(cine.frames.astype(int), frames, atol=1)
    assert cine.meta["coloured_share"] == 0


def test_colour_in_the_region_is_told(tmp_path, frames, write_dicom):
    rgb = np.repeat(frames[..., None], 3, axis=-1)
    rgb[:, 10:20, 10:30] = (0, 0, 200)
    cine = read_dicom(write_dicom(tmp_path / "a.dcm", rgb, [region()], FrameTime="20"))
    assert any("coloured" in warning for warning in cine.meta["warnings"])


def test_inverted_grey_is_turned(tmp_path, frames, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", 255 - frames, FrameTime="20", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_dicom(path).frames, frames)


def test_view_and_r_waves_are_read(tmp_path, frames, write_dicom):
    path = write_dicom(
        tmp_path / "a.dcm", frames, [region()], FrameTime="20", ViewName="A2C", RWaveTimeVector=[21.0, 79.0, 900.0]
    )
    cine = read_dicom(path)
    assert cine.view == View.A2C
    assert cine.meta["r_wave_frames"] == [1, 4]


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_file_is_refused(tmp_path, frames, write_dicom, share):
    whole = write_dicom(tmp_path / "a.dcm", frames, [region()], FrameTime="20").read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ReaderError, match=r"cut\.dcm: .*truncated"):
        read_dicom(path)


def test_truncated_real_file_is_refused(tmp_path, real):
    path = tmp_path / "cut.dcm"
    path.write_bytes(real("dicom/examples_ybr_color.dcm").read_bytes()[:200_000])
    with pytest.raises(ReaderError, match=r"cut\.dcm: is truncated"):
        read_dicom(path)


def test_exception(tmp_path, frames, write_dicom):
    (tmp_path / "text.dcm").write_text("hello " * 100)
    with pytest.raises(ReaderError, match=r"text\.dcm: must be a DICOM file"):
        read_dicom(tmp_path / "text.dcm")
    ct = write_dicom(tmp_path / "ct.dcm", frames, sop_class="1.2.840.10008.5.1.4.1.1.2", FrameTime="20")
    with pytest.raises(ReaderError, match="must be an ultrasound image.*CT Image Storage"):
        read_dicom(ct)
    with pytest.raises(ReaderError, match="must hold a stored image"):
        read_dicom(write_dicom(tmp_path / "no.dcm", frames, [region()], FrameTime="20", PixelData=None))


def test_raw_vendor_data_without_an_image_is_named(tmp_path, frames, write_dicom):
    import pydicom

    path = write_dicom(tmp_path / "a.dcm", frames, FrameTime="20", PixelData=None)
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x7FE1, "GEMS_Ultrasound_MovieGroup_001", create=True).add_new(1, "LO", "x")
    dataset.save_as(path)
    with pytest.raises(ReaderError, match="raw or 3-D data of the vendor"):
        read_dicom(path)


def test_sample_of_the_pydicom_wheel():
    pydicom_data = pytest.importorskip("pydicom.data")
    path = pydicom_data.get_testdata_file("examples_ybr_color.dcm", download=False)
    if path is None:
        pytest.skip("pydicom comes without its sample files")
    cine = read_dicom(path)
    assert cine.frames.shape == (30, 240, 320)
    assert cine.spacing_mm == pytest.approx((1.021, 1.021), abs=5e-4)
    assert cine.frame_rate == pytest.approx(30, abs=1e-3)
    assert cine.meta["coloured_share"] < 0.002  # not the green picture of a second colour conversion
