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
from echotas.pipeline.metrics_file import record
from echotas.report import style
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.report.published import TAS_NET_TABLE_III

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
(paths.reports() / "tables").mkdir(parents=True, exist_ok=True)
table.round(4).to_csv(paths.reports() / "tables" / "30_motion.csv", index=False)
display(Markdown(f"{len(trackers)} trackers and controls, {n}; cohorts {', '.join(evaluation['cohorts'])}."))

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
comparison["relative_percent"] = 100 * (summary.loc[comparison.index, "mte_mm"] / summary.loc[null, "mte_mm"] - 1)
comparison.round(3)

# %% peers
peers = mean_summary(peer_table(recordings, paths.work() / "tracks", trackers), list(PEER_MEASURES), seed, 200)
estimate_table(
    peers,
    [(key, head, 1 if key.endswith("percent") else 2) for key, head in PEER_MEASURES.items()],
    higher=[key for key in PEER_MEASURES if key.endswith("percent")],
).T

# %% strata
by_stratum = table.pivot_table(index="tracker", columns="stratum", values="mte_mm", sort=False).round(2)
by_stratum.columns = [
    f"{name}, n = {table.loc[table['stratum'] == name, 'recording'].nunique()}" for name in by_stratum.columns
]
by_stratum

# %% views
by_view = table.pivot_table(index="tracker", columns="view", values="mte_mm", sort=False)
by_population = table.pivot_table(index="tracker", columns="population", values="mte_mm", sort=False)
display(pd.concat({"view": by_view, "population": by_population}, axis=1).round(2))
counts = table[table["tracker"] == trackers[0]]
display(
    Markdown(
        "Recordings behind each column: "
        + ", ".join(
            f"{key} {value}"
            for column in ("view", "population")
            for key, value in counts[column].value_counts(sort=False).items()
        )
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
        "against_null_percent": {name: float(value) for name, value in comparison["relative_percent"].items()},
    },
    run=run,
    allow_nan=True,
)
run.finish()
ranked = summary.drop(
    index=[name for name in ("frozen", "oracle", "mean_motion") if name in summary.index]
).sort_values("mte_mm")
below = ", ".join(f"{name} {value:+.0f} %" for name, value in numbers["against_null_percent"].items())
display(
    Markdown(
        f"On {n}, the lowest mean error is **{ranked.index[0]}**'s, {ranked['mte_mm'].iloc[0]:.2f} mm "
        f"[{ranked['mte_mm_low'].iloc[0]:.2f}, {ranked['mte_mm_high'].iloc[0]:.2f}]. Against the {null} control "
        f"({summary.loc[null, 'mte_mm']:.2f} mm): {below}. "
        "This ranks trackers on simulated speckle with exact motion; it does not show what they do on patients. Next: 31, what the errors do to strain."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.failures 59d368e35bffa0dd
# echotas.evaluation.peer_measures e1c60af5211fc9d9
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
# echotas.report.bland_altman 26563db41e81fd00
# echotas.report.bullseye 967c165ea365e533
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
