# Code view of 31_global_strain.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
untrained = ["frozen", "oracle", "farneback"]
train_runs = []
n_phase_recordings = 3  # cines tracked again from other phases of the beat

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import agreement_pairs, agreement_summary, global_strain_table, gls_summary, recording_paths
from echotas.evaluation.curves import example_curves
from echotas.evaluation.intervals import coverage_summary, interval_table
from echotas.evaluation.start_phase import PHASES, start_phase_table
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.report import bland_altman_panel, global_curves, style, tracker_look
from echotas.report.calibration_figure import calibration_panels
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.report.published import TAS_NET_TABLE_IV
from echotas.trackers import fitted_config

# %% setup
style.apply()
trackers = [*untrained, *(item["name"] for item in train_runs)]
recordings = recording_paths(paths.data(), evaluation["cohorts"])
tracks = paths.work() / "tracks"
table = global_strain_table(recordings, tracks, trackers)
n = f"{table['recording'].nunique()} recordings of {table['patient'].nunique()} virtual patients"
main = next((item["name"] for item in train_runs if item["tracker"] == "tas_net"), trackers[-1])
run = runs.start(
    "benchmark",
    "all trackers | global strain",
    params={"evaluation": evaluation, "trackers": trackers},
    tags={"tracker": "all", "seed": seed},
    note=f"GLS of {len(trackers)} trackers on {n}.",
)
(paths.reports() / "tables").mkdir(parents=True, exist_ok=True)
table.round(4).to_csv(paths.reports() / "tables" / "31_global_strain.csv", index=False)
display(
    Markdown(
        f"{len(trackers)} trackers and controls, {n}. True GLS: mean {table['true_gls_es'].mean():.1f} %, SD {table.drop_duplicates('recording')['true_gls_es'].std():.1f}."
    )
)

# %% curve
figure = global_curves(example_curves(recordings[0], tracks, trackers), title=f"{recordings[0].stem} (virtual)")
run.log_figure(figure, "strain_curves.png")
figure

# %% truth
from_truth = table[(table["start"] == "truth") | (table["method"] == "reader")]
accuracy = gls_summary(from_truth, seed, evaluation["n_resamples"])
estimate_table(
    accuracy, [("bias", "bias, points", 2), ("mae", "mean absolute error, points", 2), ("sd", "SD, points", 2)]
)

# %% truth-figure
figure = estimate_panels(
    accuracy,
    [("bias", "bias (points of strain)"), ("mae", "mean absolute error (points)"), ("sd", "SD of the error (points)")],
    title=f"GLS at end-systole against truth, {n}",
)
run.log_figure(figure, "gls_accuracy.png")
figure

# %% kinds
kinds = {
    kind: gls_summary(from_truth[from_truth["method"] != "reader"], seed, evaluation["n_resamples"], kind)["mae"]
    for kind in ("es", "peak_systolic", "peak")
}
pd.DataFrame(kinds).round(2).rename(columns=lambda kind: f"MAE of GLS {kind.replace('_', ' ')}, points")

# %% disease
errors = from_truth.assign(error=(from_truth["gls_es"] - from_truth["true_gls_es"]).abs())
by_disease = errors.pivot_table(index="population", columns="method", values="error", sort=False)
by_disease.loc["range over conditions"] = by_disease.max() - by_disease.min()
by_stratum = errors.pivot_table(index="stratum", columns="method", values="error", sort=False)
counted = errors.drop_duplicates("recording")
recordings_of = {**counted["population"].value_counts(), **counted["stratum"].value_counts()}
both = pd.concat([by_disease, by_stratum])
both.insert(0, "recordings", [recordings_of.get(name, len(counted)) for name in both.index])
both.round(2)

# %% ba
one = from_truth[from_truth["method"] == main]
figure = bland_altman_panel(
    one["gls_es"].to_numpy(),
    one["true_gls_es"].to_numpy(),
    title=f"{main}, recordings of {one['patient'].nunique()} patients",
    quantity="GLS",
    names=(main, "truth"),
    color=tracker_look(main).color,
)
run.log_figure(figure, "bland_altman_truth.png")
figure

# %% interval
intervals = interval_table(recordings, tracks, trackers)
covered = coverage_summary(intervals, seed, evaluation["n_resamples"])
columns = [(f"covered_{level}", f"held by {level} % intervals, %", 0) for level in (50, 80, 95)]
columns += [("predicted", "mean half width of 95 %, points", 2), ("rmse", "RMS error made, points", 2)]
estimate_table(covered, columns) if len(covered) else Markdown("No tracker here predicts its errors.")

# %% interval-figure
figure = calibration_panels(intervals, title=f"predicted and made errors, {n}") if len(intervals) else None
if figure is not None:
    run.log_figure(figure, "intervals.png")
figure

# %% repeat
pairs = agreement_pairs(table, "gls_es")
repeat = {kind: agreement_summary(group, seed, evaluation["n_resamples"]) for kind, group in pairs.groupby("kind")}
columns = [
    ("mean_difference", "mean difference, points", 2),
    ("sd", "SD, points", 2),
    ("mae", "mean absolute difference, points", 2),
    ("icc", "ICC(A,1)", 2),
    ("sd_true", "SD of the true change", 2),
]
for kind, summary in repeat.items():
    display(Markdown(f"**{kind}**, {pairs.loc[pairs['kind'] == kind, 'cohort'].iloc[0]}"))
    display(estimate_table(summary, columns, higher=["icc"]))

# %% repeat-figure
kind = "test-retest" if "test-retest" in repeat else next(iter(repeat))
shown = pairs[(pairs["kind"] == kind) & (pairs["method"] == main)]
figure = bland_altman_panel(
    shown["second"].to_numpy(),
    shown["first"].to_numpy(),
    title=f"{main}, {kind}: pairs of {shown['patient'].nunique()} patients",
    quantity="GLS",
    names=("second", "first"),
    color=tracker_look(main).color,
)
run.log_figure(figure, "bland_altman_repeat.png")
figure

# %% phase
followed = {name: (name, {}) for name in ("lucas_kanade_mesh", "farneback") if name in trackers}
for item in train_runs:
    if item["name"] == main:
        folder = paths.work() / "train" / main
        followed[main] = (item["tracker"], fitted_config(item["tracker"], folder))
one_each = table.drop_duplicates("patient").sort_values("recording")["recording"].tolist()
chosen = [path for path in recordings if path.stem in one_each][:n_phase_recordings]
phases = start_phase_table(chosen, followed)
display(
    Markdown(
        f"n = {phases['recording'].nunique()} recordings of {phases['patient'].nunique()} virtual patients; no intervals at this size."
    )
)
sweep = phases.assign(gls=phases["gls_error_percent"].abs()).pivot_table(
    index="tracker", columns="phase", values=["mte_mm", "gls"], sort=False
)
sweep = sweep.rename(columns={"mte_mm": "mean error (mm)", "gls": "absolute GLS error (points)"}, level=0)
sweep.reindex(columns=PHASES, level=1).round(2)

# %% published
TAS_NET_TABLE_IV

# %% record
keys = ("bias", "bias_low", "bias_high", "mae", "mae_low", "mae_high", "sd")
repeat_keys = ("mean_difference", "sd", "sd_low", "sd_high", "mae", "icc", "sd_true", "n", "n_patients")
numbers = record(
    "31_global_strain",
    {
        "n_patients": int(table["patient"].nunique()),
        "n_recordings": int(table["recording"].nunique()),
        "gls_es_against_truth": {name: {key: float(row[key]) for key in keys} for name, row in accuracy.iterrows()},
        "coverage": {
            f"{name}_{what}": {key: float(row[key]) for key in ("covered_50", "covered_80", "covered_95", "rmse", "n")}
            for (name, what), row in covered.iterrows()
        },
        **{
            kind.replace("-", "_"): {
                name: {key: float(row[key]) for key in repeat_keys} for name, row in summary.iterrows()
            }
            for kind, summary in repeat.items()
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
measured = accuracy.drop(
    index=[name for name in ("reader", "frozen", "oracle", "mean_motion") if name in accuracy.index]
)
best = measured["mae"].idxmin()
retest = repeat[kind]
sure = ""
if (main, "global") in covered.index:
    row = covered.loc[(main, "global")]
    sure = f"Its 95 % intervals on GLS held the truth in {row['covered_95']:.0f} % of the recordings [{row['covered_95_low']:.0f}, {row['covered_95_high']:.0f}]. "
display(
    Markdown(
        f"Against the truth of {n}, **{best}** has the smallest GLS error: {measured.loc[best, 'mae']:.2f} points [{measured.loc[best, 'mae_low']:.2f}, {measured.loc[best, 'mae_high']:.2f}], "
        f"bias {measured.loc[best, 'bias']:+.2f}; {main} has {accuracy.loc[main, 'mae']:.2f} and {accuracy.loc[main, 'bias']:+.2f}. "
        f"Between {kind} pairs {main} differs with an SD of {retest.loc[main, 'sd']:.2f} points, the readers with {retest.loc['reader', 'sd']:.2f}, the truth itself with {retest.loc[main, 'sd_true']:.2f}. "
        f"{sure}"
        "Repeating well is no evidence of being right: frozen points repeat perfectly. The observers are a model, not people. Next: 32, the same by segment."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.curves b40f6f172b79b06e
# echotas.evaluation.failures 59d368e35bffa0dd
# echotas.evaluation.intervals 2e7bf481563c9061
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.start_phase 1dee9d4817686db1
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
# echotas.report.bland_altman 26563db41e81fd00
# echotas.report.bullseye 967c165ea365e533
# echotas.report.calibration_figure 47ec71a13b46b701
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves bbe9ae1780313c66
# echotas.report.estimate_panels a5539f65c758fc0d
# echotas.report.estimate_table b5a636e5b031bbcb
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
# echotas.trackers.registry 79459c3c19702624
