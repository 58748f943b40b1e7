# Code view of 33_ablation.ipynb: made from the notebook, not to be edited.

# %% parameters [parameters]
seed = 0  # of the intervals
ablation = {"node": "S1", "steps": 4, "seeds": [0, 1], "cohort": "V-SSHF", "n_recordings": 2, "validation_patients": 1}
training = {}

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import recording_paths
from echotas.evaluation.ablation import VARIANTS, ablation_rows, ablation_summary, train_variant
from echotas.metrics import paired_comparison
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.parallel import compute_settings
from echotas.pipeline.progress import Progress
from echotas.report import style
from echotas.report.ablation_figure import seed_dots
from echotas.report.published import TAS_NET_TABLE_II
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
        f"tested on {len(recordings)} recordings of {ablation['cohort']} (virtual patients who are in no training set)."
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
                    {"mte_mm": float(rows["mte_mm"].mean()), "folds_percent": 100 * float(rows["folds"].mean())}
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

# %% test
by_patient = table.pivot_table(index="patient", columns="variant", values="mte_mm", sort=False)
base = VARIANTS[0].name
tests = paired_comparison(
    by_patient[base].to_numpy(), {name: by_patient[name].to_numpy() for name in by_patient.columns if name != base}
)
pd.DataFrame({r.name: {"patients": r.n, "shift, mm": r.shift, "p": r.p, "p (Holm)": r.p_holm} for r in tests}).T.round(
    3
)

# %% published
TAS_NET_TABLE_II

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
numbers = record(
    "33_ablation",
    {
        "n_recordings": len(recordings),
        "n_patients": int(table["patient"].nunique()),
        "n_seeds": n_seeds,
        "n_steps": ablation["steps"],
        "variants": {name: {key: float(value) for key, value in row.items()} for name, row in summary.iterrows()},
    },
    run=run,
    allow_nan=True,
)
run.finish()
spread = summary["mte_mm_sd"].max()
display(
    Markdown(
        f"With the paper's three changes the mean error is {full['mte_mm']:.2f} mm, without any {plain['mte_mm']:.2f} mm; the largest SD between seeds is {spread:.2f} mm. "
        f"Recordings with folds: {full['folds_percent']:.0f} % against {plain['folds_percent']:.0f} %; GLS is off by {full['gls_error_percent']:.2f} against {plain['gls_error_percent']:.2f} points. "
        f"With our two as well: {best['mte_mm']:.2f} mm, {best['folds_percent']:.0f} % and {best['gls_error_percent']:.2f} points. "
        f"{len(recordings)} recordings of {numbers['n_patients']} virtual patients, {n_seeds} seeds of {ablation['steps']} steps from one common start: what the changes do in a long training from scratch is not shown here."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.ablation 2d3761ff4e5510c8
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.failures 59d368e35bffa0dd
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.summaries a71c78954ee20855
# echotas.evaluation.tables aeee5c7f53817500
# echotas.evaluation.tracking e7e5577612f40dfb
# echotas.geometry ab018291fd65d448
# echotas.geometry.contour 7b46f42c5a4ed821
# echotas.geometry.mesh d5a4de2df81270c7
# echotas.geometry.sector 226352a61cb47a5a
# echotas.geometry.segments 661d8a41f34c6508
# echotas.metrics 81926906356b2438
# echotas.metrics.agreement 515dfaddb8c489ae
# echotas.metrics.contours cf2e9750ead8454e
# echotas.metrics.detection 867791732e87ccb0
# echotas.metrics.folds aa85440b285831c1
# echotas.metrics.inference f6ddfdf6b6d556ee
# echotas.metrics.motion 7fefb50ba826203e
# echotas.metrics.realism af2fdbe532046435
# echotas.metrics.repeated 9732643c441780e5
# echotas.metrics.resampling efa5213e1e6dc791
# echotas.metrics.smoothness a8663e0793856966
# echotas.metrics.speed 1cbd0a4ba46a1747
# echotas.pipeline cee181852a76d572
# echotas.pipeline.metrics_file f26d337017427e44
# echotas.records ceb5882154c2ecbd
# echotas.report 9c6194d39d05cd48
# echotas.report.ablation_figure a74aec5bda030ae8
# echotas.report.bland_altman 26563db41e81fd00
# echotas.report.bullseye 967c165ea365e533
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves bbe9ae1780313c66
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning a6fc0aac7e815966
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.published ec9bb590d627fbf9
# echotas.report.style d63c271e316f1cd9
# echotas.report.tables 2908e60b8569edee
# echotas.seeds a6ab06202579f3ce
# echotas.store 5a064a9e61efd47e
# echotas.strain 6ee64e9abf7f63af
# echotas.strain.drift c77e5a07722d92bd
# echotas.strain.function f05315df1f0fa5ec
# echotas.strain.global_strain 27b86412ebe04304
# echotas.strain.length 7e83b5436b109136
# echotas.strain.rate 677f48e57c42f3f9
# echotas.strain.regional 25eaf0f2e43d898b
# echotas.strain.segment_models 28835feae0ba2cc3
# echotas.strain.timing 793e2a3de46bafa1
# echotas.strain.uncertainty b1c8510d649f448c
# echotas.trackers f05072c4e38217fe
# echotas.trackers.base 478720fbbbaac10d
# echotas.trackers.blocks e3b0c44298fc1c14
# echotas.trackers.blocks.attention 698b67cec36fe81a
# echotas.trackers.blocks.chained e755aeace770ac49
# echotas.trackers.blocks.correlation 1fa6392611f47fab
# echotas.trackers.blocks.encoder d653894d4ff099d7
# echotas.trackers.blocks.error_head 783efc69c2c19f22
# echotas.trackers.blocks.fold_free e59879e87e9b5e29
# echotas.trackers.blocks.patches 12858cb85c29ff21
# echotas.trackers.blocks.positions 74c3d031d0065537
# echotas.trackers.blocks.resampling 53fdba576c05072f
# echotas.trackers.cotracker 60d145d1032d88e1
# echotas.trackers.lucas_kanade de263d1cfbaa4d48
# echotas.trackers.lucas_kanade_mesh f11fe9b2ed15a404
# echotas.trackers.mean_motion cc7726921b2f5a99
# echotas.trackers.pretrained 751e7a8817a87e5e
# echotas.trackers.registry 79459c3c19702624
# echotas.trackers.tas_net 75f4a3da5552bcbd
# echotas.training 34d98ad12c641fdd
# echotas.training.augment 9c31836f0dbb5f1e
# echotas.training.calibration eea0584b27fd9b4b
# echotas.training.checkpoint 77dabd1d7237404f
# echotas.training.dataset 574819075f645307
# echotas.training.fit f15dbcaf8b7228e2
# echotas.training.gradients 31a97952ce03ae16
# echotas.training.loop c3a4ff1c1ffaf9cb
# echotas.training.losses 1dac9a2333b8cc8d
# echotas.training.processes 37bf6e079e869c13
# echotas.training.start fd8e2e3cd41acbf0
# echotas.training.synthetic d01ebf30c1a731a2
# echotas.training.tas_net 8d2d18bacc94d56f
# echotas/trackers/pretrained/tas_net_released.safetensors 2fba321e5691360c
# echotas/trackers/pretrained/tas_net_small.safetensors 329912dbf82e8a6b
