"""The page of one patient: what stands on it, what is refused, the same bytes twice; and its command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.legend import Legend
from matplotlib.table import Table
from matplotlib.text import Text
from test_analyse import ED, END, ES, Swelling, centre_line
from test_analyse import cine as cine  # a fixture

from echotas import __version__
from echotas.readers import write_contour
from echotas.report import save
from echotas.store import write_recording
from echotas.your_cine import Contour, analyse, read_contour
from echotas.your_cine.__main__ import main
from echotas.your_cine.own_error import PLUS_MINUS
from echotas.your_cine.sheet import average_gls, patient_sheet


def _texts(figure):
    cells = [cell.get_text() for table in figure.findobj(Table) for cell in table.get_celld().values()]
    return "\n".join(text.get_text() for text in [*figure.findobj(Text), *cells])


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
        "Rejected segments, left out of GLS: A4C basal anterolateral; A2C basal anterior",
        "basal anterolateral -12.0, rejected",
        "without rejected segments",
        "hatched: rejected",
        "heart rate (per min)",
        "ED from",
        "ES from",
        f"EchoTAS {__version__}",
    ):
        assert part in text
    assert average_gls(analyses) == (pytest.approx(-12.0), 2)


def test_the_page_says_how_sure_and_whether_virtual(analyses):
    assert "virtual" not in _texts(patient_sheet(analyses, title="patient 7"))
    item = analyses[0]
    cine = replace(item.cine, meta={**item.cine.meta, "source": "virtual patient"})
    text = _texts(patient_sheet([replace(item, cine=cine, strain_error_percent=np.ones(7))], title="patient 7"))
    assert "patient 7 (virtual)" in text
    assert "basal inferior -12.0 ± 2.0" in text
    assert PLUS_MINUS in text and "calibrated" not in text


def test_legends_can_be_read(analyses):
    legends = [legend for legend in patient_sheet(analyses).findobj(Legend) if legend.get_texts()]
    assert len(legends) == 2 and all(text.get_fontsize() >= 7 for legend in legends for text in legend.get_texts())


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


def test_command_line_rejects_segments_as_analyse_does(cine, tmp_path, capsys):
    file = write_recording(tmp_path / "cine.h5", cine=cine)
    line = write_contour(tmp_path / "line.csv", Contour(centre_line(), ES))
    arguments = ["--cine", str(file), str(line), "A4C", "--tracker", "lucas_kanade_mesh", "--wall", "8", "--ed", "0"]
    arguments += ["--out", str(tmp_path / "page.png"), "--reject"]
    assert main([*arguments, "A4C:apical anterolateral"]) == 0
    said = capsys.readouterr().out
    assert "without apical anterolateral" in said and "(given)" in said and "(drawn line)" in said
    numbers = json.loads((tmp_path / "page.json").read_text())[0]
    expected = analyse(
        cine, read_contour(line).line_px, None, "lucas_kanade_mesh", contour_frame=ES, wall_thickness_mm=8, ed_frame=ED,
        accepted=np.arange(6) != 3,
    )  # fmt: skip
    assert numbers["gls_es_percent"] == pytest.approx(expected.gls_percent, abs=1e-9)
    assert numbers["rejected_segments"] == ["apical anterolateral"]
    assert main([*arguments, "A4C:apical lateral"]) == 1
    assert "must be one of basal inferoseptal" in capsys.readouterr().err
