"""Train the peers' weights that come with the package, on the cines that the released TAS-Net was trained on last.

    python -m echotas.pipeline.released_peers lib/echotas/trackers/pretrained

needs what `echotas.pipeline.released_weights` has left in its folder. Each peer gets about a quarter of an hour of one core, in steps
that were fixed beforehand: equal cost, not equal quality. Where a network has TAS-Net's encoder, that begins with its weights from
synthetic cines (`encoder_start`), all else with random ones. Resumes when stopped; a file is written in half precision.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from echotas.pipeline.released_weights import ROUNDS, SEED, SETTINGS, say
from echotas.trackers.blocks.point_network import Grid
from echotas.trackers.pretrained import TAS_NET_SMALL, released
from echotas.trackers.registry import PEERS, class_of
from echotas.trackers.tas_net import load_weights
from echotas.training.fit import fit, split_patients

__all__ = ["STEPS", "encoder_start", "main", "release_peer"]

STEPS = {
    "pwc_net": 1000,
    "pips_plus_plus": 1100,
    "cotracker": 1000,
    "cotracker3": 500,
    "locotrack": 900,
    "echotracker": 500,
    "echotracker2": 900,
    "myotracker": 1700,
    "specknet": 2200,
}
"""Optimiser steps of two clips; what takes longer has fewer."""
CLIPS = {"lengths": (8, 12), "length_weights": (0.8, 0.2), "max_skip": 2, "n_points": 32}
PAIRS = {"lengths": (2,), "length_weights": (1.0,), "max_skip": 3, "n_points": 180}
"""What c-PWC-Net learns from: frames up to three apart, in both orders, all points."""


def encoder_start(name: str, network: nn.Module) -> int:
    """Put the weights of the synthetic cines where the network has TAS-Net's own parts; how many tensors took them.

    CoTracker is TAS-Net's core and takes all of it; CoTracker3, EchoTracker and PIPs++ have its encoder.
    """
    known = {key.removeprefix("core."): value for key, value in load_file(TAS_NET_SMALL).items()}
    taken = 0
    with torch.no_grad():
        for key, value in network.state_dict().items():
            part = key if name == "cotracker" else "encoder." + key.split("encoder.")[-1] if "encoder." in key else ""
            if name in ("cotracker", "cotracker3", "echotracker", "pips_plus_plus") and part in known:
                value.copy_(known[part])
                taken += 1
    return taken


def release_peer(name: str, out: Path, data: Path, folder: Path, n_validation: int = 4, n_workers: int = 1) -> Path:
    """Train one peer and write its weights with the lowest validation error.

    Args:
        name: One of `PEERS`.
        out: Weights file to write.
        data: Folder of simulated cines.
        folder: Checkpoints and curve; what is found there goes on.
        n_validation: Patients held out for validation.
        n_workers: Processes; the weights do not depend on it.

    Raises:
        ValueError: No cine in `data`.
    """
    files = sorted(data.glob("*.h5"))
    if not files:
        raise ValueError(f"{data}: must hold the simulated cines of released_weights, got no .h5 file")
    member = class_of(name)
    network = member.untrained()
    taken = encoder_start(name, network)
    before = load_weights(TAS_NET_SMALL).n_steps if taken else 0
    start = member.save(network, folder / "start.safetensors", Grid(), before)
    training, validation = split_patients(files, n_validation)
    n_steps = STEPS[name]
    settings = {
        **{key: SETTINGS[key] for key in ("sway_mm", "sway_deg", "sway_stretch")},
        **(PAIRS if name == "pwc_net" else CLIPS),
        "learning_rate": 1e-3,
        "validate_every": n_steps // 3,
        "checkpoint_every": 100,
        "report_every": 50,
    }
    made = fit(
        name, training, validation, folder / "training", seed=SEED, n_steps=n_steps, settings=settings, initial=start,
        checkpoints=folder / "checkpoints", callback=partial(say, f"{name}, step", n_steps), n_workers=n_workers,
    )  # fmt: skip
    network, grid, steps = member.load(made.path)
    card = {
        "licence": "Apache-2.0",
        "data": f"{len(training)} simulated cines of virtual template patients, seed {SEED}, the last round of tas_net_released",
        "begins_with": f"{taken} tensors of tas_net_small, the rest random" if taken else "random weights",
        "validation_error_mm": round(float(made.curve["validation_error"].min()), 3),
        "validation_cines": len(validation),
    }
    return member.save(network.half(), out, grid, steps, card)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `release_peer`, for all peers or those named."""
    parser = argparse.ArgumentParser(
        prog="python -m echotas.pipeline.released_peers", description=__doc__.split("\n")[0]
    )
    parser.add_argument("out", type=Path, help="folder for the weights files")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; all if none is named")
    parser.add_argument("--folder", type=Path, default=Path(".work/released"), help="that of released_weights")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.peers) - set(PEERS))
    if unknown:
        parser.error(f"peers must be of {', '.join(PEERS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    data = chosen.folder / f"{len(ROUNDS)}-{ROUNDS[-1].motion}" / "simulated"
    for name in chosen.peers or PEERS:
        try:
            path = release_peer(
                name, chosen.out / released(name).name, data, chosen.folder / "peers" / name, n_workers=chosen.workers
            )
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        print(f"{path}: {class_of(name).load(path)[2]} steps behind it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
