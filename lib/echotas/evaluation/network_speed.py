"""What the networks at their published sizes cost on a processor, beside the figures of their public implementations."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from echotas.trackers.cotracker import CoTracker, CoTrackerConfig
from echotas.trackers.cotracker3 import CoTracker3
from echotas.trackers.echotracker import EchoTracker
from echotas.trackers.echotracker2 import EchoTracker2
from echotas.trackers.locotrack import LocoTrack
from echotas.trackers.myotracker import MyoTracker
from echotas.trackers.pips_plus_plus import PipsPlusPlus
from echotas.trackers.specknet import SpeckNet
from echotas.trackers.tas_net import N_ITERATIONS, TasNet, TasNetConfig

__all__ = ["CASES", "TAS_NET", "NetworkCase", "matrix_rate", "network_speed_table"]


TAS_NET = "TAS-Net, CoTracker v1's size"
"""Without the steps of Lucas-Kanade that it begins with, which `tracker_speed_table` has as a tracker."""


@dataclass(frozen=True)
class NetworkCase:
    """One network on one size of clip."""

    name: str
    """Network."""
    make: Callable[[], nn.Module]
    """Builds it at its published size, with random weights."""
    n_frames: int
    """Frames of 256 x 256 px."""
    n_iterations: int | None
    """Refinements; None where the network has none to choose."""
    n_points: int = 180
    """Points, given in frame 0."""
    public_s: float | None = None
    """CPU seconds of the public implementation, one thread, on another 2-core machine; None: not known to us."""


def _tas_net() -> TasNet:
    """TAS-Net of the published CoTracker's size; the small one is what comes with weights."""
    return TasNet(TasNetConfig(core=CoTrackerConfig()))


CASES = (
    NetworkCase("CoTracker v1", CoTracker, 8, 4, public_s=4.4),
    NetworkCase("CoTracker v1", CoTracker, 24, 4, public_s=16.1),
    NetworkCase(TAS_NET, _tas_net, 8, N_ITERATIONS["lucas_kanade"]),
    NetworkCase(TAS_NET, _tas_net, 24, N_ITERATIONS["lucas_kanade"]),
    NetworkCase("CoTracker3, offline", CoTracker3, 8, 4),
    NetworkCase("EchoTracker", EchoTracker, 8, 4, public_s=3.7),
    NetworkCase("EchoTracker", EchoTracker, 24, 4, public_s=12.4),
    NetworkCase("EchoTracker2", EchoTracker2, 8, 4),
    NetworkCase("MyoTracker", MyoTracker, 8, None, public_s=0.13),
    NetworkCase("MyoTracker", MyoTracker, 24, None, public_s=0.52),
    NetworkCase("LocoTrack, base", LocoTrack, 8, 4, n_points=64),
    NetworkCase("PIPs++", PipsPlusPlus, 8, 6, n_points=64),
    NetworkCase("SpeckNet", SpeckNet, 8, None),
)
"""What `make bench` times."""


def network_speed_table(cases: Sequence[NetworkCase] = CASES, n_repeats: int = 1, size: int = 256) -> pd.DataFrame:
    """CPU seconds of a whole forward pass, encoder included, on one thread with random weights; best of the repeats.

    Args:
        cases: What to time.
        n_repeats: Passes after one that warms up.
        size: Side of the frames, px.

    Returns:
        Columns network, frames, iterations, points, parameters, gflop, floor_s (what its operations take at the rate of one
        large matrix product here, in this run), cpu_s, public_s, ratio (ours / public; NaN where unknown).
    """
    rows = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rate = matrix_rate()
        for case in cases:
            torch.manual_seed(0)
            network = case.make().eval().requires_grad_(False)
            run = partial(_run, network, case, size)
            seconds = [run() for _ in range(n_repeats + 1)][1:]
            with FlopCounterMode(display=False) as counter:
                run()
            operations = counter.get_total_flops()
            public = np.nan if case.public_s is None else case.public_s
            rows.append(
                {
                    "network": case.name,
                    "frames": case.n_frames,
                    "iterations": case.n_iterations,
                    "points": case.n_points,
                    "parameters": sum(parameter.numel() for parameter in network.parameters()),
                    "gflop": operations / 1e9,
                    "floor_s": operations / rate,
                    "cpu_s": min(seconds),
                    "public_s": public,
                    "ratio": min(seconds) / public,
                }
            )
    finally:
        torch.set_num_threads(threads)
    return pd.DataFrame(rows)


def matrix_rate(n_repeats: int = 10) -> float:
    """Floating-point operations a second of a matrix product of the transformers' size, single precision, threads as set: the
    best of the repeats, in CPU time."""
    first, second = torch.rand(1440, 384), torch.rand(384, 1536)
    seconds = []
    for _ in range(n_repeats + 1):
        begin = time.process_time()
        first @ second
        seconds.append(time.process_time() - begin)
    return 2 * 1440 * 384 * 1536 / min(seconds[1:])


def _run(network: nn.Module, case: NetworkCase, size: int) -> float:
    given = _input(network, case, size)
    refinements = {} if case.n_iterations is None else {"n_iterations": case.n_iterations}
    begin = time.process_time()
    network(*given, **refinements)
    return time.process_time() - begin


def _input(network: nn.Module, case: NetworkCase, size: int) -> tuple[Tensor, ...]:
    """Frames and points, as this network takes them."""
    places = 0.1 * size + 0.8 * size * torch.rand(1, case.n_points, 2)
    if isinstance(network, TasNet):
        return torch.rand(1, case.n_frames, size, size), places, torch.rand(1, case.n_points, 2)
    frames = torch.rand(1, case.n_frames, network.config.in_channels, size, size)
    if isinstance(network, PipsPlusPlus):
        return frames, places
    queries = torch.cat([torch.zeros(1, case.n_points, 1), places], dim=-1)
    return frames, queries[0] if isinstance(network, CoTracker) else queries
