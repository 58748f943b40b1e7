"""Tables as Markdown: estimates with intervals, the leaderboard, and text between markers of a README."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["Column", "format_estimate", "leaderboard_markdown", "markdown_table", "write_between_markers"]

UNDEFINED = "n/a"


@dataclass(frozen=True)
class Column:
    """One measured column of a leaderboard."""

    key: str
    """Name in the rows; `<key>_low` and `<key>_high` hold the interval, if there is one."""
    title: str
    """Head of the column, with unit."""
    digits: int = 2
    """Decimals."""
    best: str | None = "low"
    """Whether "low", "high" or (near) "zero" is best; None marks nothing."""

    def __post_init__(self) -> None:
        if self.best not in ("low", "high", "zero", None):
            raise ValueError(f"best must be 'low', 'high', 'zero' or None, got {self.best!r}")


def format_estimate(value: float, low: float = np.nan, high: float = np.nan, digits: int = 2) -> str:
    """ "1.21 [1.10, 1.33]"; without the brackets if both ends are NaN, "n/a" for what is NaN."""

    def number(x: float) -> str:
        # Adding zero turns -0.0 into 0.0.
        return f"{round(float(x), digits) + 0.0:.{digits}f}" if np.isfinite(x) else UNDEFINED

    if np.isnan(low) and np.isnan(high):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def markdown_table(table: pd.DataFrame, digits: int | Mapping[str, int] = 2, index: bool = False) -> str:
    """A data frame as a Markdown table; numbers right-aligned, NaN as "n/a".

    Args:
        table: The table; columns are heads as they are.
        digits: Decimals of floats, for all columns or by column (2 where not named).
        index: Whether the row labels become the first columns.

    Raises:
        ValueError: The table has no columns.
    """
    table = table.reset_index() if index else table
    if not len(table.columns):
        raise ValueError("table must have at least one column, got none")
    of_column = [digits if isinstance(digits, int) else digits.get(name, 2) for name in table.columns]
    numeric = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in table.dtypes]
    lines = [
        _row(table.columns),
        _row("---:" if right else "---" for right in numeric),
    ]
    for row in table.itertuples(index=False, name=None):
        lines.append(_row(_cell(value, places) for value, places in zip(row, of_column, strict=True)))
    return "\n".join(lines) + "\n"


def leaderboard_markdown(
    rows: Sequence[Mapping[str, object]], columns: Sequence[Column], sort_by: str | None = None
) -> str:
    """Results of all trackers as one Markdown table, best tracker bold, controls named and never ranked.

    Every ranked number that a control without the truth (frozen points, mean motion) reaches or beats is marked with `(!)`, and
    a note names those controls: a tracker that ignores the image would score as well.

    Args:
        rows: One mapping per tracker: "tracker" (name), optionally "control" (bool), "uses_truth" (bool: a control that
            is given the truth, whose scores are no warning) and "n" (patients), and the keys of `columns`, each
            optionally with `_low` and `_high`. A missing or NaN value prints as "n/a".
        columns: Measured columns, in order.
        sort_by: Key to sort trackers by, best first; controls stay last in the order given. Order of `rows`, if None.

    Raises:
        ValueError: No row, no column, a row without "tracker", or `sort_by` is no ranked column.
    """
    if not rows or not columns:
        raise ValueError(f"rows and columns must not be empty, got {len(rows)} rows and {len(columns)} columns")
    nameless = [i for i, row in enumerate(rows) if not row.get("tracker")]
    if nameless:
        raise ValueError(f"rows must each name a tracker, got none in rows {nameless}")
    ranked = [row for row in rows if not row.get("control")]
    if sort_by is not None:
        by = {column.key: column for column in columns if column.best}
        if sort_by not in by:
            raise ValueError(f"sort_by must be a ranked column ({', '.join(by)}), got {sort_by!r}")
        # Trackers without a value come last.
        ranked = sorted(ranked, key=lambda row: np.nan_to_num(_loss(row, by[sort_by]), nan=np.inf))
    controls = [row for row in rows if row.get("control")]
    with_n = any("n" in row for row in rows)
    lines = [
        _row(["tracker", *(["n"] if with_n else []), *(column.title for column in columns)]),
        _row(["---", *(["---:"] if with_n else []), *("---:" for _ in columns)]),
    ]
    best = {column.key: min(_losses(ranked, column), default=np.nan) for column in columns}
    blind = [row for row in controls if not row.get("uses_truth")]
    reach = {column.key: min(_losses(blind, column), default=np.nan) for column in columns}
    warned: dict[str, list[str]] = {}
    for row in [*ranked, *controls]:
        is_control = bool(row.get("control"))
        cells = [f"*{row['tracker']}* (control)" if is_control else str(row["tracker"])]
        cells += [str(row.get("n", UNDEFINED))] if with_n else []
        for column in columns:
            text = format_estimate(
                _number(row, column.key),
                _number(row, f"{column.key}_low"),
                _number(row, f"{column.key}_high"),
                column.digits,
            )
            loss = _loss(row, column)
            if not is_control and loss == best[column.key]:
                text = f"**{text}**"
            if not is_control and loss >= reach[column.key]:
                text += " (!)"
                strong = [str(item["tracker"]) for item in blind if _loss(item, column) <= loss]
                warned[column.title] = list(dict.fromkeys([*warned.get(column.title, []), *strong]))
            cells.append(text)
        lines.append(_row(cells))
    text = "\n".join(lines) + "\n"
    if warned:
        reached = "; ".join(f"{title}: {', '.join(controls)}" for title, controls in warned.items())
        text += f"\n(!) a control that never looks at the image does as well, so this number is no evidence of tracking. {reached}.\n"
    return text


def write_between_markers(path: str | Path, marker: str, text: str) -> bool:
    """Replace what stands between `<!-- begin:marker -->` and `<!-- end:marker -->` in a text file.

    Args:
        path: The file; both markers must stand in it once, each on its own line.
        marker: Name of the place.
        text: What to put there.

    Returns:
        Whether the file changed.

    Raises:
        ValueError: A marker is missing, double or out of order.
    """
    path = Path(path)
    old = path.read_text(encoding="utf-8")
    begin, end = f"<!-- begin:{marker} -->", f"<!-- end:{marker} -->"
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ValueError(
            f"marker {marker!r} must stand in {path.name} once as {begin} and later {end}, "
            f"got {old.count(begin)} and {old.count(end)}"
        )
    before, rest = old.split(begin)
    new = f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}"
    if new == old:
        return False
    # Written beside and renamed: a README is never half there.
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(new, encoding="utf-8")
    os.replace(beside, path)
    return True


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float | np.floating):
        return format_estimate(float(value), digits=digits)
    return UNDEFINED if value is None or value is pd.NA else str(value)


def _number(row: Mapping[str, object], key: str) -> float:
    value = row.get(key)
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def _loss(row: Mapping[str, object], column: Column) -> float:
    """What is smallest for the best row; NaN where there is no value or no ranking."""
    value = _number(row, column.key)
    return {"low": value, "high": -value, "zero": abs(value), None: float("nan")}[column.best]


def _losses(rows: Iterable[Mapping[str, object]], column: Column) -> list[float]:
    return [loss for loss in (_loss(row, column) for row in rows) if np.isfinite(loss)]
