"""Rows of the leaderboard, from the numbers that the results notebooks recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from echotas.report.tables import Column

__all__ = ["COLUMNS", "CONTROLS", "leaderboard_rows"]

CONTROLS = ("frozen", "mean_motion", "oracle")
"""Rows that are no trackers: no motion, the average patient's motion, the truth itself."""

COLUMNS = (
    Column("mte_mm", "mean error (mm)"),
    Column("folds_percent", "recordings with folds (%)", digits=0),
    Column("gls_bias", "GLS bias (points)", best="zero"),
    Column("gls_mae", "GLS MAE (points)"),
    Column("gls_mae_observer", "GLS MAE from observers' lines (points)"),
    Column("segment_mae", "segment MAE (points)"),
    Column("retest_sd", "GLS test-retest SD (points)", best=None),
    Column("ms_per_frame", "ms per frame", digits=1, best=None),
    Column("n_parameters", "parameters", digits=0, best=None),
    Column("n_steps", "training steps", digits=0, best=None),
)


def leaderboard_rows(
    names: Sequence[str], metrics: Mapping[str, Mapping[str, Any]], tracked: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One mapping per tracker for `report.leaderboard_markdown`, each name linked to its executed notebook.

    Args:
        names: Row names.
        metrics: Recorded numbers of 30_motion, 31_global_strain, 32_regional_strain and 40_speed, by notebook.
        tracked: Recorded numbers of 20_track by row name.

    Raises:
        ValueError: A tracker has no motion or strain result.
    """
    motion = metrics["30_motion"]["trackers"]
    strain = metrics["31_global_strain"]["gls_es_against_truth"]
    from_observers = metrics["31_global_strain"].get("gls_es_from_observers_against_truth", {})
    retest = metrics["31_global_strain"].get("test_retest", {})
    segments = metrics["32_regional_strain"]["segment_strain_es_against_truth"]
    speed = metrics["40_speed"]["trackers"]
    missing = [name for name in names if name not in motion or name not in strain or name not in segments]
    if missing:
        raise ValueError(f"names must all have recorded results, got none for {', '.join(missing)}")
    return [
        {
            "tracker": f"[{name}](reports/20_track-{name}.ipynb)",
            "name": name,
            "control": name in CONTROLS,
            "uses_truth": name == "oracle",
            "n": metrics["30_motion"]["n_patients"],
            **_with_limits("mte_mm", motion[name], "mte_mm"),
            "folds_percent": motion[name]["folds_percent"],
            **_with_limits("gls_bias", strain[name], "bias"),
            **_with_limits("gls_mae", strain[name], "mae"),
            **_with_limits("gls_mae_observer", from_observers.get(name, {}), "mae"),
            **_with_limits("segment_mae", segments[name], "mae"),
            **_with_limits("retest_sd", retest.get(name, {}), "sd"),
            "ms_per_frame": speed.get(name, {}).get("ms_per_frame"),
            "n_parameters": tracked.get(name, {}).get("n_parameters", 0),
            "n_steps": tracked.get(name, {}).get("n_steps", 0),
        }
        for name in names
    ]


def _with_limits(key: str, values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """`key`, `key_low`, `key_high` from `source`, `source_low`, `source_high`; None stays None."""
    return {f"{key}{end}": values.get(f"{source}{end}") for end in ("", "_low", "_high")}
