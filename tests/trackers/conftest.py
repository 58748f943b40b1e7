"""Small cines with known motion, and the configuration each tracker needs for them."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from echotas.records import Cine, Mesh
from echotas.trackers.mean_motion import fit_mean_motion

N_LONG, N_RAD = 9, 3
SPACING_MM = (0.5, 0.5)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Speckle-like grey levels, float 0..255, correlated over about 2 px."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 1.5)
    return 255 * np.clip(0.5 + noise / (6 * noise.std()), 0, 1)


def translated(shift_px: tuple[float, float], n_frames: int, size: int = 120) -> np.ndarray:
    """Frames u8 of a texture that moves by `shift_px` (x, y) per frame."""
    image = texture(size + 80, size + 80)
    row, column = np.mgrid[:size, :size] + 40.0
    return np.stack(
        [
            np.rint(map_coordinates(image, [row - shift_px[1] * t, column - shift_px[0] * t], order=3)).clip(0, 255)
            for t in range(n_frames)
        ]
    ).astype(np.uint8)


def horseshoe(size: int = 120, n_long: int = N_LONG, n_rad: int = N_RAD) -> np.ndarray:
    """Wall-shaped mesh (n_long, n_rad, 2) px, base -> apex (up) -> base, in the middle of a square image."""
    angle = np.linspace(np.pi, 2 * np.pi, n_long)[:, None]
    radius = np.linspace(22, 32, n_rad)[None]
    return np.stack([size / 2 + radius * np.cos(angle), size / 2 + 8 + radius * np.sin(angle)], axis=-1)


def mesh_uv(n_long: int = N_LONG, n_rad: int = N_RAD) -> np.ndarray:
    u, v = np.meshgrid(np.linspace(0, 1, n_long), np.linspace(0, 1, n_rad), indexing="ij")
    return np.stack([u.ravel(), v.ravel()], axis=-1)


def as_cine(frames: np.ndarray, **fields) -> Cine:
    return Cine(frames, SPACING_MM, np.arange(len(frames)) / 40, **{"es_frame": 0, **fields})


@pytest.fixture(scope="session")
def config_of(tmp_path_factory) -> Callable[..., dict]:
    """Configuration of a tracker by name, for a cine of n_frames whose true mesh does not move (or is given)."""
    path = tmp_path_factory.mktemp("fitted") / "mean_motion.npz"
    still = np.repeat(horseshoe()[None], 3, axis=0)
    fit_mean_motion([(as_cine(np.ones((3, 120, 120), np.uint8), es_frame=1), Mesh(still))], path)

    def configuration(name: str, n_frames: int, truth: np.ndarray | None = None) -> dict:
        truth = np.repeat(horseshoe()[None], n_frames, axis=0) if truth is None else truth
        return {"oracle": {"truth": truth}, "mean_motion": {"path": path}}.get(name, {})

    return configuration
