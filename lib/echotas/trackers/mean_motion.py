"""Control: every patient moves like the average training patient.

D(phase, u, v) is the displacement from end-systole, averaged over training cines, in the frame of the left ventricle: origin at
the middle of the base, first axis from there to the apex, second axis to the image right of it, unit = long-axis length
at end-systole. Tracking turns and scales D to the long axis of the query. It never looks at the image.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import RegularGridInterpolator

from echotas.records import Cine, Mesh
from echotas.trackers.base import Tracker

__all__ = ["LongAxis", "MeanMotionTracker", "cycle_phase", "fit_mean_motion", "load_mean_motion", "long_axis"]

N_PHASES = 33  # odd, so that end-systole (phase 0) is on the grid; 1/16 of a systole is finer than one frame at 50 Hz


class LongAxis(NamedTuple):
    """The left ventricle's frame of reference in one image."""

    base_px: np.ndarray
    """Middle of the base, (2,) px."""
    axes: np.ndarray
    """Rows: unit vectors base -> apex, and its perpendicular (the image right when the apex is up), (2, 2)."""
    length_px: float
    """Base to apex, px."""


def long_axis(points_px: Float[np.ndarray, "n_points 2"], uv: Float[np.ndarray, "n_points 2"]) -> LongAxis:
    """Long axis through wall points: from the mean of both wall ends to the mean of the points at the apex.

    Raises:
        ValueError: The points do not reach near both ends (u within 0.15 of 0 and 1) and the apex (within 0.2 of 0.5).
    """
    u = uv[:, 0]
    groups = []
    for name, target, reach in (("left base", 0.0, 0.15), ("right base", 1.0, 0.15), ("apex", 0.5, 0.2)):
        distance = np.abs(u - target)
        if not len(u) or distance.min() > reach:
            raise ValueError(f"mesh_uv must hold points near the {name} (u = {target}) to find the long axis")
        groups.append(points_px[distance <= distance.min() + 0.05].mean(0))
    base = (groups[0] + groups[1]) / 2
    along = groups[2] - base
    length = float(np.hypot(*along))
    if length <= 0:
        raise ValueError(f"query_px must have its apex away from its base, got a long axis of {length} px")
    along = along / length
    return LongAxis(base, np.stack([along, [-along[1], along[0]]]), length)


def cycle_phase(n_frames: int, es_frame: int, ed_frame: int | None = None) -> Float[np.ndarray, " n_frames"]:
    """Phase of each frame: -1 at the ED before, 0 at ES, 1 at the ED after; linear between, clipped to -1..1.

    Systole and diastole are mapped separately, so that end-systoles meet whatever the heart rate. The ED that is not
    `ed_frame` is taken to be the cine's first or last frame (cines run from ED to ED).
    """
    before = ed_frame if ed_frame is not None and ed_frame < es_frame else 0
    after = ed_frame if ed_frame is not None and ed_frame > es_frame else n_frames - 1
    frame = np.arange(n_frames, dtype=np.float64) - es_frame
    phase = np.where(frame < 0, frame / max(es_frame - before, 1), frame / max(after - es_frame, 1))
    return np.clip(phase, -1.0, 1.0)


def fit_mean_motion(
    cines: Iterable[tuple[Cine, Mesh]], path: str | Path, n_phases: int = N_PHASES
) -> dict[str, np.ndarray]:
    """Average the motion of training cines, write it to `path` (npz) and return it.

    Args:
        cines: Pairs of cine (needs `es_frame`; spacing is used where pixels are not square) and its true mesh.
            All meshes have the same number of points.
        path: Target file, `.npz`.
        n_phases: Grid of phases from -1 to 1, odd.

    Returns:
        `phase` (n_phases,), `displacement` (n_phases, n_long, n_rad, 2) and `length_ratio` (n_phases,): long axis over
        long axis at ES; units as in the module's first lines.

    Raises:
        ValueError: No cine, an unknown ES, or meshes of different size.
    """
    if n_phases < 3 or n_phases % 2 == 0:
        raise ValueError(f"n_phases must be odd and >= 3, got {n_phases}")
    grid = np.linspace(-1, 1, n_phases)
    displacement_sum, ratio_sum, weight, shape = 0.0, 0.0, 0, None
    for cine, mesh in cines:
        if cine.es_frame is None:
            raise ValueError(f"es_frame must be known to fit the mean motion, got None for {cine.recording_id!r}")
        points = _square(mesh.points_px, cine)
        if len(points) != cine.n_frames:
            raise ValueError(f"mesh must have the cine's {cine.n_frames} frames, got {len(points)}")
        shape = shape or points.shape[1:3]
        if points.shape[1:3] != shape:
            raise ValueError(f"meshes must all have {shape} points, got {points.shape[1:3]}")
        uv = _mesh_uv(*shape)
        flat = points.reshape(len(points), -1, 2)
        axes = [long_axis(frame, uv) for frame in flat]
        es = axes[cine.es_frame]
        displacement = (flat - flat[cine.es_frame]) @ es.axes.T / es.length_px
        ratio = np.array([axis.length_px for axis in axes]) / es.length_px
        table = np.concatenate([displacement.reshape(len(flat), -1), ratio[:, None]], axis=1)
        phase = cycle_phase(cine.n_frames, cine.es_frame, cine.ed_frame)
        inside = np.concatenate([[True], np.diff(phase) > 0])  # clipped ends repeat a phase; interpolation needs one
        table = np.stack([np.interp(grid, phase[inside], column[inside]) for column in table.T], axis=1)
        displacement_sum = displacement_sum + table[:, :-1]
        ratio_sum = ratio_sum + table[:, -1]
        weight += 1
    if weight == 0:
        raise ValueError("cines must hold at least one cine with its mesh, got none")
    fitted = {
        "phase": grid,
        "displacement": (displacement_sum / weight).reshape(n_phases, *shape, 2),
        "length_ratio": ratio_sum / weight,
        "n_cines": np.array(weight),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.savez(file, **fitted)
    return fitted


def load_mean_motion(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays written by `fit_mean_motion`.

    Raises:
        ValueError: The file is missing or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in ("phase", "displacement", "length_ratio", "n_cines")}
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a mean-motion file ({error})") from error


class MeanMotionTracker(Tracker):
    """Moves every point like the mean training patient, turned and scaled to the query's long axis; ignores the image.

    The strong control: it knows what hearts do but nothing about this one. Needs `mesh_uv` that reaches base and apex, and
    the cine's `es_frame`. Confidence is 1 (it has no idea).

    Args:
        path: File of `fit_mean_motion`.
    """

    name = "mean_motion"

    def __init__(self, path: str | Path) -> None:
        fitted = load_mean_motion(path)
        self._phase, self._ratio = fitted["phase"], fitted["length_ratio"]
        table = fitted["displacement"]
        axes = (self._phase, np.linspace(0, 1, table.shape[1]), np.linspace(0, 1, table.shape[2]))
        self._displacement = RegularGridInterpolator(axes, table)

    def skip(self, cine: Cine) -> str | None:
        return "es_frame must be known, got None" if cine.es_frame is None else None

    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if uv is None:
            raise ValueError("mesh_uv must be given to mean_motion, got None")
        square = _square(query, cine)
        axis = long_axis(square, uv)
        phase = cycle_phase(cine.n_frames, cine.es_frame, cine.ed_frame)
        place = np.concatenate(
            [np.repeat(phase[:, None, None], len(uv), axis=1), np.repeat(uv[None], len(phase), axis=0)], axis=-1
        )
        displacement = self._displacement(place)  # (n_frames, n_points, 2), from ES, in ES long axes
        # The query may be given in any frame: its long axis there stands for the ES one through the mean length ratio.
        es_length = axis.length_px / np.interp(phase[query_frame], self._phase, self._ratio)
        points = square + (displacement - displacement[query_frame]) @ axis.axes * es_length
        return _square(points, cine, inverse=True), np.ones(points.shape[:2])


def _square(points: np.ndarray, cine: Cine, inverse: bool = False) -> np.ndarray:
    """Points in units in which x and y steps are equally long (mm when the spacing is known)."""
    if cine.spacing_mm is None:
        return np.asarray(points)
    spacing = np.asarray(cine.spacing_mm)
    return points / spacing if inverse else points * spacing


def _mesh_uv(n_long: int, n_rad: int) -> np.ndarray:
    """(u, v) of a full mesh, index order l * n_rad + r."""
    u, v = np.meshgrid(np.linspace(0, 1, n_long), np.linspace(0, 1, n_rad), indexing="ij")
    return np.stack([u.ravel(), v.ravel()], axis=-1)
