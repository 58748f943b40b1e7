"""Losses of trackers that refine points in windows."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from echotas.trackers.cotracker import Followed

__all__ = ["track_losses"]


def track_losses(
    followed: Followed,
    true_px: Float[Tensor, "batch n_frames n_points 2"],
    correlation: Float[Tensor, "batch n_frames n_points"],
    cell_mm: float,
    stride: int,
    decay: float = 0.8,
) -> tuple[Tensor, Tensor]:
    """Position loss in mm and visibility loss, averaged over windows.

    Position: mean absolute error per axis of every iteration, weighted decay**(n - i) as in CoTracker v1 (here the weights
    sum to 1). Visibility: squared error of the sigmoid against the speckle correlation (TAS-Net). Frame 0, the query, counts
    too: the network is not pinned to it.

    Args:
        followed: Output of the network, in cells.
        true_px: True positions, px of the network's grid.
        correlation: Target in [0, 1].
        cell_mm: Size of a feature cell.
        stride: Pixels per cell.
        decay: Weight of an iteration relative to the next.
    """
    true_cells = true_px / stride
    position, visibility = [], []
    for window in followed.windows:
        frames = slice(window.first_frame, window.first_frame + window.visibility.shape[1])
        target = true_cells[:, frames, window.points]
        weights = decay ** torch.arange(len(window.positions) - 1, -1, -1, dtype=target.dtype, device=target.device)
        errors = torch.stack([(estimate - target).abs().mean() for estimate in window.positions])
        position.append((weights * errors).sum() / weights.sum() * cell_mm)
        visibility.append(F.mse_loss(window.visibility.sigmoid(), correlation[:, frames, window.points]))
    return torch.stack(position).mean(), torch.stack(visibility).mean()
