"""One recording of a virtual patient, from its plan: first what is known exactly, then the image.

Every random number comes from (seed, stage, patient or recording): see `plans`.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from echotas.phantom.anatomy import Anatomy, Section, draw_anatomy, section_at
from echotas.phantom.blood import blood_frame, leaflets, valve_opening
from echotas.phantom.imaging import Artefacts, Echo, draw_artefacts, grey_images, render
from echotas.phantom.kinematics import WallMotion, mesh_trajectories, move_wall
from echotas.phantom.observer import ObserverModel, read_cine, reading_px
from echotas.phantom.pathology import draw_disease, heart_rate_for, wall_knots
from echotas.phantom.plans import COHORTS, RecordingPlan, plan
from echotas.phantom.scanner import SCANNERS
from echotas.phantom.settings import PhantomSettings
from echotas.phantom.timing import BeatTiming, draw_timing, evaluate_knots, twist_course
from echotas.phantom.tissue import TissueLook, draw_look, moving_tissue, resting_tissue
from echotas.phantom.truth import annotated_labels, true_strain
from echotas.phantom.views import ViewPose, draw_pose, second_pose, view_segment_curves
from echotas.records import Cine, Mesh
from echotas.seeds import generator
from echotas.speckle import correlation_curves
from echotas.store import Recording

__all__ = ["COHORTS", "Beat", "PhantomSettings", "RecordingPlan", "build", "build_beat", "plan"]

N_LONG, N_RAD = 36, 5


@dataclass(frozen=True, eq=False)
class Beat:
    """The recording without its image: everything that is known exactly."""

    plan: RecordingPlan
    """What was asked for."""
    anatomy: Anatomy
    """Left ventricle of the patient."""
    timing: BeatTiming
    """Valve events at this heart rate."""
    section: Section
    """The wall in the view plane at ED."""
    pose: ViewPose
    """Where the plane cuts and lies."""
    motion: WallMotion
    """The moving section."""
    mesh_mm: np.ndarray
    """(n_frames, 36, 5, 2) mm (lateral, depth), probe at the origin; but for drift the last frame repeats the first."""
    through_plane_mm: np.ndarray
    """Elevation since end-systole, (n_frames, 36, 5) mm."""
    times_s: np.ndarray
    """(n_frames,) s."""
    depth_m: float
    """Scan depth."""
    quality: str
    """One of `plans.GRADES`."""

    @property
    def es_frame(self) -> int:
        """Frame nearest to aortic valve closure."""
        return self.motion.es_index


def build_beat(recording: RecordingPlan, settings: PhantomSettings | None = None) -> Beat:
    """Geometry, motion and truth of one recording, without an image (milliseconds)."""
    settings = settings or PhantomSettings()
    seed, patient = recording.seed, recording.patient_id
    visit = f"{patient}/{recording.acquisition}"
    disease = draw_disease(recording.population, generator(seed, "phantom-disease", patient))
    anatomy = draw_anatomy(disease.ef_class, generator(seed, "phantom-anatomy", patient), disease.wall_scale)
    person = generator(seed, "phantom-person", patient)
    heart_rate = heart_rate_for(recording.population, person)
    female = bool(person.random() < 0.5)
    circumferential = float(np.clip(person.normal(1.10, 0.07), 0.92, 1.28))
    annulus = float(np.clip(person.normal(0.40, 0.2), 0.0, 0.8))
    gain = 1.0
    pose = draw_pose(
        recording.view,
        anatomy,
        generator(seed, "phantom-pose", f"{patient}/{recording.view}"),
        focused_right=recording.focused_right,
    )
    if recording.acquisition > 0:
        again = generator(seed, "phantom-visit", visit)
        # In atrial fibrillation no two beats are alike.
        heart_rate = float(np.clip(heart_rate + again.normal(0, 4 if disease.atrial_wave else 14), 42, 115))
        gain = 1 + again.normal(0, 0.8) / disease.strain_percent.mean()
        pose = second_pose(pose, generator(seed, "phantom-pose", f"{visit}/{recording.view}"))
    timing = draw_timing(generator(seed, "phantom-timing", patient), heart_rate, female, disease.atrial_wave)

    n_frames = int(round(timing.cycle_ms * settings.frame_rate_hz / 1000)) + 1
    times_ms = np.linspace(0, timing.cycle_ms, n_frames)
    es_frame = int(np.argmin(np.abs(times_ms - timing.aortic_closure_ms)))
    knots = wall_knots(disease, timing, gain)
    curves = np.array([evaluate_knots(row, times_ms, timing.cycle_ms) for row in knots])
    section = section_at(
        anatomy,
        pose.azimuth_deg,
        foreshortening_deg=abs(pose.tilt_deg),
        right_wall_cut_mm=pose.right_wall_cut_mm,
    )
    local = generator(seed, "phantom-motion", f"{patient}/{recording.view}")
    motion = move_wall(
        section,
        view_segment_curves(curves, pose.azimuth_deg),
        es_frame,
        twist_deg=settings.twist * disease.twist_deg,
        twist_course=twist_course(timing, times_ms),
        apex_descent_mm=disease.apex_descent_mm,
        rocking_deg=float(np.clip(local.normal(0, 1.5), -3, 3)),
        circumferential_share=circumferential,
        annulus_share=annulus,
        elevation_shift_mm=float(np.clip(local.normal(0, 0.8), -2, 2)),
        tilt_deg=pose.tilt_deg,
        thickening=settings.thickening,
        drift_mm=_drift(times_ms, generator(seed, "phantom-drift", f"{visit}/{recording.view}")),
    )
    mesh, through_plane = mesh_trajectories(motion, N_LONG, N_RAD)
    mesh_mm = np.stack(pose.to_image(section, mesh[..., 0], mesh[..., 1]), axis=-1)
    deepest = 1e-3 * (mesh_mm[..., 1].max() + 24)
    fitting = [depth for depth in settings.depths_m if depth >= deepest]
    return Beat(
        plan=recording,
        anatomy=anatomy,
        timing=timing,
        section=section,
        pose=pose,
        motion=motion,
        mesh_mm=mesh_mm,
        through_plane_mm=through_plane,
        times_s=times_ms / 1000,
        depth_m=fitting[0] if fitting else settings.depths_m[-1],
        quality=recording.quality,
    )


def _drift(times_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Breathing (mostly held: an arc of a sine of 3-5 s) and the operator's hand (a slow slide), mm since ED, (n, 3)."""
    breath = np.clip(np.abs(rng.normal(0, 0.8)), 0, 2) * np.array([0.3, 0.5, 1.0]) * rng.choice([-1.0, 1.0], 3)
    hand = np.clip(rng.normal(0, 0.35, 3), -0.8, 0.8)
    phase = 2 * np.pi * times_ms / rng.uniform(3000, 5000) + rng.uniform(0, 2 * np.pi)
    return (np.sin(phase) - np.sin(phase[0]))[:, None] * breath + (times_ms / 1000)[:, None] * hand


def _scatterers(beat: Beat, look: TissueLook, echo: Echo) -> tuple[tuple, tuple]:
    """Moving and resting scatterers of one recording."""
    rng = generator(beat.plan.seed, "phantom-speckle", beat.plan.recording_id)
    tissue, amplitude = moving_tissue(beat.motion, beat.section, beat.pose, look, echo.per_area, rng)
    opening = valve_opening(beat.timing, beat.times_s * 1000)
    valve, valve_amplitude = leaflets(beat.motion, beat.section, beat.pose, opening, rng)
    tissue, amplitude = np.concatenate([tissue, valve], axis=1), np.concatenate([amplitude, valve_amplitude])
    blood = [
        blood_frame(beat.motion, beat.section, beat.pose, frame, 0.5 * echo.per_area, rng)
        for frame in range(len(beat.times_s))
    ]
    most = max(len(positions) for positions, _ in blood)
    n_frames, n_tissue = tissue.shape[:2]
    positions = np.empty((n_frames, n_tissue + most, 3), np.float32)
    reflectivity = np.zeros((n_frames, n_tissue + most), np.float32)
    positions[:, :n_tissue], reflectivity[:, :n_tissue] = tissue, amplitude
    # Frames hold different numbers of blood scatterers; the rest wait, silent, on the axis.
    positions[:, n_tissue:] = np.array([0, 0, 0.05], np.float32)
    for frame, (places, strength) in enumerate(blood):
        positions[frame, n_tissue : n_tissue + len(places)] = places
        reflectivity[frame, n_tissue : n_tissue + len(places)] = strength
    positions[..., 2] = np.maximum(positions[..., 2], 1e-3)
    resting = resting_tissue(
        beat.motion,
        beat.section,
        beat.pose,
        look,
        echo.per_area,
        beat.depth_m * 1e3 + 3,
        echo.scan.sector_deg / 2 + 4,
        rng,
    )
    return (positions, reflectivity), resting


def build(
    recording: RecordingPlan,
    settings: PhantomSettings | None = None,
    cache_dir: str | Path | None = None,
    observer: ObserverModel | None = None,
) -> Recording:
    """One recording, complete: cine, true mesh and strain, readings or masks.

    Deterministic: the same plan and settings give the same bytes on the same machine.

    Args:
        recording: From `plan`.
        settings: Image settings; the laptop-sized defaults if None.
        cache_dir: Where response tables are kept between processes; not kept if None.
        observer: Error sizes of the readings; the documented ones if None.

    Returns:
        What `store.write_recording` takes: the cine is one beat, ED to the next ED, both included.
    """
    settings = settings or PhantomSettings()
    beat = build_beat(recording, settings)
    scanner = SCANNERS[recording.scanner]
    echo = settings.echo(beat.depth_m, scanner)
    seed, visit = recording.seed, f"{recording.patient_id}/{recording.acquisition}/{recording.view}"
    look = draw_look(generator(seed, "phantom-look", f"{recording.patient_id}/{recording.view}"), beat.quality)
    look = replace(look, sliding_mm=settings.twist * look.sliding_mm)
    artefacts = draw_artefacts(generator(seed, "phantom-artefacts", visit), beat.quality, scanner)
    moving, resting = _scatterers(beat, look, echo)
    envelope = render(moving, resting, echo, artefacts, generator(seed, "phantom-noise", visit), cache_dir)
    shape = echo.scan.image_shape(settings.spacing_mm)
    frames = grey_images(
        envelope, beat.mesh_mm[0].reshape(-1, 2) / 1e3, artefacts, echo.scan, scanner, settings.spacing_mm
    )
    mesh_px = _to_px(beat.mesh_mm, settings.spacing_mm, shape[1])
    coherence = correlation_curves(frames, mesh_px, beat.es_frame, spacing_mm=settings.spacing_mm, stride=2).clip(0, 1)

    strain = true_strain(beat.mesh_mm[:, :, N_RAD // 2], beat.times_s, beat.es_frame)
    image_error = float(generator(seed, "phantom-image-error", recording.recording_id).normal())
    by_segment = coherence[:, :, N_RAD // 2].reshape(len(frames), 6, N_LONG // 6)
    segment_coherence = np.median(by_segment, axis=(0, 2))
    readings = [
        reading_px(
            read_cine(
                beat.motion,
                beat.section,
                beat.pose,
                f"observer-{index + 1}",
                beat.quality,
                generator(seed, "phantom-reading", f"{recording.recording_id}/{index}"),
                observer,
                image_error=image_error,
                segment_coherence=segment_coherence,
            ),
            settings.spacing_mm,
            shape[1],
        )
        for index in range(recording.n_observers)
    ]
    labels = None
    if recording.labels:
        labels = annotated_labels(mesh_px, shape, generator(seed, "phantom-labels", recording.recording_id))
    cine = Cine(
        frames=frames,
        spacing_mm=settings.spacing_mm,
        times_s=beat.times_s,
        view=recording.view,
        ed_frame=0,
        es_frame=beat.es_frame,
        patient_id=recording.patient_id,
        recording_id=recording.recording_id,
        sector=echo.scan.sector(settings.spacing_mm),
        meta=_meta(beat, artefacts, float(strain.global_percent[beat.es_frame])),
    )
    return Recording(
        cine=cine,
        mesh=Mesh(mesh_px),
        truth=strain,
        readings=tuple(readings),
        labels=labels,
        coherence=coherence.astype(np.float32),
        through_plane_mm=beat.through_plane_mm.astype(np.float32),
        attributes={"source": "virtual patient", "plan": asdict(recording), "settings": _plain(asdict(settings))},
    )


def _to_px(points_mm: np.ndarray, spacing_mm: tuple[float, float], width: int) -> np.ndarray:
    return points_mm / np.asarray(spacing_mm) + np.array([(width - 1) / 2, 0.0])


def _plain(values: dict) -> dict:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _meta(beat: Beat, artefacts: Artefacts, gls_true: float) -> dict:
    timing = beat.timing
    return {
        "source": "virtual patient",
        "cohort": beat.plan.cohort,
        "population": beat.plan.population,
        "acquisition": beat.plan.acquisition,
        "quality": beat.quality,
        "stratum": "hard" if beat.quality == "poor" else "standard",
        "scanner": beat.plan.scanner,
        "heart_rate_bpm": round(timing.heart_rate_bpm, 2),
        "valve_events_ms": {
            "aortic_opening": round(timing.aortic_opening_ms, 2),
            "aortic_closure": round(timing.aortic_closure_ms, 2),
            "mitral_opening": round(timing.mitral_opening_ms, 2),
        },
        "gls_true_percent": round(gls_true, 4),
        "azimuth_deg": round(beat.pose.azimuth_deg, 2),
        "tilt_deg": round(beat.pose.tilt_deg, 2),
        "depth_mm": round(beat.depth_m * 1e3, 1),
        "n_shadows": len(artefacts.shadows),
        "n_reverberations": len(artefacts.reverberation),
        "dynamic_range_db": round(artefacts.dynamic_range_db, 2),
    }
