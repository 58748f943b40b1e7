# Code view of 10_train.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
name = "tas_net"  # row name in the tables
tracker = "tas_net"  # name in the registry
node = "S1"  # data engine node whose simulated cines are the training set
seed = 0
train = {"steps": 20, "start": "node", "validation_patients": 1}
training = {}
config = {}  # sizes of the network

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation.training_set import mean_motion_table, read_validation, validation_table
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.parallel import compute_settings
from echotas.pipeline.progress import Progress
from echotas.report import style
from echotas.report.training_curve import training_curve
from echotas.report.validation_picture import validation_picture
from echotas.trackers import describe, fitted_config
from echotas.training import fit, split_patients, starting_weights

# %% setup
style.apply()
chain = node.replace("-", ">")
files = sorted((paths.work() / "engine" / node / "simulated").glob("*.h5"))
train_files, validation_files = split_patients(files, train["validation_patients"])
run = runs.start(
    "training",
    f"{name} | {chain} | seed {seed}",
    params={"train": train, "training": training, "config": config},
    tags={"tracker": tracker, "chain": chain, "seed": seed},
    note=f"Final training of {tracker} on {len(train_files)} simulated cines of {chain}.",
)
display(
    Markdown(
        f"`{tracker}` on {len(train_files)} simulated cines of **{chain}**; {len(validation_files)} cines of {train['validation_patients']} other patients validate."
    )
)

# %% train
initial = starting_weights(tracker, train["start"], paths.work() / "engine" / node / "training")
with Progress(f"train {name}", train["steps"]) as progress:
    fitted = fit(
        tracker,
        train_files,
        validation_files,
        paths.work() / "train" / name,
        seed=seed,
        n_steps=train["steps"],
        settings=training,
        model=config,
        initial=initial,
        checkpoints=paths.work() / "checkpoints" / f"train-{name}",
        callback=lambda step, values: (progress.update(step, f"loss {values['loss']:.2f}"), run.log_step(step, values)),
        n_workers=compute_settings()[1],
        on_validation=lambda step, cine, tracks: run.log_figure(
            validation_picture(cine.frames, cine.mesh_px, tracks, step), f"validation_{step:06d}.png"
        ),
    )
run.log_metrics({"training_seconds": fitted.seconds, "waiting_share": fitted.waiting_share}, volatile=True)
described = describe(tracker, **fitted_config(tracker, paths.work() / "train" / name))
display(
    Markdown(
        f"{fitted.n_steps} optimiser steps{' from the weights of the engine node' if initial and train['start'] == 'node' else ' from the pretrained weights' if initial else ''}; {described.n_parameters:,} learned parameters, {described.n_steps:,} steps behind them."
    )
)

# %% curve
null = mean_motion_table(train_files, validation_files)
null_mm = null["mte_mm"].mean()
figure = None
if len(fitted.curve):
    title = f"{name}: training (thin), validation (markers), null (dashed)"
    figure = training_curve({tracker: fitted.curve}, title=title, null_mm=null_mm)
    run.log_figure(figure, "training.png")
    display(Markdown(read_validation(fitted.curve, null_mm)))
figure

# %% validation
trained = validation_table(
    validation_files,
    {
        "frozen": ("frozen", {}),
        "tas_net_pretrained": ("tas_net_pretrained", {}),
        name: (tracker, fitted_config(tracker, paths.work() / "train" / name)),
    },
)
table = trained if tracker == "mean_motion" else pd.concat([null, trained])
table.pivot_table(index="tracker", values="mte_mm", aggfunc=["mean", "min", "max", "count"], sort=False).round(2)

# %% record
means = table.groupby("tracker")["mte_mm"].mean()
numbers = record(
    f"10_train-{name}",
    {
        "n_training_cines": len(train_files),
        "n_validation_cines": len(validation_files),
        "n_steps": fitted.n_steps,
        "n_parameters": described.n_parameters,
        "validation_mte_mm": float(means[name]),
        "frozen_mte_mm": float(means["frozen"]),
        "mean_motion_mte_mm": float(null_mm),
    },
    run=run,
)
run.finish()
others = ", ".join(
    f"`{other}`: {numbers[f'{other}_mte_mm']:.2f} mm" for other in ("mean_motion", "frozen") if other != name
)
display(
    Markdown(
        f"`{name}` follows the simulated cines of unseen patients with {numbers['validation_mte_mm']:.2f} mm mean error ({others}; n = {numbers['n_validation_cines']} cines of {table['patient'].nunique()} patients). "
        "Simulated cines come from the same machine as the training set, so this says that it learned, not that it works: notebook 20 tracks cines that no simulation strategy has touched."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.summaries 16453d0421b55873
# echotas.evaluation.tables aeee5c7f53817500
# echotas.evaluation.tracking 44ea7d0dc1aa36fb
# echotas.evaluation.training_set e196f6777716747a
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
