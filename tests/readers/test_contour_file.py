"""The drawn line: round trip, order, refusals."""

import numpy as np
import pytest

from echotas.readers import Contour, ReaderError, read_contour, write_contour

LINE = np.array([[40, 90], [38, 50], [60, 20], [80, 50], [82, 90.0]])


def test_round_trip(tmp_path):
    back = read_contour(write_contour(tmp_path / "new" / "c.csv", Contour(LINE, 7)))
    np.testing.assert_array_equal(back.line_px, LINE)
    assert back.frame == 7


def test_rows_are_put_in_the_order_of_their_numbers(tmp_path):
    path = write_contour(tmp_path / "c.csv", Contour(LINE, 7))
    header, *rows = path.read_text().splitlines()
    path.write_text("\r\n".join([header, *rows[::-1], "", ",,,"]))
    np.testing.assert_array_equal(read_contour(path).line_px, LINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got an empty file"),
        ("point,frame,x_px,y_px\n", "must hold at least 4 points, got 0"),
        ("point,frame,x_px,y_px\n0,1,2,3\n1,1,2,4\n2,1,2,5\n", "must hold at least 4 points, got 3"),
        ("point,x,y\n0,1,2\n", "must have the columns point, frame, x_px, y_px"),
        ("point,frame,x_px,y_px\n0,1,2,3\n1,1,nan,4\n2,1,2,5\n3,1,2,6\n", "positions must be finite.*line 3"),
        ("point,frame,x_px,y_px\n0,1,2,3\n1,1,two,4\n2,1,2,5\n3,1,2,6\n", "line 3 must hold four numbers"),
        ("point,frame,x_px,y_px\n0,1,2,3\n1,2,2,4\n2,1,2,5\n3,1,2,6\n", "all points must belong to one frame"),
        ("point,frame,x_px,y_px\n0,1,2,3\n1,1,2,4\n1,1,2,5\n3,1,2,6\n", "must appear once"),
        ("point,frame,x_px,y_px\n0,-1,2,3\n1,-1,2,4\n2,-1,2,5\n3,-1,2,6\n", "frame must be 0 or later"),
    ],
)
def test_exception(tmp_path, text, message):
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(ReaderError, match=message) as caught:
        read_contour(path)
    assert str(caught.value).startswith(str(path))


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "c.csv").write_bytes(bytes(range(256)))
    with pytest.raises(ReaderError, match=r"c\.csv: must"):
        read_contour(tmp_path / "c.csv")


def test_real_centre_line_is_read(real):
    contour = read_contour(real("video/echotracker_a4c_es_centerline.csv"))
    assert (contour.line_px.shape, contour.frame) == ((36, 2), 20)
