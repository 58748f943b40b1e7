"""Loss of dense flow on several levels, and the pairs of frames to train on (c-PWC-Net)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["LEVEL_WEIGHTS", "flow_loss", "frame_pairs"]

LEVEL_WEIGHTS = {6: 0.32, 5: 0.08, 4: 0.02, 3: 0.01, 2: 0.005}
"""Weights of the levels in the loss, by level (stride 2**level)."""


def flow_loss(
    levels: Mapping[int, Float[Tensor, "batch 2 _h _w"]],
    true_px: Float[Tensor, "batch 2 height width"],
    valid: Float[Tensor, "batch height width"] | None = None,
    weights: Mapping[int, float] = LEVEL_WEIGHTS,
    flow_scale: float = 20.0,
) -> Float[Tensor, ""]:
    """Endpoint errors of all levels, in units of `flow_scale` px: weighted, summed over cells, averaged over the batch.

    The true flow of a cell is the mean over the valid pixels around its centre, and the cell counts by their share, so that a thin
    wall still counts on coarse levels. The published penalty of 4e-4 |theta|^2 is `weight_decay=8e-4` of `torch.optim.Adam`.

    Args:
        levels: `PwcNet.levels`.
        true_px: True flow (x, y), px.
        valid: 1 where the truth counts (the myocardium, say), else 0, and there it may be NaN; None: everywhere.
        weights: By level.
        flow_scale: Of the network's configuration.

    Raises:
        ValueError: A level has no weight, or its shape does not fit the truth.
    """
    missing = sorted(set(levels) - set(weights))
    if missing:
        raise ValueError(f"weights must cover every level, missing {missing}")
    mask = torch.ones_like(true_px[:, :1]) if valid is None else valid[:, None].to(true_px)
    known = torch.where(mask > 0, mask * true_px, 0)  # the truth may be NaN where it does not count
    total = true_px.new_zeros(())
    for level, flow in levels.items():
        share, sums = (_cell_means(x, 2**level) for x in (mask, known))
        target = sums / torch.where(share > 0, share, 1)
        if flow.shape != target.shape:
            raise ValueError(f"level {level} must be {tuple(target.shape)} for this truth, got {tuple(flow.shape)}")
        error = (flow - target).norm(dim=1, keepdim=True) / flow_scale
        total = total + weights[level] * (error * share).sum() / len(true_px)
    return total


def _cell_means(x: Tensor, stride: int) -> Tensor:
    """Means over the pixels of the image within half a stride of every stride-th pixel."""
    return F.avg_pool2d(x, stride + 1, stride=stride, padding=stride // 2, count_include_pad=False)


def frame_pairs(n_frames: int, gaps: Sequence[int] = (0, 1, 2)) -> list[tuple[int, int]]:
    """Pairs of frames to train on, both directions, with so many frames left out in between; those that fit in the clip."""
    if any(gap < 0 for gap in gaps):
        raise ValueError(f"gaps must be >= 0 frames, got {tuple(gaps)}")
    forward = [(first, first + gap + 1) for gap in gaps for first in range(n_frames - gap - 1)]
    return [pair for first, second in forward for pair in ((first, second), (second, first))]
