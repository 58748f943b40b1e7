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
from echotas.evaluation.summaries import three_view_means
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record, record_rows
from echotas.report import bland_altman_panel, global_curves, style, tracker_look
from echotas.report.calibration_figure import calibration_panels
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.report.published import TAS_NET_TABLE_IV
from echotas.report.tables import format_estimate
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
display(
    Markdown(
        f"{len(trackers)} trackers and controls, {n}. True GLS: mean {table['true_gls_es'].mean():.1f} %, SD {table.drop_duplicates('recording')['true_gls_es'].std():.1f}."
    )
)
display(Markdown(record_rows("31_global_strain", table, run)))

# %% curve
figure = global_curves(example_curves(recordings[0], tracks, trackers), title=f"{recordings[0].stem} (virtual)")
run.log_figure(figure, "strain_curves.png")
figure

# %% truth
from_truth = table[table["start"] == "truth"]
accuracy = gls_summary(from_truth, seed, evaluation["n_resamples"])
gls_columns = [("bias", "bias, points", 2), ("mae", "mean absolute error, points", 2), ("sd", "SD, points", 2)]
estimate_table(accuracy, gls_columns)

# %% truth-figure
figure = estimate_panels(
    accuracy,
    [("bias", "bias (points of strain)"), ("mae", "mean absolute error (points)"), ("sd", "SD of the error (points)")],
    title=f"GLS at end-systole against truth, {n}",
)
run.log_figure(figure, "gls_accuracy.png")
figure

# %% observer
from_observers = table[table["start"] != "truth"]
in_use = gls_summary(from_observers, seed, evaluation["n_resamples"])
estimate_table(in_use, gls_columns)

# %% patient
three_views = gls_summary(three_view_means(from_truth), seed, evaluation["n_resamples"])
estimate_table(three_views, gls_columns)

# %% kinds
kinds = {
    kind: gls_summary(from_truth, seed, evaluation["n_resamples"], kind).rename(
        columns=lambda name, kind=kind: name.replace("mae", kind)
    )
    for kind in ("es", "peak_systolic", "peak")
}
together = pd.concat(kinds.values(), axis=1)
estimate_table(
    together.loc[:, ~together.columns.duplicated()],
    [(kind, f"MAE of GLS {kind.replace('_', ' ')}", 2) for kind in kinds],
)

# %% disease
errors = from_truth.assign(error=(from_truth["gls_es"] - from_truth["true_gls_es"]).abs())
columns = {}
for column in ("population", "stratum"):
    for name, part in errors.groupby(column, sort=False):
        head = f"{name}, patients: {part['patient'].nunique()}, recordings: {part['recording'].nunique()}"
        columns[head] = part.groupby("method", sort=False)["error"].mean()
pd.DataFrame(columns).round(2)

# %% ba
one = from_truth[from_truth["method"] == main]
figure = bland_altman_panel(
    one["gls_es"].to_numpy(),
    one["true_gls_es"].to_numpy(),
    title=f"{main} from the true line",
    patients=one["patient"].to_numpy(),
    counted=("recordings", "virtual patients"),
    quantity="GLS",
    names=(main, "truth"),
    color=tracker_look(main).color,
)
run.log_figure(figure, "bland_altman_truth.png")
figure

# %% interval
intervals = interval_table(recordings, tracks, trackers)
display(Markdown(record_rows("31_intervals", intervals, run)))
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
    title=f"{main}, {kind}",
    patients=shown["patient"].to_numpy(),
    counted=("pairs", "virtual patients"),
    quantity="GLS",
    names=("second", "first"),
    color=tracker_look(main).color,
)
run.log_figure(figure, "bland_altman_repeat.png")
figure

# %% phase
followed = {name: (name, {}) for name in ("frozen", "lucas_kanade_mesh", "farneback") if name in trackers}
for item in train_runs:
    if item["name"] == main:
        folder = paths.work() / "train" / main
        followed[main] = (item["tracker"], fitted_config(item["tracker"], folder))
one_each = table.drop_duplicates("patient").sort_values("recording")["recording"].tolist()
chosen = [path for path in recordings if path.stem in one_each][:n_phase_recordings]
phases = start_phase_table(chosen, followed)
display(
    Markdown(
        f"n = {phases['recording'].nunique()} recordings of {phases['patient'].nunique()} virtual patients ({', '.join(path.stem for path in chosen)}); no intervals at this size."
    )
)
display(Markdown(record_rows("31_start_phase", phases, run)))
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
        **{
            name: {method: {key: float(row[key]) for key in keys} for method, row in summary.iterrows()}
            for name, summary in {
                "gls_es_against_truth": accuracy,
                "gls_es_from_observers_against_truth": in_use,
                "three_view_gls_es_against_truth": three_views,
            }.items()
        },
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
ranked = accuracy.drop(index=[name for name in ("frozen", "oracle", "mean_motion") if name in accuracy.index])
best, retest = ranked["mae"].idxmin(), repeat[kind]
also = "" if best == main else f"; {main} has {accuracy.loc[main, 'mae']:.2f} and {accuracy.loc[main, 'bias']:+.2f}"
held = "; ".join(
    f"{name} {row['covered_50']:.0f}, {row['covered_80']:.0f} and {row['covered_95']:.0f} %"
    for (name, what), row in covered.iterrows()
    if what == "global"
)
sure = f"Intervals of nominally 50, 80 and 95 % on GLS held the truth in: {held}. " if held else ""
display(
    Markdown(
        f"From the true lines of {n}, **{best}** has the smallest GLS error: {format_estimate(*ranked.loc[best, ['mae', 'mae_low', 'mae_high']])} points, "
        f"bias {ranked.loc[best, 'bias']:+.2f}{also}. As it would be used, from observers' lines, {main} is off by {in_use.loc[main, 'mae']:.2f}, the simulated observers' own software by {in_use.loc['reader', 'mae']:.2f}, perfect tracking by {in_use.loc['oracle', 'mae']:.2f}. "
        f"Between {kind} pairs ({retest.loc[main, 'n']:.0f} of {retest.loc[main, 'n_patients']:.0f} patients) {main} differs with an SD of {retest.loc[main, 'sd']:.2f} points, perfect tracking with {retest.loc['oracle', 'sd']:.2f}, the readers with {retest.loc['reader', 'sd']:.2f}. "
        f"{sure}"
        "Repeating well is no evidence of being right: frozen points repeat perfectly. Next: 32, the same by segment."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.curves c81810714963725b
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.intervals 0855c14965080c6e
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.start_phase 9aa69aa8ca5c6897
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
# echotas.report.calibration_figure 47ec71a13b46b701
# echotas.report.cine 9e3a36c206f83d5b
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves 8564c9e8c5320fe4
# echotas.report.estimate_panels a5539f65c758fc0d
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
# echotas.trackers.registry fd86bde453f89800
