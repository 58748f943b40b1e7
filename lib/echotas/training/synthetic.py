"""Synthetic point-tracking cines: moving speckle with exact tracks, to train a tracker before it sees any echocardiogram.

They take the place of the natural videos behind public weights, whose licence excludes commercial use. A cine is a random
texture of tissue bands, blood and speckle under a random smooth motion; nothing in it is measured from patients or shared
with the virtual cohort: shapes are arches with random bends, motion is an affine map and smooth warps with random time courses,
and the image is a plain convolution model (scatterers with their carrier phase, a separable Gaussian pulse on a polar grid),
not the project's acoustic engines. Speckle decorrelates because scatterers leave the slice: each has an elevation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from echotas.seeds import generator
from echotas.training.dataset import TrainingSequence

__all__ = ["SyntheticCines", "SyntheticConfig", "synthetic_cine"]

WAVELENGTH_MM = 0.6  # 2.5 MHz; only sets how fast the carrier turns with depth
SEEN = 2.5  # a scatterer farther off the slice, in its standard deviations, is not seen


@dataclass(frozen=True)
class SyntheticConfig:
    """Ranges from which a cine is drawn, uniformly where not said otherwise."""

    n_frames: int = 24
    """Frames of one closed cycle."""
    size_mm: tuple[float, float] = (128.0, 112.0)
    """Height and width of the image."""
    pixel_mm: float = 0.5
    """Pixel of the stored frames."""
    n_long: int = 36
    """Mesh columns along the arch."""
    n_rad: int = 5
    """Mesh rows across it."""
    density_per_mm3: float = 0.25
    """Scatterers per volume: two or more per resolution cell at most depths."""
    length_mm: tuple[float, float] = (55.0, 95.0)
    """Height of the arch."""
    width_mm: tuple[float, float] = (35.0, 65.0)
    """Width of the arch at its feet."""
    thickness_mm: tuple[float, float] = (6.0, 13.0)
    """Thickness of the band."""
    shrink: tuple[float, float] = (0.0, 0.28)
    """Largest shortening of either axis of the affine motion."""
    shift_mm: float = 2.0
    """Standard deviation of its translation per axis."""
    drift_mm: float = 0.7
    """Standard deviation of a wandering of the whole, per axis."""
    shear: float = 0.04
    """Standard deviation of the affine motion's shear."""
    turn_deg: float = 4.0
    """Standard deviation of its rotation."""
    warp_mm: tuple[float, float] = (0.0, 3.0)
    """Amplitude of the smooth warps."""
    warp_scale_mm: tuple[float, float] = (18.0, 60.0)
    """Their extent, log-uniform."""
    through_plane_mm: tuple[float, float] = (0.5, 4.0)
    """Amplitude of the motion through the slice, log-uniform."""
    slice_mm: tuple[float, float] = (1.2, 2.5)
    """Standard deviation of the slice's sensitivity in elevation."""
    pulse_mm: tuple[float, float] = (0.35, 0.7)
    """Standard deviation of the pulse in depth."""
    beam_deg: tuple[float, float] = (0.5, 1.2)
    """Standard deviation of the beam in angle."""
    dynamic_range_db: tuple[float, float] = (42.0, 65.0)
    """Range of the log compression."""
    noise: tuple[float, float] = (0.005, 0.08)
    """Additive complex noise over the band's amplitude, log-uniform."""
    clutter: tuple[float, float] = (0.0, 0.5)
    """Amplitude of still haze over the band's, in random patches."""


def synthetic_cine(seed: int, index: int, config: SyntheticConfig = SyntheticConfig()) -> TrainingSequence:
    """One closed cine with its mesh, addressed by (seed, index).

    The mesh is exact for the points of the slice; `correlation` is left to be measured in the training clips.
    """
    rng = generator(seed, "synthetic cine", index)
    arch = _arch(rng, config)
    motion = _Motion(rng, config, arch)
    slice_mm = rng.uniform(*config.slice_mm)
    place, elevation, amplitude = _scatterers(rng, config, arch, SEEN * slice_mm + np.abs(motion.elevation).max())
    mesh = motion.path(arch.mesh.reshape(-1, 2))
    elevation_now = elevation + motion.through_plane(place)
    frames = _image(rng, config, motion.path(place), elevation_now / slice_mm, amplitude, mesh)
    mesh_px = mesh.reshape(config.n_frames, config.n_long, config.n_rad, 2) / config.pixel_mm - 0.5
    return TrainingSequence(
        frames,
        mesh_px,
        (config.pixel_mm, config.pixel_mm),
        es_frame=motion.peak_frame,
        recording_id=_name(index),
        patient_id=_name(index),
    )


def _name(index: int) -> str:
    return f"synthetic-{index:05d}"


class SyntheticCines(Sequence):
    """The cines `first` to `first + count - 1` of a seed as a sequence: made when first asked for, then kept in memory."""

    def __init__(self, seed: int, count: int, first: int = 0, config: SyntheticConfig = SyntheticConfig()) -> None:
        if not count >= 1:
            raise ValueError(f"count must be >= 1, got {count}")
        self.seed, self.count, self.first, self.config = seed, count, first, config
        self._made: dict[int, TrainingSequence] = {}

    @property
    def patient_ids(self) -> list[str]:
        """One for each cine; known without making it."""
        return [_name(self.first + index) for index in range(self.count)]

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_made": {}}  # another process makes its own: quicker than sending them

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> TrainingSequence:
        if not 0 <= index < self.count:
            raise IndexError(f"index must be in 0..{self.count - 1}, got {index}")
        if index not in self._made:
            self._made[index] = synthetic_cine(self.seed, self.first + index, self.config)
        return self._made[index]

    def __repr__(self) -> str:
        return f"SyntheticCines({self.seed}, {self.count}, {self.first}, {self.config})"


@dataclass(frozen=True)
class _Arch:
    """The band, in mm; its middle line is `mesh[:, n_rad // 2]`."""

    mesh: Float[np.ndarray, "n_long n_rad 2"]
    apex: np.ndarray
    legs_mm: np.ndarray
    """How far the band goes on beyond the mesh at its feet, left and right: its end must not mark the mesh's."""

    def depth_in(self, place: Float[np.ndarray, "n 2"]) -> tuple[np.ndarray, np.ndarray]:
        """Signed distance to the band's outline (negative inside the band), and whether a point lies in the cavity."""
        scale = 4.0  # px per mm of the distance map
        low = self.mesh.reshape(-1, 2).min(0) - 40
        size = np.ceil((self.mesh.reshape(-1, 2).max(0) + 40 - low) * scale).astype(int)
        feet = [self.mesh[0] - self.mesh[1], self.mesh[-1] - self.mesh[-2]]
        left, right = (
            leg * foot / np.linalg.norm(foot, axis=1, keepdims=True)
            for leg, foot in zip(self.legs_mm, feet, strict=True)
        )
        band_mesh = np.concatenate([self.mesh[:1] + left, self.mesh, self.mesh[-1:] + right])
        outline = np.concatenate([band_mesh[:, 0], band_mesh[::-1, -1]])
        band, cavity = (np.zeros((size[1], size[0]), np.uint8) for _ in range(2))
        cv2.fillPoly(band, [np.round((outline - low) * scale).astype(np.int32)], 1)
        cv2.fillPoly(cavity, [np.round((self.mesh[:, 0] - low) * scale).astype(np.int32)], 1)
        outside = cv2.distanceTransform(1 - band, cv2.DIST_L2, 5) - cv2.distanceTransform(band, cv2.DIST_L2, 5)
        x, y = np.clip(np.round((place - low) * scale).astype(int), 0, size - 1).T
        return outside[y, x] / scale, cavity[y, x] > 0


def _arch(rng: np.random.Generator, config: SyntheticConfig) -> _Arch:
    """A horseshoe that opens downwards: half an ellipse with long legs, bent by a few random harmonics."""
    height, width = config.size_mm
    length = min(rng.uniform(*config.length_mm), height - 30)
    breadth = min(rng.uniform(*config.width_mm), width - 30)
    thickness = rng.uniform(*config.thickness_mm)
    s = np.linspace(0, 1, 400)
    angle = np.pi * (1 - s)  # left foot, apex, right foot
    power = rng.uniform(0.6, 1.0)
    line = np.stack([np.cos(angle), -np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power], axis=1)
    line *= [breadth / 2, length]
    for order in (1, 2, 3):
        line += rng.normal(0, 2.0 / order, 2) * np.sin(order * np.pi * s + rng.uniform(0, 2 * np.pi))[:, None]
    tilt = np.deg2rad(rng.normal(0, 8))
    line = line @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    step = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.interp(np.linspace(0, step.sum(), config.n_long), np.r_[0, step.cumsum()], np.arange(len(line)))
    middle = np.stack([np.interp(along, np.arange(len(line)), line[:, axis]) for axis in (0, 1)], axis=1)
    tangent = np.gradient(middle, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # left foot to right foot over the top
    across = np.linspace(-0.5, 0.5, config.n_rad)[None, :, None] * thickness * outward[:, None]
    mesh = middle[:, None] + across
    centre = np.array([width, height]) / 2 + rng.uniform(-6, 6, 2)
    mesh += centre - (mesh.reshape(-1, 2).min(0) + mesh.reshape(-1, 2).max(0)) / 2
    return _Arch(mesh, mesh[config.n_long // 2, config.n_rad // 2], rng.uniform(0, 25, 2))


class _Motion:
    """Affine motion about a point near the apex and smooth warps, each with its own periodic time course."""

    def __init__(self, rng: np.random.Generator, config: SyntheticConfig, arch: _Arch) -> None:
        n = config.n_frames
        self.centre = arch.apex + rng.normal(0, 8, 2)
        beat, self.peak_frame = _beat(rng, n)
        shrink = rng.uniform(*config.shrink, 2)
        shear = rng.normal(0, config.shear, 2)
        turn = np.deg2rad(rng.normal(0, config.turn_deg))
        linear = np.array([[-shrink[0], shear[0] - turn], [shear[1] + turn, -shrink[1]]])
        self.linear = linear * _lagged(rng, beat)[:, None, None]
        self.shift = rng.normal(0, config.shift_mm, 2) * _lagged(rng, beat)[:, None]
        self.shift = self.shift + config.drift_mm * np.stack([_wander(rng, n), _wander(rng, n)], axis=1)
        n_warps = 12
        self.places = np.array(config.size_mm)[::-1] * rng.uniform(0, 1, (n_warps, 2))
        low, high = np.log(config.warp_scale_mm)
        self.scales = np.exp(rng.uniform(low, high, n_warps))
        self.warps = rng.normal(0, rng.uniform(*config.warp_mm) / 2, (n_warps, 2))
        courses = [_lagged(rng, beat) if rng.random() < 0.6 else _wander(rng, n) for _ in range(n_warps)]
        self.courses = np.stack(courses, axis=1)
        low, high = np.log(config.through_plane_mm)
        self.elevation = np.exp(rng.uniform(low, high)) * (_lagged(rng, beat) + 0.3 * _wander(rng, n))
        self.tilt = rng.normal(0, 0.015, 2)

    def path(self, place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n_frames n 2"]:
        """Where material points are in every frame, mm."""
        distance2 = ((place[:, None] - self.places) ** 2).sum(-1)
        bumps = np.exp(-distance2 / (2 * self.scales**2))
        from_centre = place - self.centre
        frames = zip(self.linear, self.shift, self.courses, strict=True)
        return np.stack(
            [
                place + from_centre @ linear.T + shift + bumps @ (self.warps * course[:, None])
                for linear, shift, course in frames
            ]
        )

    def through_plane(self, place: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n_frames n"]:
        """Displacement in elevation of every material point, mm: stronger away from the centre."""
        return self.elevation[:, None] * (1 + (place - self.centre) @ self.tilt)


def _beat(rng: np.random.Generator, n_frames: int) -> tuple[np.ndarray, int]:
    """A cycle from 0 up to 1 and back in one or two steps, and the frame of its peak."""
    rise, first_fall = rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.3)
    second_fall = rng.uniform(0.1, 0.2)
    level = rng.uniform(0.1, 0.5)  # left after the first fall
    t = np.arange(n_frames) / n_frames

    def ramp(start: float, duration: float) -> np.ndarray:
        x = np.clip((t - start) / duration, 0, 1)
        return x * x * (3 - 2 * x)

    curve = ramp(0, rise) - (1 - level) * ramp(rise, first_fall) - level * ramp(0.98 - second_fall, second_fall)
    start = int(rng.integers(n_frames))
    curve = np.roll(curve, start)
    return curve, int(curve.argmax())


def _lagged(rng: np.random.Generator, beat: np.ndarray) -> np.ndarray:
    """The beat delayed by up to 6 % of the cycle either way, with a random smooth part."""
    n = len(beat)
    t = np.arange(n) + rng.uniform(-0.06, 0.06) * n
    return np.interp(t % n, np.arange(n + 1), np.r_[beat, beat[0]]) + 0.15 * _wander(rng, n)


def _wander(rng: np.random.Generator, n: int) -> np.ndarray:
    """A smooth periodic random curve with standard deviation of about 1."""
    phase = 2 * np.pi * np.arange(n) / n
    orders = np.arange(1, 4)
    weights = rng.normal(0, 1, (2, 3)) / orders
    return (weights[0] * np.cos(np.outer(phase, orders)) + weights[1] * np.sin(np.outer(phase, orders))).sum(1) / 1.2


def _scatterers(
    rng: np.random.Generator, config: SyntheticConfig, arch: _Arch, slab: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (n, 2) mm, elevations (n,) within +-`slab` mm and amplitudes (n,), relative to the band's."""
    border = 12.0
    height, width = config.size_mm
    count = int(config.density_per_mm3 * 2 * slab * (height + 2 * border) * (width + 2 * border))
    place = rng.uniform([-border, -border], [width + border, height + border], (count, 2))
    elevation = rng.uniform(-slab, slab, count)
    distance, cavity = arch.depth_in(place)
    # Echogenicity of the surroundings: a smooth random field of some decades, with edges here and there.
    coarse = rng.normal(0, 1, (16, 16))
    field = gaussian_filter(coarse, rng.uniform(0.6, 1.5), mode="wrap")
    field = cv2.resize((field / field.std()).astype(np.float32), (256, 256), interpolation=cv2.INTER_CUBIC)
    at = np.clip((place + border) / [width + 2 * border, height + 2 * border] * 255, 0, 255).astype(int)
    level_db = rng.uniform(-22, -6) + rng.uniform(3, 9) * field[at[:, 1], at[:, 0]]
    level_db[cavity] = rng.uniform(-38, -18)
    inside = distance < 0
    level_db[inside] = rng.uniform(0, 3) * field[at[inside, 1], at[inside, 0]]
    if rng.random() < 0.6:  # bright borders of the band
        width_mm = rng.uniform(0.5, 1.2)
        level_db += np.where(inside, rng.uniform(0, 8) * np.exp(-((distance / width_mm) ** 2)), 0)
    return place, elevation, 10 ** (level_db / 20) * rng.normal(0, 1, count)


def _image(
    rng: np.random.Generator,
    config: SyntheticConfig,
    place: Float[np.ndarray, "n_frames n 2"],
    off_slice: Float[np.ndarray, "n_frames n"],
    amplitude: Float[np.ndarray, " n"],
    mesh: Float[np.ndarray, "n_frames n_points 2"],
) -> np.ndarray:
    """u8 frames: splat on a polar grid, blur by the pulse, log-compress, scan-convert; the mesh stays in the sector."""
    height, width = config.size_mm
    probe = np.array([width / 2 + rng.uniform(-12, 12), -rng.uniform(5, 30)])
    widest = np.abs(np.arctan2(mesh[..., 0] - probe[0], np.maximum(mesh[..., 1] - probe[1], 1.0))).max()
    opening = min(max(np.deg2rad(rng.uniform(32, 46)), widest + np.deg2rad(rng.uniform(-1, 8))), np.deg2rad(65))
    dr, dtheta = 0.3, np.deg2rad(0.6)
    reach = np.hypot(height - probe[1], width) + 5
    n_r, n_theta = int(reach / dr), int(2 * opening / dtheta)
    pulse, beam = rng.uniform(*config.pulse_mm) / dr, np.deg2rad(rng.uniform(*config.beam_deg)) / dtheta
    low, high = np.log(config.noise)
    noise = np.exp(rng.uniform(low, high)) * np.exp(rng.uniform(0, 1.5) * (np.linspace(-1, 1, n_r)))[:, None]
    haze = _haze(rng, config, (n_r, n_theta))
    gain_db = rng.uniform(-6, 6) * np.linspace(-1, 1, n_r)[:, None] + _shadows(rng, n_theta)
    span = rng.uniform(*config.dynamic_range_db)

    envelopes = []
    for now, off in zip(place, off_slice, strict=True):
        seen = np.abs(off) < SEEN
        away = now[seen] - probe
        r, theta = np.hypot(*away.T), np.arctan2(away[:, 0], away[:, 1])
        weight = amplitude[seen] * np.exp(-0.5 * off[seen] ** 2)
        real, imaginary = _splat(
            r / dr, (theta + opening) / dtheta, weight, 4 * np.pi / WAVELENGTH_MM * r, n_r, n_theta
        )
        echo = [_blur(part, pulse, beam) for part in (real, imaginary)]
        echo = [part + still for part, still in zip(echo, haze, strict=True)]
        echo = [part + noise * rng.standard_normal(part.shape) for part in echo]
        envelopes.append(np.hypot(*echo))
    envelope = np.stack(envelopes)
    reference = np.quantile(envelope, rng.uniform(0.97, 0.995))
    decibel = 20 * np.log10(np.maximum(envelope, 1e-9) / reference) + gain_db
    grey = (255 * np.clip(1 + decibel / span, 0, 1)).astype(np.float32)

    rows, columns = round(height / config.pixel_mm), round(width / config.pixel_mm)
    y, x = np.mgrid[:rows, :columns]
    away = np.stack([(x + 0.5) * config.pixel_mm - probe[0], (y + 0.5) * config.pixel_mm - probe[1]])
    to_row = (np.hypot(*away) / dr).astype(np.float32)
    to_column = ((np.arctan2(*away) + opening) / dtheta).astype(np.float32)
    frames = [cv2.remap(frame, to_column, to_row, cv2.INTER_LINEAR, borderValue=0) for frame in grey]
    return np.round(np.stack(frames)).astype(np.uint8)


def _splat(
    row: np.ndarray, column: np.ndarray, weight: np.ndarray, phase: np.ndarray, n_rows: int, n_columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary part of weighted points with a phase, spread bilinearly."""
    inside = (row >= 0) & (row < n_rows - 1) & (column >= 0) & (column < n_columns - 1)
    row, column, weight, phase = row[inside], column[inside], weight[inside], phase[inside]
    i, j = row.astype(np.int64), column.astype(np.int64)
    a, b = row - i, column - j
    cell = i * n_columns + j
    parts = []
    for value in (weight * np.cos(phase), weight * np.sin(phase)):
        total = np.zeros(n_rows * n_columns)
        for offset, share in (
            (0, (1 - a) * (1 - b)),
            (1, (1 - a) * b),
            (n_columns, a * (1 - b)),
            (n_columns + 1, a * b),
        ):
            total += np.bincount(cell + offset, share * value, n_rows * n_columns)
        parts.append(total.reshape(n_rows, n_columns).astype(np.float32))
    return parts[0], parts[1]


def _blur(part: np.ndarray, pulse: float, beam: float) -> np.ndarray:
    """Separable Gaussian; its energy is kept, so that speckle of any size has the same level."""
    blurred = cv2.GaussianBlur(part, (0, 0), sigmaX=beam, sigmaY=pulse, borderType=cv2.BORDER_CONSTANT)
    return blurred * 2 * np.sqrt(np.pi * pulse * beam)


def _haze(rng: np.random.Generator, config: SyntheticConfig, shape: tuple[int, int]) -> list[np.ndarray]:
    """Still speckle (real, imaginary) in smooth random patches."""
    coarse = gaussian_filter(rng.normal(0, 1, (12, 8)), 1.0, mode="nearest")
    patches = cv2.resize((coarse / coarse.std()).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    near = np.exp(-np.arange(shape[0]) / (shape[0] * rng.uniform(0.05, 0.3)))[:, None]
    strength = rng.uniform(*config.clutter) * np.clip(patches - 0.8, 0, 1) + rng.uniform(*config.clutter) * near
    return [strength * _blur(rng.standard_normal(shape).astype(np.float32), 3.0, 2.0) for _ in range(2)]


def _shadows(rng: np.random.Generator, n_theta: int) -> np.ndarray:
    """Loss in dB by angle: a few smooth wedges."""
    angle, loss = np.arange(n_theta), np.zeros(n_theta)
    for _ in range(int(rng.integers(0, 3))):
        centre, width = rng.uniform(0, n_theta), n_theta * rng.uniform(0.03, 0.12)
        loss += rng.uniform(3, 18) * np.exp(-0.5 * ((angle - centre) / width) ** 2)
    return -loss
