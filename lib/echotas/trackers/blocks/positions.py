"""Sine and cosine encodings of time, place and flow, in the column orders of CoTracker v1. Tables are computed in float64."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["flow_frequencies", "flow_sincos", "place_table", "time_table"]


def time_table(n_frames: int, width: int) -> Float[Tensor, "n_frames width"]:
    """E(t): all sines, then all cosines, frequencies 10000**(-2k / width), positions 0 .. n_frames - 1; float64."""
    return _sines_then_cosines(torch.arange(n_frames, dtype=torch.float64), width)


def place_table(height: int, width: int, channels: int) -> Float[Tensor, "channels height width"]:
    """P: first half of the channels encodes x, second half y (each sines then cosines) over the feature grid; float64.

    Raises:
        ValueError: `channels` is not divisible by 4.
    """
    if channels % 4:
        raise ValueError(f"channels must be divisible by 4, got {channels}")
    x = _sines_then_cosines(torch.arange(width, dtype=torch.float64), channels // 2)  # (width, channels / 2)
    y = _sines_then_cosines(torch.arange(height, dtype=torch.float64), channels // 2)
    x = x.T[:, None].expand(-1, height, -1)
    y = y.T[:, :, None].expand(-1, -1, width)
    return torch.cat([x, y])


def flow_frequencies(n: int, spectrum: str) -> Float[Tensor, " n"]:
    """Angular frequencies (rad per feature cell) of the flow encoding; float64.

    Args:
        n: How many.
        spectrum: "released": 0, 1, 2, ... times 1000 / n, as in the public weights (31.25 rad for n = 32).
            "octaves": 2**d * pi / 8, which resolves sub-cell motion when training from scratch; the released ones alias there.

    Raises:
        ValueError: Another spectrum.
    """
    index = torch.arange(n, dtype=torch.float64)
    if spectrum == "released":
        return index * 1000 / n
    if spectrum == "octaves":
        return 2**index * math.pi / 8
    raise ValueError(f"spectrum must be 'released' or 'octaves', got {spectrum!r}")


def flow_sincos(flow: Float[Tensor, "*rest 2"], frequencies: Float[Tensor, " n"]) -> Float[Tensor, "*rest columns"]:
    """Flow itself, then for x and for y: sine and cosine interleaved by frequency; 2 + 4 n columns."""
    phase = flow[..., None] * frequencies  # (*rest, 2, n)
    return torch.cat([flow, torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(-3)], dim=-1)


def _sines_then_cosines(position: Tensor, width: int) -> Tensor:
    half = width // 2
    phase = position[:, None] * 10000 ** (-torch.arange(half, dtype=torch.float64) / half)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
