"""The scatterers of one template, drawn once, and the frames they give for a coherence of the wall."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import sparse

from echotas.acoustics import Scan
from echotas.geometry import carry, interpolate_at, sector_mask
from echotas.records import Cine, Mesh
from echotas.seeds import generator
from echotas.simulation.backscatter import (
    backscatter_amplitude,
    bilinear_operator,
    clamp_to_sector,
    matched_gamma,
    read_images,
    smooth_frames,
)
from echotas.simulation.coherence import coherence_image, mix_weights, wall_mask
from echotas.simulation.config import SimulationConfig
from echotas.simulation.imaging import depth_gain, positions_m, template_like_frames
from echotas.simulation.scatterers import draw_background, draw_myocardium, extended_mesh

__all__ = ["Background", "Myocardium", "Scene", "build_scene", "render"]

Acoustics = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Positions and reflectivities to IQ, linear in the reflectivities."""


@dataclass(frozen=True, eq=False)
class Myocardium:
    """Scatterers that the mesh carries."""

    positions_m: Float[np.ndarray, "n_frames n_myo 3"]
    """Paths."""
    backscatter: Float[np.ndarray, " n_myo"]
    """Amplitude, constant over the cine, read in the reference frame."""
    triangle: np.ndarray
    """Triangle of the extended mesh, (n_myo,)."""
    barycentric: Float[np.ndarray, "n_myo 3"]
    """Place in it."""
    draw: Float[np.ndarray, " n_myo"]
    """Uniform number that decides whether the scatterer is heard in S1."""


@dataclass(frozen=True, eq=False)
class Background:
    """Scatterers that never move."""

    positions_m: Float[np.ndarray, "n_background 3"]
    """Places."""
    backscatter: Float[np.ndarray, "n_frames n_background"]
    """Amplitude, read anew in each frame."""
    reader: sparse.csr_array
    """Reads an image at the places."""
    draw: Float[np.ndarray, " n_background"]
    """Uniform number that decides whether the scatterer is heard inside the wall in S1."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What stays the same between the renderings of one template."""

    template: Cine
    """Gives geometry and brightness."""
    mesh: Mesh
    """The motion."""
    scan: Scan
    """Covers the template's sector."""
    config: SimulationConfig
    """All numbers."""
    myocardium: Myocardium
    """The moving population."""
    background: Background
    """The fixed population."""
    gain: Float[np.ndarray, "n_beams n_ranges"]
    """Evens out range and angle."""
    level_region: Bool[np.ndarray, "n_frames height width"]
    """Where the mean brightness is matched."""
    acoustics: Acoustics
    """The imaging system."""


def build_scene(
    template: Cine,
    mesh: Mesh,
    reference_frame: int,
    scan: Scan,
    config: SimulationConfig,
    seed: int,
    acoustics: Acoustics,
) -> Scene:
    """Draw both populations in the reference frame and give them the template's backscatter (Eq. 1)."""
    spacing_mm, shape = template.spacing_mm[0], template.frames.shape[1:]
    border_px = config.border_mm / spacing_mm
    per_px2 = config.density_per_wavelength2 * (spacing_mm * 1e-3 / config.probe.wavelength_m) ** 2
    smooth = smooth_frames(template.frames, template.sector, config.smoothing_mm / spacing_mm)
    wall = np.stack([wall_mask(points, shape) for points in mesh.points_px])
    gamma = config.gamma
    if gamma is None:
        shown = wall & sector_mask(template.sector, shape)
        gamma = matched_gamma(float(template.frames[shown].mean()), config.dynamic_range_db)

    rng = generator(seed, "simulation/myocardium", template.recording_id)
    wide = extended_mesh(mesh.points_px, border_px)
    points, triangle, barycentric = draw_myocardium(wide[reference_frame], per_px2, rng)
    reader = bilinear_operator(clamp_to_sector(points, template.sector), shape)
    amplitude = backscatter_amplitude(read_images(reader, smooth[reference_frame][None])[0], gamma)
    myocardium = Myocardium(
        positions_m=positions_m(carry(wide, triangle, barycentric), template),
        backscatter=amplitude * rng.standard_normal(len(points)),
        triangle=triangle,
        barycentric=barycentric,
        draw=rng.random(len(points)),
    )

    rng = generator(seed, "simulation/background", template.recording_id)
    points = draw_background(template.sector, per_px2, rng, margin_px=border_px)
    noise, draw = rng.standard_normal(len(points)), rng.random(len(points))
    reader = bilinear_operator(clamp_to_sector(points, template.sector), shape)
    amplitude = backscatter_amplitude(read_images(reader, smooth), gamma)
    redraw = config.background_noise == "redraw"
    background = Background(
        positions_m=positions_m(points, template),
        backscatter=amplitude * (rng.standard_normal(amplitude.shape, dtype=np.float32) if redraw else noise),
        reader=reader,
        draw=draw,
    )
    gain = np.ones((scan.n_beams, scan.n_ranges), np.float32)
    if config.compensate_depth:
        gain = depth_gain(acoustics(background.positions_m, noise[None])[0], scan)
    region = wall if config.level_region == "wall" else np.ones_like(wall)
    return Scene(template, mesh, scan, config, myocardium, background, gain, region, acoustics)


def render(
    scene: Scene, coherence: Float[np.ndarray, "n_frames n_long n_rad"], chosen: bool
) -> UInt8[np.ndarray, "n_frames height width"]:
    """Frames for a coherence at the mesh nodes, in [0, 1].

    Args:
        scene: The scatterers.
        coherence: Share of the echo that moves with the wall.
        chosen: Each wall scatterer moves or not with that probability (S1), instead of both populations being weighted
            with it (S2, S3).
    """
    config, shape = scene.config, scene.template.frames.shape[1:]
    border_px = config.border_mm / scene.template.spacing_mm[0]
    frames = zip(scene.mesh.points_px, coherence, strict=True)
    maps = np.stack([coherence_image(points, values, shape, border_px) for points, values in frames])
    at_background = read_images(scene.background.reader, maps)  # (T, n_background)
    ringed = np.pad(coherence, ((0, 0), (1, 1), (1, 1)))  # 0 on the outer ring of the extended mesh
    at_myo = interpolate_at(np.moveaxis(ringed, 0, -1), scene.myocardium.triangle, scene.myocardium.barycentric).T
    if chosen:
        # Background scatterers of the wall's share fall silent while the wall is over them: the density stays the same.
        moving, still = scene.myocardium.draw < at_myo, scene.background.draw >= at_background
    else:
        moving, still = mix_weights(at_myo, config.mix)[0], mix_weights(at_background, config.mix)[1]
    iq = scene.acoustics(scene.myocardium.positions_m, scene.myocardium.backscatter * moving)
    iq += scene.acoustics(scene.background.positions_m, scene.background.backscatter * still)
    iq *= scene.gain
    return template_like_frames(iq, scene.scan, scene.template, scene.level_region, config.dynamic_range_db)
