"""Tables: readable numbers, controls never ranked, text only between its markers."""

import numpy as np
import pandas as pd
import pytest

from echotas.report import Column, format_estimate, leaderboard_markdown, markdown_table, write_between_markers
from echotas.report.estimate_table import estimate_table

COLUMNS = [Column("mte", "error (mm)"), Column("bias", "GLS bias (%)", 1, "zero"), Column("icc", "ICC", 2, "high")]
ROWS = [
    {"tracker": "farneback", "n": 12, "mte": 2.0, "mte_low": 1.8, "mte_high": 2.2, "bias": 3.0, "icc": 0.4},
    {"tracker": "tas_net", "n": 12, "mte": 1.2, "mte_low": 1.1, "mte_high": 1.35, "bias": -0.9, "icc": 0.8},
    {"tracker": "frozen", "n": 12, "control": True, "mte": 4.0, "bias": 0.0, "icc": np.nan},
]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1.2345, 1.1, 1.3), "1.23 [1.10, 1.30]"),
        ((1.2345,), "1.23"),
        ((np.nan,), "n/a"),
        ((1.0, np.nan, 2.0), "1.00 [n/a, 2.00]"),
        ((-0.001, -0.2, 0.2, 1), "0.0 [-0.2, 0.2]"),
    ],
)
def test_estimates_are_printed_with_their_interval(arguments, text):
    assert format_estimate(*arguments) == text


def test_markdown_has_one_cell_per_value_and_no_silent_nan():
    table = pd.DataFrame({"name": ["a|b", "c"], "n": [3, 4], "x": [1.0, np.nan], "ok": [True, False]})
    assert markdown_table(table, {"x": 1}).splitlines() == [
        "| name | n | x | ok |",
        "| --- | ---: | ---: | --- |",
        "| a\\|b | 3 | 1.0 | True |",
        "| c | 4 | n/a | False |",
    ]
    assert markdown_table(table.set_index("name")[["x"]], index=True).startswith("| name | x |")


def test_leaderboard_marks_the_best_tracker_and_the_control_that_matches_it():
    lines = leaderboard_markdown(ROWS, COLUMNS, sort_by="mte").splitlines()
    assert lines[0] == "| tracker | n | error (mm) | GLS bias (%) | ICC |"
    assert lines[2] == "| tas_net | 12 | **1.20 [1.10, 1.35]** | **-0.9** (!) | **0.80** |"
    assert lines[3].startswith("| farneback | 12 | 2.00 [1.80, 2.20] |")
    assert lines[4] == "| *frozen* (control) | 12 | 4.00 | 0.0 | n/a |"
    assert lines[-1].endswith("GLS bias (%): frozen.")


def test_without_a_control_in_front_there_is_no_warning():
    assert "(!)" not in leaderboard_markdown(ROWS[:2], COLUMNS)


def test_a_tracker_without_a_result_comes_last():
    rows = [{"tracker": "failed"}, *ROWS[:2]]
    assert leaderboard_markdown(rows, COLUMNS, "mte").splitlines()[4] == "| failed | n/a | n/a | n/a | n/a |"


@pytest.mark.parametrize(
    ("rows", "sort_by", "message"),
    [([], None, "must not be empty"), ([{"mte": 1}], None, r"rows \[0\]"), (ROWS, "speed", "sort_by must be a ranked")],
)
def test_leaderboard_refuses(rows, sort_by, message):
    with pytest.raises(ValueError, match=message):
        leaderboard_markdown(rows, COLUMNS, sort_by)


def test_only_the_text_between_the_markers_changes(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Title\n\n<!-- begin:table -->\nold\n<!-- end:table -->\n\nrest é\n", encoding="utf-8")
    assert write_between_markers(path, "table", "| new |\n")
    text = path.read_text(encoding="utf-8")
    assert text == "# Title\n\n<!-- begin:table -->\n\n| new |\n\n<!-- end:table -->\n\nrest é\n"
    assert not write_between_markers(path, "table", "| new |")
    assert [item.name for item in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("text", ["", "<!-- begin:t -->", "<!-- end:t --><!-- begin:t -->", "<!-- begin:t -->" * 2])
def test_a_file_without_its_markers_is_left_alone(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ValueError, match="marker 't' must stand in README.md once"):
        write_between_markers(path, "t", "new")
    assert path.read_text() == text


def test_columns_refuse_an_unknown_direction():
    with pytest.raises(ValueError, match="best must be"):
        Column("x", "x", best="most")


def test_a_score_that_a_blind_control_reaches_is_said_beside_it():
    summary = pd.DataFrame(
        {"bias": [0.5, -0.2, 3.0], "sd": [1.0, 2.0, 0.0], "auc": [0.9, 0.6, 0.6], "sd_true": [1.0, 1.0, 1.0]},
        index=["good", "poor", "frozen"],
    )
    columns = [("bias", "bias, points", 1), ("sd", "SD, points", 1), ("auc", "AUC", 2), ("sd_true", "SD of truth", 1)]
    warned = estimate_table(summary, columns, higher=["auc"])["a blind control does as well in"]
    assert warned.tolist() == ["SD", "SD, AUC", ""]
    assert "a blind control does as well in" not in estimate_table(summary, columns, warn=False)
    assert "a blind control does as well in" not in estimate_table(summary.drop(index="frozen"), columns)
