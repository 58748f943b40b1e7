"""Train the weights that come with the package: a larger data engine of one node, longer than any notebook runs.

    python -m echotas.pipeline.released_weights weights.safetensors --steps 6000

Template patients of a seed of their own -> motion by smoothed Lucas-Kanade from the end-systolic mask -> each template
simulated by S1, S2 or S3 in turn -> training from the synthetic weights. No true motion enters here: a laboratory with
real templates could do the same. It enters at the end, when the predicted errors are scaled on the template cines of
patients held out. Resumes when stopped; the file is written in half precision, with a card of how it was made. On several
devices: `torchrun --nproc-per-node N -m echotas.pipeline.released_weights ...`.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from echotas.engine import simulate_template, track_template
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

__all__ = ["SEED", "main", "release", "simulated_cines"]

SEED = 20_000
"""Seed of the template patients: no profile uses it, so no patient of a benchmark is among them."""
MESH = (36, 5)
TRACKER = "lucas_kanade_mesh"
SETTINGS = {
    "lengths": (8, 12, 16),
    "length_weights": (0.6, 0.25, 0.15),
    "max_skip": 2,
    "sway_mm": 5.0,
    "sway_deg": 6.0,
    "sway_stretch": 0.06,
    "validate_every": 1000,
    "checkpoint_every": 250,
    "report_every": 50,
}
"""Of the training; what is left out takes the defaults of `training`."""


def simulated_cines(folder: Path, n_patients: int, seed: int = SEED) -> list[Path]:
    """Files of the simulated cines, one for each of the two views of a patient, made where missing."""
    settings = PhantomSettings()
    cache = paths.work() / "response"
    templates = map_items(
        partial(build_file, settings=settings, cache_dir=cache),
        plan("templates", n_patients, seed),
        out_path_of=lambda item: folder / "templates" / f"{item.recording_id}.h5",
        key_of=lambda item: {"plan": repr(item), "settings": repr(settings)},
        label="template patients",
    ).paths
    motion = map_items(
        partial(track_template, tracker=TRACKER, config={}, n_long=MESH[0], n_rad=MESH[1]),
        templates,
        out_path_of=lambda path: folder / "motion" / path.name,
        key_of=lambda path: {"tracker": TRACKER, "mesh": MESH},
        inputs_of=lambda path: [path],
        uses=[f"echotas.trackers.{TRACKER}"],
        label="motion",
    ).paths
    motion_of = {folder / "templates" / path.name: path for path in motion}
    config = SimulationConfig(density_per_wavelength2=2.5)
    strategy_of = {path: STRATEGIES[index % len(STRATEGIES)] for index, path in enumerate(motion_of)}
    return map_items(
        partial(_simulate, motion_of=motion_of, strategy_of=strategy_of, config=config, seed=seed, cache_dir=cache),
        list(motion_of),
        out_path_of=lambda path: folder / "simulated" / path.name,
        key_of=lambda path: {"strategy": strategy_of[path], "config": repr(config), "seed": seed},
        inputs_of=lambda path: [path, motion_of[path]],
        label="simulation",
    ).paths


def _simulate(path: Path, out: Path, *, strategy_of: dict[Path, str], **settings: Any) -> Path:
    strategy = strategy_of[path]
    return simulate_template(path, out, strategy=strategy, stage=strategy, **settings)


def release(
    out: str | Path, folder: str | Path, *, n_patients: int = 40, n_validation: int = 4, n_steps: int = 6000,
    n_workers: int = 1, learning_rate: float = 1e-3,
) -> Path:  # fmt: skip
    """Make the data, train, and write the weights with the lowest validation error.

    Args:
        out: Weights file, safetensors in half precision.
        folder: Data, checkpoint and curve; what is found there goes on.
        n_patients: Template patients.
        n_validation: Of them held out, for validation and for the calibration of the predicted errors.
        n_steps: Optimiser steps.
        n_workers: Processes; the weights do not depend on it.
        learning_rate: Peak of the schedule.
    """
    folder = Path(folder)
    if is_main_process():
        simulated_cines(folder, n_patients)
    wait_for_all()
    training, validation = split_patients(sorted((folder / "simulated").glob("*.h5")), n_validation)

    def report(step: int, row: dict[str, float]) -> None:
        shown = "  ".join(f"{name} {row[name]:.3f}" for name in ("position_mm", "validation_error") if name in row)
        print(f"step {step}/{n_steps}  {row['seconds'] / 60:.1f} min  {shown}", flush=True)

    made = fit(
        "tas_net", training, validation, folder / "training", seed=SEED, n_steps=n_steps, initial=TAS_NET_SMALL,
        settings=SETTINGS | {"learning_rate": learning_rate}, checkpoints=folder / "checkpoints", callback=report,
        n_workers=n_workers,
    )  # fmt: skip
    if not is_main_process():
        return Path(out)
    network = load_weights(made.path).eval()
    # Simulated cines are easier than those that no strategy has touched: errors are measured on the templates themselves.
    templates = [load_sequence(folder / "templates" / path.name) for path in validation]
    calibrate(network, templates, n_iterations=3)
    card = {
        "licence": "Apache-2.0",
        "data": f"{len(training)} simulated cines of {n_patients - n_validation} virtual template patients, seed {SEED}",
        "validation_error_mm": round(float(made.curve["validation_error"].min()), 3),
        "validation_cines": len(validation),
    }
    return save_weights(network.half(), out, {"card": card})


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
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = release(
        chosen.out, chosen.folder, n_patients=chosen.patients, n_steps=chosen.steps, n_workers=chosen.workers
    )
    print(f"{path}: {json.dumps(load_weights(path).n_steps)} steps behind it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
