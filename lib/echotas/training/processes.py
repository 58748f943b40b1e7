"""One training shared by the processes that `torchrun` starts: who this one is, and gradients added over all of them."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from echotas.training.gradients import ClipLoss

__all__ = [
    "ProcessGroupGradient",
    "is_main_process",
    "join_process_group",
    "own_clips",
    "process_count",
    "wait_for_all",
]


def process_count() -> int:
    """Processes of this training; 1 without torchrun, whatever another launcher has put into the environment."""
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


def is_main_process() -> bool:
    """Whether this one validates and writes."""
    return process_count() == 1 or os.environ.get("RANK", "0") == "0"


def join_process_group() -> torch.device:
    """Join the others and take a device: an own GPU where there are enough, else the CPU."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available() and torch.cuda.device_count() > local
    if not dist.is_initialized():
        # Validation and data preparation are one process's work; the others wait for it.
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=timedelta(days=1))
    return torch.device("cuda", local) if on_gpu else torch.device("cpu")


def wait_for_all() -> None:
    """Return when every process has come here; at once without torchrun."""
    if process_count() > 1:
        join_process_group()
        dist.barrier()


def own_clips(batch_size: int) -> range:
    """The clips of each batch that this process takes; it must have joined the others."""
    return range(dist.get_rank(), batch_size, dist.get_world_size())


class ProcessGroupGradient:
    """Mean loss of a batch and its gradient; each process takes its clips of the batch, and all end with the same sum.

    Args:
        model: The same in every process.
        make_clip_loss: As for `BatchGradient`.
        batch_size: Clips of a step, over all processes.
    """

    def __init__(self, model: nn.Module, make_clip_loss: Callable[[], ClipLoss], batch_size: int) -> None:
        self._model, self._clip_loss, self._batch_size = model, make_clip_loss(), batch_size

    def __enter__(self) -> "ProcessGroupGradient":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __call__(self, step: int) -> tuple[float, dict[str, float]]:
        """Mean loss and parts of the clips of a step."""
        parameters = list(self._model.parameters())
        total, names = None, None
        self._model.zero_grad(set_to_none=True)
        for clip in own_clips(self._batch_size):
            loss, parts = self._clip_loss(self._model, step, clip)
            loss.backward()
            values = torch.tensor([float(loss.detach()), *parts.values()], dtype=torch.float64)
            total, names = values if total is None else total + values, list(parts)
        # A process without a clip learns from the first one, which always has one, what the parts are called.
        shared = [names]
        dist.broadcast_object_list(shared, src=0)
        total = torch.zeros(1 + len(shared[0]), dtype=torch.float64) if total is None else total
        flat = torch.cat(
            [
                torch.zeros_like(parameter).reshape(-1) if parameter.grad is None else parameter.grad.reshape(-1)
                for parameter in parameters
            ]
        )
        total = total.to(flat.device)
        dist.all_reduce(flat)
        dist.all_reduce(total)
        first = 0
        for parameter in parameters:
            parameter.grad = (flat[first : first + parameter.numel()] / self._batch_size).reshape(parameter.shape)
            first += parameter.numel()
        loss, *rest = (total / self._batch_size).tolist()
        return loss, dict(zip(shared[0], rest, strict=True))
