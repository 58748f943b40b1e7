"""A training of any learned tracker: clips by step and seed, gradient over processes, validation on other patients."""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from echotas.records import Tracks
from echotas.seeds import generator
from echotas.trackers.base import Tracker
from echotas.training.augment import AugmentConfig
from echotas.training.clip_loader import ClipLoader
from echotas.training.dataset import Clip, ClipConfig, TrainingSequence, draw_clip
from echotas.training.gradients import BatchGradient, ClipLoss
from echotas.training.loop import Callback, LoopConfig, TrainingDiverged, TrainResult, run_loop
from echotas.training.processes import (
    ProcessGroupGradient,
    is_main_process,
    join_process_group,
    own_clips,
    process_count,
)
from echotas.training.synthetic import SyntheticCines

__all__ = ["Learner", "OnValidation", "SessionConfig", "clip_at", "run_session", "validation_tracks"]

OnValidation = Callable[[int, TrainingSequence, Tracks], None]
"""(steps made, validation cine, its tracks), e.g. to draw them."""


@dataclass(frozen=True)
class SessionConfig:
    """What every training has, apart from the network."""

    seed: int = 0
    """Run seed: initial weights and clips."""
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
    visibility_weight: float = 1.0
    """Weight of the visibility loss against the position loss in mm, for networks that predict one."""
    n_iterations: int | None = None
    """Refinements in training and validation; None: the tracker's own number. A network that makes none ignores it."""

    def __post_init__(self) -> None:
        if not (self.n_iterations is None or (isinstance(self.n_iterations, int) and self.n_iterations >= 1)):
            raise ValueError(f"n_iterations must be an integer >= 1, got {self.n_iterations!r}")
        if not (isinstance(self.batch_size, int) and self.batch_size >= 1):
            raise ValueError(f"batch_size must be an integer >= 1, got {self.batch_size!r}")
        if not self.visibility_weight >= 0:
            raise ValueError(f"visibility_weight must be >= 0, got {self.visibility_weight}")
        generator(self.seed, "check")  # refuses a seed that is no natural number


class Learner(NamedTuple):
    """A network and how it learns; `loss` travels to other processes and must be picklable."""

    network: nn.Module
    """On the CPU; trained in place."""
    image_size: tuple[int, int]
    """Height and width of its grid, px."""
    pixel_mm: float
    """Pixel of the grid, mm."""
    loss: Callable[[nn.Module, Clip], tuple[Tensor, dict[str, float]]]
    """Loss and its parts for a clip of tensors with a batch axis in front, on the network's device."""
    tracker: Callable[[], Tracker]
    """Around the network as it is now, for validation."""
    save: Callable[[Path], Path]
    """Writes the weights."""
    with_guess: bool = False
    """Clips hold the paths of smoothed Lucas-Kanade."""


def run_session(
    learner: Learner,
    config: SessionConfig,
    sequences_train: Sequence[TrainingSequence],
    sequences_val: Sequence[TrainingSequence],
    out_dir: str | Path,
    initial_weights: str | Path | None = None,
    callback: Callback | None = None,
    n_workers: int = 1,
    on_validation: OnValidation | None = None,
    device: str | None = None,
) -> TrainResult:
    """Train; resumes when `out_dir` holds a checkpoint of the same training.

    Started by `torchrun`, all its processes share each batch, every one on a GPU of its own where there are enough; the first
    one validates and writes.

    Args:
        learner: What to train.
        config: How.
        sequences_train: Training cines.
        sequences_val: Cines of other patients; may be empty (then no validation, no best weights).
        out_dir: Gets `best.safetensors`, `final.safetensors` and `checkpoint.pt`.
        initial_weights: File that the network's weights come from, where they do; part of the identity of the training.
        callback: Called with (steps made, row of the curve), e.g. to log to MLflow.
        n_workers: Processes: on the CPU they share the clips of a batch, for a GPU they draw the coming clips while it computes
            (each process of torchrun its own). The weights are the same to the bit for any number.
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
    shared_run = process_count() > 1
    chosen = torch.device(device) if device else join_process_group() if shared_run else torch.device("cpu")
    learner.network.to(chosen).train()

    def validate(step: int) -> dict[str, float]:
        errors = []
        for index, sequence in enumerate(sequences_val):
            tracks, error = validation_tracks(learner.tracker(), sequence)
            errors.append(error)
            if on_validation is not None and index == 0:
                on_validation(step, sequence, tracks)
        return {"validation_error": float(np.mean(errors))}

    fingerprint = {
        "network": type(learner.network).__name__,
        "config": asdict(config),
        "train": _digest(sequences_train),
        "validation": _digest(sequences_val),
        "initial": None if initial_weights is None else hashlib.sha256(Path(initial_weights).read_bytes()).hexdigest(),
    }
    draw = partial(clip_at, config, sequences_train, learner.image_size, learner.pixel_mm, learner.with_guess)
    on_gpu = chosen.type != "cpu"
    batch = own_clips(config.batch_size) if shared_run else range(config.batch_size)
    clips = ClipLoader(draw, batch, config.loop.n_steps, max(n_workers, 1) if on_gpu else 0, chosen.type == "cuda")
    make_clip_loss = partial(_make_clip_loss, clips, learner.loss, config.mixed_precision)
    main = is_main_process()
    if shared_run:
        gradient = ProcessGroupGradient(learner.network, make_clip_loss, config.batch_size)
    else:
        workers = 1 if on_gpu else n_workers
        gradient = BatchGradient(learner.network, make_clip_loss, config.batch_size, workers, config.loop.n_threads)
    begin = time.perf_counter()
    try:
        with closing(clips), gradient as gradient_at:
            result = run_loop(
                learner.network, gradient_at, validate if sequences_val and main else None, learner.save, config.loop, out_dir,
                fingerprint, callback if main else None, main,
            )  # fmt: skip
        return replace(result, waiting_share=clips.waited_s / (time.perf_counter() - begin))
    except TrainingDiverged as error:
        path = _save_batch(draw, config.batch_size, error.step, Path(out_dir) / "diverged.npz")
        raise TrainingDiverged(f"{error}; its clips are in {path}", error.step) from error


def validation_tracks(tracker: Tracker, sequence: TrainingSequence) -> tuple[Tracks, float]:
    """The mesh points inside the image, tracked from ES, and their mean distance in mm over all frames but ES."""
    truth = sequence.mesh_px.reshape(len(sequence.frames), -1, 2)
    height, width = sequence.frames.shape[1:]
    start = truth[sequence.es_frame]
    inside = ((start >= -0.5) & (start <= np.array([width, height]) - 0.5)).all(1)
    tracks = tracker.track(sequence.cine, start[inside], sequence.es_frame, sequence.mesh_uv[inside])
    error = np.linalg.norm((tracks.points_px - truth[:, inside]) * np.array(sequence.spacing_mm), axis=-1)
    return tracks, float(np.delete(error, sequence.es_frame, axis=0).mean())


def clip_at(
    config: SessionConfig, sequences: Sequence[TrainingSequence], size: tuple[int, int], pixel_mm: float, with_guess: bool,
    step: int, clip: int,
) -> Clip:  # fmt: skip
    """A clip of a training's step, both from 0: the same whenever it is asked for; `size` (height, width) px of `pixel_mm`."""
    weights = np.array(config.clips.length_weights)
    # One length per step, so that no process waits for another.
    length = int(generator(config.seed, "clip length", step).choice(config.clips.lengths, p=weights / weights.sum()))
    rng = generator(config.seed, f"clip {clip}", step)
    return draw_clip(rng, sequences, length, config.clips, config.augment, size, pixel_mm, with_guess)


def _make_clip_loss(
    clips: ClipLoader,
    loss: Callable[[nn.Module, Clip], tuple[Tensor, dict[str, float]]],
    mixed_precision: bool,
) -> ClipLoss:
    return partial(_clip_loss, clips, loss, mixed_precision)


def _clip_loss(
    clips: ClipLoader,
    loss: Callable[[nn.Module, Clip], tuple[Tensor, dict[str, float]]],
    mixed_precision: bool,
    network: nn.Module,
    step: int,
    clip: int,
) -> tuple[Tensor, dict[str, float]]:
    device = next(network.parameters()).device
    parts = (None if part is None else torch.as_tensor(part)[None] for part in clips(step, clip))
    drawn = Clip(*(None if part is None else part.to(device, non_blocking=True) for part in parts))
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision):
        return loss(network, drawn)


def _save_batch(draw: Callable[[int, int], Clip], batch_size: int, step: int, path: Path) -> Path:
    """The clips of a step, drawn again: `<clip>_<part>`."""
    clips = {str(clip): draw(step, clip) for clip in range(batch_size)}
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
