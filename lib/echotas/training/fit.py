"""Fit any tracker that learns, from recording files to a folder that `fitted_config` understands."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from echotas.store import read_recording
from echotas.trackers.blocks.point_network import Grid
from echotas.trackers.mean_motion import fit_mean_motion
from echotas.trackers.registry import OPTIONAL, PEERS, class_of, fitted_file
from echotas.trackers.tas_net import TasNetConfig
from echotas.training.augment import AugmentConfig
from echotas.training.dataset import ClipConfig, load_sequence
from echotas.training.loop import Callback, LoopConfig, OtherTraining, TrainResult
from echotas.training.point_networks import PointTrainConfig, train_point_network
from echotas.training.processes import is_main_process
from echotas.training.session import OnValidation, SessionConfig
from echotas.training.tas_net import TrainConfig, train

__all__ = ["Fit", "FitRequest", "fit", "split_patients"]


@dataclass(frozen=True)
class Fit:
    """What a fit leaves."""

    path: Path
    """The fitted file."""
    curve: pd.DataFrame
    """Training and validation values by step; empty for a tracker without a loss."""
    n_steps: int
    """Optimiser steps made; 0 for a closed form."""
    seconds: float
    """Wall-clock time of the whole training, all resumed parts together; not for reports, it differs from run to run."""
    waiting_share: float = 0.0
    """Share of the time since the start or the last resumption in which training waited for its clips; 0 without a loop."""


def split_patients(paths: Sequence[Path], n_validation: int) -> tuple[list[Path], list[Path]]:
    """Recording files for training and for validation, split by patient.

    The last `n_validation` patients (in order of their names) validate: more patients extend the list at its end, and
    a file's patient is read from the file.

    Raises:
        ValueError: No patient would be left for training.
    """
    patients = {path: read_recording(path, images=False).cine.patient_id for path in paths}
    names = sorted(set(patients.values()))
    if not 0 <= n_validation < len(names):
        raise ValueError(f"n_validation must be in 0..{len(names) - 1} for {len(names)} patients, got {n_validation}")
    held_out = set(names[len(names) - n_validation :])
    return [p for p in paths if patients[p] not in held_out], [p for p in paths if patients[p] in held_out]


@dataclass(frozen=True)
class FitRequest:
    """What to fit to what."""

    training: Sequence[Path]
    """Recording files."""
    validation: Sequence[Path]
    """Recording files of other patients."""
    out: Path
    """Folder for the fitted file and `curve.csv`; its bytes depend on data, settings and seed only."""
    seed: int = 0
    """Run seed."""
    n_steps: int = 0
    """Optimiser steps."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `LoopConfig`, `ClipConfig`, `AugmentConfig` and `TrainConfig` by name; defaults where left out."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Sizes of the network, keys of its configuration; of a peer also those of `Grid`."""
    initial: str | Path | None = None
    """Fitted file to go on from."""
    checkpoints: Path | None = None
    """Folder for the resumable state; `out` if None. The state of another training is discarded."""
    callback: Callback | None = None
    """Called with (steps made, values)."""
    n_workers: int = 1
    """Processes that share the clips of a step, or draw them for a GPU; the result does not depend on it."""
    on_validation: OnValidation | None = None
    """Called with (steps made, validation cine, its tracks), e.g. to draw them."""


def fit(
    tracker: str, training: Sequence[Path], validation: Sequence[Path], out: str | Path, **request: Any
) -> Fit:  # fmt: skip
    """Fit a tracker to recordings with their meshes.

    Args:
        tracker: Name in the registry.
        training: Recording files.
        validation: Recording files of other patients.
        out: Folder for the fitted file and `curve.csv`.
        request: What else a `FitRequest` holds.

    Raises:
        ValueError: The tracker does not learn, or a setting is unknown; the message names it.
    """
    if tracker not in _FITTERS:
        raise ValueError(f"tracker must be one that learns ({', '.join(_FITTERS)}), got {tracker!r}")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    result = _FITTERS[tracker](FitRequest(list(training), list(validation), out, **request))
    shown = result.curve.drop(columns=["seconds"], errors="ignore")
    if is_main_process():
        shown.round(6).to_csv(out / "curve.csv", index=False)
    return result


def _fit_mean_motion(request: FitRequest) -> Fit:
    recordings = (read_recording(path) for path in request.training)
    path = request.out / fitted_file("mean_motion")
    fit_mean_motion(((item.cine, item.mesh) for item in recordings), path)
    return Fit(path, pd.DataFrame(), 0, 0.0)


def _fit_tas_net(request: FitRequest) -> Fit:
    model = TasNetConfig(**_distribute(request.model, (TasNetConfig,))[0])
    return _fit_network(request, train, _settings(request, TrainConfig, model=model), fitted_file("tas_net"))


def _fit_peer(tracker: str, request: FitRequest) -> Fit:
    member = class_of(tracker)
    given = dict(request.model)
    size = {"size": given.pop("size")} if "size" in given else {}
    grid, model = _distribute(given, (Grid, member.config_class))
    config = _settings(request, PointTrainConfig, model=size | model, grid=Grid(**grid))
    return _fit_network(request, partial(train_point_network, member), config, fitted_file(tracker))


def _settings(request: FitRequest, kind: type[SessionConfig], **own: Any) -> SessionConfig:
    """The settings of a training, from the plain ones of the request."""
    loop, clips, augment, rest = _distribute(request.settings, (LoopConfig, ClipConfig, AugmentConfig, kind))
    return kind(
        seed=request.seed,
        loop=LoopConfig(**loop, n_steps=request.n_steps),
        clips=ClipConfig(**clips),
        augment=AugmentConfig(**augment),
        **own,
        **rest,
    )


def _fit_network(request: FitRequest, train: Callable[..., TrainResult], config: SessionConfig, name: str) -> Fit:
    """Train and leave the weights under `name`."""
    sequences = [[load_sequence(path) for path in paths] for paths in (request.training, request.validation)]
    checkpoints = Path(request.checkpoints or request.out)
    run = partial(
        train, config, *sequences, checkpoints, request.initial, request.callback, request.n_workers, request.on_validation
    )  # fmt: skip
    try:
        result = run()
    except OtherTraining:
        shutil.rmtree(checkpoints)  # the state of other data or settings is of no use to anyone
        result = run()
    path = request.out / name
    if is_main_process():
        shutil.copyfile(result.weights_path, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
    return Fit(path, result.curve, result.n_steps, result.seconds, result.waiting_share)


def _distribute(settings: Mapping[str, Any], kinds: Sequence[type]) -> list[dict[str, Any]]:
    """Each setting to the first of the settings classes that has a field of its name; lists become tuples."""
    known = [[item.name for item in fields(kind)] for kind in kinds]
    parts: list[dict[str, Any]] = [{} for _ in kinds]
    for name, value in settings.items():
        owners = [index for index, names in enumerate(known) if name in names]
        if not owners:
            names = ", ".join(sorted({name for group in known for name in group}))
            raise ValueError(f"settings must be of {names}, got {name!r}")
        parts[owners[0]][name] = tuple(value) if isinstance(value, list) else value
    return parts


_FITTERS: dict[str, Callable[[FitRequest], Fit]] = {
    "mean_motion": _fit_mean_motion,
    "tas_net": _fit_tas_net,
    **{name: partial(_fit_peer, name) for name in (*PEERS, *OPTIONAL)},
}
