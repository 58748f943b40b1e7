"""Train TAS-Net on synthetic cines alone: the weights that trainings start from, free of anybody else's licence.

    python -m echotas.training.pretrain weights.safetensors --steps 8000

resumes when stopped. The file is written in half precision with a card of how it was made.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from echotas.trackers.tas_net import TasNetConfig, load_weights, save_weights
from echotas.training.dataset import ClipConfig
from echotas.training.loop import LoopConfig
from echotas.training.synthetic import SyntheticCines
from echotas.training.tas_net import TrainConfig, train

__all__ = ["main", "pretrain"]

VALIDATION_FIRST = 1_000_000  # validation cines have numbers that training never reaches


def pretrain(
    out: str | Path,
    folder: str | Path,
    *,
    n_steps: int = 8000,
    n_cines: int = 600,
    n_validation: int = 6,
    batch_size: int = 2,
    seed: int = 0,
    n_workers: int = 1,
    model: TasNetConfig | None = None,
) -> Path:
    """Train on synthetic cines and write the weights of the last step.

    Args:
        out: Weights file, safetensors in half precision.
        folder: Checkpoint, curve; a training found there goes on.
        n_steps: Optimiser steps.
        n_cines: Different cines.
        n_validation: Cines of the validation.
        batch_size: Clips of a step.
        seed: Run seed.
        n_workers: Processes; the weights do not depend on it.
        model: Sizes; the small network if None.
    """
    config = TrainConfig(
        seed=seed,
        model=model or TasNetConfig(begin_with="still"),  # it must learn to find points, not to correct a finder
        loop=LoopConfig(n_steps=n_steps, validate_every=500, checkpoint_every=250, report_every=50),
        clips=ClipConfig(lengths=(8, 12, 16), length_weights=(0.65, 0.2, 0.15), max_skip=3),
        batch_size=batch_size,
        n_iterations=3,
    )
    folder = Path(folder)

    def report(step: int, row: dict[str, float]) -> None:
        shown = "  ".join(f"{name} {row[name]:.3f}" for name in ("position_mm", "validation_error") if name in row)
        print(f"step {step}/{n_steps}  {row['seconds'] / 60:.1f} min  {shown}", flush=True)
        with open(folder / "curve.jsonl", "a") as file:
            file.write(json.dumps({"step": step} | row) + "\n")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curve.jsonl").unlink(missing_ok=True)  # a resumed training tells its curve from the start
    validation = SyntheticCines(seed, n_validation, VALIDATION_FIRST)
    result = train(config, SyntheticCines(seed, n_cines), validation, folder, None, report, n_workers)
    network = load_weights(result.final_weights_path)
    error = float(result.curve["validation_error"].dropna().iloc[-1])
    card = {
        "licence": "Apache-2.0",
        "data": f"{n_cines} synthetic cines (echotas.training.synthetic, seed {seed})",
        "clips_per_step": batch_size,
        "validation_error_mm": round(error, 3),
        "validation_cines": n_validation,
    }
    return save_weights(network.half(), out, {"card": card})


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `pretrain`."""
    parser = argparse.ArgumentParser(prog="python -m echotas.training.pretrain", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="weights file to write")
    parser.add_argument("--folder", type=Path, default=Path(".work/pretrain"), help="checkpoint; resumed when there")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--cines", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    path = pretrain(
        chosen.out,
        chosen.folder,
        n_steps=chosen.steps,
        n_cines=chosen.cines,
        seed=chosen.seed,
        n_workers=chosen.workers,
    )
    print(f"{path}: {sum(tensor.numel() for tensor in load_file(path).values()):,} numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
