"""Training of every peer on cines with true meshes: the same loop, clips and augmentation as TAS-Net's, the peer's own stages."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from echotas.seeds import generator, torch_seed
from echotas.trackers.blocks.point_network import Estimates, Grid, PointNetworkTracker
from echotas.training.augment import AugmentConfig
from echotas.training.dataset import Clip, ClipConfig, TrainingSequence, draw_clip
from echotas.training.gradients import BatchGradient, ClipLoss
from echotas.training.loop import Callback, LoopConfig, TrainResult, run_loop

__all__ = ["PointTrainConfig", "point_losses", "train_point_network"]


@dataclass(frozen=True)
class PointTrainConfig:
    """Everything that decides what `train_point_network` makes, apart from the cines and the initial weights."""

    seed: int = 0
    """Run seed: initial weights and clips."""
    model: dict[str, Any] = field(default_factory=dict)
    """Changes to the member's small configuration."""
    grid: Grid = field(default_factory=Grid)
    """What the network sees of a cine."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """Schedule."""
    clips: ClipConfig = field(default_factory=ClipConfig)
    """How clips are drawn."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How they are varied."""
    batch_size: int = 2
    """Clips per step."""
    visibility_weight: float = 1.0
    """Weight of the visibility loss against the position loss in mm, for networks that predict one."""

    def __post_init__(self) -> None:
        if not (isinstance(self.batch_size, int) and self.batch_size >= 1):
            raise ValueError(f"batch_size must be an integer >= 1, got {self.batch_size!r}")
        if not self.visibility_weight >= 0:
            raise ValueError(f"visibility_weight must be >= 0, got {self.visibility_weight}")
        generator(self.seed, "check")  # refuses a seed that is no natural number


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
    return position, F.mse_loss(found.visibility.sigmoid(), correlation)


def train_point_network(
    tracker: type[PointNetworkTracker],
    config: PointTrainConfig,
    sequences_train: Sequence[TrainingSequence],
    sequences_val: Sequence[TrainingSequence],
    out_dir: str | Path,
    initial_weights: str | Path | None = None,
    callback: Callback | None = None,
    n_workers: int = 1,
) -> TrainResult:
    """Train a peer; resumes when `out_dir` holds a checkpoint of the same training.

    Args:
        tracker: The member.
        config: What to train, and how.
        sequences_train: Training cines.
        sequences_val: Cines of other patients; may be empty (then no validation, no best weights).
        out_dir: Gets `best.safetensors`, `final.safetensors` and `checkpoint.pt`.
        initial_weights: Weights to go on from; `config.model` is left out then.
        callback: Called with (steps made, row of the curve).
        n_workers: Processes that share the clips of a batch; the weights are the same to the bit for any number.

    Raises:
        ValueError: No training cine, a patient on both sides of the split, a checkpoint of another training.
        TrainingDiverged: The loss is not finite.
    """
    if not sequences_train:
        raise ValueError("sequences_train must hold at least one cine, got none")
    shared = {item.patient_id for item in sequences_train} & {item.patient_id for item in sequences_val} - {""}
    if shared:
        raise ValueError(f"sequences_val must be of other patients than sequences_train, got both for {sorted(shared)}")
    steps, grid = config.loop.n_steps, config.grid
    if initial_weights is None:
        network = tracker.untrained(config.model, torch_seed(config.seed, "initial weights"))
    else:
        network, grid, before = tracker.load(initial_weights)
        steps += before
    network.train()

    def validate(step: int) -> dict[str, float]:
        following = tracker.from_network(network, grid)
        return {"validation_error": float(np.mean([_error(following, item) for item in sequences_val]))}

    fingerprint = {
        "tracker": tracker.name,
        "config": asdict(config),
        "train": _digest(sequences_train),
        "validation": _digest(sequences_val),
        "initial": None if initial_weights is None else hashlib.sha256(Path(initial_weights).read_bytes()).hexdigest(),
    }
    make_clip_loss = partial(_make_clip_loss, tracker, config, grid, sequences_train)
    with BatchGradient(network, make_clip_loss, config.batch_size, n_workers, config.loop.n_threads) as gradient_at:
        return run_loop(
            network, gradient_at, validate if sequences_val else None,
            lambda path: tracker.save(network, path, grid, steps), config.loop, out_dir, fingerprint, callback,
        )  # fmt: skip


def _error(tracker: PointNetworkTracker, sequence: TrainingSequence) -> float:
    """Mean distance in mm of the mesh points inside the image, followed from ES, over all frames but ES."""
    truth = sequence.mesh_px.reshape(len(sequence.frames), -1, 2)
    height, width = sequence.frames.shape[1:]
    start = truth[sequence.es_frame]
    inside = ((start >= -0.5) & (start <= np.array([width, height]) - 0.5)).all(1)
    tracks = tracker.track(sequence.cine, start[inside], sequence.es_frame, sequence.mesh_uv[inside])
    error = np.linalg.norm((tracks.points_px - truth[:, inside]) * np.array(sequence.spacing_mm), axis=-1)
    return float(np.delete(error, sequence.es_frame, axis=0).mean())


def _make_clip_loss(
    tracker: type[PointNetworkTracker], config: PointTrainConfig, grid: Grid, sequences: Sequence[TrainingSequence]
) -> ClipLoss:
    return partial(_clip_loss, tracker, config, grid, sequences)


def _clip_loss(
    tracker: type[PointNetworkTracker], config: PointTrainConfig, grid: Grid, sequences: Sequence[TrainingSequence],
    network: nn.Module, step: int, clip: int,
) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
    drawn = _draw(config, grid, sequences, step, clip)
    frames, points, correlation = (
        torch.from_numpy(part) for part in (drawn.frames, drawn.points_px, drawn.correlation)
    )
    frames = tracker.scaled(network, frames)[None]
    found = tracker.estimates(network, frames, points[None, 0].to(frames), tracker.iterations)
    position, visibility = point_losses(found, points[None].to(frames), correlation[None].to(frames), grid.pixel_mm)
    parts = {"position_mm": float(position.detach()), "visibility": float(visibility.detach())}
    return position + config.visibility_weight * visibility, parts


def _draw(config: PointTrainConfig, grid: Grid, sequences: Sequence[TrainingSequence], step: int, clip: int) -> Clip:
    weights = np.array(config.clips.length_weights)
    # One length per step, so that no process waits for another.
    length = int(generator(config.seed, "clip length", step).choice(config.clips.lengths, p=weights / weights.sum()))
    rng = generator(config.seed, f"clip {clip}", step)
    return draw_clip(rng, sequences, length, config.clips, config.augment, grid.image_size, grid.pixel_mm)


def _digest(sequences: Sequence[TrainingSequence]) -> str:
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(sequence.frames.tobytes() + sequence.mesh_px.tobytes() + repr(sequence.es_frame).encode())
    return digest.hexdigest()
