"""The suite's strain tables from tracked lines alone: no images, no truth, only lines, events and who read them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from echotas import seeds
from echotas.evaluation.summaries import mean_absolute, spread_of_difference
from echotas.geometry.segments import SEGMENTS
from echotas.metrics import bland_altman, cluster_bootstrap, icc_a1, mean_trajectory_error_mm
from echotas.readers.tracked_lines import TrackedLine
from echotas.strain import (
    compensate_point_drift,
    cycle_closure_mm,
    drift_percent,
    gls,
    line_length,
    longitudinal_strain,
    segmental_strain,
)

__all__ = ["against_reference", "between_readings", "line_errors", "line_strain", "segment_strain", "write_tables"]

KINDS = ("es", "peak_systolic", "peak")
IDENTITY = ["patient", "recording", "view", "method", "observer"]


def line_strain(lines: Iterable[TrackedLine], without_drift: bool = False) -> pd.DataFrame:
    """One row per line: GLS of the accepted segments, its kinds and times, length and drift.

    Args:
        lines: Tracked lines.
        without_drift: Take each point's linear drift over the recording away first; `drift_percent` and `closure_mm` are always
            those before.

    Returns:
        Identity, n_frames, n_points, n_accepted, length_ed_mm (whole line), gls_es, gls_peak_systolic, gls_peak (percent,
        negative = shortening; NaN if no segment is accepted), peak_s (time of the peak after ED), drift_percent,
        closure_mm and drift_removed.
    """
    rows = []
    for line in lines:
        points = compensate_point_drift(line.line_mm, line.ed_frame).values if without_drift else line.line_mm
        row = _identity(line) | {
            "n_frames": len(points),
            "n_points": points.shape[1],
            "n_accepted": int(line.accepted.sum()),
            "length_ed_mm": float(line_length(line.line_mm[line.ed_frame])),
        }
        row |= {f"gls_{kind}": float("nan") for kind in KINDS} | {"peak_s": float("nan"), "drift_percent": float("nan")}
        if line.accepted.any():
            values = gls(longitudinal_strain(points, line.ed_frame, None, line.accepted), line.ed_frame, line.es_frame)
            row |= {f"gls_{kind}": getattr(values, f"{kind}_percent") for kind in KINDS}
            row["peak_s"] = float(line.times_s[values.peak_frame] - line.times_s[line.ed_frame])
            raw = longitudinal_strain(line.line_mm, line.ed_frame, None, line.accepted)
            row["drift_percent"] = drift_percent(raw, line.ed_frame)
        rows.append(row | {"closure_mm": cycle_closure_mm(line.line_mm, line.ed_frame), "drift_removed": without_drift})
    return pd.DataFrame(rows)


def segment_strain(lines: Iterable[TrackedLine], without_drift: bool = False) -> pd.DataFrame:
    """Six rows per line: end-systolic and lowest strain of each segment (six equal arcs at ED), rejected ones marked."""
    rows = []
    for line in lines:
        points = compensate_point_drift(line.line_mm, line.ed_frame).values if without_drift else line.line_mm
        curves = segmental_strain(points, line.ed_frame)
        for position, name in enumerate(SEGMENTS[line.view]):
            curve = curves[position]
            lowest = line.ed_frame + int(curve[line.ed_frame :].argmin())
            rows.append(
                _identity(line)
                | {"segment": name, "position": position, "accepted": bool(line.accepted[position])}
                | {"strain_es": curve[line.es_frame], "strain_peak": curve[lowest]}
                | {"peak_s": float(line.times_s[lowest] - line.times_s[line.ed_frame])}
            )
    return pd.DataFrame(rows)


def against_reference(
    table: pd.DataFrame, reference: str = "reader", kind: str = "es", seed: int = 0, n_resamples: int = 5000
) -> pd.DataFrame:
    """Each method against the reference, on lines of one recording and observer (or any observer, if none is shared).

    Bias, MAE and SD of the difference over lines with intervals from resampled patients; limits of agreement and
    ICC(A,1) of the patients' means, one value per patient.

    Args:
        table: From `line_strain`.
        reference: Method that the others are compared with.
        kind: "es", "peak_systolic" or "peak".
        seed: Seed of the resamples.
        n_resamples: Resamples.

    Returns:
        Index method; empty if there is nothing to compare. NaN where one patient or identical values define nothing.

    Raises:
        ValueError: No line of the reference.
    """
    value = f"gls_{kind}"
    table = table.dropna(subset=[value])
    if reference not in set(table["method"]):
        raise ValueError(f"reference must be one of {sorted(set(table['method']))}, got {reference!r}")
    rows = {}
    for method in dict.fromkeys(table["method"]):
        if method == reference:
            continue
        pairs = _pairs(table[table["method"] == method], table[table["method"] == reference], value)
        if len(pairs):
            rows[method] = _agreement(pairs, seed, n_resamples)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def between_readings(
    table: pd.DataFrame, kind: str = "es", seed: int = 0, n_resamples: int = 5000
) -> dict[str, pd.DataFrame]:
    """How well each method repeats: "observers" (one recording, two observers) and "test_retest" (two recordings of one patient
    and view; the first by the first observer, the second by the second where there are two).

    A method that repeats well need not be right: read it beside `against_reference`, and beside the ICC.
    """
    value, found = f"gls_{kind}", {"observers": [], "test_retest": []}
    for (method, patient, view), group in table.dropna(subset=[value]).groupby(
        ["method", "patient", "view"], sort=False
    ):
        cell = group.set_index(["recording", "observer"])[value]
        recordings, observers = sorted(group["recording"].unique()), sorted(group["observer"].unique())
        for recording in recordings:
            readers = [name for name in observers if (recording, name) in cell.index]
            if len(readers) > 1:
                pair = [cell.loc[(recording, name)] for name in readers[:2]]
                found["observers"].append((method, patient, view, *pair))
        keys = [(recordings[0], observers[0]), (recordings[-1], observers[-1])]
        if len(recordings) > 1 and all(key in cell.index for key in keys):
            found["test_retest"].append((method, patient, view, *(cell.loc[key] for key in keys)))
    result = {}
    for name, rows in found.items():
        pairs = pd.DataFrame(rows, columns=["method", "patient", "view", "reference", "value"])
        result[name] = pd.DataFrame.from_dict(
            {method: _agreement(part, seed, n_resamples) for method, part in pairs.groupby("method", sort=False)},
            orient="index",
        ).rename_axis("method")
    return result


def line_errors(lines: Iterable[TrackedLine], reference: str = "reader") -> pd.DataFrame:
    """Mean distance in mm of each line to the reference's line of the same recording and observer, point by point.

    Only for lines that hold the same points in the same frames (a tracker started from the reference's line); others
    have no such number. The frame in which they agree exactly, the start, counts like every other.
    """
    lines = list(lines)
    references = {(line.recording, line.view, line.observer): line for line in lines if line.method == reference}
    rows = []
    for line in lines:
        truth = references.get((line.recording, line.view, line.observer))
        if line.method == reference or truth is None or truth.line_mm.shape != line.line_mm.shape:
            continue
        rows.append(_identity(line) | {"error_mm": mean_trajectory_error_mm(line.line_mm, truth.line_mm, (1.0, 1.0))})
    return pd.DataFrame(rows, columns=[*IDENTITY, "error_mm"])


def write_tables(
    lines: list[TrackedLine],
    left_out: dict[str, str],
    folder: str | Path,
    reference: str = "reader",
    kind: str = "es",
    without_drift: bool = False,
    seed: int = 0,
    n_resamples: int = 5000,
) -> Path:
    """All tables as CSV and one page, `summary.md`, in a folder.

    Args:
        lines: Tracked lines.
        left_out: Reasons for lines that are missing, by name.
        folder: Made if missing.
        reference: As in `against_reference`; without lines of it there is no comparison.
        kind: Which GLS is compared.
        without_drift: As in `line_strain`.
        seed: Seed of the resamples.
        n_resamples: Resamples.

    Returns:
        The page.

    Raises:
        ValueError: No line is left.
    """
    if not lines:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ValueError(f"lines must hold at least one usable line, got none ({reasons or 'the file is empty'})")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    strain = line_strain(lines, without_drift)
    tables = {
        "strain": strain,
        "segments": segment_strain(lines, without_drift),
        "errors": line_errors(lines, reference),
        "left_out": pd.DataFrame(left_out.items(), columns=["line", "why"]),
    }
    has_reference = reference in set(strain.dropna(subset=[f"gls_{kind}"])["method"])
    compared = (
        {f"against_{reference}": against_reference(strain, reference, kind, seed, n_resamples)} if has_reference else {}
    )
    compared |= between_readings(strain, kind, seed, n_resamples)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f")
    for name, table in compared.items():
        table.to_csv(folder / f"{name}.csv", float_format="%.4f")
    page = folder / "summary.md"
    page.write_text(_page(tables, compared, reference, kind, without_drift, n_resamples))
    return page


def _identity(line: TrackedLine) -> dict[str, str]:
    return {name: getattr(line, name) for name in IDENTITY}


def _pairs(values: pd.DataFrame, references: pd.DataFrame, value: str) -> pd.DataFrame:
    """Columns patient, value, reference: by recording, view and observer, or without the observer where none is shared."""
    keys = ["patient", "recording", "view"]
    shared = set(values["observer"]) & set(references["observer"])
    keys += ["observer"] if shared else []
    columns = [*keys, value]
    merged = values[columns].merge(references[columns], on=keys, suffixes=("", "_reference"))
    return merged.rename(columns={value: "value", f"{value}_reference": "reference"})


def _agreement(pairs: pd.DataFrame, seed: int, n_resamples: int) -> dict[str, float]:
    """Statistics of value - reference; patients are the unit of intervals, limits and ICC."""
    difference = (pairs["value"] - pairs["reference"]).to_numpy(dtype=float)
    row: dict[str, float] = {"n_patients": pairs["patient"].nunique(), "n_lines": len(pairs)}
    for name, statistic in (("bias", np.mean), ("mae", mean_absolute), ("sd", spread_of_difference)):
        interval = cluster_bootstrap(
            difference,
            pairs["patient"].to_numpy(),
            statistic,
            n_resamples,
            rng=seeds.generator(seed, "bootstrap", name),
        )
        row |= {name: interval.estimate, f"{name}_low": interval.ci_low, f"{name}_high": interval.ci_high}
    means = pairs.groupby("patient", sort=True)[["value", "reference"]].mean()
    limits = bland_altman(means["value"].to_numpy(), means["reference"].to_numpy())
    icc = icc_a1(means.to_numpy())
    return row | {
        "loa_low": limits.loa_low,
        "loa_high": limits.loa_high,
        "icc": icc.icc,
        "icc_low": icc.ci_low,
        "icc_high": icc.ci_high,
    }


def _page(
    tables: dict[str, pd.DataFrame],
    compared: dict[str, pd.DataFrame],
    reference: str,
    kind: str,
    without_drift: bool,
    n_resamples: int,
) -> str:
    strain = tables["strain"]
    parts = [
        "# Strain from tracked lines",
        "",
        "Research use only. No image was seen: these numbers describe the lines, not the hearts.",
        "",
        f"Lines: {len(strain)}; patients: {strain['patient'].nunique()}; lines left out: {len(tables['left_out'])}. "
        f"GLS: {kind.replace('_', ' ')}, of accepted segments; drift "
        f"{'taken away point by point' if without_drift else 'reported, not removed'}. "
        f"Intervals: 95 %, {n_resamples} resamples of patients; limits and ICC(A,1): one mean per patient.",
    ]
    by_method = strain.groupby("method", sort=False)
    overview = pd.DataFrame(
        {
            "lines": by_method.size(),
            "patients": by_method["patient"].nunique(),
            "GLS (%)": by_method[f"gls_{kind}"].mean().map(_number),
            "drift (points)": by_method["drift_percent"].mean().map(_number),
            "rejected segments": by_method["n_accepted"].apply(lambda n: int((6 - n).sum())),
        }
    )
    if len(tables["errors"]):
        overview["distance (mm)"] = (
            tables["errors"].groupby("method")["error_mm"].mean().reindex(overview.index).map(_number)
        )
    parts += ["", "## Methods", "", _markdown(overview)]
    titles = {
        f"against_{reference}": f"## Against {reference} (points of strain)",
        "observers": "## Two observers, one recording (points of strain)",
        "test_retest": "## Two recordings of one patient (points of strain)",
    }
    for name, table in compared.items():
        if len(table):
            shown = pd.DataFrame(
                {
                    "patients": table["n_patients"],
                    "lines": table["n_lines"],
                    **{
                        column: [
                            f"{_number(row[column])} [{_number(row[f'{column}_low'])}, {_number(row[f'{column}_high'])}]"
                            for _, row in table.iterrows()
                        ]
                        for column in ("bias", "mae", "sd", "icc")
                    },
                    "limits of agreement": [
                        f"{_number(row['loa_low'])} to {_number(row['loa_high'])}" for _, row in table.iterrows()
                    ],
                }
            )
            parts += ["", titles[name], "", _markdown(shown)]
    if len(tables["left_out"]):
        parts += ["", "## Left out", "", _markdown(tables["left_out"].set_index("line"))]
    return "\n".join(parts) + "\n"


def _number(value: float) -> str:
    """Two decimals; a dash where nothing is defined."""
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _markdown(table: pd.DataFrame) -> str:
    head = [table.index.name or "", *map(str, table.columns)]
    rows = [[str(index), *map(str, row)] for index, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(
        ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
        + ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    )
