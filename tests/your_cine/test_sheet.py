"""The page of one patient: what stands on it, what is refused, the same bytes twice; and its command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from test_analyse import ED, END, ES, Swelling, centre_line
from test_analyse import cine as cine  # a fixture

from echotas.readers import write_contour
from echotas.report import save
from echotas.store import write_recording
from echotas.your_cine import Contour, analyse
from echotas.your_cine.__main__ import main
from echotas.your_cine.sheet import average_gls, patient_sheet


def _texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.fixture(scope="module")
def analyses(cine):
    accepted = np.array([True] * 5 + [False])
    return [
        analyse(
            replace(cine, view=view), centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, end_frame=END,
            accepted=accepted,
        )
        for view in ("A2C", "A4C")
    ]  # fmt: skip


def test_the_page_says_what_was_measured_and_that_it_is_research(analyses):
    text = _texts(patient_sheet(analyses, title="patient 7"))
    for part in (
        "patient 7",
        "Research use only",
        "-12.0 %",
        "2 of three apical views",
        "A4C: nothing stands out",
    ):
        assert part in text
    assert average_gls(analyses) == (pytest.approx(-12.0), 2)


def test_the_same_page_has_the_same_bytes(analyses, tmp_path):
    files = [save(patient_sheet(analyses[:1]), tmp_path / f"{name}.pdf").read_bytes() for name in "ab"]
    assert files[0] == files[1] and files[0].startswith(b"%PDF")


def test_views_of_two_patients_or_one_view_twice_are_refused(analyses):
    with pytest.raises(ValueError, match="each view once"):
        patient_sheet([analyses[0], analyses[0]])
    with pytest.raises(ValueError, match="one to 3"):
        patient_sheet([])
    others = [
        replace(item, cine=replace(item.cine, patient_id=name)) for item, name in zip(analyses, "PQ", strict=True)
    ]
    with pytest.raises(ValueError, match="one patient"):
        average_gls(others)


def test_command_line_writes_page_and_numbers(cine, tmp_path, capsys):
    file = write_recording(tmp_path / "cine.h5", cine=cine)
    line = write_contour(tmp_path / "line.csv", Contour(centre_line(), ES))
    arguments = ["--tracker", "lucas_kanade_mesh", "--wall", "8", "--ed", "0", "--end", str(END)]
    page = tmp_path / "out" / "page.png"
    assert main(["--cine", str(file), str(line), "A4C", *arguments, "--out", str(page)]) == 0
    numbers = json.loads(page.with_suffix(".json").read_text())
    assert page.stat().st_size > 10_000 and numbers[0]["gls_es_percent"] == pytest.approx(-12, abs=1.5)
    assert main(["--cine", str(tmp_path / "none.mp4"), str(line), "A4C", "--out", str(page)]) == 1
    assert main(["--cine", str(file), str(line), "A9C", "--out", str(page)]) == 1
    error = capsys.readouterr().err
    assert "none.mp4" in error and "A9C" in error
