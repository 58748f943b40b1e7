"""Training cines, and clips drawn from them: which frames, in which order, which points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from echotas.records import Cine, check_spacing
from echotas.store import read_recording
from echotas.strain import longitudinal_strain, slowest_diastolic_frame
from echotas.trackers.blocks.patches import patch_correlation
from echotas.trackers.blocks.resampling import move_points, resample_frames
from echotas.trackers.lucas_kanade_mesh import LucasKanadeMeshTracker
from echotas.training.augment import AugmentConfig, draw_geometry, draw_sway, vary_grey_levels

__all__ = ["Clip", "ClipConfig", "TrainingSequence", "draw_clip", "load_sequence"]

CORRELATION_WINDOW_MM = 10.0  # size of the patches whose correlation is the visibility target


@dataclass(frozen=True, eq=False)
class TrainingSequence:
    """One cine with its true mesh."""

    frames: np.ndarray
    """u8 (n_frames, height, width)."""
    mesh_px: np.ndarray
    """(n_frames, n_long, n_rad, 2) px."""
    spacing_mm: tuple[float, float]
    """(dx, dy) mm per px."""
    es_frame: int
    """End-systole."""
    ed_frame: int | None = None
    """End-diastole, for the mean-motion control."""
    correlation: np.ndarray | None = None
    """Speckle correlation with the ES frame, (n_frames, n_long, n_rad) in [0, 1]; None: measured in the clip."""
    recording_id: str = ""
    """For messages."""
    patient_id: str = ""
    """Unit of the train/validation split."""

    def __post_init__(self) -> None:
        frames, mesh = np.asarray(self.frames), np.asarray(self.mesh_px, dtype=np.float32)
        label = f"of {self.recording_id!r} " if self.recording_id else ""
        if frames.ndim != 3 or frames.dtype != np.uint8 or len(frames) < 2:
            raise ValueError(
                f"frames {label}must be u8 (n_frames >= 2, height, width), got {frames.dtype} {frames.shape}"
            )
        if mesh.ndim != 4 or mesh.shape[-1] != 2 or len(mesh) != len(frames):
            raise ValueError(f"mesh_px {label}must be ({len(frames)}, n_long, n_rad, 2), got {mesh.shape}")
        if not np.isfinite(mesh).all():
            raise ValueError(
                f"mesh_px {label}must be finite, got {int((~np.isfinite(mesh)).sum())} NaN or infinite values"
            )
        if not 0 <= self.es_frame < len(frames):
            raise ValueError(f"es_frame {label}must be in 0..{len(frames) - 1}, got {self.es_frame}")
        if self.correlation is not None and np.shape(self.correlation) != mesh.shape[:3]:
            raise ValueError(f"correlation {label}must be {mesh.shape[:3]}, got {np.shape(self.correlation)}")
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "mesh_px", mesh)
        object.__setattr__(self, "spacing_mm", check_spacing(self.spacing_mm))

    @property
    def closed(self) -> bool:
        """Does the mesh end where it began (within 1 mm on average)? Then the beat may be walked as a circle."""
        gap = (self.mesh_px[-1] - self.mesh_px[0]) * np.array(self.spacing_mm, dtype=np.float32)
        return float(np.linalg.norm(gap, axis=-1).mean()) < 1.0

    def start_frame(self, phase: str) -> int:
        """Frame of a phase of `ClipConfig`."""
        if phase == "ES":
            return self.es_frame
        if phase == "ED" or self.es_frame == len(self.frames) - 1:  # no frame after ES: no diastasis either
            return self.ed_frame or 0
        line = self.mesh_px[:, :, self.mesh_px.shape[2] // 2].astype(np.float64) * np.array(self.spacing_mm)
        return slowest_diastolic_frame(longitudinal_strain(line, self.ed_frame or 0), self.es_frame)

    @property
    def cine(self) -> Cine:
        """The cine, with frame numbers for times."""
        return Cine(
            self.frames, self.spacing_mm, np.arange(len(self.frames), dtype=np.float64), es_frame=self.es_frame,
            ed_frame=self.ed_frame, patient_id=self.patient_id, recording_id=self.recording_id,
        )  # fmt: skip

    @property
    def mesh_uv(self) -> Float[np.ndarray, "n_points 2"]:
        """(u, v) of the mesh points, index order l * n_rad + r."""
        n_long, n_rad = self.mesh_px.shape[1:3]
        u, v = np.meshgrid(np.linspace(0, 1, n_long), np.linspace(0, 1, n_rad), indexing="ij")
        return np.stack([u.ravel(), v.ravel()], axis=-1)


def load_sequence(path: str | Path) -> TrainingSequence:
    """Training sequence from a recording file.

    Raises:
        ValueError: The recording lacks its mesh, its spacing or its ES frame, or cannot be read.
    """
    recording = read_recording(path)
    cine = recording.cine
    for name, value in {"mesh": recording.mesh, "spacing_mm": cine.spacing_mm, "es_frame": cine.es_frame}.items():
        if value is None:
            raise ValueError(f"{path}: a training recording needs {name}, got None")
    return TrainingSequence(
        cine.frames, recording.mesh.points_px, cine.spacing_mm, cine.es_frame, cine.ed_frame, recording.coherence,
        cine.recording_id, cine.patient_id,
    )  # fmt: skip


@dataclass(frozen=True)
class ClipConfig:
    """How clips are drawn."""

    lengths: tuple[int, ...] = (8, 12)
    """Clip lengths, frames."""
    length_weights: tuple[float, ...] = (0.85, 0.15)
    """How often each length is drawn (by step, so that a batch has one length)."""
    max_skip: int = 2
    """Every frame, every second, ... up to this."""
    n_points: int = 64
    """Mesh points per clip, drawn at random."""
    start_phase: str = "ES"
    """"ES", "ED" (the first frame where the cine does not say) or "diastasis", the flattest strain after ES."""
    start_share: float = 0.5
    """Share of clips that start in that phase; the others start anywhere."""
    both_ways: bool = True
    """Half of the clips run backwards in time; else none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", tuple(self.lengths))
        object.__setattr__(self, "length_weights", tuple(self.length_weights))
        if not self.lengths or min(self.lengths) < 2 or len(self.lengths) != len(self.length_weights):
            raise ValueError(f"lengths must be >= 2 with one weight each, got {self.lengths} and {self.length_weights}")
        if min(self.length_weights) < 0 or sum(self.length_weights) <= 0:
            raise ValueError(f"length_weights must be >= 0 and not all 0, got {self.length_weights}")
        if self.max_skip < 1 or self.n_points < 1:
            raise ValueError(f"max_skip and n_points must be >= 1, got {self.max_skip} and {self.n_points}")
        if self.start_phase not in ("ES", "ED", "diastasis"):
            raise ValueError(f"start_phase must be ES, ED or diastasis, got {self.start_phase!r}")
        if not 0 <= self.start_share <= 1:
            raise ValueError(f"start_share must be in [0, 1], got {self.start_share}")


class Clip(NamedTuple):
    """One training example on the network's grid; the points are given in frame 0."""

    frames: Float[np.ndarray, "n_frames height width"]
    """Grey levels 0..255, float32."""
    points_px: Float[np.ndarray, "n_frames n_points 2"]
    """True positions, grid px, float32."""
    uv: Float[np.ndarray, "n_points 2"]
    """Place in the wall."""
    correlation: Float[np.ndarray, "n_frames n_points"]
    """Speckle correlation with frame 0, in [0, 1]."""
    guess_px: Float[np.ndarray, "n_frames n_points 2"] | None
    """Where smoothed Lucas-Kanade takes the points in the stored frames, grid px; None unless asked for."""


def draw_clip(
    rng: np.random.Generator,
    sequences: Sequence[TrainingSequence],
    length: int,
    config: ClipConfig,
    augment: AugmentConfig,
    size: tuple[int, int],
    pixel_mm: float,
    with_guess: bool = False,
) -> Clip:
    """Draw a clip of `length` frames from a random sequence and warp it to the network's grid.

    A closed beat is walked as a circle, in either direction; in an open one the clip turns round at the ends.
    """
    sequence = sequences[int(rng.integers(len(sequences)))]
    frame = _draw_frames(rng, sequence, length, config)
    mesh = sequence.mesh_px[frame].reshape(length, -1, 2)
    n_points = min(config.n_points, mesh.shape[1])
    chosen = np.sort(rng.choice(mesh.shape[1], n_points, replace=False))
    matrix = draw_geometry(rng, augment, mesh[0], sequence.spacing_mm, size, pixel_mm)
    matrices = draw_sway(rng, augment, length, size, pixel_mm) @ _homogeneous(matrix)
    frames = np.stack([resample_frames(sequence.frames[[i]], m, size)[0] for i, m in zip(frame, matrices, strict=True)])
    points = _move_each(mesh[:, chosen].astype(np.float64), matrices)
    if sequence.correlation is not None and frame[0] == sequence.es_frame:
        correlation = np.asarray(sequence.correlation)[frame].reshape(length, -1)[:, chosen]
    else:
        correlation = _correlation_with_first(frames, points, pixel_mm)
    return Clip(
        vary_grey_levels(rng, augment, frames),
        points.astype(np.float32),
        sequence.mesh_uv[chosen].astype(np.float32),
        np.clip(correlation, 0, 1).astype(np.float32),
        _move_each(_classical_paths(sequence, frame, mesh[0, chosen]), matrices).astype(np.float32)
        if with_guess
        else None,
    )


def _homogeneous(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([matrix, [[0.0, 0.0, 1.0]]])


def _move_each(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    return np.stack([move_points(now, matrix) for now, matrix in zip(points, matrices, strict=True)])


def _classical_paths(sequence: TrainingSequence, frame: np.ndarray, query: np.ndarray) -> np.ndarray:
    limit = np.array(sequence.frames.shape[:0:-1]) - 1.0
    cine = Cine(sequence.frames[frame], sequence.spacing_mm, np.arange(len(frame), dtype=np.float64))
    return LucasKanadeMeshTracker().track(cine, np.clip(query, 0, limit), 0).points_px


def _draw_frames(rng: np.random.Generator, sequence: TrainingSequence, length: int, config: ClipConfig) -> np.ndarray:
    n_frames = len(sequence.frames)
    start = (
        sequence.start_frame(config.start_phase) if rng.random() < config.start_share else int(rng.integers(n_frames))
    )
    forwards = rng.random() < 0.5 or not config.both_ways
    step = int(rng.integers(1, config.max_skip + 1)) * (1 if forwards else -1)
    index = start + step * np.arange(length)
    if sequence.closed:
        return index % n_frames
    period = 2 * (n_frames - 1)
    folded = np.abs(index) % period
    return np.where(folded < n_frames, folded, period - folded)


def _correlation_with_first(frames: np.ndarray, points: np.ndarray, pixel_mm: float) -> np.ndarray:
    side = 2 * round(CORRELATION_WINDOW_MM / pixel_mm / 2) + 1
    return np.stack(
        [
            patch_correlation(frames[0], now, points[0], place, (side, side))
            for now, place in zip(frames, points, strict=True)
        ]
    )
