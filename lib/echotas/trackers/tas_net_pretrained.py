"""Control: TAS-Net as it is before it has seen any simulated echocardiogram."""

from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.trackers.tas_net import TasNetTracker

__all__ = ["TasNetPretrainedTracker"]


class TasNetPretrainedTracker(TasNetTracker):
    """Control: TAS-Net as its trainings start, from synthetic cines only.

    The difference to `tas_net` is what the simulation strategies and the data engine have added.

    Args:
        n_iterations: As of `tas_net`.
        device: Where to compute.
    """

    name = "tas_net_pretrained"

    def __init__(self, n_iterations: int | None = None, device: str = "cpu") -> None:
        super().__init__(TAS_NET_SMALL, n_iterations=n_iterations, device=device)
