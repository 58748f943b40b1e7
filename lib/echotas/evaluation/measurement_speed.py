"""How long the measurement of a large benchmark takes: motion, strain and inference on generated tracks, no files."""

import time
from functools import partial

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from echotas.evaluation.detection import detection_summary
from echotas.evaluation.summaries import agreement_summary, compare_with, gls_summary, motion_summary, regional_summary
from echotas.evaluation.tables import agreement_pairs, gls_columns, motion_errors
from echotas.evaluation.tracking import TRUE_START
from echotas.geometry.segments import SEGMENTS
from echotas.records import Mesh, Tracks, View
from echotas.seeds import generator
from echotas.strain import longitudinal_strain, segmental_strain

__all__ = ["measure_recording", "time_measurement"]

SPACING_MM = (0.5, 0.5)
OBSERVERS = ("observer-1", "observer-2")
VIEWS = (View.A4C, View.A2C)


def _beat(rng: np.random.Generator, n_frames: int, n_long: int, n_rad: int) -> np.ndarray:
    """A contracting arch (n_frames, n_long, n_rad, 2), px; one of six segments is weak in some patients."""
    u, v = np.linspace(0, np.pi, n_long)[:, None], np.linspace(0, 1, n_rad)[None]
    radius = np.array([45.0, 90.0]) * rng.uniform(0.9, 1.1)
    arch = np.stack([-(radius[0] + 18 * v) * np.cos(u), -(radius[1] + 18 * v) * np.sin(u)], axis=-1)
    course = np.sin(np.pi * np.linspace(0, 1, n_frames)) * rng.uniform(0.10, 0.22)
    weak = 1 - rng.choice([0.0, 0.7], p=[0.8, 0.2]) * np.exp(-(((u - rng.uniform(0, np.pi)) / 0.5) ** 2))
    return 150 + arch * (1 - course[:, None, None, None] * weak[None, ..., None])


def measure_recording(
    index: int, n_trackers: int, n_frames: int, n_long: int, n_rad: int, seed: int
) -> tuple[list[dict], list[dict], list[dict]]:
    """Rows of the motion, the global and the segment table of one generated recording.

    Every tracker is the truth plus smooth noise, from the true line and from two observers' lines.
    """
    rng = generator(seed, "measurement-speed", index)
    truth = _beat(rng, n_frames, n_long, n_rad)
    mesh, es, ed = Mesh(truth), n_frames // 2, 0
    view = VIEWS[index % len(VIEWS)]
    identity = {"cohort": "generated", "recording": f"R{index}", "patient": f"P{index // 2}", "view": str(view)}
    identity |= {"population": "generated", "stratum": "standard"}

    def strain(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        line = points[:, :, n_rad // 2] * np.array(SPACING_MM)
        return longitudinal_strain(line, ed), segmental_strain(line, ed)[:, es]

    true_curve, true_segments = strain(truth)
    motion, overall, segments = [], [], []
    for tracker in range(n_trackers):
        for start in (TRUE_START, *OBSERVERS):
            drift = rng.normal(0, 1.0 + 0.1 * tracker, (1, n_long, n_rad, 2))
            points = truth + drift * np.linspace(-1, 1, n_frames)[:, None, None, None] ** 2
            item = Tracks(points.reshape(n_frames, -1, 2), np.ones((n_frames, n_long * n_rad)), es)
            if start == TRUE_START:
                errors = motion_errors(item, (n_long, n_rad), mesh, SPACING_MM, ed)
                motion.append(identity | {"tracker": f"tracker {tracker}"} | errors)
            curve, values = strain(points)
            shared = identity | {"method": f"tracker {tracker}", "start": start}
            overall.append(shared | gls_columns(curve, ed, es) | gls_columns(true_curve, ed, es, prefix="true_"))
            for position, name in enumerate(SEGMENTS[view]):
                segments.append(
                    shared
                    | {"segment": name, "position": position, "accepted": True}
                    | {"strain_es": values[position], "true_strain_es": true_segments[position]}
                )
    return motion, overall, segments


def time_measurement(
    n_recordings: int = 1478,
    n_trackers: int = 10,
    n_resamples: int = 5000,
    n_frames: int = 50,
    mesh: tuple[int, int] = (25, 3),
    seed: int = 0,
    n_jobs: int = -1,
) -> dict[str, float]:
    """Seconds that the tables and the inference of notebooks 30 to 32 take for a benchmark of this size.

    Two recordings a patient, two observers; every tracker from the truth and from each observer's line.

    Args:
        n_recordings: Recordings.
        n_trackers: Trackers.
        n_resamples: Bootstrap resamples of patients.
        n_frames: Frames a recording.
        mesh: (n_long, n_rad) points tracked.
        seed: Seed of the generated tracks.
        n_jobs: Processes for the tables; -1 for one per core.

    Returns:
        "tables" (errors and strain of every track, on all cores), "inference" (intervals, agreement, paired tests,
        detection) and "total".
    """
    begin = time.perf_counter()
    work = partial(
        measure_recording, n_trackers=n_trackers, n_frames=n_frames, n_long=mesh[0], n_rad=mesh[1], seed=seed
    )
    parts = Parallel(n_jobs=n_jobs)(delayed(work)(index) for index in range(n_recordings))
    motion, overall, segments = (pd.DataFrame([row for part in parts for row in part[k]]) for k in range(3))
    tables = time.perf_counter() - begin
    motion_summary(motion, seed, n_resamples)
    exact, exact_segments = (table[table["start"] == TRUE_START] for table in (overall, segments))
    gls_summary(exact, seed, n_resamples)
    regional_summary(exact_segments, seed, n_resamples)
    agreement_summary(agreement_pairs(overall, "gls_es"), seed, n_resamples)
    names = list(dict.fromkeys(motion["tracker"]))
    compare_with(motion, "mte_mm", names[0], names[1:])
    detection_summary(segments, seed, n_resamples)
    total = time.perf_counter() - begin
    return {"tables": tables, "inference": total - tables, "total": total}
