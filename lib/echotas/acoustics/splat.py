"""Spread scatterers onto a polar grid with B-spline weights.

A response tabulated on a grid and prefiltered to B-spline coefficients c gives h(u) = sum_n B(u - n) c_n between the
nodes; by linearity the sum over scatterers of rho_i h(u_i) is the response applied to a grid that holds
sum_i rho_i B(u_i - n). Order 3 interpolates with 4 x 4 nodes, order 1 (bilinear) with 2 x 2.
Source: Unser 1999, "Splines: a perfect fit for signal and image processing".
"""

import numpy as np
import scipy.sparse
import torch

__all__ = ["SPLINE_ORDERS", "splat_matrix", "spline_taps"]

SPLINE_ORDERS = (1, 2, 3)


def spline_taps(coordinate: torch.Tensor, order: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First node and weights of the B-spline around each coordinate.

    Args:
        coordinate: Positions in grid steps, float (n,).
        order: 1, 2 or 3.

    Returns:
        First node, int32 (n,), and weights, float (n, order + 1), which sum to 1.
    """
    if order == 2:
        nearest = torch.round(coordinate)
        t = coordinate - nearest
        weights = [0.5 * (0.5 - t) ** 2, 0.75 - t * t, 0.5 * (0.5 + t) ** 2]
        return (nearest - 1).int(), torch.stack(weights, dim=1)
    below = torch.floor(coordinate)
    t = coordinate - below
    if order == 1:
        return below.int(), torch.stack([1 - t, t], dim=1)
    t2 = t * t
    t3 = t2 * t
    last = t3 / 6
    second = (4 - 6 * t2 + 3 * t3) / 6
    first = (1 - 3 * t + 3 * t2 - t3) / 6
    return (below - 1).int(), torch.stack([first, second, 1 - first - second - last, last], dim=1)


def splat_matrix(
    row: torch.Tensor, column: torch.Tensor, shape: tuple[int, int], order: int, allowed: torch.Tensor | None = None
) -> tuple[scipy.sparse.csc_matrix, torch.Tensor]:
    """Sparse operator from scatterers to the flattened grid, and which scatterers count.

    Args:
        row: Row coordinate of each scatterer, float (n,).
        column: Column coordinate of each scatterer, float (n,).
        shape: (rows, columns) of the grid.
        order: B-spline order, 1, 2 or 3.
        allowed: Scatterers that count, bool (n,); all if None.

    Returns:
        Real float32 matrix (rows * columns, n) whose columns are zero for scatterers that do not count; bool (n,).
    """
    first_row, row_weights = spline_taps(row, order)
    first_column, column_weights = spline_taps(column, order)
    inside = (first_row >= 0) & (first_row < shape[0] - order) & (first_column >= 0) & (first_column < shape[1] - order)
    if allowed is not None:
        inside &= allowed
    row_weights *= inside[:, None]
    first = torch.where(inside, first_row * shape[1] + first_column, 0)
    taps = torch.arange(order + 1, dtype=torch.int32)
    offsets = (taps[:, None] * shape[1] + taps).flatten()
    nodes = (first[:, None] + offsets).flatten().numpy()
    weights = (row_weights[:, :, None] * column_weights[:, None, :]).flatten().numpy()
    starts = np.arange(0, len(nodes) + 1, len(offsets), dtype=np.int32)
    matrix = scipy.sparse.csc_matrix((weights, nodes, starts), shape=(shape[0] * shape[1], len(row)))
    return matrix, inside
