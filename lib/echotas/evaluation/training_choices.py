"""What a choice in training or use is worth: the same network, steps and seed, one thing changed, tested on virtual patients.

Augmentation of the motion and start of the clips: the impartial-motion paper (SpeckNet). Frame skipping, forward and backward pairs,
composition: Evain et al. (c-PWC-Net). In both papers with data that nobody else has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from echotas.evaluation.tables import motion_errors
from echotas.evaluation.tracking import TRUE_START, starting_meshes
from echotas.geometry.mesh import mesh_uv
from echotas.records import check_spacing
from echotas.seeds import generator
from echotas.store import read_recording
from echotas.strain import longitudinal_strain
from echotas.trackers.registry import create, fitted_config
from echotas.training import AugmentConfig, ClipConfig, Fit, fit, load_sequence
from echotas.training.dataset import draw_clip

__all__ = ["CHOICES", "Choice", "choice_rows", "directions_of_motion", "train_choice"]


@dataclass(frozen=True)
class Choice:
    """One thing that differs between two trainings."""

    question: str
    """What is varied."""
    name: str
    """How, here."""
    tracker: str
    """Network that is trained, name in the registry."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the training, for `training.fit`."""
    use: Mapping[str, Any] = field(default_factory=dict)
    """Of the trained tracker in use, for `create`."""

    @property
    def folder(self) -> str:
        """Name of the training's folder."""
        return "-".join([self.tracker, *(f"{key}_{value}" for key, value in sorted(self.settings.items()))]).replace(
            " ", ""
        )


_AFFINE = {"rotation_deg": 120.0, "shear": 0.2, "flip": 0.5, "flip_depth": 0.5}
_PAIRS = {"lengths": (2,), "length_weights": (1.0,), "n_points": 180}
CHOICES = (
    Choice("augmentation of the motion", "small rotations, left-right flips", "specknet"),
    Choice("augmentation of the motion", "none", "specknet", {"rotation_deg": 0.0, "flip": 0.0, "stretch": 0.0}),
    Choice("augmentation of the motion", "affine: +-120 deg, shear, both flips", "specknet", _AFFINE),
    Choice("start of the training clips", "anywhere", "specknet", {"start_share": 0.0}),
    Choice("start of the training clips", "ES", "specknet", {"start_share": 1.0, "start_phase": "ES"}),
    Choice("start of the training clips", "ED", "specknet", {"start_share": 1.0, "start_phase": "ED"}),
    Choice("start of the training clips", "diastasis", "specknet", {"start_share": 1.0, "start_phase": "diastasis"}),
    Choice("pairs of frames", "up to 3 apart, both orders", "pwc_net", _PAIRS | {"max_skip": 3}),
    Choice("pairs of frames", "neighbours, both orders", "pwc_net", _PAIRS | {"max_skip": 1}),
    Choice("pairs of frames", "up to 3 apart, forwards alone", "pwc_net", _PAIRS | {"max_skip": 3, "both_ways": False}),
    Choice("steps in use", "flow there and back, composed", "pwc_net", _PAIRS | {"max_skip": 3}),
    Choice("steps in use", "flow there alone", "pwc_net", _PAIRS | {"max_skip": 3}, {"composed": False}),
)  # fmt: skip
"""The studies of both papers; one folder per training, which two choices of use may share."""


def train_choice(
    choice: Choice,
    seed: int,
    training: Sequence[Path],
    validation: Sequence[Path],
    out: Path,
    n_steps: int,
    settings: Mapping[str, Any],
    n_workers: int = 1,
    callback: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """Train one choice from random weights; a finished training in `out` is found again.

    Args:
        choice: What it has.
        seed: Of initial weights and clips.
        training: Simulated cines.
        validation: Of other patients.
        out: Folder for weights and checkpoints.
        n_steps: Optimiser steps.
        settings: Common settings of `training.fit`, but the learning rate, which is that of random weights, 0.001; those of the choice
            come on top.
        n_workers: Processes.
        callback: As in `training.fit`.
    """
    return fit(
        choice.tracker,
        training,
        validation,
        out,
        seed=seed,
        n_steps=n_steps,
        settings={**settings, "learning_rate": 1e-3, **choice.settings},
        checkpoints=out / "checkpoints",
        n_workers=n_workers,
        callback=callback,
    )


def choice_rows(
    paths: Iterable[Path], choice: Choice, folder: Path, mesh: Mapping[str, Any], n_jobs: int = 1
) -> pd.DataFrame:
    """Error of a trained choice, started from the true mesh at end-systole.

    Returns:
        One row per recording: recording, patient, view, mte_mm (all frames but the start), gls_error (end-systolic, tracked minus
        true, points of strain).
    """
    rows = Parallel(n_jobs)(delayed(_row)(path, choice, folder, mesh) for path in paths)
    return pd.DataFrame(rows).assign(question=choice.question, choice=choice.name)


def _row(path: Path, choice: Choice, folder: Path, mesh: Mapping[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(1)
    tracker = create(choice.tracker, **fitted_config(choice.tracker, folder), **choice.use)
    recording = read_recording(path)
    cine, truth = recording.cine, recording.mesh
    shape = truth.points_px.shape[1:3]
    start = starting_meshes(recording, **mesh)[TRUE_START]
    tracks = tracker.track(cine, start.mesh_px.reshape(-1, 2), start.frame, mesh_uv(*shape))
    line = tracks.points_px.reshape(truth.points_px.shape)[:, :, shape[1] // 2] * check_spacing(cine.spacing_mm)
    strain = longitudinal_strain(line, cine.ed_frame)[cine.es_frame]
    return {
        "recording": cine.recording_id,
        "patient": cine.patient_id,
        "view": cine.view.value,
        "mte_mm": motion_errors(tracks, shape, truth, cine.spacing_mm, cine.ed_frame)["mte_mm"],
        "gls_error": float(strain - recording.truth.global_percent[cine.es_frame]),
    }


def directions_of_motion(
    paths: Iterable[Path],
    augmentations: Mapping[str, Mapping[str, Any]],
    n_clips: int = 40,
    n_bins: int = 24,
    seed: int = 0,
) -> pd.DataFrame:
    """Which way the wall moves from frame to frame in training clips, by view.

    Args:
        paths: Simulated cines.
        augmentations: Name -> settings of `AugmentConfig`.
        n_clips: Drawn per cine.
        n_bins: Sectors of the circle.
        seed: Of the draws.

    Returns:
        Columns augmentation, view, angle_deg (middle of the sector; 0 to the image's right, 90 up) and share of the path length in
        that sector, adding up to 1 for each augmentation and view.
    """
    edges = np.linspace(-180, 180, n_bins + 1)
    sums: dict[tuple[str, str], np.ndarray] = {}
    clips = ClipConfig(lengths=(8,), length_weights=(1.0,))
    for path in paths:
        sequence, view = load_sequence(path), read_recording(path, images=False).cine.view.value
        for name, settings in augmentations.items():
            augment = AugmentConfig(**settings)
            rng = generator(seed, f"directions {path.stem}")  # the same clips for every augmentation
            for _ in range(n_clips):
                drawn = draw_clip(rng, [sequence], 8, clips, augment, (128, 112), 1.0)
                step = np.diff(drawn.points_px, axis=0).reshape(-1, 2)
                angle = np.degrees(np.arctan2(-step[:, 1], step[:, 0]))  # rows of the image run downwards
                share = np.histogram(angle, edges, weights=np.hypot(*step.T))[0]
                sums[name, view] = sums.get((name, view), 0) + share
    return pd.concat(
        [
            pd.DataFrame({"augmentation": name, "view": view, "angle_deg": (edges[:-1] + edges[1:]) / 2, "share": total / total.sum()})
            for (name, view), total in sums.items()
        ],
        ignore_index=True,
    )  # fmt: skip
