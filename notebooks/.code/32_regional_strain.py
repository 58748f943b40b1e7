# Code view of 32_regional_strain.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
untrained = ["frozen", "oracle", "farneback"]
train_runs = []

# %% imports
from IPython.display import Markdown, display

from echotas.evaluation import recording_paths, regional_summary, segment_strain_table
from echotas.evaluation.curves import bullseye_values, example_curves, most_regional_patient
from echotas.geometry.segments import SEGMENTS
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.report import bland_altman_grid, bullseyes, strain_curves, style, tracker_look
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.store import read_recording

# %% setup
style.apply()
trackers = [*untrained, *(item["name"] for item in train_runs)]
recordings = recording_paths(paths.data(), evaluation["cohorts"])
tracks = paths.work() / "tracks"
table = segment_strain_table(recordings, tracks, trackers)
n = f"{table['recording'].nunique()} recordings of {table['patient'].nunique()} virtual patients"
main = next((item["name"] for item in train_runs if item["tracker"] == "tas_net"), trackers[-1])
run = runs.start(
    "benchmark",
    "all trackers | regional strain",
    params={"evaluation": evaluation, "trackers": trackers},
    tags={"tracker": "all", "seed": seed},
    note=f"Segment strain of {len(trackers)} trackers on {n}.",
)
(paths.reports() / "tables").mkdir(parents=True, exist_ok=True)
table.round(4).to_csv(paths.reports() / "tables" / "32_regional_strain.csv", index=False)
display(
    Markdown(
        f"{len(trackers)} trackers and controls, {n}, {table.drop_duplicates(['recording', 'segment']).shape[0]} segments."
    )
)

# %% error
from_truth = table[(table["start"] == "truth") | ((table["method"] == "reader") & table["accepted"])]
summary = regional_summary(from_truth, seed, evaluation["n_resamples"])
estimate_table(
    summary, [("bias", "bias, points", 2), ("mae", "mean absolute error, points", 2), ("sd", "SD, points", 2)]
)

# %% error-figure
figure = estimate_panels(
    summary,
    [("bias", "bias (points)"), ("mae", "mean absolute error (points)")],
    title=f"segment strain at end-systole against truth, {n}",
)
run.log_figure(figure, "segment_error.png")
figure

# %% place
by_level = from_truth.assign(
    error=(from_truth["strain_es"] - from_truth["true_strain_es"]).abs(), level=from_truth["segment"].str.split().str[0]
)
by_level.pivot_table(index="method", columns="level", values="error", sort=False).round(2)

# %% panels
one = from_truth[from_truth["method"] == main]
groups = {name: one[one["segment"] == name] for view in SEGMENTS.values() for name in view}
pairs = {name: (group["strain_es"].to_numpy(), group["true_strain_es"].to_numpy()) for name, group in groups.items()}
figure = bland_altman_grid(
    pairs, title=f"{main} against truth, {n}", names=(main, "truth"), color=tracker_look(main).color
)
run.log_figure(figure, "segment_bland_altman.png")
figure

# %% patient
patient, paths_of_patient = most_regional_patient(recordings, table)
figure = bullseyes(
    bullseye_values(table, paths_of_patient, ["truth", main, "reader"]),
    title=f"{patient} (virtual, {read_recording(paths_of_patient[0]).cine.meta.get('population', '')})",
)
run.log_figure(figure, "bullseyes.png")
figure

# %% patient-curves
recording = read_recording(paths_of_patient[0])
curves = example_curves(paths_of_patient[0], tracks, [main])
figure = strain_curves(
    curves[main], recording.cine.view, reference=curves["truth"], title=f"{main}, {paths_of_patient[0].stem} (virtual)"
)
run.log_figure(figure, "segment_curves.png")
figure

# %% record
keys = ("bias", "bias_low", "bias_high", "mae", "mae_low", "mae_high", "sd", "n")
numbers = record(
    "32_regional_strain",
    {
        "n_patients": int(table["patient"].nunique()),
        "n_recordings": int(table["recording"].nunique()),
        "segment_strain_es_against_truth": {
            name: {key: float(row[key]) for key in keys} for name, row in summary.iterrows()
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
measured = summary.drop(index=[name for name in ("reader", "frozen", "oracle", "mean_motion") if name in summary.index])
best = measured["mae"].idxmin()
display(
    Markdown(
        f"A segment of {n} is off by **{measured.loc[best, 'mae']:.1f} points** [{measured.loc[best, 'mae_low']:.1f}, {measured.loc[best, 'mae_high']:.1f}] with the best tracker ({best}) and by {summary.loc[main, 'mae']:.1f} with {main}; "
        f"the observers' own lines are off by {summary.loc['reader', 'mae']:.1f}. A segment at half its normal strain differs by about ten points. "
        "Detection rates per territory need more patients than this size has."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 1a88cc59fd944937
# echotas.evaluation.cohort_files 75a966d373ea8c87
# echotas.evaluation.curves b40f6f172b79b06e
# echotas.evaluation.profiles e2efc7e991ea2f9f
# echotas.evaluation.summaries ef46e0b8c0132466
# echotas.evaluation.tables e29261c03b331a5e
# echotas.evaluation.tracking 33bb52bd3d29e338
# echotas.geometry ab018291fd65d448
# echotas.geometry.contour 7b46f42c5a4ed821
# echotas.geometry.mesh d5a4de2df81270c7
# echotas.geometry.sector 226352a61cb47a5a
# echotas.geometry.segments 661d8a41f34c6508
# echotas.metrics b6e4abb6a1ce6fde
# echotas.metrics.agreement 5b616b1d3a174f14
# echotas.metrics.folds aa85440b285831c1
# echotas.metrics.inference 2b9a059faa40450f
# echotas.metrics.motion f72ce720f9b602d0
# echotas.metrics.realism af2fdbe532046435
# echotas.metrics.speed 1cbd0a4ba46a1747
# echotas.pipeline e3b0c44298fc1c14
# echotas.pipeline.metrics_file f26d337017427e44
# echotas.records a933352ac1d7dc86
# echotas.report 3032fd0b6f03c03c
# echotas.report.bland_altman d0bc34e7073122b9
# echotas.report.bullseye 7cc36c8ffcef40d3
# echotas.report.cine b6e472e5f28cfb38
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves ee157656f3abbb72
# echotas.report.estimate_panels a5539f65c758fc0d
# echotas.report.estimate_table 3de9e4863c1b4fe7
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning a6fc0aac7e815966
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.style 1869e9c2e0bb32cf
# echotas.report.tables 2908e60b8569edee
# echotas.seeds 10083860965dc54e
# echotas.store ce102639bc426d0a
# echotas.strain 3360f9976733bc64
# echotas.strain.drift c77e5a07722d92bd
# echotas.strain.global_strain 27b86412ebe04304
# echotas.strain.length 7e83b5436b109136
# echotas.strain.rate 677f48e57c42f3f9
# echotas.strain.regional 12fd085c9a1900be
# echotas.trackers 04b1b2252b7e4c2a
# echotas.trackers.base 070c1b3674a2a6e8
# echotas.trackers.registry 86c3ff629e558773
