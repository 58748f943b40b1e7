"""Metric cards: every metric has one, and it says what the docstring says."""

from pathlib import Path

import pytest

from echotas import metrics, strain
from echotas.metrics import cards

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "metrics"


def documented(left_out=""):
    def some_error_mm():
        """An error."""

    texts = {"Unit": "mm", "Better": "lower", "Formula": "a - b\n        a < b", "Pitfalls": "Two\n        lines."}
    texts |= {"Known as": "X -> Y", "References": "Z 1999."}
    sections = [f"\n    {heading}:\n        {text}\n" for heading, text in texts.items() if heading != left_out]
    some_error_mm.__doc__ = "An error | in mm.\n\n    More.\n" + "".join(sections) + "    "
    return some_error_mm


def test_every_public_function_has_a_card_or_measures_nothing():
    public = {name for of in (metrics, strain) for name in of.__all__ if not isinstance(getattr(of, name), type)}
    assert set(cards.list_metrics()) | cards.NOT_METRICS == public
    assert not set(cards.list_metrics()) & cards.NOT_METRICS


def test_committed_cards_are_what_the_docstrings_say(tmp_path):
    cards.write_cards(tmp_path)
    made, committed = ({path.name: path.read_text() for path in of.iterdir()} for of in (tmp_path, COMMITTED))
    again = "run: python -m echotas.metrics.cards docs/metrics"
    assert sorted(made) == sorted(committed), again
    assert [name for name in made if made[name] != committed[name]] == [], again


def test_page_and_row_hold_the_sections():
    card = cards.read_card("some_error_mm", documented())
    text = cards.page("some_error_mm", card)
    for part in ("# some_error_mm", "An error | in mm.", "**Unit:** mm\n", "**Better:** lower\n", "\na - b\na < b\n"):
        assert part in text
    for part in ("**Pitfalls:** Two lines.", "**Known as:** X -> Y", "**References:** Z 1999."):
        assert part in text
    row = cards.index({"some_error_mm": card}).splitlines()[-1]
    assert row == "| [some_error_mm](some_error_mm.md) | mm | lower | An error \\| in mm. |"


@pytest.mark.parametrize("section", cards.SECTIONS)
def test_missing_section_is_refused_by_name(tmp_path, section):
    with pytest.raises(ValueError, match=f"some_error_mm must have a section '{section}'"):
        cards.write_cards(tmp_path / "cards", {"some_error_mm": documented(left_out=section)})
    assert not (tmp_path / "cards").exists()


def test_missing_docstring_and_unknown_direction_are_refused():
    metric = documented()
    metric.__doc__ = metric.__doc__.replace("lower", "sideways")
    with pytest.raises(ValueError, match="'Better' of some_error_mm .* got 'sideways'"):
        cards.read_card("some_error_mm", metric)
    metric.__doc__ = None
    with pytest.raises(ValueError, match="some_error_mm must have a section 'Summary'"):
        cards.read_card("some_error_mm", metric)


def test_pages_of_metrics_that_are_gone_disappear_and_other_files_stay(tmp_path):
    cards.write_cards(tmp_path, {"old_mm": documented(), "some_error_mm": documented()})
    (tmp_path / "notes.md").write_text("mine")
    cards.write_cards(tmp_path, {"some_error_mm": documented()})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "notes.md", "some_error_mm.md"]


def test_a_readme_of_another_origin_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert cards.main([str(tmp_path)]) == 1
    assert "README.md" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_command_writes_the_cards(tmp_path, capsys):
    assert cards.main([str(tmp_path / "docs" / "metrics")]) == 0
    assert capsys.readouterr().out.endswith(f"{len(cards.list_metrics())} cards\n")
