"""The list of trackers: names, creation from plain arguments, one-line descriptions."""

import importlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echotas.trackers.base import Tracker

__all__ = [
    "OPTIONAL",
    "PEERS",
    "Description",
    "available",
    "class_of",
    "create",
    "describe",
    "fitted_config",
    "fitted_file",
    "module_of",
    "required",
]

# Name -> module and class. Imported on demand, so that the classical trackers do not wait for torch.
_MEMBERS = {
    "frozen": ("frozen", "FrozenTracker"),
    "mean_motion": ("mean_motion", "MeanMotionTracker"),
    "oracle": ("oracle", "OracleTracker"),
    "block_matching": ("block_matching", "BlockMatchingTracker"),
    "farneback": ("farneback", "FarnebackTracker"),
    "dis": ("dis", "DisTracker"),
    "lucas_kanade": ("lucas_kanade", "LucasKanadeTracker"),
    "lucas_kanade_mesh": ("lucas_kanade_mesh", "LucasKanadeMeshTracker"),
    "pwc_net": ("pwc_net", "PwcNetTracker"),
    "pips_plus_plus": ("pips_plus_plus", "PipsPlusPlusTracker"),
    "cotracker": ("cotracker", "CoTrackerTracker"),
    "cotracker3": ("cotracker3", "CoTracker3Tracker"),
    "locotrack": ("locotrack", "LocoTrackTracker"),
    "echotracker": ("echotracker", "EchoTrackerTracker"),
    "echotracker2": ("echotracker2", "EchoTracker2Tracker"),
    "myotracker": ("myotracker", "MyoTrackerTracker"),
    "specknet": ("specknet", "SpeckNetTracker"),
    "tas_net": ("tas_net", "TasNetTracker"),
    "tas_net_pretrained": ("tas_net_pretrained", "TasNetPretrainedTracker"),
    "tas_net_released": ("tas_net_released", "TasNetReleasedTracker"),
}
OPTIONAL = {"raft": ("raft", "RaftTracker")}
"""Known to `create` as well, but not `available` everywhere: raft needs torchvision, and weights of one's own."""

PEERS = (
    "pwc_net",
    "pips_plus_plus",
    "cotracker",
    "cotracker3",
    "locotrack",
    "echotracker",
    "echotracker2",
    "myotracker",
    "specknet",
)
"""Published networks other than TAS-Net."""
# What a tracker that learns is made of: its configuration key and the file name that `training.fit` gives it.
_FITTED = {"mean_motion": ("path", "mean_motion.npz")} | dict.fromkeys(
    (*PEERS, *OPTIONAL, "tas_net"), ("weights", "weights.safetensors")
)


@dataclass(frozen=True)
class Description:
    """What a table says about a tracker."""

    name: str
    """Name in the registry."""
    summary: str
    """One line: what it does."""
    n_parameters: int
    """Learned parameters; 0 for a classical tracker."""
    n_steps: int
    """Optimiser steps behind them; 0 for a classical tracker."""


def available() -> tuple[str, ...]:
    """Names that `create` knows everywhere, in the order in which tables list them."""
    return tuple(_MEMBERS)


def create(name: str, **config: Any) -> Tracker:
    """Tracker `name` with the given configuration; what is left out takes the tracker's documented default.

    Raises:
        ValueError: Unknown name or unknown configuration key (the message lists the known ones), or a value that the
            tracker refuses.
    """
    member = _member(name)
    known = _config_keys(member)
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no configuration {', '.join(map(repr, unknown))}; known: {', '.join(known) or 'none'}"
        )
    missing = sorted(key for key, needed in known.items() if needed and key not in config)
    if missing:
        raise ValueError(f"{name} needs the configuration {', '.join(map(repr, missing))}")
    return member(**config)


def describe(name: str, **config: Any) -> Description:
    """One line, the number of parameters and of training steps of tracker `name`, for the sizes and weights in `config`.

    Raises:
        ValueError: As `create`, but a tracker whose configuration is incomplete is described with 0 parameters.
    """
    member = _member(name)
    summary = (inspect.getdoc(member) or "").split("\n", 1)[0]
    complete = all(not needed or key in config for key, needed in _config_keys(member).items())
    if not complete:
        return Description(name, summary, 0, 0)
    tracker = create(name, **config)
    return Description(name, summary, tracker.n_parameters, tracker.n_steps)


def required(name: str) -> tuple[str, ...]:
    """Configuration keys without which `create` refuses tracker `name`, e.g. ("truth",) for the oracle."""
    return tuple(key for key, needed in _config_keys(_member(name)).items() if needed)


def fitted_file(name: str) -> str:
    """File name of what a tracker has learned.

    Raises:
        ValueError: The tracker does not learn.
    """
    if name not in _FITTED:
        raise ValueError(f"name must be a tracker that learns ({', '.join(_FITTED)}), got {name!r}")
    return _FITTED[name][1]


def fitted_config(name: str, folder: str | Path | None) -> dict[str, str]:
    """Configuration that makes tracker `name` use what `training.fit` left in `folder`; empty for None."""
    return {} if folder is None else {_FITTED[name][0]: str(Path(folder) / fitted_file(name))}


def class_of(name: str) -> type[Tracker]:
    """Class of tracker `name`."""
    return _member(name)


def module_of(name: str) -> str:
    """Module that implements tracker `name`."""
    _member(name)
    return f"echotas.trackers.{(_MEMBERS | OPTIONAL)[name][0]}"


def _member(name: str) -> type[Tracker]:
    members = _MEMBERS | OPTIONAL
    if name not in members:
        raise ValueError(f"name must be one of {', '.join(members)}, got {name!r}")
    module, attribute = members[name]
    return getattr(importlib.import_module(f"echotas.trackers.{module}"), attribute)


def _config_keys(member: type[Tracker]) -> dict[str, bool]:
    """Configuration keys of a tracker class, and whether each is required."""
    parameters = inspect.signature(member).parameters.values()
    return {parameter.name: parameter.default is inspect.Parameter.empty for parameter in parameters}
