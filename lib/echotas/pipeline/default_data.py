"""The default data: virtual patients, one file per recording. `python -m echotas.pipeline.default_data data-default`.

Sizes come from the `cohort` section of params.yaml. A recording that is there and current is kept, so that an interrupted run
resumes and more patients never change existing ones.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from echotas.phantom.cohort import PhantomSettings, RecordingPlan, build, plan
from echotas.pipeline import paths
from echotas.pipeline.parallel import map_items
from echotas.pipeline.params import Cohort, load_params
from echotas.store import write_recording

__all__ = ["build_file", "main", "plans"]

SIZES = {
    "templates": "templates_patients",
    "V-SSHF": "sshf_patients",
    "V-HUNT-A": "hunt_a_patients",
    "V-HUNT": "hunt_patients",
    "V-RV-like": "rv_like_patients",
}
"""Cohort -> key of the `cohort` section with its number of patients."""


def plans(cohort: Cohort, seed: int) -> list[RecordingPlan]:
    """Every recording of the default data."""
    sizes = {name: getattr(cohort, key) for name, key in SIZES.items()}
    return [item for name, size in sizes.items() if size for item in plan(name, size, seed)]


def build_file(item: RecordingPlan, out: Path, settings: PhantomSettings, cache_dir: Path) -> None:
    """Make one recording file."""
    made = build(item, settings, cache_dir)
    write_recording(
        out,
        cine=made.cine,
        mesh=made.mesh,
        truth=made.truth,
        readings=made.readings,
        labels=made.labels,
        coherence=made.coherence,
        through_plane_mm=made.through_plane_mm,
        attributes=made.attributes,
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 on success, 1 with a sentence when recordings had to be left out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="folder to fill")
    options = parser.parse_args(arguments)
    params = load_params(paths.root() / "params.yaml")
    cohort = params.cohort
    settings = PhantomSettings(
        frame_rate_hz=cohort.frame_rate_hz,
        spacing_mm=(cohort.spacing_mm, cohort.spacing_mm),
        n_beams=cohort.n_beams,
        depths_m=tuple(cohort.depths_m),
        scatterers_per_wavelength2=cohort.density_per_wavelength2,
        rank=cohort.rank,
    )
    report = map_items(
        partial(build_file, settings=settings, cache_dir=paths.work() / "response"),
        plans(cohort, params.seed),
        out_path_of=lambda item: options.out / item.cohort / f"{item.recording_id}.h5",
        key_of=lambda item: {"plan": repr(item), "settings": repr(settings)},
        label="virtual patients",
        prune=options.out,
    )
    print(report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
