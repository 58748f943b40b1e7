"""Trackers around a network of dense flow between two frames: trained on pairs, chained along neighbouring frames in use."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.chained_flow import Chained
from echotas.trackers.blocks.correlation import sample_features
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker

__all__ = ["FlowTracker"]


class FlowTracker(PointNetworkTracker):
    """A member names its network, which chains points along its flow (`chain_flow`), and implements `refined_flows`.

    Flow does not depend on what is followed: on one grid it is found once for all starts, whatever their frames.
    """

    points_interact = False

    @classmethod
    @abstractmethod
    def refined_flows(
        cls,
        network: nn.Module,
        first: Float[Tensor, "n_pairs channels height width"],
        second: Float[Tensor, "n_pairs channels height width"],
        n_iterations: int | None,
    ) -> Iterable[tuple[Float[Tensor, "n_pairs 2 _h _w"], int]]:
        """Flow (x, y) in px from the first to the second frame after each stage that a loss compares, and the side of its cells
        in px; cell i is centred on pixel i times that."""

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: None = None
    ) -> Estimates:
        if not network.training:
            return Estimates([cls._chained(network, frames, query, 0, n_iterations).positions], None)
        # Every stage of the flow from the first frame to each other one has its loss.
        n_later = frames.shape[1] - 1
        first = frames[:, :1].expand(-1, n_later, -1, -1, -1).flatten(0, 1)
        start = query[:, None].expand(-1, n_later, -1, -1)
        stages = []
        for flow, cell_px in cls.refined_flows(network, first, frames[:, 1:].flatten(0, 1), n_iterations):
            moved = sample_features(flow, start.flatten(0, 1) / cell_px).unflatten(0, start.shape[:2])
            stages.append(torch.cat([query[:, None], start + moved], dim=1))
        return Estimates(stages, None)

    @classmethod
    def _chained(
        cls,
        network: nn.Module,
        frames: Tensor,
        query: Tensor,
        query_frame: int | Sequence[int],
        n_iterations: int | None,
    ) -> Chained:
        refinements = {} if n_iterations is None else {"n_iterations": n_iterations}
        return network(frames, query, query_frame=query_frame, **refinements)

    def _paths(
        self, frames: Tensor, features: None, query: Tensor, query_frames: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        chained = self._chained(self.network, frames[None], query[None], query_frames.tolist(), self.n_iterations)
        positions = chained.positions[0].double().cpu().numpy()
        return positions, np.ones(positions.shape[:2])
