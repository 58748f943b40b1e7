"""Tensors of a checkpoint file, read without running anything that is in it."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

__all__ = ["read_tensors"]


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Tensors by name.

    Args:
        path: A safetensors file, or a PyTorch file of plain tensors: a state dict, alone or under "model" or "state_dict".

    Raises:
        ValueError: The file is missing, damaged, holds pickled objects, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(str(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0][:200]
        raise ValueError(f"{path}: cannot be read as a file of plain tensors ({reason})") from error
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ValueError(f"{path}: must hold tensors by name, got {type(content).__name__}")
    return content
