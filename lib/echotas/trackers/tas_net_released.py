"""TAS-Net with the weights that come with the package: to be used, not to be trained."""

from echotas.trackers.pretrained import TAS_NET_RELEASED
from echotas.trackers.tas_net import SMOOTHING_MM, TasNetTracker

__all__ = ["TasNetReleasedTracker"]


class TasNetReleasedTracker(TasNetTracker):
    """TAS-Net as released: trained longer and on more simulated templates than the pipeline does.

    Take this one where nothing has been trained yet: on the virtual cohort it is the most precise here. `tas_net` is what the pipeline
    has trained itself, in minutes, on a data set of your own if you have one. The weights' card, beside the file, says on what they were
    trained and how long.

    Args:
        n_iterations, smoothing_mm: As of `tas_net`.
        device: Where to compute.
    """

    name = "tas_net_released"

    def __init__(
        self, n_iterations: int | None = None, smoothing_mm: float = SMOOTHING_MM, device: str = "cpu"
    ) -> None:
        super().__init__(TAS_NET_RELEASED, n_iterations=n_iterations, smoothing_mm=smoothing_mm, device=device)
