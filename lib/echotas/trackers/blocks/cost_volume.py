"""Matching of two feature maps: one moved by a flow, then compared with its neighbourhood in the other (PWC-Net)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["cost_volume", "warp"]


def warp(maps: Float[Tensor, "n_maps c h w"], flow: Float[Tensor, "n_maps 2 h w"]) -> Float[Tensor, "n_maps c h w"]:
    """Maps read where the flow (x, y; cells) points to from every cell; bilinear, zero outside."""
    height, breadth = maps.shape[-2:]
    row = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    column = torch.arange(breadth, dtype=flow.dtype, device=flow.device)
    x = 2 * (column + flow[:, 0]) / max(breadth - 1, 1) - 1
    y = 2 * (row + flow[:, 1]) / max(height - 1, 1) - 1
    return F.grid_sample(maps, torch.stack([x, y], dim=-1), mode="bilinear", padding_mode="zeros", align_corners=True)


def cost_volume(
    first: Float[Tensor, "n_maps c h w"], second: Float[Tensor, "n_maps c h w"], radius: int
) -> Float[Tensor, "n_maps costs h w"]:
    """Correlation of every cell of `first` with the cells of `second` around it: mean product over channels, zero outside.

    Returns:
        (2 radius + 1)**2 channels; the y offset is the slow axis, the x offset the fast one, both from -radius.
    """
    height, breadth = first.shape[-2:]
    padded = F.pad(second, [radius] * 4)
    side = range(2 * radius + 1)
    # One product at a time: all at once would need (2 radius + 1)**2 times the memory of the features.
    costs = [(first * padded[..., i : i + height, j : j + breadth]).mean(1) for i in side for j in side]
    return torch.stack(costs, dim=1)
