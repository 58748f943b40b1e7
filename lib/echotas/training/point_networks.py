"""Training of every peer on cines with true meshes: the loop, clips and augmentation of TAS-Net, the peer's own stages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from echotas.seeds import torch_seed
from echotas.trackers.blocks.point_network import Estimates, Grid, PointNetworkTracker
from echotas.training.dataset import Clip, TrainingSequence
from echotas.training.loop import Callback, TrainResult
from echotas.training.session import Learner, OnValidation, SessionConfig, run_session

__all__ = ["PointTrainConfig", "point_losses", "train_point_network"]


@dataclass(frozen=True)
class PointTrainConfig(SessionConfig):
    """Everything that decides what `train_point_network` makes, apart from the cines and the initial weights."""

    model: dict[str, Any] = field(default_factory=dict)
    """Size ("small" or "published") and changes to it."""
    grid: Grid = field(default_factory=Grid)
    """What the network sees of a cine."""


def point_losses(
    found: Estimates, true_px: Tensor, correlation: Tensor, pixel_mm: float, decay: float = 0.8
) -> tuple[Tensor, Tensor]:
    """Position loss in mm and visibility loss.

    Position: mean absolute error per axis of every stage, weighted decay**(n - i), the weights adding up to 1. Visibility: squared
    error of the sigmoid against the speckle correlation; 0 for a network that predicts none.

    Args:
        found: Output of the network, px.
        true_px: True positions (batch, n_frames, n_points, 2).
        correlation: Target (batch, n_frames, n_points) in [0, 1].
        pixel_mm: Pixel of the grid.
        decay: Weight of a stage relative to the next.
    """
    weights = decay ** torch.arange(len(found.stages) - 1, -1, -1, dtype=true_px.dtype, device=true_px.device)
    errors = torch.stack([(stage - true_px).abs().mean() for stage in found.stages])
    position = (weights * errors).sum() / weights.sum() * pixel_mm
    if found.visibility is None:
        return position, torch.zeros_like(position)
    return position, F.mse_loss(found.visibility.to(correlation).sigmoid(), correlation)


def train_point_network(
    tracker: type[PointNetworkTracker],
    config: PointTrainConfig,
    sequences_train: Sequence[TrainingSequence],
    sequences_val: Sequence[TrainingSequence],
    out_dir: str | Path,
    initial_weights: str | Path | None = None,
    callback: Callback | None = None,
    n_workers: int = 1,
    on_validation: OnValidation | None = None,
    device: str | None = None,
) -> TrainResult:
    """Train a peer; all else as `run_session`.

    Args:
        tracker: The member.
        initial_weights: Weights to go on from; `config.model` and `config.grid` are left out then.
    """
    steps, grid = config.loop.n_steps, config.grid
    if initial_weights is None:
        network = tracker.untrained(config.model, torch_seed(config.seed, "initial weights"))
    else:
        network, grid, before = tracker.load(initial_weights)
        steps += before
    n_iterations = tracker.iterations and (config.n_iterations or tracker.iterations)
    learner = Learner(
        network,
        grid.image_size,
        grid.pixel_mm,
        partial(_loss, tracker, n_iterations, config.visibility_weight, grid),
        lambda: tracker.from_network(network, grid, n_iterations),
        lambda path: tracker.save(network, path, grid, steps),
    )
    return run_session(
        learner, config, sequences_train, sequences_val, out_dir, initial_weights, callback, n_workers, on_validation, device
    )  # fmt: skip


def _loss(
    tracker: type[PointNetworkTracker],
    n_iterations: int | None,
    visibility_weight: float,
    grid: Grid,
    network: nn.Module,
    clip: Clip,
) -> tuple[Tensor, dict[str, float]]:
    frames = tracker.scaled(network, clip.frames)
    points = clip.points_px + grid.first_pixel
    found = tracker.estimates(network, frames, points[:, 0].to(frames), n_iterations)
    with torch.autocast(frames.device.type, enabled=False):
        position, visibility = point_losses(found, points, clip.correlation, grid.pixel_mm)
        parts = {"position_mm": float(position.detach()), "visibility": float(visibility.detach())}
        return position + visibility_weight * visibility, parts
