"""Which weights a training begins with."""

from pathlib import Path

from echotas.trackers.pretrained import TAS_NET_SMALL, released
from echotas.trackers.registry import PEERS, fitted_file

__all__ = ["starting_weights"]


def starting_weights(tracker: str, start: str, folder: str | Path | None) -> Path | None:
    """Weights file to go on from; None begins from random weights.

    Args:
        tracker: Name in the registry.
        start: "random"; "pretrained", the weights that come with the package; or "parent" or "node", those in `folder`, which the
            data engine has for TAS-Net alone: a peer then begins with its weights of the package.
        folder: What `fit` left for the parent or node; None for a parent without training: then the package's.

    Raises:
        ValueError: `start` is unknown, or `folder` has no fitted file.
    """
    if start not in ("random", "pretrained", "parent", "node"):
        raise ValueError(f"start must be random, pretrained, parent or node, got {start!r}")
    if tracker in PEERS and start != "random":
        return released(tracker)
    if tracker != "tas_net" or start == "random":
        return None
    if start == "pretrained" or folder is None:
        return TAS_NET_SMALL
    path = Path(folder) / fitted_file(tracker)
    if not path.is_file():
        raise ValueError(f"folder must hold {path.name} of the {start}'s training, got {folder}")
    return path
