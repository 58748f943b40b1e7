"""Synthetic cine with exact motion from a real one: the strategies S1, S2 and S3 of the TAS-Net paper.

S1: a wall scatterer moves with the mesh with a fixed probability, else it belongs to the background. S2: both
populations are heard everywhere in the wall, weighted by the speckle correlation measured in the template, so that
nothing appears or vanishes. S3: simulate with S2, measure the correlation achieved, correct the weights, repeat.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from echotas.acoustics import simulate
from echotas.geometry import inside
from echotas.records import Cine, Mesh
from echotas.simulation.coherence import above_floor, refined
from echotas.simulation.config import SimulationConfig, require_strategy
from echotas.simulation.imaging import check_template, scan_for
from echotas.simulation.scene import build_scene, render
from echotas.speckle import correlation_curves

__all__ = ["Simulated", "simulate_sequence"]


@dataclass(frozen=True, eq=False)
class Simulated:
    """A synthetic cine and everything that is exactly known about it."""

    cine: Cine
    """Same shape, spacing, times, view, ED, ES and sector as the template."""
    mesh: Mesh
    """The true motion: the mesh the simulation was given."""
    coherence: np.ndarray
    """Coherence used at the mesh nodes, (n_frames, n_long, n_rad) in [0, 1]."""
    correlation_template: np.ndarray | None
    """Speckle correlation with the reference frame measured in the template, same shape; None if not measured."""
    correlation_simulated: np.ndarray
    """The same measured in the synthetic cine: how far its speckle is still that of the reference frame."""
    realism_mae: float | None
    """Mean absolute difference of the two over nodes in the sector, the reference frame left out.
    None if not measured."""
    realism_mae_before: float | None
    """The same before the refinement; only for S3."""
    reference_frame: int
    """Frame in which the scatterers were drawn and against which correlation is measured."""
    n_outside: np.ndarray
    """Mesh nodes outside the sector, int (n_frames,)."""


def simulate_sequence(
    template: Cine,
    mesh: Mesh,
    strategy: str,
    config: SimulationConfig | None = None,
    seed: int = 0,
    cache_dir: Path | str | None = None,
    reference_frame: int | None = None,
    measure_template: bool = False,
    device: str = "cpu",
) -> Simulated:
    """Simulate a cine that looks like `template` and moves exactly like `mesh`.

    Args:
        template: Cine with spacing and sector; its grey levels give the backscatter.
        mesh: Motion of the wall, one mesh per template frame, px.
        strategy: "S1" (static coherence), "S2" (measured coherence) or "S3" (measured, refined).
        config: All numbers; the documented defaults if None.
        seed: Run seed. The scatterers also depend on the template's recording id, on nothing else.
        cache_dir: Folder of tabulated responses; None computes them each time.
        reference_frame: Frame in which scatterers are drawn; the template's end-systole if None.
        measure_template: Measure the template's correlation, and so the realism, also for S1, which does not need it.
        device: Torch device of the acoustics.

    Raises:
        ValueError: The strategy is unknown; the template has no spacing, sector or reference frame; the mesh has
            another number of frames or lies entirely outside the sector in the reference frame.
    """
    config = config or SimulationConfig()
    require_strategy(strategy)
    check_template(template)
    reference_frame = _reference(template, mesh, reference_frame)
    scan = scan_for(template, config)
    acoustics = partial(simulate, scan=scan, method="fast", rank=config.rank, device=device, cache_dir=cache_dir)
    scene = build_scene(template, mesh, reference_frame, scan, config, seed, acoustics)
    shown = inside(template.sector, mesh.points_px)  # (T, L, R)

    def measured(frames: np.ndarray) -> np.ndarray:
        return _correlation(frames, template, mesh, reference_frame, config)

    def realism(achieved: np.ndarray) -> float | None:
        return None if target is None else _realism(target, achieved, shown, reference_frame)

    target = measured(template.frames) if strategy != "S1" or measure_template else None
    if strategy == "S1":
        coherence = np.full(mesh.points_px.shape[:3], config.p)
    else:
        coherence = above_floor(target, config.correlation_floor)
    frames = render(scene, coherence, chosen=strategy == "S1")
    achieved = measured(frames)
    before = realism(achieved) if strategy == "S3" else None
    for _ in range(config.n_refinements if strategy == "S3" else 0):
        coherence = refined(coherence, target, achieved, config.alpha)
        frames = render(scene, coherence, chosen=False)
        achieved = measured(frames)
    meta = {"synthetic": True, "strategy": strategy, "seed": int(seed), "template": template.recording_id}
    return Simulated(
        cine=replace(template, frames=frames, meta={**template.meta, **meta}),
        mesh=mesh,
        coherence=coherence,
        correlation_template=target,
        correlation_simulated=achieved,
        realism_mae=realism(achieved),
        realism_mae_before=before,
        reference_frame=reference_frame,
        n_outside=(~shown).sum(axis=(1, 2)),
    )


def _reference(template: Cine, mesh: Mesh, reference_frame: int | None) -> int:
    n_frames = template.n_frames
    if len(mesh.points_px) != n_frames:
        raise ValueError(f"mesh must have one frame per template frame ({n_frames}), got {len(mesh.points_px)}")
    if reference_frame is None:
        reference_frame = template.es_frame
    if reference_frame is None:
        raise ValueError("reference_frame must be given for a template without es_frame, got None")
    if not 0 <= reference_frame < n_frames:
        raise ValueError(f"reference_frame must be in 0..{n_frames - 1}, got {reference_frame}")
    if not inside(template.sector, mesh.points_px[reference_frame]).any():
        raise ValueError(f"mesh must lie in the template's sector in frame {reference_frame}, got all nodes outside")
    return reference_frame


def _correlation(
    frames: np.ndarray, template: Cine, mesh: Mesh, reference_frame: int, config: SimulationConfig
) -> np.ndarray:
    return correlation_curves(
        frames,
        mesh.points_px,
        reference_frame,
        window_mm=config.window_mm,
        search_mm=config.search_mm,
        spacing_mm=template.spacing_mm,
        stride=config.correlation_stride,
    )


def _realism(target: np.ndarray, achieved: np.ndarray, shown: np.ndarray, reference_frame: int) -> float:
    """Mean absolute difference of correlation curves (T1-E6), over nodes in the sector and frames but the reference."""
    counted = shown.copy()
    counted[reference_frame] = False
    return float(np.abs(target - achieved)[counted].mean()) if counted.any() else 0.0
