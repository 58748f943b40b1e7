"""Training of TAS-Net on cines with true meshes."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from echotas.records import Tracks
from echotas.seeds import generator, torch_seed
from echotas.trackers.tas_net import TasNet, TasNetConfig, TasNetTracker, load_weights, save_weights, scale_frames
from echotas.training.augment import AugmentConfig
from echotas.training.calibration import calibrate
from echotas.training.dataset import Clip, ClipConfig, TrainingSequence, draw_clip
from echotas.training.gradients import BatchGradient, ClipLoss
from echotas.training.loop import Callback, LoopConfig, TrainingDiverged, TrainResult, reproducible, run_loop
from echotas.training.losses import error_loss, track_losses
from echotas.training.processes import (
    ProcessGroupGradient,
    is_main_process,
    join_process_group,
    process_count,
    wait_for_all,
)
from echotas.training.synthetic import SyntheticCines

__all__ = ["OnValidation", "TrainConfig", "train", "validation_tracks"]

OnValidation = Callable[[int, TrainingSequence, Tracks], None]
"""(steps made, validation cine, its tracks), e.g. to draw them."""


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
    """Clips per step, over all processes."""
    mixed_precision: bool = False
    """Networks in bfloat16 where that is safe, the losses in float32; worth its loss of digits on CUDA only."""
    n_iterations: int = 3
    """Refinements per window, in training and validation."""
    visibility_weight: float = 1.0
    """Weight of the visibility loss against the position loss in mm."""
    error_weight: float = 0.1
    """Weight of the likelihood of the errors made, which trains their prediction alone; 0 leaves it untrained."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "n_iterations"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        for name in ("visibility_weight", "error_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        generator(self.seed, "check")  # refuses a seed that is no natural number


def train(
    config: TrainConfig,
    sequences_train: Sequence[TrainingSequence],
    sequences_val: Sequence[TrainingSequence],
    out_dir: str | Path,
    initial_weights: str | Path | None = None,
    callback: Callback | None = None,
    n_workers: int = 1,
    on_validation: OnValidation | None = None,
    device: str | None = None,
) -> TrainResult:
    """Train TAS-Net; resumes when `out_dir` holds a checkpoint of the same training.

    Started by `torchrun`, all its processes share each batch, every one on a GPU of its own where there are enough; the first
    one validates and writes.

    Args:
        config: What to train, and how.
        sequences_train: Training cines.
        sequences_val: Cines of other patients; may be empty (then no validation, no best weights).
        out_dir: Gets `best.safetensors`, `final.safetensors` and `checkpoint.pt`.
        initial_weights: Weights to start from (warm start); `config.model` must fit them.
        callback: Called with (steps made, row of the curve), e.g. to log to MLflow.
        n_workers: Processes that share the clips of a batch on the CPU; the weights are the same to the bit for any number.
        on_validation: Called with the first validation cine and its tracks at every validation.
        device: Torch device; None: the CPU, under torchrun an own GPU where there is one.

    Raises:
        ValueError: No training cine, a patient on both sides of the split, a checkpoint of another training.
        TrainingDiverged: The loss is not finite; the batch is in `diverged.npz` in `out_dir`.
    """
    if not sequences_train:
        raise ValueError("sequences_train must hold at least one cine, got none")
    shared = _patients(sequences_train) & _patients(sequences_val)
    if shared:
        raise ValueError(f"sequences_val must be of other patients than sequences_train, got both for {sorted(shared)}")
    torch.manual_seed(torch_seed(config.seed, "initial weights"))
    model = load_weights(initial_weights, config.model) if initial_weights is not None else TasNet(config.model)
    model.n_steps += config.loop.n_steps
    shared_run = process_count() > 1
    chosen = torch.device(device) if device else join_process_group() if shared_run else torch.device("cpu")
    model.to(chosen).train()

    def validate(step: int) -> dict[str, float]:
        errors = []
        for index, sequence in enumerate(sequences_val):
            tracks, error = validation_tracks(model, sequence, config.n_iterations)
            errors.append(error)
            if on_validation is not None and index == 0:
                on_validation(step, sequence, tracks)
        return {"validation_error": float(np.mean(errors))}

    fingerprint = {
        "config": asdict(config),
        "train": _digest(sequences_train),
        "validation": _digest(sequences_val),
        "initial": None if initial_weights is None else hashlib.sha256(Path(initial_weights).read_bytes()).hexdigest(),
    }
    make_clip_loss = partial(_make_clip_loss, config, sequences_train)
    main = is_main_process()
    if shared_run:
        gradient = ProcessGroupGradient(model, make_clip_loss, config.batch_size)
    else:
        workers = n_workers if chosen.type == "cpu" else 1
        gradient = BatchGradient(model, make_clip_loss, config.batch_size, workers, config.loop.n_threads)
    try:
        with gradient as gradient_at:
            result = run_loop(
                model, gradient_at, validate if sequences_val and main else None, lambda path: save_weights(model, path),
                config.loop, out_dir, fingerprint, callback if main else None, main,
            )  # fmt: skip
    except TrainingDiverged as error:
        path = _save_batch(config, sequences_train, error.step, Path(out_dir) / "diverged.npz")
        raise TrainingDiverged(f"{error}; its clips are in {path}", error.step) from error
    if config.model.error_head and sequences_val and main:
        with reproducible(config.loop.n_threads):
            best = load_weights(result.weights_path).eval().requires_grad_(False)
            calibrate(best, sequences_val, config.n_iterations)
        save_weights(best, result.weights_path)
    wait_for_all()
    return result


def validation_tracks(model: TasNet, sequence: TrainingSequence, n_iterations: int) -> tuple[Tracks, float]:
    """The mesh points inside the image, tracked from ES, and their mean distance in mm over all frames but ES."""
    n_frames = len(sequence.frames)
    truth = sequence.mesh_px.reshape(n_frames, -1, 2)
    height, width = sequence.frames.shape[1:]
    start = truth[sequence.es_frame]
    inside = ((start >= -0.5) & (start <= np.array([width, height]) - 0.5)).all(1)
    tracker = TasNetTracker.from_network(model, n_iterations)
    tracks = tracker.track(sequence.cine, start[inside], sequence.es_frame, sequence.mesh_uv[inside])
    error = np.linalg.norm((tracks.points_px - truth[:, inside]) * np.array(sequence.spacing_mm), axis=-1)
    return tracks, float(np.delete(error, sequence.es_frame, axis=0).mean())


def _make_clip_loss(config: TrainConfig, sequences: Sequence[TrainingSequence]) -> ClipLoss:
    return partial(_clip_loss, config, sequences)


def _clip_loss(
    config: TrainConfig, sequences: Sequence[TrainingSequence], model: nn.Module, step: int, clip: int
) -> tuple[Tensor, dict[str, float]]:
    pixel_mm, stride = config.model.pixel_mm, config.model.core.stride
    device = next(model.parameters()).device
    frames, points, uv, correlation, guess = (
        None if part is None else torch.from_numpy(part)[None].to(device)
        for part in _draw(config, sequences, step, clip)
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=config.mixed_precision):
        followed = model(scale_frames(frames), points[:, 0], uv, config.n_iterations, guess)
    position, visibility = track_losses(followed, points, correlation, stride * pixel_mm, stride)
    loss = position + config.visibility_weight * visibility
    parts = {"position_mm": float(position.detach()), "visibility": float(visibility.detach())}
    if followed.errors is not None and config.error_weight > 0:
        error = error_loss(followed, points, stride * pixel_mm, stride)
        loss = loss + config.error_weight * error
        parts["error_nll"] = float(error.detach())
    return loss, parts


def _draw(config: TrainConfig, sequences: Sequence[TrainingSequence], step: int, clip: int) -> Clip:
    weights = np.array(config.clips.length_weights)
    # One length per step, so that no process waits for another.
    length = int(generator(config.seed, "clip length", step).choice(config.clips.lengths, p=weights / weights.sum()))
    rng = generator(config.seed, f"clip {clip}", step)
    with_guess = config.model.begin_with == "lucas_kanade"
    size, pixel_mm = config.model.image_size, config.model.pixel_mm
    return draw_clip(rng, sequences, length, config.clips, config.augment, size, pixel_mm, with_guess)


def _save_batch(config: TrainConfig, sequences: Sequence[TrainingSequence], step: int, path: Path) -> Path:
    """The clips of a step, drawn again: `<clip>_<part>`."""
    clips = {str(clip): _draw(config, sequences, step, clip) for clip in range(config.batch_size)}
    parts = {f"{clip}_{name}": value for clip, drawn in clips.items() for name, value in drawn._asdict().items()}
    np.savez_compressed(path, **{name: value for name, value in parts.items() if value is not None})
    return path


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
