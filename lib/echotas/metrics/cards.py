"""Metric cards: one Markdown page per metric and a table of all, from the docstrings.

python -m echotas.metrics.cards docs/metrics
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import echotas.metrics
import echotas.strain

__all__ = ["DIRECTIONS", "NOT_METRICS", "SECTIONS", "index", "list_metrics", "main", "page", "read_card", "write_cards"]

SECTIONS = ("Unit", "Better", "Formula", "Pitfalls", "Known as")
"""Sections that the docstring of a metric must have."""

DIRECTIONS = ("lower", "higher", "nearer to zero", "no direction")
"""How a section "Better" begins."""

NOT_METRICS = frozenset(
    {
        "apical_thirds_weights",  # cuts a line
        "compensate_drift",  # corrects a curve
        "compensate_point_drift",  # corrects points
        "equal_arc_weights",  # cuts a line
        "label_weights",  # cuts a line
        "midwall_error_mm",  # takes the middle of a mesh
        "slowest_diastolic_frame",  # finds a frame
        "strain_curve",  # a record of `longitudinal_strain` and `segmental_strain`
        "to_mm",  # converts
    }
)
"""Public functions of `echotas.metrics` and `echotas.strain` that measure nothing."""

INDEX = "README.md"
MADE = "<!-- Made from the docstrings by `python -m echotas.metrics.cards`, not to be edited. -->"


def list_metrics() -> dict[str, Callable]:
    """Metrics by name, sorted: the public functions of `echotas.metrics` and `echotas.strain` without `NOT_METRICS`."""
    public = {name: getattr(of, name) for of in (echotas.metrics, echotas.strain) for name in of.__all__}
    return {
        name: member
        for name, member in sorted(public.items())
        if not isinstance(member, type) and name not in NOT_METRICS
    }


def read_card(name: str, metric: Callable) -> dict[str, str]:
    """Sections of a docstring by heading, its first line under "Summary" and the import path under "Path".

    Raises:
        ValueError: There is no docstring, a section of `SECTIONS` is missing or empty, or "Better" names no direction.
    """
    lines = inspect.cleandoc(metric.__doc__ or "").split("\n")
    card, heading = {"Summary": lines[0], "Path": f"{metric.__module__.rpartition('.')[0]}.{name}"}, ""
    for line in lines[1:]:
        if found := re.fullmatch(r"([A-Z][a-z ]*):", line):
            heading = found[1]
            card[heading] = ""
        elif heading:
            card[heading] += line.removeprefix("    ") + "\n"
    card = {heading: text.strip() for heading, text in card.items()}
    for section in ("Summary", *SECTIONS):
        if not card.get(section):
            raise ValueError(f"the docstring of {name} must have a section {section!r}, got none or an empty one")
    if not card["Better"].startswith(DIRECTIONS):
        raise ValueError(f"'Better' of {name} must begin with one of {', '.join(DIRECTIONS)}, got {card['Better']!r}")
    return card


def page(name: str, card: Mapping[str, str]) -> str:
    """Markdown page of one metric."""
    words = {heading: " ".join(text.split()) for heading, text in card.items()}
    paragraphs = [
        MADE,
        f"# {name}",
        words["Summary"],
        f"- **Unit:** {words['Unit']}\n- **Better:** {words['Better']}",
        f"**Formula**\n\n```text\n{card['Formula']}\n```",
        *(
            f"**{heading}:** {words[heading]}"
            for heading in ("Pitfalls", "Known as", "References")
            if words.get(heading)
        ),
        f"`{card['Path']}`, [all metrics]({INDEX})",
    ]
    return "\n\n".join(paragraphs) + "\n"


def index(cards: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown table of all metrics: name, unit, direction, one line."""
    rows = ["| metric | unit | better | what it is |", "| --- | --- | --- | --- |"]
    for name, card in cards.items():
        better = next(direction for direction in DIRECTIONS if card["Better"].startswith(direction))
        cells = (f"[{name}]({name}.md)", " ".join(card["Unit"].split()), better, card["Summary"])
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"{MADE}\n\n# Metrics\n\n" + "\n".join(rows) + "\n"


def write_cards(folder: Path, metrics: Mapping[str, Callable] | None = None) -> list[Path]:
    """Write a page per metric and the index; remove pages of metrics that are gone.

    Args:
        folder: Where to write; made if absent. Files that were not written by this function are left alone.
        metrics: Metrics by name; `list_metrics()`, if None.

    Returns:
        The files written.

    Raises:
        ValueError: As `read_card`, or a file to be written is there and was not made here; nothing is written then.
    """
    cards = {name: read_card(name, metric) for name, metric in (list_metrics() if metrics is None else metrics).items()}
    pages = {folder / INDEX: index(cards)} | {folder / f"{name}.md": page(name, card) for name, card in cards.items()}
    there = {path: path.read_text(encoding="utf-8").startswith(MADE) for path in sorted(folder.glob("*.md"))}
    for path in pages:
        if not there.get(path, True):
            raise ValueError(f"folder must not hold a {path.name} of another origin, got {path}")
    for path, made in there.items():
        if made and path not in pages:
            path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(pages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the cards; 1 and one sentence on standard error if that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m echotas.metrics.cards", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the pages (docs/metrics)")
    folder = parser.parse_args(arguments).folder
    try:
        n_cards = len(write_cards(folder)) - 1
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {n_cards} cards")
    return 0


if __name__ == "__main__":
    sys.exit(main())
