"""Training of TAS-Net on cines with true meshes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from echotas.seeds import torch_seed
from echotas.trackers.tas_net import (
    N_ITERATIONS,
    TasNet,
    TasNetConfig,
    TasNetTracker,
    load_weights,
    save_weights,
    scale_frames,
)
from echotas.training.calibration import calibrate
from echotas.training.dataset import Clip, TrainingSequence
from echotas.training.loop import Callback, TrainResult, reproducible
from echotas.training.losses import error_loss, track_losses
from echotas.training.processes import is_main_process, wait_for_all
from echotas.training.session import Learner, OnValidation, SessionConfig, run_session

__all__ = ["TrainConfig", "train"]


@dataclass(frozen=True)
class TrainConfig(SessionConfig):
    """Everything that decides what `train` makes, apart from the cines and the initial weights."""

    model: TasNetConfig = field(default_factory=TasNetConfig)
    """Sizes of the network."""
    error_weight: float = 0.1
    """Weight of the likelihood of the errors made, which trains their prediction alone; 0 leaves it untrained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.error_weight >= 0:
            raise ValueError(f"error_weight must be >= 0, got {self.error_weight}")


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
    """Train TAS-Net and scale its predicted errors on the validation cines; all else as `run_session`.

    Args:
        initial_weights: Weights to start from (warm start); `config.model` must fit them.
    """
    torch.manual_seed(torch_seed(config.seed, "initial weights"))
    model = load_weights(initial_weights, config.model) if initial_weights is not None else TasNet(config.model)
    model.n_steps += config.loop.n_steps
    n_iterations = config.n_iterations or N_ITERATIONS[config.model.begin_with]
    learner = Learner(
        model,
        config.model.image_size,
        config.model.pixel_mm,
        partial(_loss, config, n_iterations),
        lambda: TasNetTracker.from_network(model, n_iterations),
        lambda path: save_weights(model, path),
        config.model.begin_with == "lucas_kanade",
    )
    result = run_session(
        learner, config, sequences_train, sequences_val, out_dir, initial_weights, callback, n_workers, on_validation, device
    )  # fmt: skip
    if config.model.error_head and sequences_val and is_main_process():
        with reproducible(config.loop.n_threads):
            best = load_weights(result.weights_path).eval().requires_grad_(False)
            calibrate(best, sequences_val, n_iterations)
        save_weights(best, result.weights_path)
    wait_for_all()
    return result


def _loss(config: TrainConfig, n_iterations: int, model: nn.Module, clip: Clip) -> tuple[Tensor, dict[str, float]]:
    pixel_mm, stride = config.model.pixel_mm, config.model.core.stride
    followed = model(scale_frames(clip.frames), clip.points_px[:, 0], clip.uv, n_iterations, clip.guess_px)
    with torch.autocast(clip.frames.device.type, enabled=False):
        position, visibility = track_losses(followed, clip.points_px, clip.correlation, stride * pixel_mm, stride)
        loss = position + config.visibility_weight * visibility
        parts = {"position_mm": float(position.detach()), "visibility": float(visibility.detach())}
        if followed.errors is not None and config.error_weight > 0:
            error = error_loss(followed, clip.points_px, stride * pixel_mm, stride)
            loss = loss + config.error_weight * error
            parts["error_nll"] = float(error.detach())
    return loss, parts
