# Code view of 33_ablation.ipynb: made from the notebook, not to be edited.

# %% parameters [parameters]
seed = 0  # of the intervals
ablation = {"node": "S1", "steps": 4, "seeds": [0, 1], "cohort": "V-SSHF", "n_recordings": 2, "validation_patients": 1}
training = {}
engine_nodes = []  # of the pipeline
controls = ["frozen", "mean_motion", "oracle", "lucas_kanade", "lucas_kanade_mesh"]  # no network of this ablation

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import global_strain_table, gls_summary, motion_summary, motion_table, recording_paths
from echotas.evaluation.ablation import (
    VARIANTS,
    ablation_rows,
    ablation_summary,
    before_the_engine,
    stage_rows,
    train_variant,
)
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record, record_rows
from echotas.pipeline.parallel import compute_settings
from echotas.pipeline.progress import Progress
from echotas.report import style
from echotas.report.ablation_figure import seed_dots
from echotas.report.estimate_table import estimate_table
from echotas.report.published import TAS_NET_TABLE_I, TAS_NET_TABLE_II
from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.training import split_patients

# %% setup
style.apply()
files = sorted((paths.work() / "engine" / ablation["node"] / "simulated").glob("*.h5"))
train_files, validation_files = split_patients(files, ablation["validation_patients"])
recordings = recording_paths(paths.data(), [ablation["cohort"]])[: ablation["n_recordings"]]
n_seeds = len(ablation["seeds"])
display(
    Markdown(
        f"{len(VARIANTS)} variants x {n_seeds} seeds, {ablation['steps']} steps each on {len(train_files)} simulated cines of {ablation['node'].replace('-', '>')}; "
        f"tested on {len(recordings)} recordings of {ablation['cohort']} (virtual patients who are in no training set): {', '.join(path.stem for path in recordings)}."
    )
)

# %% train
parts = []
with Progress("ablation", len(VARIANTS) * n_seeds) as progress:
    for variant in VARIANTS:
        for number in ablation["seeds"]:
            folder = paths.work() / "ablation" / variant.trained.name.replace(" ", "_") / f"seed-{number}"
            with runs.start(
                "training",
                f"ablation: {variant.name} | seed {number}",
                params={"ablation": ablation, "variant": variant.settings | variant.model},
                tags={"tracker": "tas_net", "chain": "ablation", "seed": number},
                note=f"Ablation row: {variant.name}.",
            ) as run:
                train_variant(
                    variant.trained, number, train_files, validation_files, TAS_NET_SMALL, folder, ablation["steps"], training,
                    compute_settings()[1], run.log_step,
                )  # fmt: skip
                rows = ablation_rows(recordings, variant, folder, compute_settings()[1])
                rows = rows.assign(variant=variant.name, seed=number)
                run.log_metrics(
                    {
                        "mte_mm": float(rows["mte_mm"].mean()),
                        "gls_mae": float(rows["gls_error_percent"].mean()),
                        "folds_percent": 100 * float(rows["folds"].mean()),
                    }
                )
            parts.append(rows)
            progress.update(len(parts), f"{variant.name}, seed {number}")
table = pd.concat(parts, ignore_index=True)

# %% table
summary = ablation_summary(table)


def cell(row, name, digits):
    spread = row[f"{name}_sd"]
    return f"{row[name]:.{digits}f}" + (f" ± {spread:.{digits}f}" if pd.notna(spread) else "")


pd.DataFrame(
    {
        "mean error, mm": [cell(row, "mte_mm", 2) for _, row in summary.iterrows()],
        "GLS MAE, points": [cell(row, "gls_error_percent", 2) for _, row in summary.iterrows()],
        "recordings with folds, %": [cell(row, "folds_percent", 0) for _, row in summary.iterrows()],
        "seeds": summary["n_seeds"].astype(int),
    },
    index=summary.index,
)

# %% figure
figure = seed_dots(
    table.assign(folds_percent=100.0 * table["folds"]),
    {"mte_mm": "mean error (mm)", "gls_error_percent": "GLS MAE (points)", "folds_percent": "with folds (%)"},
    title=f"each dot: one seed, mean of {len(recordings)} recordings ({ablation['cohort']})",
)
figure

# %% controls
tracks = paths.work() / "tracks"
known = [name for name in controls if (tracks / name).is_dir()]
motion = motion_summary(motion_table(recordings, tracks, known), seed, 2000)
strain = global_strain_table(recordings, tracks, known)
gls = gls_summary(strain[strain["start"] == "truth"], seed, 2000)
estimate_table(
    motion.join(gls[["mae", "mae_low", "mae_high"]]),
    [("mte_mm", "mean error, mm", 2), ("mae", "GLS MAE, points", 2), ("folds_percent", "recordings with folds, %", 0)],
)

# %% test
by_patient = table.pivot_table(index="variant", columns="patient", values="mte_mm", sort=False)
base = VARIANTS[0].name
by_patient.sub(by_patient.loc[base]).drop(index=base).round(2)

# %% published
TAS_NET_TABLE_II

# %% stages
weights = {"synthetic cines alone": before_the_engine(TAS_NET_SMALL, paths.work() / "ablation" / "before")}
weights |= {
    node["name"].replace("-", ">"): paths.work() / "engine" / node["name"] / "training" for node in engine_nodes
}
stage_table = stage_rows(recordings, weights, compute_settings()[1])
stages = ablation_summary(stage_table)
shown = {
    "mte_mm": "mean error, mm",
    "gls_error_percent": "GLS MAE, points",
    "folds_percent": "recordings with folds, %",
}
stages[list(shown)].rename(columns=shown).round(2).join(TAS_NET_TABLE_I)

# %% conclusion
full, plain, best = summary.loc[VARIANTS[3].name], summary.loc[base], summary.loc[VARIANTS[-1].name]
run = runs.start(
    "benchmark",
    "TAS-Net | ablation",
    params={"ablation": ablation},
    tags={"tracker": "tas_net", "chain": "ablation", "seed": seed},
    note="Table II and two rows of ours, several seeds.",
)
run.log_figure(figure, "ablation.png")
rows = pd.concat([table.assign(table="II"), stage_table.assign(table="I")], ignore_index=True)
display(Markdown(record_rows("33_ablation", rows, run)))
numbers = record(
    "33_ablation",
    {
        "n_recordings": len(recordings),
        "n_patients": int(table["patient"].nunique()),
        "n_seeds": n_seeds,
        "n_steps": ablation["steps"],
        "stages": {name: {key: float(value) for key, value in row.items()} for name, row in stages.iterrows()},
        "variants": {name: {key: float(value) for key, value in row.items()} for name, row in summary.iterrows()},
    },
    run=run,
    allow_nan=True,
)
run.finish()
spread, moved = summary["mte_mm_sd"].max(), full["mte_mm"] - plain["mte_mm"]
said = "a *no* by the criterion above" if abs(moved) <= spread else "more than the seeds' spread"
without = motion.drop(index=["frozen", "mean_motion", "oracle"], errors="ignore")["mte_mm"]
alone = (
    f"{without.idxmin()} alone, without any network, has {without.min():.2f} mm and {gls.loc[without.idxmin(), 'mae']:.2f} points on these recordings. "
    if len(without)
    else ""
)
display(
    Markdown(
        f"With the paper's three changes the mean error is {full['mte_mm']:.2f} mm, without any {plain['mte_mm']:.2f} mm, with an SD between seeds of up to {spread:.2f} mm: {said}. "
        f"Recordings with folds: {full['folds_percent']:.0f} % against {plain['folds_percent']:.0f} %; GLS is off by {full['gls_error_percent']:.2f} against {plain['gls_error_percent']:.2f} points, most of it with the start at end-systole. "
        f"With our two as well: {best['mte_mm']:.2f} mm, {best['folds_percent']:.0f} % and {best['gls_error_percent']:.2f} points. {alone}"
        f"Stages of the data engine: {', '.join(f'{name} {row.mte_mm:.2f} mm and {row.gls_error_percent:.2f} points' for name, row in stages.iterrows())}. "
        f"{len(recordings)} recordings of {numbers['n_patients']} virtual patients, {n_seeds} seeds of {ablation['steps']} steps from one common start: what the changes do in a long training from scratch is not shown here."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.ablation 2b983c2b33b93a18
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
# echotas.report.ablation_figure a74aec5bda030ae8
# echotas.report.bland_altman 6252654c325196bd
# echotas.report.bullseye 0095410507fb9b0b
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves 8564c9e8c5320fe4
# echotas.report.estimate_table 6b50fd07266b46bb
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning 349bbfa4ac5f465d
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.published a4aaf049d7243949
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
