"""Public checkpoints as trackers: names are translated, nothing is guessed, a foreign file is refused by what misfits.

No public weights come with this project: those of CoTracker and MyoTracker are for non-commercial use only. Whoever may use
them loads their own copy here.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from echotas.trackers import public_names
from echotas.trackers.blocks.point_network import Grid, PointNetworkTracker
from echotas.trackers.checkpoint_file import read_tensors
from echotas.trackers.public_names import rename
from echotas.trackers.registry import class_of

__all__ = ["load_public_weights", "public_networks"]


PUBLISHED_GRID = Grid(pixel_mm=0.6, image_size=(256, 256))
"""What a network of the published size sees: 256 px, over 15 cm; the papers state the first number only."""


class _Network(NamedTuple):
    tracker: str
    names: public_names.Names
    config: str = ""  # class method of the configuration that gives the published size; its defaults if empty
    tables: tuple[str, ...] = ()  # public tensors that are computed tables: ours makes them itself
    first_pixel: float = 0.0  # of its grid


_NETWORKS = {
    "cotracker_v1": _Network("cotracker", public_names.COTRACKER_V1),
    "cotracker3": _Network("cotracker3", public_names.COTRACKER3, tables=("time_emb",)),
    "myotracker": _Network("myotracker", public_names.MYOTRACKER),
    "echotracker": _Network("echotracker", public_names.ECHOTRACKER),
    "echotracker2": _Network("echotracker2", public_names.ECHOTRACKER2, first_pixel=0.5),
    "locotrack_base": _Network("locotrack", public_names.LOCOTRACK, first_pixel=0.5),
    "locotrack_small": _Network("locotrack", public_names.LOCOTRACK, config="small", first_pixel=0.5),
    "specknet": _Network("specknet", public_names.SPECKNET, first_pixel=0.5),
    "pips_plus_plus": _Network("pips_plus_plus", public_names.PIPS_PLUS_PLUS),
    "raft_small": _Network("raft", public_names.RAFT, config="small"),
    "raft_large": _Network("raft", public_names.RAFT),
}


def public_networks() -> tuple[str, ...]:
    """Names that `load_public_weights` knows."""
    return tuple(_NETWORKS)


def load_public_weights(name: str, path: str | Path) -> PointNetworkTracker:
    """Tracker around a network of the published size with the weights of a public checkpoint.

    The network itself is its `network`; it sees cines on `PUBLISHED_GRID`, counted from where its own px start.

    Args:
        name: One of `public_networks()`.
        path: Checkpoint file, safetensors or a PyTorch file of plain tensors (a state dict, alone or under "model" or
            "state_dict"; a leading "module." is taken off). Pickled objects are refused.

    Raises:
        ValueError: The name is unknown, torchvision is missing (raft), the file cannot be read safely, or its tensors do not fit;
            the message lists what is missing, what is left over and whose shape differs.
    """
    if name not in _NETWORKS:
        raise ValueError(f"name must be one of {', '.join(_NETWORKS)}, got {name!r}")
    known = _NETWORKS[name]
    member = class_of(known.tracker)
    config = member.config_class
    network = member.network_class(getattr(config, known.config)() if known.config else config())
    public = {key.removeprefix("module."): value for key, value in read_tensors(path).items()}
    given = {rename(key, known.names): value for key, value in public.items() if key not in known.tables}
    wanted = network.state_dict()
    problems = [
        ("missing", sorted(set(wanted) - set(given))),
        ("left over", sorted(set(given) - set(wanted))),
        ("of another shape", sorted(key for key in set(wanted) & set(given) if wanted[key].shape != given[key].shape)),
    ]
    if any(keys for _, keys in problems):
        told = "; ".join(f"{len(keys)} {what}: {_few(keys)}" for what, keys in problems if keys)
        raise ValueError(f"{path}: these are not the weights of {name} ({told})")
    network.load_state_dict({key: value.to(torch.float32) for key, value in given.items()})
    grid = replace(PUBLISHED_GRID, first_pixel=known.first_pixel)
    return member.from_network(network.eval().requires_grad_(False), grid)


def _few(keys: list[str], most: int = 5) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
