"""Losses of trackers that refine points in windows."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from echotas.trackers.cotracker import Followed

__all__ = ["error_loss", "track_losses"]


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
        visibility.append(
            F.mse_loss(window.visibility.to(correlation).sigmoid(), correlation[:, frames, window.points])
        )
    return torch.stack(position).mean(), torch.stack(visibility).mean()


def error_loss(
    followed: Followed, true_px: Float[Tensor, "batch n_frames n_points 2"], cell_mm: float, stride: int
) -> Tensor:
    """Negative log-likelihood of the errors made under a Laplace law of the predicted standard error, averaged over windows.

    The tracks are detached: this trains the prediction and nothing else. Laplace, because a few lost points must not set the
    error of all. Frame 0 is left out: there the error is 0 by definition. 0 without windows of two frames.
    """
    losses = []
    for window, error in zip(followed.windows, followed.errors, strict=True):
        frames = slice(window.first_frame, window.first_frame + error.shape[1])
        off = (window.positions[-1].detach() - true_px[:, frames, window.points] / stride).abs().sum(-1) * cell_mm
        scale = error / 2**0.5
        losses.append((off / scale + 2 * scale.log())[:, 1 if window.first_frame == 0 else 0 :].flatten())
    return torch.cat(losses).mean() if sum(map(len, losses)) else true_px.new_zeros(())
