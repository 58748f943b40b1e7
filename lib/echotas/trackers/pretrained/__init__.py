"""Weights that come with the package; a card beside each file says how it was made and what it may be used for."""

from pathlib import Path

__all__ = ["TAS_NET_RELEASED", "TAS_NET_SMALL", "released"]

TAS_NET_SMALL = Path(__file__).parent / "tas_net_small.safetensors"
"""The small TAS-Net after training on synthetic cines alone; what trainings start from. See tas_net_small.md."""

TAS_NET_RELEASED = Path(__file__).parent / "tas_net_released.safetensors"
"""The same network after training on simulated cines of template patients: what is to be used. See tas_net_released.md."""


def released(name: str) -> Path:
    """Weights of the small network of tracker `name`; see peers.md for all but TAS-Net."""
    return Path(__file__).parent / f"{name}_released.safetensors"
