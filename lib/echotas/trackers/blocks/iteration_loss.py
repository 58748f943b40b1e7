"""Training loss of trackers that refine whole paths."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["iteration_loss"]


def iteration_loss(
    estimates: Sequence[Float[Tensor, "batch n_frames n_points 2"]],
    true_px: Float[Tensor, "batch n_frames n_points 2"],
    valid: Float[Tensor, "batch n_frames n_points"] | None = None,
    decay: float = 0.8,
) -> Float[Tensor, ""]:
    """Mean absolute error per axis of every estimate, weighted decay**(n - i), divided by their number n; px.

    Args:
        estimates: Positions after each stage, the last one final, px.
        true_px: True positions, px.
        valid: Weight of each place; None for 1 everywhere. Where all are 0 the loss is 0.
        decay: Weight of an estimate relative to the next; 0 counts the last one only.
    """
    if not estimates:
        raise ValueError("estimates must hold at least one stage, got none")
    if valid is None:
        valid = torch.ones_like(true_px[..., 0])
    weight = valid.sum() + 1e-6  # as in the releases; keeps a clip without valid places at 0
    total = 0
    for stage, estimate in enumerate(estimates):
        error = ((estimate - true_px).abs().mean(-1) * valid).sum() / weight
        total = total + decay ** (len(estimates) - 1 - stage) * error
    return total / len(estimates)
