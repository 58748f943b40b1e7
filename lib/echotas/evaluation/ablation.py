"""What each of TAS-Net's changes buys, the paper's three (its Table II) and our two: one training with and without, several seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from echotas.evaluation.tables import gls_columns, motion_errors
from echotas.geometry.mesh import mesh_uv
from echotas.records import check_spacing
from echotas.store import read_recording
from echotas.strain import longitudinal_strain
from echotas.trackers.registry import create, fitted_config, fitted_file
from echotas.trackers.tas_net import TasNet, TasNetConfig, load_weights, save_weights
from echotas.training.fit import Fit, fit

__all__ = [
    "VARIANTS",
    "Variant",
    "ablation_rows",
    "ablation_summary",
    "before_the_engine",
    "stage_rows",
    "starting_file",
    "train_variant",
]

N_ITERATIONS = 3
"""Refinements per window in every variant, in training and use: those whose points begin still need more than TAS-Net does."""


@dataclass(frozen=True)
class Variant:
    """Which changes to CoTracker a training has."""

    bidirectional: bool
    """Windows both ways from end-systole, half of the training clips from there; else forwards only, tested from the first frame."""
    visibility: bool
    """Visibility trained on the speckle correlation; else not trained."""
    mesh: bool
    """Embedding of the place in the mesh."""
    lucas_kanade: bool = False
    """Iterations begin with the steps of smoothed Lucas-Kanade; ours."""
    smooth: bool = False
    """The mesh smoothed, more where it would fold, after tracking; ours."""

    @property
    def name(self) -> str:
        """What it has, in words."""
        words = ("bi-window", "visibility", "mesh", "Lucas-Kanade start", "smooth mesh")
        switches = (self.bidirectional, self.visibility, self.mesh, self.lucas_kanade, self.smooth)
        return " + ".join(word for word, on in zip(words, switches, strict=True) if on) or "CoTracker v1"

    @property
    def trained(self) -> "Variant":
        """The variant whose training this one uses: smoothing needs none of its own."""
        return replace(self, smooth=False)

    @property
    def model(self) -> dict[str, Any]:
        """Choices of the network."""
        return {"mesh_embedding": self.mesh, "begin_with": "lucas_kanade" if self.lucas_kanade else "still"}

    @property
    def settings(self) -> dict[str, Any]:
        """Of the training, for `training.fit`."""
        return {
            "start_share": 0.5 if self.bidirectional else 0.0,
            "both_ways": self.bidirectional,
            "visibility_weight": 1.0 if self.visibility else 0.0,
            "n_iterations": N_ITERATIONS,
        }


VARIANTS = (
    Variant(False, False, False),
    Variant(True, False, False),
    Variant(True, True, False),
    Variant(True, True, True),
    Variant(True, True, True, lucas_kanade=True),
    Variant(True, True, True, lucas_kanade=True, smooth=True),
)
"""The four rows of the paper's table, in its order, and two of ours."""


def starting_file(source: Path, variant: Variant, path: Path) -> Path:
    """Weights of `source` without what the variant does not have, written to `path`.

    The mesh embedding of the source is left out, not replaced: the rest has learned beside it.
    """
    full = load_weights(source)
    if variant.mesh:
        return source
    network = TasNet(replace(full.config, mesh_embedding=False))
    kept = {name: value for name, value in full.state_dict().items() if not name.startswith("mesh_embedding.")}
    network.load_state_dict(kept)
    network.n_steps = full.n_steps
    return save_weights(network, path)


def before_the_engine(source: Path, folder: Path) -> Path:
    """Folder with the weights that the data engine starts from, with the network's default choices, as its stages have them."""
    save_weights(load_weights(source, TasNetConfig()), folder / fitted_file("tas_net"))
    return folder


def train_variant(
    variant: Variant,
    seed: int,
    training: Sequence[Path],
    validation: Sequence[Path],
    start: Path,
    out: Path,
    n_steps: int,
    settings: Mapping[str, Any],
    n_workers: int = 1,
    callback: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """Train one variant with one seed; a finished training in `out` is found again.

    Args:
        variant: What it has.
        seed: Of the clips.
        training: Simulated cines.
        validation: Of other patients.
        start: Weights that all variants begin with.
        out: Folder for the weights and the checkpoints.
        n_steps: Optimiser steps.
        settings: Common settings of `training.fit`; the variant's come on top.
        n_workers: Processes.
        callback: As in `training.fit`.
    """
    torch.manual_seed(seed)
    return fit(
        "tas_net",
        training,
        validation,
        out,
        seed=seed,
        n_steps=n_steps,
        settings={**settings, **variant.settings},
        model=variant.model,
        initial=starting_file(start, variant, out / "start.safetensors"),
        checkpoints=out / "checkpoints",
        n_workers=n_workers,
        callback=callback,
    )


def ablation_rows(paths: Iterable[Path], variant: Variant, folder: Path, n_jobs: int = 1) -> pd.DataFrame:
    """Error of a trained variant on recordings with a true mesh.

    It starts from the true mesh at end-systole, or in the first frame without the bi-window, as CoTracker does.

    Returns:
        One row per recording: recording, patient, mte_mm (all frames but the start), gls_error_percent (absolute,
        end-systolic), folds (any triangle against the start).
    """
    return pd.DataFrame(Parallel(n_jobs)(delayed(_row)(path, variant, folder) for path in paths))


def _row(path: Path, variant: Variant, folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)  # a network tracks as fast on one, and recordings share the cores
    smoothing = {} if variant.smooth else {"smoothing_mm": 0.0}
    tracker = create("tas_net", **fitted_config("tas_net", folder), n_iterations=N_ITERATIONS, **smoothing)
    recording = read_recording(path)
    cine, mesh = recording.cine, recording.mesh
    n_long, n_rad = mesh.points_px.shape[1:3]
    start = cine.es_frame if variant.bidirectional else 0
    limit = [cine.frames.shape[2] - 1, cine.frames.shape[1] - 1]
    query = np.clip(mesh.points_px[start].reshape(-1, 2), 0, limit)
    tracks = tracker.track(cine, query, start, mesh_uv(n_long, n_rad))
    errors = motion_errors(tracks, (n_long, n_rad), mesh, cine.spacing_mm, cine.ed_frame)
    line = tracks.points_px.reshape(mesh.points_px.shape)[:, :, n_rad // 2] * check_spacing(cine.spacing_mm)
    measured = gls_columns(longitudinal_strain(line, cine.ed_frame), cine.ed_frame, cine.es_frame)["gls_es"]
    return {
        "recording": cine.recording_id,
        "patient": cine.patient_id,
        "mte_mm": errors["mte_mm"],
        "gls_error_percent": abs(measured - float(recording.truth.global_percent[cine.es_frame])),
        "folds": errors["folds"],
    }


def stage_rows(paths: Sequence[Path], folders: Mapping[str, Path], n_jobs: int = 1) -> pd.DataFrame:
    """Error of the weights that each stage of the data engine has left, all used as the last variant is.

    Args:
        paths: Recordings with a true mesh.
        folders: By stage: where `training.fit` left its weights.
        n_jobs: Processes.

    Returns:
        Rows of `ablation_rows` with the column variant, the stage, and seed 0.
    """
    parts = [
        ablation_rows(paths, VARIANTS[-1], folder, n_jobs).assign(variant=name) for name, folder in folders.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(seed=0)


def ablation_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD over seeds of each variant's mean over recordings.

    Args:
        table: Rows of `ablation_rows` with the columns variant and seed.

    Returns:
        Index variant in order of appearance; for mte_mm, gls_error_percent and folds_percent the mean and `_sd` (ddof 1; NaN
        for one seed), and n_seeds.
    """
    by_seed = (
        table.assign(folds_percent=100.0 * table["folds"])
        .groupby(["variant", "seed"], sort=False)[["mte_mm", "gls_error_percent", "folds_percent"]]
        .mean()
    )
    grouped = by_seed.groupby("variant", sort=False)
    return pd.concat([grouped.mean(), grouped.std().add_suffix("_sd"), grouped.size().rename("n_seeds")], axis=1)
