"""What the ± beside a strain is worth: one wording for notebook, page and command line, and what was measured of it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["HALF_WIDTH_95", "PLUS_MINUS", "measured_on_virtual_patients"]

HALF_WIDTH_95 = 1.96
"""Half width of a normal 95 % interval, in standard errors."""
PLUS_MINUS = "± is the tracker's own estimate of its error (95 %); how often it held on virtual patients: notebook 31"


def measured_on_virtual_patients(metrics: Mapping[str, Any] | None, tracker: str) -> str:
    """How often a tracker's 95 % intervals on GLS held the truth, and its bias, as sentences.

    Args:
        metrics: `reports/metrics/31_global_strain.json` as read; None if notebook 31 has not run.
        tracker: Name of the tracker.

    Returns:
        What was measured, or that it was not: never a promise for the cine at hand.
    """
    metrics = metrics or {}
    bias = _row(metrics, "gls_es_against_truth", tracker)
    if bias is None:
        return f"How far {tracker} is off on virtual patients is not measured here: see notebook 31."
    found = (
        f"{tracker} on virtual patients (notebook 31, {metrics.get('n_recordings', '?')} recordings of "
        f"{metrics.get('n_patients', '?')} patients): mean error of GLS from the true line {_bias(bias)}"
    )
    in_use = _row(metrics, "gls_es_from_observers_against_truth", tracker)
    if in_use is not None:
        found += f", from simulated observers' lines {_bias(in_use)}"
    found += "; + is too little shortening."
    covered = (_row(metrics, "coverage", f"{tracker}_global") or {}).get("covered_95")
    if covered is None:
        return f"{found} How often its ± holds is not measured."
    return f"{found} Its 95 % intervals on GLS held the truth in {covered:.0f} %."


def _row(metrics: Mapping[str, Any], table: str, name: str) -> Mapping[str, Any] | None:
    return (metrics.get(table) or {}).get(name)


def _bias(row: Mapping[str, Any]) -> str:
    """Bias with its interval, points; the file holds null where an interval cannot be drawn from so few patients."""
    low, high = row.get("bias_low"), row.get("bias_high")
    interval = "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"
    return f"{row['bias']:+.1f}{interval} points"
