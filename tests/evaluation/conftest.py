"""A tiny cohort with analytic motion: a horseshoe-shaped wall that shortens by a known amount."""

from pathlib import Path

import numpy as np
import pytest

from echotas.geometry.mesh import radial_mesh
from echotas.geometry.segments import segment_of_arc
from echotas.records import Cine, Mesh, Reading, Sector
from echotas.store import write_recording
from echotas.strain import strain_curve

SPACING = (0.5, 0.5)
SHORTENING = (0.0, 0.1, 0.2, 0.1, 0.0)
"""Uniform shrinking of the wall about a fixed point, by frame; ED is frame 0, ES frame 2."""


def horseshoe(n: int = 36) -> np.ndarray:
    angle = np.linspace(np.pi, 2 * np.pi, n)
    return np.stack([60 + 25 * np.cos(angle), 75 + 45 * np.sin(angle)], axis=-1)


def make_recording(path: Path, patient: str, view: str = "A4C", scale: float = 1.0, observers: str = "AB") -> Path:
    rng = np.random.default_rng(sum(map(ord, patient + view)))
    factors = 1 - scale * np.array(SHORTENING)
    reference = radial_mesh(horseshoe(), 12.0)
    centre = np.array([60.0, 75.0])
    mesh = Mesh(centre + (reference - centre) * factors[:, None, None, None])
    times = np.arange(len(factors)) / 40
    line = mesh.midwall_px
    readings = [
        Reading(line + 0.4 * index, segment_of_arc(line[0]), [True] * 6, name, 0, 2)
        for index, name in enumerate(observers)
    ]
    cine = Cine(
        frames=rng.integers(0, 255, (len(factors), 90, 120), dtype=np.uint8),
        spacing_mm=SPACING,
        times_s=times,
        view=view,
        ed_frame=0,
        es_frame=2,
        patient_id=patient,
        recording_id=path.stem,
        sector=Sector((59.5, 0), 40, 4, 88),
        meta={"population": "normal"},
    )
    truth = strain_curve(line * np.array(SPACING), times, 0, 2)
    return write_recording(path, cine=cine, mesh=mesh, truth=truth, readings=readings)


@pytest.fixture
def cohort(tmp_path) -> Path:
    """Two patients of V-HUNT-A (one recording) and one of V-SSHF (two recordings)."""
    data = tmp_path / "data"
    for patient, scale in (("h1", 1.0), ("h2", 0.8)):
        make_recording(data / "V-HUNT-A" / f"{patient}-A4C.h5", patient, scale=scale)
    for number, scale in ((1, 1.0), (2, 0.9)):
        make_recording(data / "V-SSHF" / f"s1-A4C-{number}.h5", "s1", scale=scale)
    return data
