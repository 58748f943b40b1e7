"""EchoPAC full trace: round trip in every dialect, golden numbers on the real exports."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from echotas.readers import FullTrace, ReaderError, read_full_trace, write_full_trace


def a_trace(closed=False, knots=None):
    angle = np.linspace(0, 2 * np.pi, 9)[:-1] if closed else np.linspace(np.pi, 2 * np.pi, 8)
    knots = (
        np.stack([30 * np.cos(angle), 80 + 40 * np.sin(angle)], axis=-1)[None] * np.linspace(1, 0.9, 5)[:, None, None]
    )
    return FullTrace(
        knots_mm=np.round(knots, 2), frame_rate=52.0, left_marker_s=0.02, right_marker_s=0.08, es_time_s=0.05,
        view="SAX-PM" if closed else "4CH", closed=closed, header={"ID": "V1"},
    )  # fmt: skip


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("closed", [False, True])
def test_round_trip_in_every_dialect(tmp_path, line_end, decimal, closed):
    trace = a_trace(closed)
    back = read_full_trace(write_full_trace(tmp_path / "t.csv", trace, line_end=line_end, decimal=decimal))
    np.testing.assert_array_equal(back.knots_mm, trace.knots_mm)
    for name in ("frame_rate", "left_marker_s", "right_marker_s", "es_time_s", "view", "closed"):
        assert getattr(back, name) == getattr(trace, name), name
    assert back.header["ID"] == "V1"


@settings(max_examples=20, deadline=None)
@given(knots=arrays(np.float64, (3, 5, 2), elements=st.floats(-200, 200)))
def test_round_trip_keeps_two_decimals(tmp_path_factory, knots):
    trace = FullTrace(knots_mm=knots, frame_rate=50, left_marker_s=0, right_marker_s=0.04, es_time_s=0.02)
    path = tmp_path_factory.mktemp("trace") / "t.csv"
    back = read_full_trace(write_full_trace(path, trace))
    if not back.closed:
        assert np.abs(back.knots_mm - knots).max() <= 0.005 + 1e-9


def test_several_header_fields_on_one_line_are_told_apart(tmp_path):
    path = write_full_trace(tmp_path / "t.csv", a_trace(), line_end="\n")
    lines = path.read_text().split("\n")
    joined = "FName= LName=VOL01 ID=VOL01 Exam.Date=. View=4CH 2DS Date=."
    path.write_text("\n".join([joined, *lines[6:]]))
    trace = read_full_trace(path)
    assert (trace.view, trace.header["LName"], trace.header["FName"]) == ("4CH", "VOL01", "")


def test_markers_become_frames():
    trace = a_trace()
    assert (trace.frame_at(trace.left_marker_s), trace.frame_at(trace.right_marker_s)) == (1, 4)
    with pytest.raises(ValueError, match="time_s must lie in the clip of 5 frames"):
        trace.frame_at(1.0)


@settings(max_examples=20, deadline=None)
@given(dx=st.floats(0.05, 2), dy=st.floats(0.05, 2), x=st.floats(-10, 900), y=st.floats(-10, 900))
def test_mm_to_px_and_back_is_the_identity_with_anisotropic_spacing(dx, dy, x, y):
    trace = a_trace()
    px = trace.line_px((dx, dy), (x, y))
    np.testing.assert_allclose((px - [x, y]) * [dx, dy], trace.knots_mm, atol=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: int(0.8 * len(text))].rsplit("\n", 1)[0], "must hold 5 frames .*, got [34] .truncated"),
        (lambda text: text.replace("\n-30.0", "\nabc", 1), "coordinates must be numbers"),
        (lambda text: text.replace("\n-30.0", "\nnan,-30.0", 1), "every frame must have 16 values, got 17"),
        (lambda text: text.replace("FR= 52", "XX= 52"), "must state 'FR='"),
        (lambda text: text.replace("Num Frames", "Frames"), "must state two counts"),
        (lambda text: "a,b\n1,2\n", "must be an EchoPAC full trace"),
    ],
)
def test_exception(tmp_path, change, message):
    path = write_full_trace(tmp_path / "t.csv", a_trace(), line_end="\n")
    path.write_text(change(path.read_text()))
    with pytest.raises(ReaderError, match=rf"t\.csv: {message}"):
        read_full_trace(path)


def test_not_a_number_is_refused(tmp_path):
    path = write_full_trace(tmp_path / "t.csv", a_trace(), line_end="\n")
    path.write_text(path.read_text().replace("\n-30.00", "\nnan", 1))
    with pytest.raises(ReaderError, match=r"t\.csv: knots_mm must be finite, got 1 NaN"):
        read_full_trace(path)


@pytest.mark.parametrize(
    ("name", "q1", "avc", "q2", "expected"),
    [
        ("VOL_0001_OFF_4CH.CSV", 13, 28, 44, (201.73, -11.87, -11.98, 5.19, -14.04, -14.76)),
        ("SUB_0014_POST_SAX.CSV", 36, 74, 121, (148.33, -11.26, -11.44, 1.52, -11.92, -12.11)),
    ],
)
def test_golden_numbers_of_the_real_exports(real, name, q1, avc, q2, expected):
    """Arc length at Q1 (mm), strain at AVC and peak raw, drift at Q2, strain at AVC and peak without drift (%)."""
    trace = read_full_trace(real(f"echopac_full_trace/{name}"))
    knots = trace.knots_mm
    if trace.closed:
        knots = np.concatenate([knots, knots[:, :1]], axis=1)

    def strain(points):
        length = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1)
        return length[q1], 100 * (length / length[q1] - 1)

    length, raw = strain(knots)
    share = (np.arange(len(knots)) - q1) / (q2 - q1)
    _, corrected = strain(knots - share[:, None, None] * (knots[q2] - knots[q1]))
    found = (length, raw[avc], raw[q1 : q2 + 1].min(), raw[q2], corrected[avc], corrected[q1 : q2 + 1].min())
    np.testing.assert_allclose(found, expected, atol=0.006)


def test_real_exports_have_the_documented_size(real):
    apical = read_full_trace(real("echopac_full_trace/VOL_0001_OFF_4CH.CSV"))
    assert (apical.knots_mm.shape, apical.frame_rate, apical.view, apical.closed) == ((64, 67, 2), 52, "4CH", False)
    ring = read_full_trace(real("echopac_full_trace/SUB_0014_POST_SAX.CSV"))
    assert (ring.knots_mm.shape, ring.frame_rate, ring.closed) == ((167, 74, 2), 79, True)
