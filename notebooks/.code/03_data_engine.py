# Code view of 03_data_engine.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
node = "S1"  # this node
parent = "masks"  # whose motion is simulated; "masks" is the motion of the segmentation masks
strategy = "S1"  # how this node simulates
simulation = {"density_per_wavelength2": 2.5, "rank": 6}
mesh = {"n_long": 36, "n_rad": 5, "wall_thickness_mm": 10.0}
engine = {"steps": 20, "start": "parent", "validation_patients": 1}
training = {}
model = {}
n_shown = 3  # templates in the figure

# %% imports
from functools import partial

import pandas as pd
from IPython.display import Markdown, display

from echotas.engine import motion_error_table, simulate_template, track_template
from echotas.evaluation import recording_paths
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.parallel import compute_settings, map_items
from echotas.pipeline.progress import Progress
from echotas.report import Panel, image_panels, style
from echotas.report.training_curve import training_curve
from echotas.report.validation_picture import validation_picture
from echotas.simulation import SimulationConfig
from echotas.store import read_recording
from echotas.trackers import fitted_config
from echotas.training import fit, split_patients, starting_weights

# %% setup
style.apply()
config = SimulationConfig(**simulation)
folder = paths.work() / "engine"
templates = recording_paths(paths.data(), ["templates"])
chain = node.replace("-", ">")
run = runs.start(
    "training",
    f"tas_net | engine {chain} | seed {seed}",
    params={"simulation": simulation, "engine": engine, "training": training, "model": model},
    tags={"tracker": "tas_net", "chain": chain, "seed": seed, "strategy": strategy, "parent": parent},
    note=f"Data engine node {chain}: simulate virtual templates with {strategy} and the motion of {parent}, train, track them.",
)
display(
    Markdown(
        f"Node **{chain}**: {len(templates)} virtual templates, strategy **{strategy}**, motion from **{parent}**."
    )
)

# %% simulate
motion_of = {path: folder / parent / "motion" / path.name for path in templates}
ready = [path for path in templates if motion_of[path].is_file()]
simulated = map_items(
    partial(
        simulate_template,
        motion_of=motion_of,
        strategy=strategy,
        config=config,
        seed=seed,
        stage=chain,
        cache_dir=paths.work() / "response",
    ),
    ready,
    out_path_of=lambda path: folder / node / "simulated" / path.name,
    key_of=lambda path: {"simulation": simulation, "strategy": strategy, "seed": seed, "stage": chain},
    inputs_of=lambda path: [path, motion_of[path]],
    label=f"simulate {chain}",
    prune=folder / node / "simulated",
)
display(
    Markdown(
        f"{len(simulated.paths)} of {len(templates)} templates simulated; {len(templates) - len(ready)} have no motion, {len(simulated.failed)} were left out."
    )
)
simulated.table() if simulated.failed else None

# %% look
panels = []
for path in simulated.paths[:: max(len(simulated.paths) // n_shown, 1)][:n_shown]:
    template, simulation_of = read_recording(paths.data() / "templates" / path.name), read_recording(path)
    es = template.cine.es_frame
    panels += [
        Panel(template.cine.frames[es], template.cine.spacing_mm, f"template {path.stem}"),
        Panel(
            simulation_of.cine.frames[es],
            template.cine.spacing_mm,
            f"simulated, {strategy}",
            simulation_of.mesh.points_px[es],
        ),
    ]
figure = image_panels(panels[:4], title=f"{chain}: end-systole (virtual templates)")
run.log_figure(figure, "template_and_simulation.png")
figure

# %% train
initial = starting_weights("tas_net", engine["start"], folder / parent / "training" if parent != "masks" else None)
train_files, validation_files = split_patients(simulated.paths, engine["validation_patients"])
with Progress(f"train {chain}", engine["steps"]) as progress:
    fitted = fit(
        "tas_net",
        train_files,
        validation_files,
        folder / node / "training",
        seed=seed,
        n_steps=engine["steps"],
        settings=training,
        model=model,
        initial=initial,
        checkpoints=paths.work() / "checkpoints" / f"engine-{node}",
        callback=lambda step, values: (progress.update(step, f"loss {values['loss']:.2f}"), run.log_step(step, values)),
        n_workers=compute_settings()[1],
        on_validation=lambda step, cine, tracks: run.log_figure(
            validation_picture(cine.frames, cine.mesh_px, tracks, step), f"validation_{step:06d}.png"
        ),
    )
run.log_metrics({"training_seconds": fitted.seconds, "waiting_share": fitted.waiting_share}, volatile=True)
own = initial is not None and initial.is_relative_to(folder)
origin = (
    f"the weights of {parent.replace('-', '>')}" if own else "the pretrained weights" if initial else "random weights"
)
display(
    Markdown(
        f"{fitted.n_steps} steps of two clips on {len(train_files)} cines; validated on {len(validation_files)} cines of {engine['validation_patients']} other patients. Started from {origin}."
    )
)

# %% curve
figure = training_curve({"tas_net": fitted.curve}, title=f"{chain}: training (thin) and validation (markers)")
run.log_figure(figure, "training.png")
figure

# %% track
tracked = map_items(
    partial(
        track_template,
        tracker="tas_net",
        config=fitted_config("tas_net", folder / node / "training"),
        n_long=mesh["n_long"],
        n_rad=mesh["n_rad"],
    ),
    templates,
    out_path_of=lambda path: folder / node / "motion" / path.name,
    key_of=lambda path: {"mesh": mesh},
    inputs_of=lambda path: [path, fitted.path],
    uses=["echotas.trackers.tas_net"],
    label=f"track templates {chain}",
    prune=folder / node / "motion",
)
tracked.table() if tracked.failed else None

# %% better
errors = {name: motion_error_table(templates, folder / name / "motion") for name in (parent, node)}
pd.DataFrame(
    {
        name: {
            "templates": str(len(e)),
            "GLS bias, points": f"{e['gls_error'].mean():+.2f}",
            "GLS SD, points": f"{e['gls_error'].std():.2f}",
            "distance to the true wall, mm": f"{e['wall_mm'].mean():.2f}",
        }
        for name, e in errors.items()
    }
).T

# %% record
validation = (
    float(fitted.curve["validation_error"].dropna().iloc[-1]) if "validation_error" in fitted.curve else float("nan")
)
numbers = record(
    f"03_data_engine-{node}",
    {
        "n_templates": len(templates),
        "n_simulated": len(simulated.paths),
        "n_left_out": len(simulated.failed) + len(tracked.failed),
        "n_steps": fitted.n_steps,
        "validation_error_mm": validation,
        "motion": {
            name: {
                "gls_bias": float(e["gls_error"].mean()),
                "gls_sd": float(e["gls_error"].std()),
                "wall_mm": float(e["wall_mm"].mean()),
            }
            for name, e in errors.items()
            if len(e)
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
before, after = (errors[name]["gls_error"].abs().mean() for name in (parent, node))
display(
    Markdown(
        f"After {fitted.n_steps} steps, TAS-Net follows unseen *simulated* patients with {numbers['validation_error_mm']:.2f} mm mean error. The GLS of the motion it predicts for the templates is off by "
        f"{after:.1f} points on average; the motion it was trained on ({parent}) by {before:.1f}. n = {len(errors[node])} virtual templates, one seed, a training of minutes. "
        "Next: the child node, or 10 with the final training."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.acoustics 3edacb31243c1c4b
# echotas.acoustics.beamform 98e837ac9423a2f1
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
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.summaries 16453d0421b55873
# echotas.evaluation.tables aeee5c7f53817500
# echotas.evaluation.tracking 44ea7d0dc1aa36fb
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
# echotas.pipeline cee181852a76d572
# echotas.pipeline.metrics_file 5d0e54ccb4878233
# echotas.records ceb5882154c2ecbd
# echotas.report 9c6194d39d05cd48
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
# echotas.report.training_curve 915cc0bf37237158
# echotas.report.validation_picture 05ea9f7952e8bc49
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
# echotas.trackers.blocks.fold_free e59879e87e9b5e29
# echotas.trackers.blocks.patches 12858cb85c29ff21
# echotas.trackers.blocks.point_network dd69c234e2c886d2
# echotas.trackers.blocks.positions 74c3d031d0065537
# echotas.trackers.blocks.resampling b9a703b27b456509
# echotas.trackers.cotracker 431270214e7ed3b0
# echotas.trackers.lucas_kanade de263d1cfbaa4d48
# echotas.trackers.lucas_kanade_mesh 301f941eaae42f45
# echotas.trackers.mean_motion cc7726921b2f5a99
# echotas.trackers.pretrained f9cbe4a33983c583
# echotas.trackers.registry fd86bde453f89800
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
