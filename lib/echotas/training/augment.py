"""Augmentation of training clips: one warp from the stored image to the network's grid, then grey levels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["AugmentConfig", "draw_geometry", "draw_sway", "vary_grey_levels"]


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the augmentation.

    The affine motion augmentation of the impartial-motion paper (SpeckNet), which makes every direction of motion equally likely,
    is `rotation_deg=120`, `flip=0.5`, `flip_depth=0.5` and a shear.
    """

    rotation_deg: float = 15.0
    """Rotation, uniform in +- this."""
    shear: float = 0.0
    """Shift across the beam per unit of depth, uniform in +- this."""
    zoom: tuple[float, float] = (0.9, 1.15)
    """Zoom common to both axes, uniform."""
    stretch: float = 0.08
    """Extra zoom of each axis, uniform in 1 +- this."""
    shift_mm: float = 6.0
    """Shift of the mesh centre from the grid centre, uniform in +- this per axis."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    flip_depth: float = 0.0
    """Probability of a flip of near and far."""
    gain: tuple[float, float] = (0.75, 1.25)
    """Factor on the grey levels."""
    offset: float = 15.0
    """Added grey level, uniform in +- this."""
    gamma: tuple[float, float] = (0.75, 1.35)
    """Exponent on grey level / 255, log-uniform."""
    sway_mm: float = 0.0
    """Largest added motion of the whole image from frame 0, smooth in time, mm per axis."""
    sway_deg: float = 0.0
    """Largest added rotation."""
    sway_stretch: float = 0.0
    """Largest added stretch of each axis."""
    noise: float = 6.0
    """Standard deviation of additive noise is uniform in 0..this grey levels."""

    def __post_init__(self) -> None:
        for name in ("zoom", "gain", "gamma"):
            low, high = getattr(self, name)
            object.__setattr__(self, name, (float(low), float(high)))
            if not 0 < low <= high:
                raise ValueError(f"{name} must be a range of positive numbers, got {(low, high)}")
        for name in (
            "rotation_deg",
            "shear",
            "stretch",
            "shift_mm",
            "offset",
            "sway_mm",
            "sway_deg",
            "sway_stretch",
            "noise",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("flip", "flip_depth"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")


def draw_geometry(
    rng: np.random.Generator,
    config: AugmentConfig,
    points_px: Float[np.ndarray, "n_points 2"],
    spacing_mm: tuple[float, float],
    size: tuple[int, int],
    pixel_mm: float,
) -> Float[np.ndarray, "2 3"]:
    """Matrix from cine px to grid px: flip, anisotropic zoom, rotation about the middle of the points, shift."""
    angle = np.deg2rad(rng.uniform(-config.rotation_deg, config.rotation_deg))
    zoom = rng.uniform(*config.zoom) * (1 + rng.uniform(-config.stretch, config.stretch, 2))
    shift = rng.uniform(-config.shift_mm, config.shift_mm, 2) / pixel_mm
    mirror = -1.0 if rng.random() < config.flip else 1.0
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Drawn last and only where asked for: without them the draws are those of trainings from before them.
    shear = rng.uniform(-config.shear, config.shear) if config.shear else 0.0
    upside_down = -1.0 if config.flip_depth and rng.random() < config.flip_depth else 1.0
    linear = rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(zoom * [mirror, upside_down])
    linear = linear @ np.diag(np.array(spacing_mm) / pixel_mm)
    middle = (points_px.min(0) + points_px.max(0)) / 2
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.concatenate([linear, (centre + shift - linear @ middle)[:, None]], axis=1)


def draw_sway(
    rng: np.random.Generator, config: AugmentConfig, n_frames: int, size: tuple[int, int], pixel_mm: float
) -> Float[np.ndarray, "n_frames 2 3"]:
    """Matrices from grid px to grid px, one per frame: motion of the whole image that grows smoothly from none in frame 0.

    What the heart does from a given place in the image becomes unpredictable by it, so that the image must be followed.
    """
    time = np.arange(n_frames) / max(n_frames - 1, 1)
    cycles, phase = rng.uniform(0.25, 1.0, 5), rng.uniform(0, 2 * np.pi, 5)
    course = np.sin(2 * np.pi * cycles * time[:, None] + phase)
    course = (course - course[:1]) / 2 * rng.uniform(0, 1, 5)
    x, y, angle, stretch_x, stretch_y = course.T
    angle = np.deg2rad(config.sway_deg) * angle
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    linear = linear * (1 + config.sway_stretch * np.stack([stretch_x, stretch_y], -1))[:, None]
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    shift = centre + config.sway_mm / pixel_mm * np.stack([x, y], -1) - linear @ centre
    return np.concatenate([linear, shift[..., None]], axis=-1)


def vary_grey_levels(
    rng: np.random.Generator, config: AugmentConfig, frames: np.ndarray
) -> Float[np.ndarray, "n_frames height width"]:
    """Frames (u8) with one gain, offset and gamma for the whole clip and noise of each pixel; float32, 0..255."""
    gamma = np.exp(rng.uniform(*np.log(config.gamma)))
    gain, offset = rng.uniform(*config.gain), rng.uniform(-config.offset, config.offset)
    grey = np.arange(256, dtype=np.float32) / 255
    # Black stays black: the outside of the sector is no grey level of tissue.
    curve = np.clip(255 * gain * grey**gamma + offset * np.minimum(1, 10 * grey), 0, 255).astype(np.float32)
    varied = curve[frames]
    level = rng.uniform(0, config.noise)
    varied += level * rng.standard_normal(varied.shape, dtype=np.float32) * (frames > 0)
    return np.clip(varied, 0, 255)
