"""EchoNet-Dynamic: tracings to polygons, listed values, and no strain from stretched pixels."""

import numpy as np
import pytest

from echotas.readers import ReaderError, polygon_area_px, read_echonet, read_file_list, read_tracings


def ellipse_rows(name, frame, half_width, half_height=40.0, centre=(56.0, 56.0)):
    """21 rows: the long axis, then 20 chords across an upright ellipse."""
    rows = [(name, centre[0], centre[1] + half_height, centre[0], centre[1] - half_height, frame)]
    for y in np.linspace(-half_height, half_height, 20):
        x = half_width * np.sqrt(max(0, 1 - (y / half_height) ** 2))
        rows.append((name, centre[0] - x, centre[1] + y, centre[0] + x, centre[1] + y, frame))
    return rows


@pytest.fixture
def tables(tmp_path):
    rows = ellipse_rows("clip.avi", 2, 30.0) + ellipse_rows("clip.avi", 6, 20.0) + ellipse_rows("lone.avi", 1, 20.0)
    text = "FileName,X1,Y1,X2,Y2,Frame\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "VolumeTracings.csv").write_text(text)
    (tmp_path / "FileList.csv").write_text(
        "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\nclip,55,40,90,112,112,50,9,VAL\n"
    )
    return tmp_path


def test_traced_area_is_that_of_the_ellipse(tables):
    tracing = read_tracings(tables / "VolumeTracings.csv")["clip"][2]
    # 20 chords inscribe a polygon: a little less than the ellipse.
    assert tracing.area_px == pytest.approx(np.pi * 30 * 40, rel=0.02)
    np.testing.assert_allclose(np.linalg.norm(np.diff(tracing.long_axis_px, axis=0)), 80)


def test_polygon_area_does_not_depend_on_direction():
    square = np.array([[0, 0], [4, 0], [4, 3], [0, 3.0]])
    assert polygon_area_px(square) == polygon_area_px(square[::-1]) == 12


def test_cines_with_one_traced_frame_are_left_out(tables):
    assert list(read_tracings(tables / "VolumeTracings.csv")) == ["clip"]


def test_pediatric_polygons_are_read(tmp_path):
    rows = "".join(f"a.avi,{x},{y},{frame}\n" for frame in (0, 5) for x, y in ((0, 0), (4, 0), (4, 3), (0, 3)))
    (tmp_path / "t.csv").write_text("FileName,X,Y,Frame\n" + rows)
    tracing = read_tracings(tmp_path / "t.csv")["a"][5]
    assert (tracing.area_px, tracing.long_axis_px) == (12, None)


def test_cine_takes_rate_split_and_events_from_the_tables(tables, fan, write_video):
    path = write_video(tables / "clip.avi", fan(n_frames=9, size=(112, 112), apex=(55.5, 0)), codec="mjpeg",
                       pixel_format="yuvj420p")  # fmt: skip
    cine = read_echonet(
        path,
        file_list=read_file_list(tables / "FileList.csv"),
        tracings=read_tracings(tables / "VolumeTracings.csv"),
    )
    assert cine.frame_rate == pytest.approx(50)
    assert (cine.ed_frame, cine.es_frame) == (2, 6)
    assert cine.meta["Split"] == "VAL"
    assert cine.spacing_mm is None
    assert cine.meta["square_pixels"] is False


def test_exception(tables, fan, write_video):
    path = write_video(tables / "clip.avi", fan(n_frames=8, size=(112, 112)))
    listed = read_file_list(tables / "FileList.csv")
    with pytest.raises(ReaderError, match=r"clip\.avi: must have 9 frames as listed, got 8"):
        read_echonet(path, file_list=listed)
    other = write_video(tables / "other.avi", fan(n_frames=3, size=(112, 112)))
    with pytest.raises(ReaderError, match="must be listed in FileList"):
        read_echonet(other, file_list=listed)
    (tables / "bad.csv").write_text("FileName,X1,Y1,X2,Y2,Frame\na,1,2,3,nan,4\n")
    with pytest.raises(ReaderError, match=r"bad\.csv: coordinates must be finite"):
        read_tracings(tables / "bad.csv")
    with pytest.raises(ReaderError, match=r"FileList\.csv: must have the columns"):
        read_tracings(tables / "FileList.csv")
