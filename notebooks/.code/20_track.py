# Code view of 20_track.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
name = "farneback"  # row name in the tables
tracker = "farneback"  # name in the registry
config = {}  # its configuration
fitted = ""  # folder of 10_train, for trackers that learn
mesh = {"n_long": 36, "n_rad": 5, "wall_thickness_mm": 10.0}
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}

# %% imports
from functools import partial

from IPython.display import Markdown, display

from echotas.evaluation import (
    best_and_worst,
    error_by_frame,
    error_by_place,
    examples_at_ed,
    explain_failures,
    motion_summary,
    motion_table,
    recording_paths,
    track_recording,
)
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.parallel import map_items
from echotas.report import error_figures, style
from echotas.report.estimate_table import estimate_table
from echotas.report.tables import format_estimate
from echotas.trackers import describe, fitted_config
from echotas.trackers.registry import module_of

# %% setup
style.apply()
recordings = recording_paths(paths.data(), evaluation["cohorts"])
config = config | fitted_config(tracker, paths.root() / fitted if fitted else None)
described = describe(tracker, **config)
run = runs.start(
    "benchmark",
    f"{name} | track",
    params={
        "tracker": tracker,
        "config": {key: value for key, value in config.items() if key not in ("weights", "path")},
        "mesh": mesh,
    },
    tags={"tracker": name},
    note=f"{described.summary} {len(recordings)} virtual recordings.",
)
display(
    Markdown(
        f"`{name}` - {described.summary} {described.n_parameters:,} learned parameters, {described.n_steps:,} training steps."
    )
)

# %% track
tracks = paths.work() / "tracks"
report = map_items(
    partial(track_recording, tracker=tracker, config=config, **mesh),
    recordings,
    out_path_of=lambda path: tracks / name / path.parent.name / path.name,
    key_of=lambda path: {"tracker": tracker, "config": config, "mesh": mesh},
    inputs_of=lambda path: [path],
    uses=[module_of(tracker)],
    label=f"track {name}",
    prune=tracks / name,
)
left_out = {failure.name for failure in report.failed}
recordings = [path for path in recordings if path.stem not in left_out]
report.table() if report.failed else display(Markdown(f"{len(report.paths)} recordings tracked, none left out."))

# %% error
table = motion_table(recordings, tracks, [name])
summary = motion_summary(table, 0, evaluation["n_resamples"])
by_view = motion_summary(table.assign(tracker=table["view"]), 0, evaluation["n_resamples"]).rename_axis("view")
estimate_table(
    by_view,
    [
        ("mte_mm", "mean error, mm", 2),
        ("p95_mm", "95th percentile, mm", 2),
        ("ed_error_mm", "at ED, mm", 2),
        ("folds_percent", "recordings with folds, %", 0),
    ],
)

# %% when
figure = error_figures.error_profile(
    error_by_frame(recordings, tracks, name),
    error_by_place(recordings, tracks, name),
    title=f"{name}: {len(recordings)} recordings of {table['patient'].nunique()} virtual patients",
    tracker=tracker,
)
run.log_figure(figure, "error_profile.png")
figure

# %% worst
picked = best_and_worst(table)
errors = table.set_index("recording")["mte_mm"]
examples = examples_at_ed(recordings, tracks, name, picked)
figure = error_figures.tracked_against_truth(
    {f"{label}: {errors[picked[label]]:.2f} mm\n{picked[label]}": example for label, example in examples.items()},
    title=f"{name} at end-diastole (virtual)",
    tracker=tracker,
)
run.log_figure(figure, "best_and_worst.png")
figure

# %% why
worst = [recording for label, recording in picked.items() if label.endswith("worst")]
reasons = explain_failures(recordings, tracks, name, worst)
display(Markdown("\n".join(f"- virtual **{row.recording}**: {row.why}" for row in reasons.itertuples())))

# %% record
row = summary.loc[name]
numbers = record(
    f"20_track-{name}",
    {
        "n_patients": int(row["n_patients"]),
        "n_recordings": int(row["n"]),
        "n_left_out": len(report.failed),
        "n_parameters": described.n_parameters,
        "n_steps": described.n_steps,
        **{
            key: float(row[key])
            for key in ("mte_mm", "mte_mm_low", "mte_mm_high", "p95_mm", "ed_error_mm", "folds_percent")
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
display(
    Markdown(
        f"`{name}` follows the wall of {numbers['n_patients']} virtual patients ({numbers['n_recordings']} recordings) with a mean error of "
        f"**{format_estimate(row['mte_mm'], row['mte_mm_low'], row['mte_mm_high'])} mm**, {numbers['ed_error_mm']:.2f} mm at end-diastole; "
        f"{numbers['folds_percent']:.0f} % of the recordings hold a folded triangle. "
        f"Errors are measured against the true motion of virtual patients; how far that carries over to patients is not known. "
        f"Next: 30 compares the trackers, 31 and 32 turn the tracks into strain."
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
# echotas.report.error_figures 19513cba8f293a27
# echotas.report.estimate_table 6b50fd07266b46bb
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning 349bbfa4ac5f465d
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
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
