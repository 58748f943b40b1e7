"""Who is in a cohort: bookkeeping without any computation.

Every recording carries what is needed to build it, and every random number comes from (seed, stage, patient or
recording), so that adding patients never changes existing ones and any worker may build any item.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from echotas.phantom.pathology import POPULATIONS, population_at
from echotas.records import View
from echotas.seeds import SILVER, generator, in_turn

__all__ = ["COHORTS", "GRADES", "Design", "RecordingPlan", "plan"]


@dataclass(frozen=True)
class Design:
    """What every patient of a cohort gets."""

    views: tuple[View, ...]
    """Views recorded."""
    n_acquisitions: int
    """Recordings of each view."""
    n_observers: int
    """Readings of each recording."""
    labels: bool
    """Whether masks of every frame come with it."""
    mix: str
    """Population mix, a key of `pathology.MIXES`."""
    offset: float = 0.17
    """Where in the mix the first patient stands, 0..1: it decides who is in a small cohort."""
    scanners: tuple[str, ...] = ("one", "one", "two")
    """Keys of `scanner.SCANNERS`, patient by patient in turn."""
    grades: tuple[float, float, float] = (0.40, 0.35, 0.25)
    """Shares of good, medium and poor image quality."""
    focused_right: bool = False
    """Whether the probe is turned to the right ventricle, so that the left one lies at the sector's edge."""


COHORTS = {
    "templates": Design((View.A2C, View.A4C), 1, 0, True, "wide"),
    "V-SSHF": Design((View.A4C, View.A2C, View.A3C), 2, 2, False, "test"),
    "V-HUNT": Design((View.A4C, View.A2C, View.A3C), 2, 2, False, "test"),
    # Begins with an anterior infarct, so that even a few patients have something regional to find.
    "V-HUNT-A": Design((View.A4C, View.A2C, View.A3C), 1, 2, False, "test", 0.905),
    "V-RV-like": Design((View.A4C,), 1, 2, False, "test", 0.17, ("three",), (0.2, 0.4, 0.4), True),
}
"""`templates` feeds the data engine; the others are evaluation cohorts and never share a patient with it. `V-RV-like`
is out of distribution: another probe, a view focused on the right ventricle, poorer images."""

GRADES = ("good", "medium", "poor")
"""Image quality; poor is the stratum "hard", the others are "standard"."""


@dataclass(frozen=True)
class RecordingPlan:
    """One recording to be built."""

    cohort: str
    """Cohort, a key of `COHORTS`."""
    patient_id: str
    """Patient, unique over all cohorts."""
    recording_id: str
    """Recording, unique over all cohorts."""
    view: View
    """Apical view."""
    acquisition: int
    """0 for the first recording of the view, 1 for the repeat."""
    population: str
    """One of `pathology.POPULATIONS`."""
    seed: int
    """Seed of the cohort."""
    n_observers: int
    """Readings to make."""
    labels: bool
    """Whether to draw masks."""
    quality: str = "good"
    """Image quality, one of `GRADES`."""
    scanner: str = "one"
    """Key of `scanner.SCANNERS`."""
    focused_right: bool = False
    """Whether the view is focused on the right ventricle."""


def plan(
    cohort: str,
    n_patients: int,
    seed: int,
    *,
    views: Sequence[str] | None = None,
    population: str | None = None,
) -> list[RecordingPlan]:
    """Recordings of a cohort, patient by patient.

    Args:
        cohort: A key of `COHORTS`.
        n_patients: Number of patients; a larger cohort begins with the same patients.
        seed: Run seed.
        views: Views to record instead of the cohort's.
        population: Give all patients this population instead of the cohort's mix.

    Raises:
        ValueError: The cohort, a view or the population is unknown, or n_patients is below 1.
    """
    if cohort not in COHORTS:
        raise ValueError(f"cohort must be one of {list(COHORTS)}, got {cohort!r}")
    if n_patients < 1:
        raise ValueError(f"n_patients must be at least 1, got {n_patients}")
    if population is not None and population not in POPULATIONS:
        raise ValueError(f"population must be one of {list(POPULATIONS)}, got {population!r}")
    generator(seed, "check")  # refuses a bad seed here rather than in the first build
    design = COHORTS[cohort]
    known = {str(view) for view in (View.A2C, View.A3C, View.A4C)}
    chosen = [str(view) for view in (design.views if views is None else views)]
    if not chosen or not set(chosen) <= known:
        raise ValueError(f"views must be among {sorted(known)}, got {chosen}")
    recordings = []
    for index in range(n_patients):
        patient_id = f"{cohort}-P{index + 1:03d}"
        for acquisition in range(design.n_acquisitions):
            recordings += [
                RecordingPlan(
                    cohort=cohort,
                    patient_id=patient_id,
                    recording_id=f"{patient_id}-R{acquisition + 1}-{view}",
                    view=View(view),
                    acquisition=acquisition,
                    population=population or population_at(design.mix, index, design.offset),
                    seed=seed,
                    n_observers=design.n_observers,
                    labels=design.labels,
                    # Another step than the populations', so that quality does not go with disease.
                    quality=GRADES[in_turn(design.grades, index, step=SILVER)],
                    scanner=design.scanners[index % len(design.scanners)],
                    focused_right=design.focused_right,
                )
                for view in chosen
            ]
    return recordings
