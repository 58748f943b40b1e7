"""Does a tracker know how far it is off? Strain errors beside the standard errors that its predicted point errors imply."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from echotas import seeds
from echotas.evaluation.tracking import TRUE_START
from echotas.metrics import cluster_bootstrap
from echotas.records import Mesh, check_spacing
from echotas.store import read_recording, read_tracks
from echotas.strain import longitudinal_strain, midwall_error_mm, segmental_strain, strain_error_percent
from echotas.strain.regional import segment_weights

__all__ = ["LEVELS", "coverage_summary", "interval_table"]

LEVELS = (0.5, 0.8, 0.95)
"""Nominal coverage of the intervals that are checked."""


def interval_table(paths: Iterable[Path], tracks: Path, trackers: Iterable[str]) -> pd.DataFrame:
    """End-systolic strain of trackers that predict their errors, tracked from the true mesh.

    Columns: tracker, recording, patient, stratum, what ("global" or "segment"), position (0..5; -1 for global), strain_es
    and true_strain_es (percent), error (strain - truth, points), predicted (standard error, points).
    Trackers without predicted errors are left out; empty, with these columns, if none is left.
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        cine, truth = recording.cine, recording.truth
        spacing = np.array(check_spacing(cine.spacing_mm))
        for tracker in trackers:
            named, attributes = read_tracks(tracks / tracker / path.parent.name / path.name)
            item, length = named[TRUE_START], attributes.get("error_length")
            if item.error_mm is None or length is None:
                continue
            shape = attributes["n_long"], attributes["n_rad"]
            line = Mesh(item.points_px.reshape(-1, *shape, 2)).midwall_px * spacing
            error = midwall_error_mm(item.error_mm, *shape)
            found = [longitudinal_strain(line, truth.ed_frame)[None], segmental_strain(line, truth.ed_frame)]
            true = [truth.global_percent[None], truth.segment_percent]
            shared = {
                "tracker": tracker,
                "recording": cine.recording_id,
                "patient": cine.patient_id,
                "stratum": cine.meta.get("stratum", "standard"),
            }
            for segments, measured, expected in zip((False, True), found, true, strict=True):
                weights = segment_weights(line, truth.ed_frame, None) if segments else None
                sd = strain_error_percent(line, error, truth.ed_frame, length, weights)[:, truth.es_frame]
                for position, values in enumerate(zip(measured, expected, sd, strict=True)):
                    strain, at_truth, predicted = values[0][truth.es_frame], values[1][truth.es_frame], values[2]
                    rows.append(
                        shared
                        | {"what": "segment" if segments else "global", "position": position if segments else -1}
                        | {"strain_es": strain, "true_strain_es": at_truth}
                        | {"error": strain - at_truth, "predicted": predicted}
                    )
    columns = [
        "tracker", "recording", "patient", "stratum", "what", "position", "strain_es", "true_strain_es", "error", "predicted",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def coverage_summary(
    table: pd.DataFrame, seed: int, n_resamples: int, levels: Sequence[float] = LEVELS
) -> pd.DataFrame:
    """How often the truth lies inside intervals of a nominal level.

    Args:
        table: Rows of `interval_table`.
        seed: Run seed.
        n_resamples: Resamples of patients.
        levels: Nominal levels.

    Returns:
        Index (tracker, what); for each level, in percent, covered_<level>, with `_low`, `_high` (95 %, patients resampled);
        predicted (mean half width of the widest level, points), rmse (root mean square error, points), n, n_patients.
    """
    rows = {}
    for key, group in table.groupby(["tracker", "what"], sort=False):
        row = {"n": len(group), "n_patients": group["patient"].nunique()}
        for level in levels:
            half = norm.ppf(0.5 + level / 2) * group["predicted"]
            inside = 100.0 * (group["error"].abs() <= half).to_numpy(dtype=float)
            name = f"covered_{round(100 * level)}"
            interval = cluster_bootstrap(
                inside, group["patient"].to_numpy(), np.mean, n_resamples, rng=seeds.generator(seed, "bootstrap", name)
            )
            row |= {name: interval.estimate, f"{name}_low": interval.ci_low, f"{name}_high": interval.ci_high}
        row["predicted"] = float(norm.ppf(0.5 + max(levels) / 2) * group["predicted"].mean())
        row["rmse"] = float(np.sqrt((group["error"] ** 2).mean()))
        rows[key] = row
    index = pd.MultiIndex.from_tuples(rows, names=["tracker", "what"]) if rows else None
    return pd.DataFrame(list(rows.values()), index=index)
