# Code view of 50_leaderboard.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
untrained = ["frozen", "oracle", "farneback"]
train_runs = []

# %% imports
import json

import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation.leaderboard import COLUMNS, CONTROLS, leaderboard_rows
from echotas.pipeline import paths, runs
from echotas.report import leaderboard_markdown, style
from echotas.report.scatter import accuracy_and_speed

# %% setup
style.apply()
names = [*untrained, *(item["name"] for item in train_runs)]
metrics = paths.reports() / "metrics"
read = {
    name: json.loads((metrics / f"{name}.json").read_text())
    for name in ("30_motion", "31_global_strain", "32_regional_strain", "40_speed")
}
trained = {item["name"]: json.loads((metrics / f"10_train-{item['name']}.json").read_text()) for item in train_runs}
tracked = {name: json.loads((metrics / f"20_track-{name}.json").read_text()) for name in names}
run = runs.start(
    "benchmark",
    "leaderboard",
    params={"trackers": names},
    tags={"tracker": "all"},
    note="The one table, built from the recorded numbers.",
)

# %% table
rows = leaderboard_rows(names, read, tracked)
table = leaderboard_markdown(rows, COLUMNS, sort_by="mte_mm")
display(Markdown(table.replace("](reports/", "](")))

# %% figure
figure = accuracy_and_speed([row for row in rows if row["name"] not in CONTROLS])
run.log_figure(figure, "accuracy_and_speed.png")
figure

# %% write
(paths.reports() / "leaderboard.md").write_text(table, encoding="utf-8")
pd.DataFrame(rows).drop(columns=["tracker"]).to_csv(
    paths.reports() / "leaderboard.csv", index=False, float_format="%.4f"
)
ranked = sorted((row for row in rows if row["name"] not in CONTROLS), key=lambda row: row["mte_mm"])
run.log_metrics({f"mte_mm.{row['name']}": row["mte_mm"] for row in rows})
run.finish()
steps = ", ".join(
    f"{name} {item['n_steps']} steps on {item['n_training_cines']} cines"
    for name, item in trained.items()
    if item["n_steps"]
)
by_strain = min(ranked, key=lambda row: row["gls_mae"])
display(
    Markdown(
        f"On {read['30_motion']['n_patients']} virtual patients **{ranked[0]['name']}** has the lowest mean error ({ranked[0]['mte_mm']:.2f} mm) and **{by_strain['name']}** the lowest GLS error "
        f"({by_strain['gls_mae']:.2f} points). Trained here: {steps or 'nothing'}. With this few patients most neighbours in the table are not told apart: look at the intervals."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.leaderboard 5cd741dc05fd923b
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
# echotas.report.scatter d20ee3979e743a17
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
