"""Weights that come with the package; a card beside each file says how it was made and what it may be used for."""

from pathlib import Path

__all__ = ["TAS_NET_SMALL"]

TAS_NET_SMALL = Path(__file__).parent / "tas_net_small.safetensors"
"""The small TAS-Net after training on synthetic cines alone; see tas_net_small.md."""
