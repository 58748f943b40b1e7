"""Training of the learned trackers."""

from echotas.training.augment import AugmentConfig
from echotas.training.dataset import ClipConfig, TrainingSequence, load_sequence
from echotas.training.fit import Fit, fit, split_patients
from echotas.training.loop import LoopConfig, TrainingDiverged, TrainResult
from echotas.training.start import starting_weights
from echotas.training.tas_net import TrainConfig, train

__all__ = [
    "AugmentConfig",
    "ClipConfig",
    "Fit",
    "LoopConfig",
    "TrainConfig",
    "TrainResult",
    "TrainingDiverged",
    "TrainingSequence",
    "fit",
    "load_sequence",
    "split_patients",
    "starting_weights",
    "train",
]
