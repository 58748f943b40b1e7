"""Train the weights that come with the package: a larger data engine, longer than any notebook runs.

    python -m echotas.pipeline.released_weights weights.safetensors

Template patients of a seed of their own, and rounds: motion of the templates -> each simulated by S1, S2 or S3 in turn -> training
from the weights of the round before. The first round, by smoothed Lucas-Kanade, is long; then come the paper's rounds, motion from
masks and motion tracked by the network of the round before. No true motion enters here: a laboratory with real templates could do
the same. It enters at the end, when the predicted errors are scaled on the template cines of further patients. Resumes when
stopped; the file is written in half precision, with a card of how it was made. On several devices:
`torchrun --nproc-per-node N -m echotas.pipeline.released_weights ...`.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from echotas.engine import motion_from_masks, simulate_template, track_template
from echotas.phantom.cohort import PhantomSettings, plan
from echotas.pipeline import paths
from echotas.pipeline.default_data import build_file
from echotas.pipeline.parallel import map_items
from echotas.simulation import SimulationConfig
from echotas.simulation.config import STRATEGIES
from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.trackers.tas_net import load_weights, save_weights
from echotas.training.calibration import calibrate
from echotas.training.dataset import load_sequence
from echotas.training.fit import fit, split_patients
from echotas.training.processes import is_main_process, wait_for_all

__all__ = ["ROUNDS", "SEED", "Round", "main", "release", "say", "simulated_cines", "template_patients"]

SEED = 20_000
"""Seed of the template patients: no profile uses it, so no patient of a benchmark is among them."""
MESH = (36, 5)
SETTINGS = {
    "lengths": (8, 12, 16),
    "length_weights": (0.6, 0.25, 0.15),
    "max_skip": 2,
    "n_iterations": 3,
    "sway_mm": 5.0,
    "sway_deg": 6.0,
    "sway_stretch": 0.06,
    "validate_every": 1000,
    "checkpoint_every": 250,
    "report_every": 50,
}
"""Of the training; what is left out takes the defaults of `training`."""


class Round(NamedTuple):
    """Motion of the templates, simulations with it, training on them."""

    motion: str
    """`masks`, a tracker that needs no training, or `network`: the one that the round before has trained."""
    n_steps: int
    """Optimiser steps."""
    learning_rate: float
    """Peak of the schedule."""


ROUNDS = (Round("lucas_kanade_mesh", 6000, 1e-3), Round("masks", 500, 5e-4), Round("network", 2000, 5e-4))
"""Smoothed Lucas-Kanade under-estimates shortening and masks over-estimate it; the last round is near the truth (03)."""


def template_patients(folder: Path, n_patients: int, seed: int = SEED) -> list[Path]:
    """Files of the template cines, one for each of the two views of a patient, made where missing."""
    settings = PhantomSettings()
    return map_items(
        partial(build_file, settings=settings, cache_dir=paths.work() / "response"),
        plan("templates", n_patients, seed),
        out_path_of=lambda item: folder / f"{item.recording_id}.h5",
        key_of=lambda item: {"plan": repr(item), "settings": repr(settings)},
        label="template patients",
    ).paths


def simulated_cines(
    templates: Sequence[Path], folder: Path, motion: str, weights: Path, seed: int = SEED
) -> list[Path]:  # fmt: skip
    """Files of the simulations of the templates with their motion by `motion` (see `Round`), made where missing."""
    tracker, config = (None, {}) if motion == "masks" else (motion, {})
    if motion == "network":
        tracker, config = "tas_net", {"weights": str(weights)}
    follow = partial(track_template, tracker=tracker, config=config) if tracker else motion_from_masks
    moved = map_items(
        partial(follow, n_long=MESH[0], n_rad=MESH[1]),
        templates,
        out_path_of=lambda path: folder / "motion" / path.name,
        key_of=lambda path: {"motion": motion, "mesh": MESH},
        inputs_of=lambda path: [path, weights] if motion == "network" else [path],
        uses=[f"echotas.trackers.{tracker}"] if tracker else [],
        label=f"motion by {motion}",
    ).paths
    motion_of = {path: folder / "motion" / path.name for path in templates if folder / "motion" / path.name in moved}
    settings = SimulationConfig(density_per_wavelength2=2.5)
    strategy_of = {path: STRATEGIES[index % len(STRATEGIES)] for index, path in enumerate(motion_of)}
    cache = paths.work() / "response"
    return map_items(
        partial(_simulate, motion_of=motion_of, strategy_of=strategy_of, config=settings, seed=seed, cache_dir=cache),
        list(motion_of),
        out_path_of=lambda path: folder / "simulated" / path.name,
        key_of=lambda path: {"strategy": strategy_of[path], "config": repr(settings), "seed": seed},
        inputs_of=lambda path: [path, motion_of[path]],
        label=f"simulation with motion by {motion}",
    ).paths


def _simulate(path: Path, out: Path, *, strategy_of: dict[Path, str], **settings: Any) -> Path:
    strategy = strategy_of[path]
    return simulate_template(path, out, strategy=strategy, stage=strategy, **settings)


def release(
    out: str | Path, folder: str | Path, *, n_patients: int = 40, n_validation: int = 4, n_calibration: int = 24,
    rounds: Sequence[Round] = ROUNDS, n_workers: int = 1,
) -> Path:  # fmt: skip
    """Make the data, train, and write the weights of the last round with the lowest validation error.

    Args:
        out: Weights file, safetensors in half precision.
        folder: Data, checkpoints and curves; what is found there goes on.
        n_patients: Template patients.
        n_validation: Of them held out in all rounds, for validation.
        n_calibration: Further patients, for the calibration of the predicted errors alone.
        rounds: What follows what.
        n_workers: Processes; the weights do not depend on it.
    """
    folder, weights = Path(folder), TAS_NET_SMALL
    if is_main_process():
        template_patients(folder / "templates", n_patients + n_calibration)
    templates = [folder / "templates" / f"{item.recording_id}.h5" for item in plan("templates", n_patients, SEED)]
    for number, (motion, n_steps, learning_rate) in enumerate(rounds, start=1):
        own = folder / f"{number}-{motion}"
        if is_main_process():
            simulated_cines([path for path in templates if path.exists()], own, motion, weights)
        wait_for_all()
        training, validation = split_patients(sorted((own / "simulated").glob("*.h5")), n_validation)
        made = fit(
            "tas_net", training, validation, own / "training", seed=SEED, n_steps=n_steps, initial=weights,
            settings=SETTINGS | {"learning_rate": learning_rate}, checkpoints=own / "checkpoints",
            callback=partial(say, f"{motion}, step", n_steps), n_workers=n_workers,
        )  # fmt: skip
        weights = made.path
        wait_for_all()
    if not is_main_process():
        return Path(out)
    network = load_weights(weights).eval()
    # Simulated cines are easier than those that no strategy has touched, and the weights were chosen on the validation cines:
    # errors are measured on templates themselves, of patients who were in nothing.
    others = sorted(set((folder / "templates").glob("*.h5")) - set(templates))
    calibrate(network, [load_sequence(path) for path in others])
    card = {
        "licence": "Apache-2.0",
        "data": f"{len(training)} simulated cines of {n_patients - n_validation} virtual template patients, seed {SEED}, in each of "
        f"{len(rounds)} rounds: motion by {', '.join(item.motion for item in rounds)}",
        "steps": [item.n_steps for item in rounds],
        "validation_error_mm": round(float(made.curve["validation_error"].min()), 3),
        "validation_cines": len(validation),
        "calibration_cines": len(others),
    }
    return save_weights(network.half(), out, {"card": card})


def say(what: str, n_steps: int, step: int, row: dict[str, float]) -> None:
    """Print a row of the training curve; a callback of `fit`."""
    shown = "  ".join(f"{name} {row[name]:.3f}" for name in ("position_mm", "validation_error") if name in row)
    print(f"{what} {step}/{n_steps}  {row['seconds'] / 60:.1f} min  {shown}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `release`."""
    parser = argparse.ArgumentParser(
        prog="python -m echotas.pipeline.released_weights", description=__doc__.split("\n")[0]
    )
    parser.add_argument("out", type=Path, help="weights file to write")
    parser.add_argument(
        "--folder", type=Path, default=Path(".work/released"), help="data and checkpoint; resumed when there"
    )
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = release(chosen.out, chosen.folder, n_patients=chosen.patients, n_workers=chosen.workers)
    print(f"{path}: {json.dumps(load_weights(path).n_steps)} steps behind it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
