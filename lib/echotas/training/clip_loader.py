"""Training clips by step and number: drawn when asked for, or ahead of that by other processes while a device computes.

A clip depends on its step and number alone, so that whoever draws it, and when, changes no bit of it.
"""

import time
from collections.abc import Callable, Iterator

import cv2
from torch.utils.data import DataLoader, Dataset

from echotas.training.dataset import Clip

__all__ = ["ClipLoader"]


class ClipLoader:
    """Calling it with (step, clip) gives that clip: arrays as they were drawn, or tensors that came from another process.

    Drawing ahead goes on from the clip that was asked for last, through `batch` of each step; asking for another one than the
    next starts anew from there, as a resumed training does.

    Args:
        draw: (step, clip) to the clip; picklable.
        batch: Clips of a step that are asked for, in this order.
        n_steps: Steps of the training.
        n_workers: Processes that draw ahead; 0 draws here, when asked.
        pin_memory: Clips drawn ahead come in page-locked memory, from which a GPU copies without waiting.
    """

    def __init__(
        self,
        draw: Callable[[int, int], Clip],
        batch: range,
        n_steps: int,
        n_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if n_workers < 0:
            raise ValueError(f"n_workers must be >= 0, got {n_workers}")
        self.draw, self.batch, self.n_steps = draw, batch, n_steps
        self.n_workers, self.pin_memory = n_workers, pin_memory
        self.waited_s = 0.0
        """Seconds that callers have waited for clips."""
        self._coming: Iterator[tuple[tuple[int, int], Clip]] = iter(())

    def __call__(self, step: int, clip: int) -> Clip:
        """The clip of a step.

        Raises:
            IndexError: It is none of this training's.
        """
        if not 0 <= step < self.n_steps or clip not in self.batch:
            raise IndexError(f"step and clip must be in 0..{self.n_steps - 1} and {self.batch}, got {step} and {clip}")
        begin = time.perf_counter()
        drawn = self._next(step, clip) if self.n_workers else self.draw(step, clip)
        self.waited_s += time.perf_counter() - begin
        return drawn

    def close(self) -> None:
        """End the other processes."""
        self._coming = iter(())

    def _next(self, step: int, clip: int) -> Clip:
        found, drawn = next(self._coming, (None, None))
        if found != (step, clip):
            self.close()  # before others start
            self._coming = self._from(step, clip)
            found, drawn = next(self._coming)
        return drawn

    def _from(self, step: int, clip: int) -> Iterator[tuple[tuple[int, int], Clip]]:
        keys = [(now, other) for now in range(step, self.n_steps) for other in self.batch][self.batch.index(clip) :]
        loader = DataLoader(
            _Drawn(self.draw),
            batch_size=None,
            sampler=keys,
            num_workers=self.n_workers,
            worker_init_fn=_start_worker,
            pin_memory=self.pin_memory,
        )
        return zip(keys, loader, strict=True)


class _Drawn(Dataset):
    def __init__(self, draw: Callable[[int, int], Clip]) -> None:
        self._draw = draw

    def __getitem__(self, key: tuple[int, int]) -> Clip:
        return self._draw(*key)


def _start_worker(number: int) -> None:
    # A forked process does not have the threads that OpenCV thinks it has, and would wait for them.
    cv2.setNumThreads(0)
