"""What a notebook claims: `reports/metrics/NAME.json`, its numbers, and `reports/tables/NAME.csv`, the rows behind them."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from echotas.pipeline import paths

if TYPE_CHECKING:
    import pandas as pd

    from echotas.pipeline.runs import Run

__all__ = ["flatten", "record", "record_rows"]


class _LogsMetrics(Protocol):
    def log_metrics(self, values: Mapping[str, float]) -> None: ...


def record(
    name: str,
    values: Mapping[str, Any],
    path: str | Path | None = None,
    run: _LogsMetrics | None = None,
    digits: int = 6,
    allow_nan: bool = False,
) -> dict[str, Any]:
    """Write the claimed numbers of one notebook and return them as written.

    Args:
        name: File name without suffix, e.g. "20_track-farneback".
        values: Numbers, strings, lists and mappings of them, nested as needed.
        path: File to write; `reports/metrics/NAME.json` if None.
        run: Run that gets the same numbers, nested keys joined by ".".
        digits: Significant digits kept of every float; differences below them are noise between machines.
        allow_nan: Write NaN and infinity as null instead of refusing them.

    Raises:
        ValueError: A number is not finite, or a value is of another type; the message names its key.
    """
    if digits < 1:
        raise ValueError(f"digits must be at least 1, got {digits}")
    clean = {key: _clean(f"{name}: {key}", value, digits, allow_nan) for key, value in _sorted(values)}
    target = Path(path) if path is not None else paths.reports() / "metrics" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(json.dumps(clean, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, target)
    if run is not None:
        run.log_metrics(flatten(clean))
    return clean


def record_rows(name: str, rows: "pd.DataFrame", run: "Run") -> str:
    """Write the rows behind a notebook's tables, give them to the run, and say where both are.

    Args:
        name: File name without suffix, e.g. "30_motion"; the file is `reports/tables/NAME.csv`.
        rows: One per recording and method; floats are rounded to 4 decimals.
        run: Run that gets the same file.

    Returns:
        One Markdown sentence for the notebook.
    """
    path = paths.reports() / "tables" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    rows.round(4).to_csv(temporary, index=False)
    os.replace(temporary, path)
    run.log_artifact(path, "tables")
    return (
        f"Where the numbers come from: the {len(rows)} rows of [`tables/{path.name}`](tables/{path.name}), which name their recordings; "
        f"in MLflow (`make ui`) the run **{run.name}** of experiment `{run.experiment}`."
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a nested mapping under joined keys: `{"a": {"b": 1}}` -> `{"a.b": 1.0}`; no other leaves."""
    flat: dict[str, float] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[name] = float(value)
    return flat


def _sorted(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted((str(key), value) for key, value in values.items())


def _clean(where: str, value: Any, digits: int, allow_nan: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(f"{where}.{key}", item, digits, allow_nan) for key, item in _sorted(value)}
    if isinstance(value, np.ndarray | np.generic):
        return _clean(where, value.tolist(), digits, allow_nan)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.{digits}g}") + 0.0  # + 0.0: no negative zero
        if allow_nan:
            return None
        raise ValueError(f"{where} must be finite, got {value}")
    if isinstance(value, Sequence):
        return [_clean(f"{where}[{i}]", item, digits, allow_nan) for i, item in enumerate(value)]
    raise ValueError(f"{where} must be a number, a string, a list or a mapping of them, got {type(value).__name__}")
