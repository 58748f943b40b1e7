"""A tiny template: a bright arch that shortens in a 60 mm deep sector, with synthetic speckle that partly changes."""

import numpy as np
import pytest
from scipy import ndimage

from echotas.geometry import locate, radial_mesh, sector_mask
from echotas.records import Cine, Mesh, Sector, View
from echotas.simulation import SimulationConfig

SPACING = (0.5, 0.5)
SHAPE = (121, 125)
N_FRAMES, ES_FRAME = 6, 3
SECTOR = Sector((62.0, 0.0), 30.0, 8.0, 120.0)


def arch(shortening: float, n_long: int = 12, n_rad: int = 3) -> np.ndarray:
    """Wall 18 px thick whose long axis is shorter by a fraction."""
    t = np.linspace(-0.95 * np.pi, -0.05 * np.pi, 80)
    line = np.stack([62 + 26 * np.cos(t), 105 + 62 * (1 - shortening) * np.sin(t)], axis=1)
    return radial_mesh(line, 18.0, n_long, n_rad)


def speckle(seed: int) -> np.ndarray:
    """Complex Gaussian field of one pixel-sized speckles."""
    noise = np.random.default_rng(seed).standard_normal((2, *SHAPE))
    return ndimage.gaussian_filter(noise[0], (1.0, 1.7)) + 1j * ndimage.gaussian_filter(noise[1], (1.0, 1.7))


def picture(signal: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Log-compressed image, the wall 12 dB above the rest, black outside the sector."""
    row, column = np.indices(SHAPE)
    in_wall = locate(mesh, np.stack([column.ravel(), row.ravel()], axis=1).astype(float))[0].reshape(SHAPE) >= 0
    level = 20 * np.log10(np.abs(signal) / np.abs(signal).mean()) + np.where(in_wall, -18, -30)
    return ((255 * (1 + level / 50)).clip(1, 255) * sector_mask(SECTOR, SHAPE)).astype(np.uint8)


def make_template(meshes: np.ndarray, changing: bool = True) -> Cine:
    """Template whose speckle stays in place and partly changes; only its brightness and its correlation matter."""
    frames = []
    for t, mesh in enumerate(meshes):
        share = 0.35 * abs(t - ES_FRAME) / ES_FRAME if changing else 0.0
        frames.append(picture(np.sqrt(1 - share) * speckle(0) + np.sqrt(share) * speckle(10 + t), mesh))
    return Cine(
        frames=np.stack(frames),
        spacing_mm=SPACING,
        times_s=np.arange(len(meshes)) / 40,
        view=View.A4C,
        ed_frame=0,
        es_frame=ES_FRAME,
        patient_id="p1",
        recording_id="p1_A4C",
        sector=SECTOR,
        meta={"quality": "good"},
    )


@pytest.fixture(scope="session")
def moving_mesh() -> Mesh:
    return Mesh(np.stack([arch(s) for s in (0.0, 0.04, 0.1, 0.15, 0.1, 0.03)]))


@pytest.fixture(scope="session")
def still_mesh() -> Mesh:
    return Mesh(np.stack([arch(0.1)] * N_FRAMES))


@pytest.fixture(scope="session")
def template(moving_mesh) -> Cine:
    return make_template(moving_mesh.points_px)


@pytest.fixture(scope="session")
def still_template(still_mesh) -> Cine:
    return make_template(still_mesh.points_px, changing=False)


@pytest.fixture(scope="session")
def tiny() -> dict:
    """Small acoustics, whose table takes a second to build."""
    return {"n_beams": 32, "rank": 4, "density_per_wavelength2": 3.0}


@pytest.fixture(scope="session")
def config(tiny) -> SimulationConfig:
    return SimulationConfig(**tiny)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("response")
