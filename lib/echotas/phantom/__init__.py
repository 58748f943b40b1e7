"""The virtual patient: a 3-D left ventricle whose scatterers move through the elevation beam, with exact truth."""

from echotas.phantom.cohort import COHORTS, Beat, PhantomSettings, RecordingPlan, build, build_beat, plan
from echotas.phantom.observer import ObserverModel
from echotas.phantom.pathology import MIXES, POPULATIONS

__all__ = [
    "COHORTS",
    "MIXES",
    "POPULATIONS",
    "Beat",
    "ObserverModel",
    "PhantomSettings",
    "RecordingPlan",
    "build",
    "build_beat",
    "plan",
]
