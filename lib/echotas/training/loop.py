"""The optimisation loop of every learned tracker: a fixed number of steps that a kill cannot change."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from echotas.training.checkpoint import load_checkpoint, save_checkpoint

__all__ = [
    "LoopConfig",
    "TrainResult",
    "OtherTraining",
    "TrainingDiverged",
    "learning_rate_at",
    "reproducible",
    "run_loop",
]

Callback = Callable[[int, dict[str, float]], None]


class OtherTraining(ValueError):
    """A folder holds the checkpoint of a training with other settings or data."""


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is not finite; the message says at which step."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step
        """From 0."""


@dataclass(frozen=True)
class LoopConfig:
    """Optimiser, schedule and bookkeeping."""

    n_steps: int = 600
    """Optimiser steps."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    warm_up: float = 0.05
    """Share of the steps until the peak."""
    weight_decay: float = 1e-5
    """AdamW."""
    clip_norm: float = 5.0
    """Gradients are scaled down to this norm."""
    average_decay: float = 0.0
    """Exponential average of the weights: this much of it is kept at each step, and it is what validates and is written; 0: the
    weights themselves."""
    validate_every: int = 200
    """Steps between validations; the last step always validates."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""
    report_every: int = 20
    """Steps averaged in one row of the curve."""
    n_threads: int = 1
    """Threads of torch in each process; results are bit-identical only for the same number."""

    def __post_init__(self) -> None:
        for name in ("n_steps", "validate_every", "checkpoint_every", "report_every", "n_threads"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("warm_up", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be >= 0, got {self.weight_decay}")


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a training leaves."""

    weights_path: Path
    """Weights with the lowest validation error; the final ones without validation."""
    final_weights_path: Path
    """Weights after the last step."""
    curve: pd.DataFrame
    """One row per report: step, seconds, learning_rate, loss and its parts, validation figures where measured."""
    seconds: float
    """Wall time over all parts of an interrupted run, validation included."""
    n_steps: int
    """Steps made."""
    waiting_share: float = math.nan
    """Share of the time, validation included, that this process waited for clips since it was started or resumed; NaN where nobody
    measured it."""


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Linear one-cycle: from 1/25 of the peak up within `warm_up`, then down to 0 after the last step; step from 0."""
    warm = max(1, round(config.warm_up * config.n_steps))
    if step < warm:
        return config.learning_rate * (0.04 + 0.96 * step / warm)
    return config.learning_rate * (config.n_steps - step) / max(config.n_steps - warm, 1)


def run_loop(
    model: nn.Module,
    gradient_at: Callable[[int], tuple[float, dict[str, float]]],
    validate: Callable[[int], dict[str, float]] | None,
    save: Callable[[Path], Path],
    config: LoopConfig,
    out_dir: str | Path,
    fingerprint: dict[str, Any],
    callback: Callback | None = None,
    writes: bool = True,
) -> TrainResult:
    """Optimise `model` in place and keep weights, checkpoint and curve in `out_dir`.

    A checkpoint found in `out_dir` is resumed; because `gradient_at` depends on the step alone, the resumed run makes the same
    weights to the bit as one that was never stopped.

    Args:
        model: In training mode.
        gradient_at: Leaves the gradient of a step (from 0) in the parameters' `.grad` and returns the loss and its parts;
            draws its batch from the step number.
        validate: Called with the steps made; figures on held-out patients; must hold "validation_error". None: no validation.
        save: Writes the weights to a path.
        config: Schedule.
        out_dir: Made if missing.
        fingerprint: JSON-serialisable description of the training; a checkpoint of another one is refused.
        callback: Called with (steps made, row of the curve); on resuming, with the rows that are there already, so that
            what logs them has the whole curve.
        writes: False in all processes but one of a training that several share: they neither validate nor write.

    Raises:
        ValueError: `out_dir` holds the checkpoint of another training.
        TrainingDiverged: Loss or gradient is not finite.
    """
    out_dir = Path(out_dir)
    checkpoint_path = out_dir / "checkpoint.pt"
    final_path, best_path = out_dir / "final.safetensors", out_dir / "best.safetensors"
    identity = json.dumps(fingerprint, sort_keys=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    step, seconds, best, rows, pending = 0, 0.0, math.inf, [], []
    average = _Average(model, config.average_decay)
    if checkpoint_path.exists():
        state = load_checkpoint(checkpoint_path)
        if state["identity"] != identity:
            raise OtherTraining(f"out_dir {out_dir} holds the checkpoint of a training with other settings or data")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.load(state["average"])
        step, seconds, best, rows, pending = (state[key] for key in ("step", "seconds", "best", "rows", "pending"))
        for row in rows if callback is not None else ():
            callback(row["step"], dict(row))
    with reproducible(config.n_threads):
        begin = time.perf_counter() - seconds
        while step < config.n_steps:
            rate = learning_rate_at(step, config)
            pending.append(_one_step(model, optimiser, gradient_at, step, rate, config.clip_norm))
            average.add()
            step += 1
            last = step == config.n_steps
            checked = validate is not None and (last or step % config.validate_every == 0)
            if checked or last or step % config.report_every == 0:
                row = {"step": step, "seconds": time.perf_counter() - begin, "learning_rate": rate}
                row |= pd.DataFrame(pending).mean().to_dict()
                pending = []
                if checked:
                    with average.in_place():
                        model.eval()
                        row |= validate(step)
                        model.train()
                        if row["validation_error"] < best:
                            best = row["validation_error"]
                            save(best_path)
                rows.append(row)
                if callback is not None:
                    callback(step, dict(row))
            if last or step % config.checkpoint_every == 0:
                seconds = time.perf_counter() - begin
                state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "identity": identity}
                state |= {
                    "average": average.state(),
                    "step": step,
                    "seconds": seconds,
                    "best": best,
                    "rows": rows,
                    "pending": pending,
                }
                if writes:
                    save_checkpoint(checkpoint_path, state)
    if writes:
        with average.in_place():
            save(final_path)
    return TrainResult(best_path if validate is not None else final_path, final_path, pd.DataFrame(rows), seconds, step)


def _one_step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    gradient_at: Callable[[int], tuple[float, dict[str, float]]],
    step: int,
    rate: float,
    clip_norm: float,
) -> dict[str, float]:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss, parts = gradient_at(step)
    if not math.isfinite(loss):
        raise TrainingDiverged(f"the loss is {loss} at step {step}; parts: {parts}", step)
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), clip_norm))
    if not math.isfinite(norm):
        raise TrainingDiverged(f"the gradient norm is {norm} at step {step} with loss {loss}", step)
    optimiser.step()
    return {"loss": loss, **parts, "gradient_norm": norm}


class _Average:
    """Exponential average of a model's parameters; without a decay it is the model itself and costs nothing."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._values = [value.detach().clone() for value in model.parameters()] if decay else []

    def add(self) -> None:
        for value, parameter in zip(self._values, self._model.parameters(), strict=False):
            value.lerp_(parameter.detach(), 1 - self._decay)

    def state(self) -> list[torch.Tensor]:
        return self._values

    def load(self, state: list[torch.Tensor]) -> None:
        for value, saved in zip(self._values, state, strict=True):
            value.copy_(saved)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model with the averaged parameters, its own restored afterwards."""
        own = [parameter.detach().clone() for parameter in self._model.parameters()] if self._values else []
        self._put(self._values)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._model.parameters(), values, strict=False):
                parameter.copy_(value)


@contextmanager
def reproducible(n_threads: int) -> Iterator[None]:
    """Deterministic kernels and a fixed number of threads, restored afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.set_num_threads(n_threads)
    # On CUDA some kernels (sampling of maps, backwards) have no deterministic form: they warn instead of failing.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.utils.deterministic.fill_uninitialized_memory = False  # it only costs time: no kernel reads such memory
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = fill
