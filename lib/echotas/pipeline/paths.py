"""Where things are: the working tree, its folders, and the checkout that keeps the run database."""

import os
from pathlib import Path

__all__ = ["data", "database_root", "reports", "root", "stage", "work"]

_MARKERS = ("dvc.yaml", "params.yaml")


def root() -> Path:
    """Top folder of the working tree: the nearest folder above the current one that holds `dvc.yaml` or `params.yaml`.

    The same from the top folder, from `notebooks/` (where JupyterLab starts kernels) and in a profile's copy.
    Elsewhere: the checkout that this package was installed from.

    Raises:
        FileNotFoundError: Neither is found.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if any((folder / marker).is_file() for marker in _MARKERS):
            return folder
    raise FileNotFoundError(f"no dvc.yaml or params.yaml in {here} or above it: run this inside a checkout of EchoTAS")


def data() -> Path:
    """Folder of the imported input data (`data.dvc`)."""
    return root() / "data"


def reports() -> Path:
    """Folder of what people read: executed notebooks, metrics, tables, figures."""
    return root() / "reports"


def work() -> Path:
    """Folder of everything that can be made again: raw executed notebooks, logs, weights, tracks."""
    return root() / ".work"


def database_root() -> Path:
    """Checkout that keeps the default run database.

    DVC runs `dvc exp run --temp` and queued experiments in a copy that is deleted afterwards; it names the real
    checkout in `DVC_ROOT`, so runs logged from a copy survive it.
    """
    return Path(os.environ.get("DVC_ROOT") or root())


def stage() -> str:
    """Name of the DVC stage that is running, e.g. "track@farneback"; empty outside of DVC."""
    return os.environ.get("DVC_STAGE", "")
