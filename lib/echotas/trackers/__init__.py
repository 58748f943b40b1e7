"""Trackers: every method that follows points through a cine, behind one contract."""

import importlib
from pathlib import Path

from echotas.trackers.base import Tracker
from echotas.trackers.registry import Description, available, create, describe, fitted_config, module_of

__all__ = [
    "Description",
    "Tracker",
    "available",
    "create",
    "describe",
    "fitted_config",
    "load_public_weights",
    "module_of",
]


def load_public_weights(name: str, path: str | Path) -> Tracker:
    """Tracker with the weights of a public checkpoint: see `public_weights.load_public_weights`."""
    # On demand, so that the classical trackers do not wait for torch.
    return importlib.import_module("echotas.trackers.public_weights").load_public_weights(name, path)
