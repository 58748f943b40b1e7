"""Matching of two feature maps: one moved by a flow, then compared with its neighbourhood in the other (PWC-Net)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["cost_volume", "warp"]

TILE = 8  # cells of a row matched at once: of 4 to 32 the fastest on one core at 7 x 8 to 56 x 64 cells


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
    n_maps, width, height, breadth = first.shape
    side, tile = 2 * radius + 1, min(TILE, breadth)
    n_tiles = -(-breadth // tile)
    extra = n_tiles * tile - breadth
    ours = F.pad(first / width, (0, extra)).permute(0, 2, 3, 1).reshape(-1, tile, width)
    padded = F.pad(second, (radius, radius + extra, radius, radius)).permute(0, 2, 3, 1)
    reach = padded.unfold(2, tile + 2 * radius, tile).unfold(1, side, 1).permute(0, 1, 2, 5, 4, 3)
    # Each tile of a row times all cells in its reach, in one batched product. Wanted is the band of cell x with x .. x + 2 radius;
    # read by strides, forwards and backwards take half the time of stacked diagonals.
    products = torch.bmm(ours, reach.reshape(len(ours), -1, width).transpose(1, 2))
    products = products.unflatten(2, (side, tile + 2 * radius)).contiguous()
    of_tile, of_cell, of_row, of_column = products.stride()
    band = products.as_strided((len(ours), tile, side, side), (of_tile, of_cell + of_column, of_row, of_column))
    costs = band.reshape(n_maps, height, n_tiles * tile, side * side)[:, :, :breadth]
    return costs.permute(0, 3, 1, 2)
