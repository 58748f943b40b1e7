"""Gradient of a batch, clip by clip, in one process or several: the same bits either way.

On a CPU a small network gains nothing from a second thread, but two clips on two cores take the time of one. Each clip's
gradient is computed by itself, and they are added in the order of the clips, whoever computed them.
"""

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["BatchGradient", "ClipLoss"]

ClipLoss = Callable[[nn.Module, int, int], tuple[Tensor, dict[str, float]]]
"""(model, step, clip of the batch) to the loss and its parts."""


class BatchGradient:
    """Mean loss of a batch and its gradient, left in `.grad` of the model's parameters.

    Use as a context manager: the processes end with it.

    Args:
        model: In training mode, on the CPU if `n_workers` > 1.
        make_clip_loss: Called once in every process; picklable, with what it needs of the data. Returns a `ClipLoss`.
        batch_size: Clips of a step.
        n_workers: Processes with this one, at most `batch_size` are of use; 1 computes here.
        n_threads: Threads of torch in each process.
    """

    def __init__(
        self,
        model: nn.Module,
        make_clip_loss: Callable[[], ClipLoss],
        batch_size: int,
        n_workers: int = 1,
        n_threads: int = 1,
    ) -> None:
        self.model, self.batch_size = model, batch_size
        self._pool: ProcessPoolExecutor | None = None
        n_workers = min(n_workers, batch_size)
        self._clip_loss = make_clip_loss()
        if n_workers == 1:
            return
        self._n_workers = n_workers
        size = sum(parameter.numel() for parameter in model.parameters())
        self._folder = tempfile.TemporaryDirectory(prefix="echotas-gradients-")
        self._shared = _Shared(Path(self._folder.name), size, batch_size)
        self._shared.create()
        # This process takes a share too: a process less to start, and to hold the data.
        self._pool = ProcessPoolExecutor(
            n_workers - 1, get_context("spawn"), _start, (model, make_clip_loss, self._shared, n_threads)
        )

    def __enter__(self) -> "BatchGradient":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._folder.cleanup()

    def __call__(self, step: int) -> tuple[float, dict[str, float]]:
        """Mean loss and parts of the clips of a step.

        Raises:
            RuntimeError: A worker process died, e.g. for want of memory.
        """
        losses = self._alone(step) if self._pool is None else self._together(step)
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad /= self.batch_size
        names = losses[0][1]
        return (
            sum(loss for loss, _ in losses) / self.batch_size,
            {name: sum(parts[name] for _, parts in losses) / self.batch_size for name in names},
        )

    def _alone(self, step: int) -> list[tuple[float, dict[str, float]]]:
        results = []
        for clip in range(self.batch_size):
            loss, parts = self._clip_loss(self.model, step, clip)
            loss.backward()
            results.append((float(loss.detach()), parts))
        return results

    def _together(self, step: int) -> list[tuple[float, dict[str, float]]]:
        parameters, gradients = self._shared.parameters(), self._shared.gradients()
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in self.model.parameters()])
        parameters[:] = flat.numpy()
        own = range(0, self.batch_size, self._n_workers)
        others = [clip for clip in range(self.batch_size) if clip not in own]
        pending = {clip: self._pool.submit(_work, step, clip) for clip in others}
        done = {clip: _gradient(self.model, self._clip_loss, step, clip, gradients) for clip in own}
        try:
            done |= {clip: result.result() for clip, result in pending.items()}
        except BrokenProcessPool as error:
            raise RuntimeError(f"a training process ended at step {step}; is there enough memory?") from error
        results = [done[clip] for clip in range(self.batch_size)]
        first = 0
        for parameter in self.model.parameters():
            part = slice(first, first + parameter.numel())
            total = torch.from_numpy(gradients[0, part].copy())
            for clip in range(1, self.batch_size):
                total += torch.from_numpy(gradients[clip, part])
            parameter.grad = total.reshape(parameter.shape)
            first += parameter.numel()
        return results


@dataclass(frozen=True)
class _Shared:
    """Parameters out, gradients back, in files that all processes map."""

    folder: Path
    size: int
    batch_size: int

    def create(self) -> None:
        for name, rows in (("parameters", 1), ("gradients", self.batch_size)):
            with open(self.folder / name, "wb") as file:
                file.truncate(4 * rows * self.size)

    def parameters(self) -> np.ndarray:
        return np.memmap(self.folder / "parameters", np.float32, "r+", shape=(self.size,))

    def gradients(self) -> np.ndarray:
        return np.memmap(self.folder / "gradients", np.float32, "r+", shape=(self.batch_size, self.size))


_worker: dict[str, Any] = {}  # of this process


def _start(model: nn.Module, make_clip_loss: Callable[[], ClipLoss], shared: _Shared, n_threads: int) -> None:
    """A process: its copy of the model and of the data. It ends when its parent does, also by a kill."""
    threading.Thread(target=_end_with, args=(parent_process().sentinel,), daemon=True).start()
    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    _worker.update(model=model, loss=make_clip_loss(), parameters=shared.parameters(), gradients=shared.gradients())


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _work(step: int, clip: int) -> tuple[float, dict[str, float]]:
    model = _worker["model"]
    first = 0
    with torch.no_grad():
        for parameter in model.parameters():
            part = _worker["parameters"][first : first + parameter.numel()]
            parameter.copy_(torch.from_numpy(part).reshape(parameter.shape))
            first += parameter.numel()
    return _gradient(model, _worker["loss"], step, clip, _worker["gradients"])


def _gradient(
    model: nn.Module, clip_loss: ClipLoss, step: int, clip: int, gradients: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Loss of one clip; its gradient goes into the clip's row of `gradients`."""
    model.zero_grad(set_to_none=True)
    loss, parts = clip_loss(model, step, clip)
    loss.backward()
    flat = [
        torch.zeros(parameter.numel()) if parameter.grad is None else parameter.grad.reshape(-1)
        for parameter in model.parameters()
    ]
    gradients[clip] = torch.cat(flat).numpy()
    return float(loss.detach()), parts
