"""RAFT of torchvision between neighbouring frames, and points carried along by it (Teed and Deng, ECCV 2020).

The network is torchvision's (BSD-3-Clause); only what surrounds it is ours. torchvision is optional: its wheel must fit the build of
PyTorch, and there is none for every build.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.chained_flow import Chained, chain_flow
from echotas.trackers.blocks.correlation import sample_features
from echotas.trackers.blocks.flow_tracker import FlowTracker

__all__ = ["Raft", "RaftConfig", "RaftTracker", "why_not"]

LEAST_PX = 128  # four halvings of features at an eighth must leave two cells


def why_not() -> str | None:
    """Why RAFT cannot be used here; None if it can."""
    try:
        _builders()
    except (ImportError, RuntimeError, AttributeError) as error:
        return f"raft needs torchvision, in a build for PyTorch {torch.__version__} ({type(error).__name__}: {error})"
    return None


def _builders() -> Mapping[str, Callable[..., nn.Module]]:
    from torchvision.models import optical_flow

    return {"small": optical_flow.raft_small, "large": optical_flow.raft_large}


@dataclass(frozen=True)
class RaftConfig:
    """Which of the two networks, and how it is used."""

    network: str = "large"
    """"large" (5.26 M parameters) or "small" (0.99 M)."""
    in_channels: int = 3
    """Channels of a frame; torchvision's networks take three."""
    composed: bool = True
    """A step is the mean of the flow there and of minus the flow back; False: the flow there alone, in half the time."""

    def __post_init__(self) -> None:
        if self.network not in ("small", "large"):
            raise ValueError(f"network must be small or large, got {self.network!r}")
        if self.in_channels != 3:
            raise ValueError(f"in_channels must be 3, got {self.in_channels}")

    @classmethod
    def small(cls) -> "RaftConfig":
        """The small network."""
        return cls(network="small")


class Raft(nn.Module):
    """torchvision's RAFT, for frames of any size and points.

    Args:
        config: Which network.

    Raises:
        ValueError: torchvision is missing or does not fit (`why_not`).
    """

    def __init__(self, config: RaftConfig = RaftConfig()) -> None:
        super().__init__()
        reason = why_not()
        if reason is not None:
            raise ValueError(reason)
        self.config = config
        self.raft = _builders()[config.network](weights=None)

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        points: Float[Tensor, "batch n_points 2"],
        n_iterations: int = 12,
        query_frame: int | Sequence[int] = 0,
    ) -> Chained:
        """Carry points through a clip, frame by frame, both ways from the query frame or that of each point; frames scaled to [-1, 1]."""

        def flows(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor | None]:
            if not self.config.composed:
                return self.flows(first, second, n_iterations)[-1], None
            there, back = self.flows(torch.cat([first, second]), torch.cat([second, first]), n_iterations)[-1].chunk(2)
            return there, back

        return chain_flow(flows, sample_features, frames, points, query_frame)

    def flows(
        self,
        first: Float[Tensor, "batch channels height width"],
        second: Float[Tensor, "batch channels height width"],
        n_iterations: int,
    ) -> list[Float[Tensor, "batch 2 height width"]]:
        """Flow (x, y) in px at every pixel, after each iteration."""
        height, width = first.shape[-2:]
        right, bottom = (max(LEAST_PX, side + -side % 8) - side for side in (width, height))
        padded = (F.pad(frame, (0, right, 0, bottom), mode="replicate") for frame in (first, second))
        return [flow[..., :height, :width] for flow in self.raft(*padded, num_flow_updates=n_iterations)]


class RaftTracker(FlowTracker):
    """RAFT (torchvision): dense flow refined step by step between neighbouring frames, carried along from frame to frame.

    A strong flow network of natural video, for comparison with c-PWC-Net, which is the one that was published for echocardiograms; over
    a beat the steps of both add up. It gives no visibility: confidence is 1. No weights come with it. It learns from pairs, as
    c-PWC-Net.

    Args:
        weights: File of our training; those of torchvision go through `load_public_weights` ("raft_small", "raft_large").
        n_iterations, config, seed, device: As in `PointNetworkTracker`; config {} for random weights.
    """

    name = "raft"
    network_class, config_class = Raft, RaftConfig
    small = {"network": "small"}
    iterations = 12
    comes_with_weights = False

    @classmethod
    def refined_flows(
        cls, network: nn.Module, first: Tensor, second: Tensor, n_iterations: int | None
    ) -> Iterator[tuple[Tensor, int]]:
        return ((flow, 1) for flow in network.flows(first, second, n_iterations))
