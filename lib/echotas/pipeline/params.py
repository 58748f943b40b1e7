"""`params.yaml`, checked: every section a small frozen model, every mistake one sentence with file, key, rule, value.

There are no defaults here: the file is the whole truth about a run, and DVC tracks what it says.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from echotas.pipeline.section import ParamsError, Section, read_yaml

__all__ = [
    "ROOT_PARENT",
    "Cohort",
    "Compute",
    "Engine",
    "EngineNode",
    "Evaluation",
    "MeshSize",
    "Params",
    "ParamsError",
    "Section",
    "Simulation",
    "Train",
    "TrainRun",
    "Training",
    "load_params",
    "read_yaml",
    "strategy_chain",
]

ROOT_PARENT = "masks"
"""Parent of the first engine nodes: the motion that comes from the segmentation masks instead of a trained tracker."""

_Count = Annotated[int, Field(ge=1)]
_CountOrNone = Annotated[int, Field(ge=0)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # names become parts of paths


class Cohort(Section):
    """The virtual patients."""

    templates_patients: _Count
    """Patients whose cines are templates for the data engine."""
    sshf_patients: _Count
    """Patients of V-SSHF: two recordings, two observers."""
    hunt_a_patients: _Count
    """Patients of V-HUNT-A: one recording, two observers."""
    hunt_patients: _CountOrNone
    """Patients of V-HUNT: two recordings, two observers; 0 leaves the cohort out."""
    rv_like_patients: _CountOrNone
    """Patients of V-RV-like, out of distribution: another probe, another view, poorer images; 0 leaves it out."""
    frame_rate_hz: _Positive
    """Frames per second of the recorded cines."""
    spacing_mm: _Positive
    """Pixel size of the recorded cines, mm."""
    n_beams: _Count
    """Transmit beams of a sector."""
    depths_m: Annotated[list[_Positive], Field(min_length=1)]
    """Imaging depths to draw from, m."""
    density_per_wavelength2: _Positive
    """Scatterers per square wavelength."""
    rank: _Count
    """Terms of the fast acoustic engine's response table."""


class Simulation(Section):
    """Strategies S1, S2, S3 (TAS-Net paper, section III) and the scan that renders them."""

    gamma: _Positive | None
    """Exponent of the scanner's grey map, equation 1."""
    p: _Share
    """Coherence inside the wall in S1."""
    border_mm: _Positive
    """Width over which coherence falls to 0 outside the wall, mm."""
    density_per_wavelength2: _Positive
    """Scatterers per square wavelength."""
    window_mm: _Positive
    """Edge of the correlation window, mm."""
    search_mm: _NotNegative
    """Search range around the expected place, mm."""
    correlation_stride: _Count = 1
    """Correlation is measured at every so-many-th mesh point and interpolated."""
    alpha: _NotNegative
    """Gain of the refinement step, S3."""
    mix: Literal["amplitude", "power"]
    """Weights of the two scatterer populations: D and 1 - D, or their square roots."""
    background_noise: Literal["redraw", "fixed"]
    """Whether the background's random factor is drawn anew in every frame."""
    dynamic_range_db: _Positive
    """Range of the log compression, dB."""
    n_beams: _Count
    """Transmit beams of a sector."""
    rank: _Count
    """Terms of the fast acoustic engine's response table."""


class MeshSize(Section):
    """The mesh that trackers follow."""

    n_long: Annotated[int, Field(ge=4)]
    """Points along the wall, base to apex to base."""
    n_rad: Annotated[int, Field(ge=2)]
    """Points through the wall, endocardium to epicardium."""
    wall_thickness_mm: _Positive
    """Thickness of the support mesh around an observer's line, mm."""


class Engine(Section):
    """Training at every node of the data engine."""

    steps: _Count
    """Optimiser steps."""
    start: Literal["pretrained", "parent", "random"]
    """Weights a training begins with: those that come with the package, its parent's (pretrained at the root), random ones."""
    validation_patients: _Count
    """Patients kept out of training to choose the checkpoint."""


class EngineNode(Section):
    """One stage of the data engine: simulate all templates, train, track the templates."""

    name: _Name
    """Unique, part of file names."""
    parent: _Name
    """Node whose predicted motion is simulated, or `masks`."""
    strategy: Literal["S1", "S2", "S3"]
    """How this node simulates."""


class Train(Section):
    """Training of the final trackers."""

    steps: _Count
    """Optimiser steps."""
    start: Literal["pretrained", "node", "random"]
    """Weights a training begins with: those that come with the package, its node's, random ones."""
    validation_patients: _Count
    """Patients kept out of training to choose the checkpoint."""


class TrainRun(Section):
    """One trained tracker."""

    name: _Name
    """Unique, part of file names and tables."""
    tracker: _Name
    """Name in the registry."""
    node: _Name
    """Engine node whose data set it is trained on."""
    seed: Annotated[int, Field(ge=0)]
    """Training seed."""


class Training(Section):
    """The one training loop; other keys go to its configuration, which checks them."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    learning_rate: _Positive
    """Highest learning rate of the schedule."""


class Evaluation(Section):
    """Cohorts and statistics of the benchmark."""

    cohorts: Annotated[list[_Name], Field(min_length=1)]
    """Evaluation cohorts, folder names in `data/`."""
    n_resamples: _Count
    """Bootstrap resamples behind an interval."""


class Compute(Section):
    """Where the work is done. Never a DVC parameter: the choice of machine must not invalidate results."""

    backend: Literal["joblib", "serial", "dask"]
    """How items are spread."""
    workers: Annotated[int, Field(ge=0)]
    """Worker processes; 0: one per core."""


class Params(Section):
    """All of `params.yaml`."""

    seed: Annotated[int, Field(ge=0)]
    """Run seed."""
    cohort: Cohort
    simulation: Simulation
    mesh: MeshSize
    engine: Engine
    engine_nodes: Annotated[list[EngineNode], Field(min_length=1)]
    """The data engine as a tree, parents before children."""
    train: Train
    train_runs: list[TrainRun]
    """Trackers to train."""
    training: Training
    networks: dict[_Name, dict[str, Any]]
    """Sizes and choices of the networks that are trained, by tracker; the network itself checks them."""
    trackers: dict[_Name, dict[str, Any]]
    """Configuration per tracker; the tracker itself checks it."""
    untrained: list[_Name]
    """Trackers that run without training."""
    evaluation: Evaluation
    compute: Compute

    @model_validator(mode="after")
    def _nodes_are_a_tree(self) -> Self:
        known = {ROOT_PARENT}
        for node in self.engine_nodes:
            _refuse(node.name in known, f"engine_nodes: name {node.name!r} is used twice or reserved")
            rule = f"must be listed before it (or be {ROOT_PARENT!r})"
            _refuse(node.parent not in known, f"engine_nodes: parent {node.parent!r} of {node.name!r} {rule}")
            known.add(node.name)
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        registered = _registered_trackers()
        for name in self.trackers:
            _refuse(name not in registered, f"trackers: {name!r} is not a tracker; known: {', '.join(registered)}")
        nodes = [node.name for node in self.engine_nodes]
        rows = [(f"untrained: {name!r}", name) for name in self.untrained]
        rows += [(f"train_runs: tracker {run.tracker!r} of {run.name!r}", run.tracker) for run in self.train_runs]
        for where, tracker in rows:
            _refuse(tracker not in self.trackers, f"{where} must have an entry under trackers")
        for where, tracker in rows[len(self.untrained) :]:
            _refuse(tracker not in self.networks, f"{where} must have an entry under networks")
        for run in self.train_runs:
            what = f"train_runs: node {run.node!r} of {run.name!r} must be one of {', '.join(nodes)}"
            _refuse(run.node not in nodes, what)
        names = [*self.untrained, *(run.name for run in self.train_runs)]
        twice = sorted({name for name in names if names.count(name) > 1})
        _refuse(bool(twice), f"untrained and train_runs: {', '.join(twice)} is used twice")
        return self

    def chain(self, node: str) -> str:
        """Strategies from the root to a node, e.g. "S1>S2>S3": how tables and runs call it."""
        return strategy_chain([item.model_dump() for item in self.engine_nodes], node)


def strategy_chain(nodes: Sequence[Mapping[str, str]], name: str) -> str:
    """Strategies from the root of the data engine to a node, e.g. "S1>S2>S3".

    Args:
        nodes: `engine_nodes` as a notebook receives them: name, parent, strategy.
        name: The node.

    Raises:
        ParamsError: No node has that name.
    """
    by_name = {node["name"]: node for node in nodes}
    strategies: list[str] = []
    while name != ROOT_PARENT:
        if name not in by_name:
            raise ParamsError(f"engine node must be one of {', '.join(by_name)}, got {name!r}")
        strategies.insert(0, by_name[name]["strategy"])
        name = by_name[name]["parent"]
    return ">".join(strategies)


def load_params(path: str | Path) -> Params:
    """Read and check a parameter file.

    Raises:
        ParamsError: The file is missing, is no YAML, or holds an unknown, missing or wrong key.
    """
    return Params.of(read_yaml(path), Path(path).name)


def _refuse(wrong: bool, sentence: str) -> None:
    if wrong:
        raise ValueError(sentence)


def _registered_trackers() -> tuple[str, ...]:
    from echotas.trackers.registry import available

    return available()
