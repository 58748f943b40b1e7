"""Does a device that trains wait for its clips? Drawing measured with a pause in place of the device."""

import time
from collections.abc import Sequence
from functools import partial

import pandas as pd

from echotas.training import TrainConfig, TrainingSequence
from echotas.training.clip_loader import ClipLoader
from echotas.training.session import clip_at

__all__ = ["clip_waiting_table"]


def clip_waiting_table(
    sequences: Sequence[TrainingSequence],
    n_workers: Sequence[int] = (0, 1, 2),
    device_ms: Sequence[float] = (20.0, 50.0, 100.0),
    n_clips: int = 60,
    config: TrainConfig | None = None,
) -> pd.DataFrame:
    """Share of its time for which a training of TAS-Net would wait for clips, on a device that takes so long for each.

    The device is a pause that leaves the processors to those who draw, as a GPU does. Starting the processes is not counted.

    Args:
        sequences: Training cines.
        n_workers: Processes that draw ahead; 0 draws between the steps.
        device_ms: Forward and backward pass of a clip, milliseconds.
        n_clips: Clips in each measurement.
        config: Lengths, points, augmentation and grid of the clips; the defaults if None.

    Returns:
        One row per number of processes: n_workers, clips_per_s (as fast as they come) and waiting_<ms>, shares in 0..1.
    """
    config = config or TrainConfig()
    draw = partial(
        clip_at, config, sequences, config.model.image_size, config.model.pixel_mm, config.model.begin_with == "lucas_kanade"
    )  # fmt: skip
    rows = []
    for n in n_workers:
        waits = {ms: _wait(draw, n, ms / 1000, n_clips) for ms in (0.0, *device_ms)}
        row = {"n_workers": n, "clips_per_s": n_clips / waits[0.0]}
        rows.append(row | {f"waiting_{ms:g}": waits[ms] / (waits[ms] + n_clips * ms / 1000) for ms in device_ms})
    return pd.DataFrame(rows)


def _wait(draw: partial, n_workers: int, device_s: float, n_clips: int) -> float:
    """Seconds waited for all clips but the first two."""
    loader = ClipLoader(draw, range(1), n_clips + 2, n_workers)
    for step in range(n_clips + 2):
        loader(step, 0)
        if step == 1:
            loader.waited_s = 0.0
        time.sleep(device_s)
    loader.close()
    return loader.waited_s
