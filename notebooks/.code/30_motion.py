# Code view of 30_motion.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
untrained = ["frozen", "oracle", "farneback"]
train_runs = []

# %% imports
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import compare_with, motion_summary, motion_table, recording_paths
from echotas.evaluation.peer_measures import PEER_MEASURES, peer_table
from echotas.evaluation.summaries import mean_summary
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record, record_rows
from echotas.report import style
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.report.published import TAS_NET_TABLE_III
from echotas.report.tables import format_estimate

# %% setup
style.apply()
trackers = [*untrained, *(item["name"] for item in train_runs)]
recordings = recording_paths(paths.data(), evaluation["cohorts"])
table = motion_table(recordings, paths.work() / "tracks", trackers)
n = f"{table['recording'].nunique()} recordings of {table['patient'].nunique()} virtual patients"
run = runs.start(
    "benchmark",
    "all trackers | motion",
    params={"evaluation": evaluation, "trackers": trackers},
    tags={"tracker": "all", "seed": seed},
    note=f"Motion error of {len(trackers)} trackers on {n}.",
)
display(Markdown(f"{len(trackers)} trackers and controls, {n}; cohorts {', '.join(evaluation['cohorts'])}."))
display(Markdown(record_rows("30_motion", table, run)))

# %% overall
summary = motion_summary(table, seed, evaluation["n_resamples"])
estimate_table(
    summary,
    [
        ("mte_mm", "mean error, mm", 2),
        ("ed_error_mm", "at ED, mm", 2),
        ("p95_mm", "95th percentile, mm", 2),
        ("along_mm", "along the wall, mm", 2),
        ("across_mm", "across, mm", 2),
        ("folds_percent", "recordings with folds, %", 0),
    ],
)

# %% overall-figure
figure = estimate_panels(
    summary,
    [("mte_mm", "mean error (mm)"), ("p95_mm", "95th percentile (mm)"), ("along_mm", "along the wall (mm)")],
    title=n,
)
run.log_figure(figure, "motion_error.png")
figure

# %% null
null = "mean_motion" if "mean_motion" in trackers else "frozen"
others = [name for name in trackers if name not in ("frozen", "oracle", null)]
comparison = compare_with(table, "mte_mm", null, others)
estimate_table(
    comparison,
    [
        ("relative_percent", "mean error against the control, %", 0),
        ("shift", "shift, mm", 2),
        ("p_holm", "p, Holm", 3),
        ("p_least", "smallest possible p", 3),
    ],
    warn=False,
)

# %% rivals
ranked = summary.drop(
    index=[name for name in ("frozen", "oracle", "mean_motion") if name in summary.index]
).sort_values("mte_mm")
rivals = compare_with(table, "mte_mm", ranked.index[0], list(ranked.index[1:]))
rivals_shown = [("shift", f"shift against {ranked.index[0]}, mm", 2), ("p_holm", "p, Holm", 3)]
estimate_table(rivals, [*rivals_shown, ("p_least", "smallest possible p", 3)], warn=False)

# %% peers
peer_rows = peer_table(recordings, paths.work() / "tracks", trackers)
display(Markdown(record_rows("30_peers", peer_rows, run)))
peers = mean_summary(peer_rows, list(PEER_MEASURES), seed, evaluation["n_resamples"])
estimate_table(
    peers,
    [(key, head, 1 if key.endswith("percent") else 2) for key, head in PEER_MEASURES.items()],
    higher=[key for key in PEER_MEASURES if key.endswith("percent")],
).T

# %% strata
by_stratum = {
    f"{name}, patients: {part['patient'].nunique()}, recordings: {part['recording'].nunique()}": mean_summary(
        part, ["mte_mm"], seed, evaluation["n_resamples"]
    )
    for name, part in table.groupby("stratum", sort=False)
}
pd.concat(
    {name: estimate_table(part, [("mte_mm", "", 2)], warn=False)[""] for name, part in by_stratum.items()},
    axis=1,
)

# %% views
by_view = table.pivot_table(index="tracker", columns="view", values="mte_mm", sort=False)
by_population = table.pivot_table(index="tracker", columns="population", values="mte_mm", sort=False)
display(pd.concat({"view": by_view, "population": by_population}, axis=1).round(2))
counts = table[table["tracker"] == trackers[0]]
display(
    Markdown(
        "Behind each column: "
        + ", ".join(
            f"{key} {len(part)} recordings of {part['patient'].nunique()} patients"
            for column in ("view", "population")
            for key, part in counts.groupby(column, sort=False)
        )
        + "."
    )
)

# %% published
TAS_NET_TABLE_III

# %% record
numbers = record(
    "30_motion",
    {
        "n_patients": int(table["patient"].nunique()),
        "n_recordings": int(table["recording"].nunique()),
        "pixel_mm": 0.5,
        "trackers": {
            name: {
                key: float(row[key])
                for key in (
                    "mte_mm",
                    "mte_mm_low",
                    "mte_mm_high",
                    "ed_error_mm",
                    "p95_mm",
                    "along_mm",
                    "across_mm",
                    "folds_percent",
                )
            }
            for name, row in summary.iterrows()
        },
        "null": null,
        "against_null": {
            name: {key: float(row[key]) for key in ("relative_percent", "shift", "shift_low", "shift_high", "p_holm")}
            for name, row in comparison.iterrows()
        },
        "against_best": {
            name: {key: float(row[key]) for key in ("shift", "shift_low", "shift_high", "p_holm")}
            for name, row in rivals.iterrows()
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
below = ", ".join(f"{name} {row['relative_percent']:+.0f} %" for name, row in numbers["against_null"].items())
alike = [name for name, row in rivals.iterrows() if row["p_holm"] > 0.05]
display(
    Markdown(
        f"On {n}, the lowest mean error is **{ranked.index[0]}**'s, {format_estimate(*ranked[['mte_mm', 'mte_mm_low', 'mte_mm_high']].iloc[0])} mm; "
        f"these patients do not tell it from {', '.join(alike) or 'nobody'} (Holm over {len(rivals)}, smallest possible p {rivals['p_least'].iloc[0]:.3f}). "
        f"Against the {null} control ({summary.loc[null, 'mte_mm']:.2f} mm over recordings), by patients: {below}. "
        "This ranks trackers on simulated speckle with exact motion; it does not show what they do on patients. Next: 31, what the errors do to strain."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.peer_measures 5145ca52d0ba3205
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
