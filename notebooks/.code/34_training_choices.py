# Code view of 34_training_choices.ipynb: made from the notebook, not to be edited.

# %% parameters [parameters]
choices = {"node": "S1", "steps": 4, "seeds": [0, 1], "cohort": "V-SSHF", "n_recordings": 2, "validation_patients": 1}
mesh = {"n_long": 36, "n_rad": 5, "wall_thickness_mm": 10.0}
training = {}

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import recording_paths
from echotas.evaluation.training_choices import CHOICES, choice_rows, directions_of_motion, train_choice
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record, record_rows
from echotas.pipeline.parallel import compute_settings
from echotas.pipeline.progress import Progress
from echotas.report import style
from echotas.report.polar import direction_roses
from echotas.training import split_patients

# %% setup
style.apply()
files = sorted((paths.work() / "engine" / choices["node"] / "simulated").glob("*.h5"))
train_files, validation_files = split_patients(files, choices["validation_patients"])
recordings = recording_paths(paths.data(), [choices["cohort"]])[: choices["n_recordings"]]
display(
    Markdown(
        f"{len(CHOICES)} trainings x {len(choices['seeds'])} seeds, {choices['steps']} steps each on {len(train_files)} simulated cines of {choices['node'].replace('-', '>')}; "
        f"tested on {len(recordings)} recordings of {choices['cohort']} (virtual patients who are in no training set)."
    )
)

# %% directions
augmentations = {
    choice.name: {**{key: training[key] for key in ("rotation_deg", "flip") if key in training}, **choice.settings}
    for choice in CHOICES
    if choice.question == "augmentation of the motion"
}
directions = directions_of_motion(train_files, augmentations)
figure = direction_roses(directions, title=f"{len(train_files)} simulated cines")
figure

# %% evenness
spread = directions.groupby(["augmentation", "view"], sort=False)["share"].agg(["min", "max"])
n_sectors = directions["angle_deg"].nunique()
pd.DataFrame(
    {
        "least frequent direction, of an equal share": n_sectors * spread["min"],
        "most frequent": n_sectors * spread["max"],
    }
).round(2)

# %% train
parts = []
with Progress("choices", len(CHOICES) * len(choices["seeds"])) as progress:
    for choice in CHOICES:
        for number in choices["seeds"]:
            folder = paths.work() / "choices" / choice.folder / f"seed-{number}"
            with runs.start(
                "training",
                f"choice: {choice.question}, {choice.name} | seed {number}",
                params={"choices": choices, "choice": {**choice.settings, **choice.use}},
                tags={"tracker": choice.tracker, "chain": "choices", "seed": number},
                note=f"{choice.question}: {choice.name}.",
            ) as run:
                train_choice(
                    choice, number, train_files, validation_files, folder, choices["steps"], training, compute_settings()[1],
                    run.log_step,
                )  # fmt: skip
                rows = choice_rows(recordings, choice, folder, mesh, compute_settings()[1]).assign(seed=number)
                run.log_metrics(
                    {"mte_mm": float(rows["mte_mm"].mean()), "gls_mae": float(rows["gls_error"].abs().mean())}
                )
            parts.append(rows)
            progress.update(len(parts), f"{choice.name}, seed {number}")
table = pd.concat(parts, ignore_index=True)

# %% table
by_seed = (
    table.assign(mae=table["gls_error"].abs())
    .groupby(["question", "choice", "seed"], sort=False)[["mte_mm", "mae", "gls_error"]]
    .mean()
)
means, spreads = (by_seed.groupby(level=[0, 1], sort=False).agg(how) for how in ("mean", "std"))
shown = means.round(2).astype(str) + spreads.map(lambda sd: f" ± {sd:.2f}" if pd.notna(sd) else "")
shown.rename(columns={"mte_mm": "mean error, mm", "mae": "GLS MAE, points", "gls_error": "GLS bias, points"})

# %% view
table.pivot_table(index=["question", "choice"], columns="view", values="mte_mm", sort=False).round(2)

# %% record
run = runs.start(
    "training",
    "choices in training compared",
    params={"choices": choices},
    tags={"tracker": "specknet, pwc_net", "chain": "choices"},
    note="Figures and table of notebook 34.",
)
run.log_figure(figure, "directions.png")
display(Markdown(record_rows("34_training_choices", table, run)))
numbers = record(
    "34_training_choices",
    {
        "n_recordings": len(recordings),
        "n_patients": table["patient"].nunique(),
        "n_seeds": len(choices["seeds"]),
        "steps": choices["steps"],
        "mte_mm": {f"{question}: {choice}": value for (question, choice), value in means["mte_mm"].items()},
        "gls_mae": {f"{question}: {choice}": value for (question, choice), value in means["mae"].items()},
    },
    run=run,
    allow_nan=True,
)
run.finish()
sentences = []
for question, part in means["mte_mm"].groupby(level=0, sort=False):
    ranked = part.droplevel(0).sort_values()
    noise = spreads["mte_mm"][question].max()
    gap = ranked.iloc[-1] - ranked.iloc[0]
    verdict = "more than" if gap > 2 * noise else "not clearly more than"
    sentences.append(
        f"{question}: best *{ranked.index[0]}* ({ranked.iloc[0]:.2f} mm), worst *{ranked.index[-1]}* ({ranked.iloc[-1]:.2f}), a gap {verdict} twice the SD between seeds ({noise:.2f})"
    )
display(
    Markdown(
        "; ".join(sentences)
        + f". n = {len(recordings)} recordings of {numbers['n_patients']} virtual patients, {numbers['n_seeds']} seeds, {choices['steps']} steps from random weights."
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
# echotas.evaluation.training_choices cd5ae7b4619432cc
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
# echotas.report.polar f6895fc4e3cdaf59
# echotas.report.style 1f272ada85ef8f3e
# echotas.report.tables 03a6739a358ecdf5
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
