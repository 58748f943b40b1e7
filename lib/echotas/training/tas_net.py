"""Training of TAS-Net on cines with true meshes."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from echotas.records import Cine
from echotas.seeds import generator, torch_seed
from echotas.trackers.tas_net import TasNet, TasNetConfig, TasNetTracker, load_weights, save_weights, scale_frames
from echotas.training.augment import AugmentConfig
from echotas.training.dataset import ClipConfig, TrainingSequence, draw_clip
from echotas.training.gradients import BatchGradient, ClipLoss
from echotas.training.loop import Callback, LoopConfig, TrainResult, run_loop
from echotas.training.losses import track_losses
from echotas.training.synthetic import SyntheticCines

__all__ = ["TrainConfig", "train", "validation_error"]


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what `train` makes, apart from the cines and the initial weights."""

    seed: int = 0
    """Run seed: initial weights and clips."""
    model: TasNetConfig = field(default_factory=TasNetConfig)
    """Sizes of the network."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """Schedule."""
    clips: ClipConfig = field(default_factory=ClipConfig)
    """How clips are drawn."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How they are varied."""
    batch_size: int = 2
    """Clips per step."""
    n_iterations: int = 3
    """Refinements per window, in training and validation."""
    visibility_weight: float = 1.0
    """Weight of the visibility loss against the position loss in mm."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "n_iterations"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        if not self.visibility_weight >= 0:
            raise ValueError(f"visibility_weight must be >= 0, got {self.visibility_weight}")
        generator(self.seed, "check")  # refuses a seed that is no natural number


def train(
    config: TrainConfig,
    sequences_train: Sequence[TrainingSequence],
    sequences_val: Sequence[TrainingSequence],
    out_dir: str | Path,
    initial_weights: str | Path | None = None,
    callback: Callback | None = None,
    n_workers: int = 1,
) -> TrainResult:
    """Train TAS-Net; resumes when `out_dir` holds a checkpoint of the same training.

    Args:
        config: What to train, and how.
        sequences_train: Training cines.
        sequences_val: Cines of other patients; may be empty (then no validation, no best weights).
        out_dir: Gets `best.safetensors`, `final.safetensors` and `checkpoint.pt`.
        initial_weights: Weights to start from (warm start); `config.model` must fit them.
        callback: Called with (steps made, row of the curve), e.g. to log to MLflow.
        n_workers: Processes that share the clips of a batch; the weights are the same to the bit for any number.

    Raises:
        ValueError: No training cine, a patient on both sides of the split, a checkpoint of another training.
        TrainingDiverged: The loss is not finite.
    """
    if not sequences_train:
        raise ValueError("sequences_train must hold at least one cine, got none")
    shared = _patients(sequences_train) & _patients(sequences_val)
    if shared:
        raise ValueError(f"sequences_val must be of other patients than sequences_train, got both for {sorted(shared)}")
    torch.manual_seed(torch_seed(config.seed, "initial weights"))
    model = load_weights(initial_weights, config.model) if initial_weights is not None else TasNet(config.model)
    model.n_steps += config.loop.n_steps
    model.train()

    def validate() -> dict[str, float]:
        errors = [validation_error(model, sequence, config.n_iterations) for sequence in sequences_val]
        return {"validation_error": float(np.mean(errors))}

    fingerprint = {
        "config": asdict(config),
        "train": _digest(sequences_train),
        "validation": _digest(sequences_val),
        "initial": None if initial_weights is None else hashlib.sha256(Path(initial_weights).read_bytes()).hexdigest(),
    }
    make_clip_loss = partial(_make_clip_loss, config, sequences_train)
    with BatchGradient(model, make_clip_loss, config.batch_size, n_workers, config.loop.n_threads) as gradient_at:
        return run_loop(
            model, gradient_at, validate if sequences_val else None, lambda path: save_weights(model, path), config.loop,
            out_dir, fingerprint, callback,
        )  # fmt: skip


def validation_error(model: TasNet, sequence: TrainingSequence, n_iterations: int) -> float:
    """Mean distance in mm over all mesh points and all frames but ES, tracked from ES."""
    n_frames = len(sequence.frames)
    cine = Cine(sequence.frames, sequence.spacing_mm, np.arange(n_frames, dtype=np.float64), es_frame=sequence.es_frame)
    truth = sequence.mesh_px.reshape(n_frames, -1, 2)
    height, width = sequence.frames.shape[1:]
    start = truth[sequence.es_frame]
    inside = ((start >= -0.5) & (start <= np.array([width, height]) - 0.5)).all(1)
    tracker = TasNetTracker.from_network(model, n_iterations)
    tracks = tracker.track(cine, start[inside], sequence.es_frame, sequence.mesh_uv[inside])
    error = np.linalg.norm((tracks.points_px - truth[:, inside]) * np.array(sequence.spacing_mm), axis=-1)
    return float(np.delete(error, sequence.es_frame, axis=0).mean())


def _make_clip_loss(config: TrainConfig, sequences: Sequence[TrainingSequence]) -> ClipLoss:
    return partial(_clip_loss, config, sequences)


def _clip_loss(
    config: TrainConfig, sequences: Sequence[TrainingSequence], model: nn.Module, step: int, clip: int
) -> tuple[Tensor, dict[str, float]]:
    weights = np.array(config.clips.length_weights)
    # One length per step, so that no process waits for another.
    length = int(generator(config.seed, "clip length", step).choice(config.clips.lengths, p=weights / weights.sum()))
    rng = generator(config.seed, f"clip {clip}", step)
    size, pixel_mm, stride = config.model.image_size, config.model.pixel_mm, config.model.core.stride
    drawn = draw_clip(rng, sequences, length, config.clips, config.augment, size, pixel_mm)
    frames, points, uv, correlation = (torch.from_numpy(part)[None] for part in drawn)
    followed = model(scale_frames(frames), points[:, 0], uv, config.n_iterations)
    position, visibility = track_losses(followed, points, correlation, stride * pixel_mm, stride)
    loss = position + config.visibility_weight * visibility
    return loss, {"position_mm": float(position.detach()), "visibility": float(visibility.detach())}


def _patients(sequences: Sequence[TrainingSequence]) -> set[str]:
    if isinstance(sequences, SyntheticCines):
        return set(sequences.patient_ids)
    return {sequence.patient_id for sequence in sequences if sequence.patient_id}


def _digest(sequences: Sequence[TrainingSequence]) -> str:
    if isinstance(sequences, SyntheticCines):  # named by its address, not made for this
        return hashlib.sha256(repr(sequences).encode()).hexdigest()
    digest = hashlib.sha256()
    for sequence in sequences:
        digest.update(sequence.frames.tobytes() + sequence.mesh_px.tobytes() + repr(sequence.es_frame).encode())
    return digest.hexdigest()
