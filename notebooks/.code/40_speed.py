# Code view of 40_speed.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
mesh = {"n_long": 36, "n_rad": 5, "wall_thickness_mm": 10.0}
simulation = {"density_per_wavelength2": 2.5, "rank": 6}
trackers = {"frozen": {}, "farneback": {}}
untrained = ["frozen", "farneback"]
train_runs = []
n_repeats = 1
networks = {"n_repeats": 1, "size": 128}  # published sizes; make bench: 256 px
acoustics = {"n_beams": 48, "per_wavelength2": 0.2, "n_scatterers_elevation": 20000, "pymust_counts": [500, 1000]}
measurement = {"n_recordings": 20, "n_trackers": 2, "n_resamples": 100}  # make bench: the size of the paper's set
exported = ["specknet"]  # networks exported to ONNX

# %% imports
from functools import partial

import pandas as pd
from IPython.display import Markdown, display

from echotas import seeds
from echotas.acoustics.benchmark import (
    EngineCase,
    image_error,
    run_engine,
    standard_scan,
    standard_scatterers,
    time_pymust,
)
from echotas.engine import read_motion
from echotas.evaluation import recording_paths, starting_meshes
from echotas.evaluation.measurement_speed import time_measurement
from echotas.evaluation.network_speed import TAS_NET, network_speed_table
from echotas.evaluation.onnx_speed import onnx_speed_table
from echotas.evaluation.tracker_speed import tracker_speed_table
from echotas.evaluation.training_speed import clip_waiting_table
from echotas.geometry import mesh_uv
from echotas.metrics import measure_ms_per_frame
from echotas.pipeline import paths, runs
from echotas.pipeline.machine import machine
from echotas.pipeline.metrics_file import record
from echotas.pipeline.progress import Progress
from echotas.report import style
from echotas.report.acoustic_figures import engine_times
from echotas.simulation import STRATEGIES, SimulationConfig, simulate_sequence
from echotas.store import read_recording
from echotas.trackers import fitted_config
from echotas.training import load_sequence

# %% setup
style.apply()
recording = read_recording(recording_paths(paths.data(), ["V-HUNT-A"])[0])
start = starting_meshes(recording, **mesh)["truth"]
entries = {name: (name, {}) for name in untrained} | {
    item["name"]: (item["tracker"], fitted_config(item["tracker"], paths.work() / "train" / item["name"]))
    for item in train_runs
}
here = machine()
run = runs.start(
    "benchmark",
    "speed",
    params={"mesh": mesh, "n_repeats": n_repeats, "recording": recording.cine.recording_id},
    tags={"tracker": "all"},
    note=f"Times on {here['cpu']}, {here['n_cores']} cores.",
)
display(
    Markdown(
        f"{here['cpu']}, {here['n_cores']} cores, {here['threads']} threads; torch {here['torch']}, OpenCV {here['opencv']}. "
        f"Cine: virtual {recording.cine.recording_id}, {recording.cine.n_frames} frames of {recording.cine.frames.shape[2]} x {recording.cine.frames.shape[1]} px."
    )
)

# %% trackers
configured = {name: (tracker, trackers.get(tracker, {}) | config) for name, (tracker, config) in entries.items()}
uv = mesh_uv(mesh["n_long"], mesh["n_rad"])
times = tracker_speed_table(recording.cine, recording.mesh, start.frame, uv, configured, n_repeats)
times.rename(
    columns={
        "ms_per_frame": "ms per frame",
        "ms_73_points": "73 points",
        "ms_8_frames": "8 frames",
        "ms_256_px": "256 x 256 px",
        "peak_mb": "memory, MB",
    }
).round(1)

# %% networks
sizes = network_speed_table(**networks)
shown = sizes.rename(
    columns={
        "floor_s": "floor, s",
        "gflop": "Gflop",
        "cpu_s": "CPU s",
        "public_s": "CPU s, public",
        "ratio": "ours / public",
        "iterations": "refinements",
    }
)
display(shown.round(2).astype(object).where(sizes.notna().to_numpy(), ""))
of_both = sizes.pivot(index="frames", columns="network", values="cpu_s")
share = (of_both[TAS_NET] / of_both["CoTracker v1"]).dropna()
Markdown(
    "TAS-Net of the same size, with one refinement from the steps of Lucas-Kanade (not in this time) instead of four: "
    + ", ".join(f"{value:.2f} of CoTracker v1's time for {frames} frames" for frames, value in share.items())
    + "."
)

# %% onnx
query = recording.mesh.points_px[start.frame].reshape(-1, 2)
graphs = onnx_speed_table(recording.cine, query, start.frame, uv, exported, n_repeats=n_repeats)
made = graphs[graphs["refused"] == ""].drop(columns="refused")
display(
    made.assign(difference_px=made["difference_px"].map("{:.1e}".format))
    .rename(
        columns={
            "difference_px": "difference, px",
            "torch_ms": "PyTorch, ms",
            "onnx_ms": "ONNX Runtime, ms",
            "size_mb": "size, MB",
            "export_s": "export, s",
        }
    )
    .round(1)
)
Markdown("\n".join(f"- {reason}" for reason in graphs["refused"] if reason) or "Every one of them could be exported.")

# %% acoustics
scan = standard_scan(n_beams=acoustics["n_beams"])
positions, reflectivity = standard_scatterers(
    seeds.generator(0, "speed", "scatterers"), scan, acoustics["per_wavelength2"]
)
cache = paths.work() / "response"
pymust_s = time_pymust(positions, reflectivity, scan, acoustics["pymust_counts"])
largest = max(pymust_s)
seconds = {"PyMUST (extrapolated)": pymust_s[largest] / largest * len(reflectivity) * scan.n_beams}
cases = [EngineCase("exact, all beams", "exact"), EngineCase("exact, +-12 deg", "exact", beam_window_deg=12.0)]
cases += [EngineCase(f"fast, rank {rank}", "fast", rank) for rank in (8, 12, 16)]
cases += [EngineCase("fast, rank 6, +-7 deg (cohort)", "fast", 6, 7.0), EngineCase("COLE", "cole")]
engines, reference = {}, None
with Progress("time engines", len(cases)) as progress:
    for case in cases:
        done = run_engine(case, positions, reflectivity, scan, max(n_repeats, 2), cache)
        reference = done.iq if reference is None else reference
        seconds[case.name] = done.median_s
        engines[case.name] = {"seconds": done.median_s, "table_seconds": done.table_seconds, "peak_mb": done.peak_mb}
        engines[case.name] |= image_error(done.iq, reference, scan, fit_gain=case.method == "cole")
        progress.update(len(engines), case.name)
pd.DataFrame(
    {
        name: {
            "s per frame": f"{row['seconds']:.3g}",
            "times PyMUST": f"{seconds['PyMUST (extrapolated)'] / row['seconds']:,.0f}",
            "IQ error beyond 3 cm, %": f"{100 * row['iq']:.2f}",
            "before 3 cm, %": f"{100 * row['iq_near']:.1f}",
            "log image correlation": f"{row['log_correlation']:.4f}",
            "table or patches, s": f"{row['table_seconds']:.1f}",
            "peak memory, MB": f"{row['peak_mb']:.0f}",
        }
        for name, row in engines.items()
    }
).T

# %% engine-times
engine_times(seconds, "PyMUST (extrapolated)")

# %% elevation
slab, slab_reflectivity = standard_scatterers(
    seeds.generator(0, "speed", "slab"), scan, slab_m=8e-3, n=acoustics["n_scatterers_elevation"]
)
exact3d = run_engine(EngineCase("exact", "exact", elevation=True), slab, slab_reflectivity, scan, 1, cache)
fast3d = run_engine(EngineCase("fast", "fast", elevation=True), slab, slab_reflectivity, scan, max(n_repeats, 2), cache)
elevation = {
    "n_scatterers": len(slab_reflectivity),
    "exact_seconds": exact3d.median_s,
    "fast_seconds": fast3d.median_s,
} | image_error(fast3d.iq, exact3d.iq, scan)
Markdown(
    f"{elevation['n_scatterers']:,} scatterers in a slab of 16 mm: exact {elevation['exact_seconds']:.1f} s, fast at rank 12 {elevation['fast_seconds']:.2f} s per frame; "
    f"IQ error {100 * elevation['iq']:.1f} % beyond 3 cm, log image correlation {elevation['log_correlation']:.4f}."
)

# %% growth
growth = {}
variants = (
    ("a quarter of the scatterers", 4, 1, 1),
    ("all", 1, 1, 1),
    ("half the beams", 1, 2, 1),
    ("eight frames at once", 1, 1, 8),
)
for label, share, beams, frames in variants:
    part = standard_scan(n_beams=acoustics["n_beams"] // beams)
    fast = EngineCase("fast", "fast", n_frames=frames)
    done = run_engine(fast, positions[::share], reflectivity[::share], part, max(n_repeats, 2), cache)
    growth[label] = {
        "scatterers": len(reflectivity[::share]),
        "beams": part.n_beams,
        "frames": frames,
        "s per frame": done.median_s,
    }
pd.DataFrame(growth).T.astype({"scatterers": int, "beams": int, "frames": int}).round(3)

# %% simulator
path = recording_paths(paths.data(), ["templates"])[0]
cine, motion = read_recording(path).cine, read_motion(paths.work() / "engine" / "masks" / "motion" / path.name)
config = SimulationConfig(**simulation)
simulators = {}
for strategy in STRATEGIES:
    speed = measure_ms_per_frame(
        partial(simulate_sequence, cine, motion, strategy, config, cache_dir=paths.work() / "response"),
        cine.n_frames,
        n_repeats,
    )
    simulators[strategy] = {"ms_per_frame": speed.median_ms}
pd.DataFrame(simulators).T.round(1)

# %% loader
simulated = sorted((paths.work() / "engine" / "S1" / "simulated").glob("*.h5"))
waiting = clip_waiting_table([load_sequence(path) for path in simulated[:8]], device_ms=(20.0, 50.0, 100.0))
shares = [name for name in waiting if name.startswith("waiting_")]
waiting.round(1).assign(**{name: waiting[name].map("{:.0%}".format) for name in shares}).rename(
    columns={"n_workers": "processes that draw ahead", "clips_per_s": "clips per s"}
    | {name: f"waiting, device {name.removeprefix('waiting_')} ms a clip" for name in shares}
)

# %% measure-code
measured = time_measurement(**measurement)
Markdown(
    f"{measurement['n_recordings']:,} recordings x {measurement['n_trackers']} trackers, {measurement['n_resamples']:,} resamples: tables {measured['tables']:.0f} s, "
    f"inference {measured['inference']:.0f} s, together **{measured['total']:.0f} s**."
)

# %% record
numbers = record(
    "40_speed",
    {
        "machine": here,
        "recording": recording.cine.recording_id,
        "n_frames": recording.cine.n_frames,
        "n_points": 180,
        "n_repeats": n_repeats,
        "trackers": times.to_dict("index"),
        "simulators": simulators,
        "networks": {
            f"{row.network}, {row.frames} frames": {
                "cpu_seconds": row.cpu_s,
                "floor_seconds": row.floor_s,
                "public_cpu_seconds": row.public_s,
            }
            for row in sizes.itertuples()
        },
        "onnx": {
            row.Index: {"difference_px": row.difference_px, "torch_ms": row.torch_ms, "onnx_ms": row.onnx_ms}
            for row in graphs.itertuples()
        },
        "waiting_for_clips": {f"{row.pop('n_workers'):.0f} processes": row for row in waiting.to_dict("records")},
        "measurement": measurement | {f"{name}_seconds": value for name, value in measured.items()},
        "acoustics": {
            "n_scatterers": len(reflectivity),
            "n_beams": scan.n_beams,
            "pymust_seconds": {str(n): value for n, value in pymust_s.items()},
            "pymust_extrapolated_seconds": seconds["PyMUST (extrapolated)"],
            "engines": engines,
            "elevation": elevation,
            "growth": growth,
        },
    },
    run=run,
    digits=3,
    allow_nan=True,
)
run.finish()
faster = {name: seconds["PyMUST (extrapolated)"] / value for name, value in seconds.items()}
slowest = times["ms_per_frame"].idxmax()
display(
    Markdown(
        f"A frame of {len(reflectivity):,} scatterers takes {seconds['exact, all beams']:.0f} s exactly, **{faster['exact, all beams']:,.0f} times** faster than PyMUST (extrapolated from {largest:,} scatterers), and "
        f"**{seconds['fast, rank 12']:.3f} s** from the table at rank 12, **{faster['fast, rank 12']:,.0f} times** faster, within {100 * engines['fast, rank 12']['iq']:.1f} % of the exact IQ beyond 3 cm. "
        f"The slowest tracker, {slowest}, needs {times['ms_per_frame'][slowest]:.0f} ms per frame; a simulated frame takes {simulators['S1']['ms_per_frame']:.0f} ms with S1 and "
        f"{simulators['S3']['ms_per_frame']:.0f} ms with S3, where the papers report about two minutes per image for their physical simulation (other hardware, denser scatterers). One cine, {n_repeats} repeats."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.acoustics 3edacb31243c1c4b
# echotas.acoustics.beamform 98e837ac9423a2f1
# echotas.acoustics.benchmark e020f2fb4e52a12a
# echotas.acoustics.bmode b8b3738eb70c8a9f
# echotas.acoustics.chebyshev 6c328b745ac257d2
# echotas.acoustics.element 570a1124eac61ed1
# echotas.acoustics.elevation 44034427b97767c1
# echotas.acoustics.engine d3f3c9a72b2da127
# echotas.acoustics.exact 06bad8406b78a0ff
# echotas.acoustics.fast 9eff20e48a12085a
# echotas.acoustics.lens 1a8d37e5fc67d081
# echotas.acoustics.noise 37933b18233bec78
# echotas.acoustics.patches bd2cbe7f8629f5f6
# echotas.acoustics.probe 3a26189800cc63db
# echotas.acoustics.pulse eb05ee0d46132f00
# echotas.acoustics.pymust_reference d8367e0fb655c529
# echotas.acoustics.response 93634f4d37cfb851
# echotas.acoustics.reverberation 86ebf902eb9c84d3
# echotas.acoustics.scan a00ee493690bf87a
# echotas.acoustics.scan_conversion 0aa5bf65cac752f0
# echotas.acoustics.scatterers ec1e73ce5512cebe
# echotas.acoustics.splat ad08321d41c54bf2
# echotas.engine 4626fb239f9b6adf
# echotas.engine.items 7d665560607d13ad
# echotas.engine.motion_error 8c25453382fa4d35
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.detection 9359921ee5e077ba
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.measurement_speed 0b89f812915c83e7
# echotas.evaluation.network_speed 9bbd02b3fd4a5cdb
# echotas.evaluation.onnx_speed b650a1c2043e9e6b
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.summaries 16453d0421b55873
# echotas.evaluation.tables aeee5c7f53817500
# echotas.evaluation.tracker_speed f7e5b49c5e0ec677
# echotas.evaluation.tracking 44ea7d0dc1aa36fb
# echotas.evaluation.training_speed 3bfdd5ac342cd9b5
# echotas.geometry ab018291fd65d448
# echotas.geometry.contour 7b46f42c5a4ed821
# echotas.geometry.mesh d5a4de2df81270c7
# echotas.geometry.sector 226352a61cb47a5a
# echotas.geometry.segments 661d8a41f34c6508
# echotas.metrics 6f39f0efb665eff7
# echotas.metrics.accuracy 41b1ab8d47d3fe8f
# echotas.metrics.agreement 515dfaddb8c489ae
# echotas.metrics.bootstrap b14c9dd5e294eb3a
# echotas.metrics.contours cf2e9750ead8454e
# echotas.metrics.detection d4d6b6c3b8dd3738
# echotas.metrics.folds aa85440b285831c1
# echotas.metrics.paired e376e584140737ee
# echotas.metrics.patients 9f214433460277db
# echotas.metrics.point_paths 0bd7ccb84438d0ef
# echotas.metrics.realism af2fdbe532046435
# echotas.metrics.repeated 9732643c441780e5
# echotas.metrics.resampling efa5213e1e6dc791
# echotas.metrics.shift 1ee65dede9a24e08
# echotas.metrics.smoothness a8663e0793856966
# echotas.metrics.speed 1cbd0a4ba46a1747
# echotas.metrics.spread 046d45e23e285405
# echotas.metrics.trajectory 2608b5f6cb40354c
# echotas.phantom 99925f3c411af7a3
# echotas.phantom.anatomy fb184d1c3df6b655
# echotas.phantom.blood 32ee0127b8ab2b10
# echotas.phantom.cohort cdce1d76ae7cbd2c
# echotas.phantom.imaging 1ca6b4dfb9b807ee
# echotas.phantom.kinematics 6f89c9df00c3dfb6
# echotas.phantom.observer 66d018b6f2acc4db
# echotas.phantom.pathology 132dd13235c971e1
# echotas.phantom.plans c80dd18fb3fc576e
# echotas.phantom.scanner e7abe66def3fb781
# echotas.phantom.settings e35a7b4f370fa176
# echotas.phantom.surroundings 122522bbd966d6ad
# echotas.phantom.timing 074843adb40e8f56
# echotas.phantom.tissue 96bcff3f891ca286
# echotas.phantom.truth 9dba6297b57f0e86
# echotas.phantom.views 28579d8bd73eaa29
# echotas.phantom.wall_shape 556fe56d9887dd5d
# echotas.pipeline cee181852a76d572
# echotas.pipeline.machine 34727daefc308115
# echotas.pipeline.metrics_file 5d0e54ccb4878233
# echotas.records ceb5882154c2ecbd
# echotas.report 9c6194d39d05cd48
# echotas.report.acoustic_figures eb6084738e335aca
# echotas.report.bland_altman 6252654c325196bd
# echotas.report.bullseye 0095410507fb9b0b
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves 8564c9e8c5320fe4
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning 349bbfa4ac5f465d
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.style 1f272ada85ef8f3e
# echotas.report.tables 03a6739a358ecdf5
# echotas.seeds a6ab06202579f3ce
# echotas.simulation aa72e2d541c5f34d
# echotas.simulation.backscatter e0806f5802224051
# echotas.simulation.coherence 7f60c31705b3d640
# echotas.simulation.config 4968f7d58f7aad90
# echotas.simulation.engine 6a9447cdeeaa70f2
# echotas.simulation.imaging d9b9c06a07c302ce
# echotas.simulation.scatterers cf0dca36b78ffebb
# echotas.simulation.scene b0093f71c826431d
# echotas.simulation.strategies 7744216814d81794
# echotas.speckle be0169b9741258f0
# echotas.store 5a064a9e61efd47e
# echotas.strain 1ef74313580d28a5
# echotas.strain.drift c77e5a07722d92bd
# echotas.strain.function f05315df1f0fa5ec
# echotas.strain.global_strain 27b86412ebe04304
# echotas.strain.length 7e83b5436b109136
# echotas.strain.rate 677f48e57c42f3f9
# echotas.strain.regional 25eaf0f2e43d898b
# echotas.strain.segment_models 28835feae0ba2cc3
# echotas.strain.timing 987fd1731c9a85fb
# echotas.strain.uncertainty 97f0f77008ba3608
# echotas.trackers 1a52be6dd4b72708
# echotas.trackers.base 478720fbbbaac10d
# echotas.trackers.blocks e3b0c44298fc1c14
# echotas.trackers.blocks.attention 698b67cec36fe81a
# echotas.trackers.blocks.chained e755aeace770ac49
# echotas.trackers.blocks.correlation 1fa6392611f47fab
# echotas.trackers.blocks.encoder d653894d4ff099d7
# echotas.trackers.blocks.error_head 783efc69c2c19f22
# echotas.trackers.blocks.feature_patches d040da1e6866ad71
# echotas.trackers.blocks.fold_free e59879e87e9b5e29
# echotas.trackers.blocks.iteration_loss e9fa3083633e8a8c
# echotas.trackers.blocks.joint_attention dea585c9812b322d
# echotas.trackers.blocks.matching 4e7d7709110a9026
# echotas.trackers.blocks.pair_encoder 7c6b65f7199275d3
# echotas.trackers.blocks.patches 12858cb85c29ff21
# echotas.trackers.blocks.plain_encoder 4e32526896288804
# echotas.trackers.blocks.point_network dd69c234e2c886d2
# echotas.trackers.blocks.point_queries 3b9338d148c81aaa
# echotas.trackers.blocks.positions 74c3d031d0065537
# echotas.trackers.blocks.preactivation 17df0d1dce631f43
# echotas.trackers.blocks.resampling b9a703b27b456509
# echotas.trackers.blocks.template_correlation 4667e0fa68ef2089
# echotas.trackers.blocks.temporal_resnet a96bb051d963faa3
# echotas.trackers.blocks.temporal_shift c96f9b86203ee5a1
# echotas.trackers.blocks.time_mixer dfaaa4f2980bfab3
# echotas.trackers.blocks.trajectory_resnet a9f05f5d2b34eaec
# echotas.trackers.blocks.virtual_points c7bc1b8297e89c1c
# echotas.trackers.cotracker 431270214e7ed3b0
# echotas.trackers.cotracker3 ebdd2dd18bf32e23
# echotas.trackers.echotracker ca8c8b94d1b2347d
# echotas.trackers.echotracker2 d5697f17dafefef6
# echotas.trackers.locotrack 0abbb405cd3e46c2
# echotas.trackers.lucas_kanade de263d1cfbaa4d48
# echotas.trackers.lucas_kanade_mesh 301f941eaae42f45
# echotas.trackers.mean_motion cc7726921b2f5a99
# echotas.trackers.myotracker 5698c90403c1c33d
# echotas.trackers.onnx_export 366dd5627f624ad8
# echotas.trackers.pips_plus_plus eef695bd0d197424
# echotas.trackers.pretrained f9cbe4a33983c583
# echotas.trackers.registry fd86bde453f89800
# echotas.trackers.specknet 6e48c5bc18367ccf
# echotas.trackers.tas_net 064381f3617b6ecf
# echotas.training 34d98ad12c641fdd
# echotas.training.augment 04cc2964fcc4cee5
# echotas.training.calibration e0bd4de191fb80e6
# echotas.training.checkpoint 77dabd1d7237404f
# echotas.training.clip_loader b1a471fde54b9fb6
# echotas.training.dataset 3d40f30076bc7f32
# echotas.training.fit 831154f7b4608779
# echotas.training.gradients 31a97952ce03ae16
# echotas.training.loop 2c441c147f746d2a
# echotas.training.losses 1dac9a2333b8cc8d
# echotas.training.point_networks 2cf87417af1ae285
# echotas.training.processes a99c34bd79a44cc5
# echotas.training.session 3da807e66f60f6a4
# echotas.training.start cb49399ef801a385
# echotas.training.synthetic d01ebf30c1a731a2
# echotas.training.tas_net 7e159e263cd0cca3
# echotas/trackers/pretrained/cotracker3_released.safetensors fd6b5a2f51b2069f
# echotas/trackers/pretrained/cotracker_released.safetensors 3e4a99585eb77da8
# echotas/trackers/pretrained/echotracker2_released.safetensors 6553b6c33168dd06
# echotas/trackers/pretrained/echotracker_released.safetensors a8493a15b2a2c3a4
# echotas/trackers/pretrained/locotrack_released.safetensors ba1dbef6950dddef
# echotas/trackers/pretrained/myotracker_released.safetensors a8db423c0d4c08ba
# echotas/trackers/pretrained/pips_plus_plus_released.safetensors bd42cd8412667572
# echotas/trackers/pretrained/pwc_net_released.safetensors 8ab11d8f780bab4d
# echotas/trackers/pretrained/specknet_released.safetensors 8e1701c4edcb7ef5
# echotas/trackers/pretrained/tas_net_released.safetensors 78a6dad7d2a9249f
# echotas/trackers/pretrained/tas_net_small.safetensors 329912dbf82e8a6b
