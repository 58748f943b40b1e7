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
from echotas.evaluation.cut_rule import cut_rule_table
from echotas.evaluation.detection import detection_summary
from echotas.evaluation.segment_pairs import PAIR_KINDS, segment_pair_summary, segment_pairs
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

# %% cut
cut = cut_rule_table(recordings)
by_cut = cut.assign(level=cut["segment"].str.split().str[0], size=cut["difference"].abs()).groupby("level", sort=False)
by_cut["size"].agg(["mean", "max", "count"]).round(2).rename(
    columns={"mean": "mean difference, points", "max": "largest", "count": "segments"}
)

# %% panels
pairs = segment_pairs(table, main)
names = [name for view in SEGMENTS.values() for name in view]


def panels(kind):
    groups = {name: pairs[(pairs["kind"] == kind) & (pairs["segment"] == name)] for name in names}
    first, second = (name.replace("tracker", main) for name in PAIR_KINDS[kind])
    figure = bland_altman_grid(
        {name: (group["value"].to_numpy(), group["reference"].to_numpy()) for name, group in groups.items()},
        title=f"segment strain, {first} against {second}",
        names=(first, second),
        color=tracker_look("reader" if kind == "readers" else main).color,
    )
    run.log_figure(figure, f"segment_bland_altman_{kind}.png")
    return figure


panels("truth")

# %% 2c2e25bb
panels("reader")

# %% e5bfdad2
panels("tracker")

# %% adc75a57
panels("readers")

# %% 2c4bcf46
segment_pair_summary(pairs).round(1)

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

# %% detect
detection = detection_summary(table, seed, evaluation["n_resamples"])
first = detection.loc[main]  # a tracker: each segment once; readers count each of their readings
display(
    Markdown(
        f"{first['n_impaired']:.0f} impaired segments of {first['n']:.0f}, in {first['n_patients_impaired']:.0f} of {first['n_patients']:.0f} virtual patients."
    )
)
called = [("sensitivity", "sensitivity", 2), ("specificity", "specificity", 2), ("auc", "AUC", 2)]
estimate_table(detection, called, higher=["sensitivity", "specificity", "auc"])

# %% detect-territory
by_territory = detection_summary(table, seed, evaluation["n_resamples"], by_territory=True)["auc"].unstack()
counts = detection_summary(table, seed, 1, by_territory=True)["n_impaired"].unstack().loc[main]
by_territory.columns = [f"AUC {name} ({counts[name]:.0f} impaired)" for name in by_territory.columns]
by_territory.reindex(detection.index).round(2)

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
        "detection_of_impaired_segments": {
            name: {key: float(row[key]) for key in ("n_impaired", "sensitivity", "specificity", "auc")}
            for name, row in detection.iterrows()
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
        f"Of {first['n_impaired']:.0f} segments at less than half their normal strain {main} finds {100 * detection.loc[main, 'sensitivity']:.0f} %, the observers' own lines {100 * detection.loc['reader', 'sensitivity']:.0f} % of their {detection.loc['reader', 'n_impaired']:.0f} readings of them; "
        f"with {first['n_patients_impaired']:.0f} patients behind them, no interval means much."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.acoustics 3edacb31243c1c4b
# echotas.acoustics.beamform 98e837ac9423a2f1
# echotas.acoustics.bmode b8b3738eb70c8a9f
# echotas.acoustics.chebyshev 6c328b745ac257d2
# echotas.acoustics.element 570a1124eac61ed1
# echotas.acoustics.elevation 44034427b97767c1
# echotas.acoustics.engine d3f3c9a72b2da127
# echotas.acoustics.exact 06bad8406b78a0ff
# echotas.acoustics.fast 107fadf85ef0bf35
# echotas.acoustics.lens 1a8d37e5fc67d081
# echotas.acoustics.noise 37933b18233bec78
# echotas.acoustics.patches bd2cbe7f8629f5f6
# echotas.acoustics.probe 3a26189800cc63db
# echotas.acoustics.pulse eb05ee0d46132f00
# echotas.acoustics.response 93634f4d37cfb851
# echotas.acoustics.reverberation 86ebf902eb9c84d3
# echotas.acoustics.scan a00ee493690bf87a
# echotas.acoustics.scan_conversion 0aa5bf65cac752f0
# echotas.acoustics.scatterers ec1e73ce5512cebe
# echotas.acoustics.splat ad08321d41c54bf2
# echotas.evaluation 194717b82b9342a6
# echotas.evaluation.cohort_files a848bebe57b6abf3
# echotas.evaluation.curves b40f6f172b79b06e
# echotas.evaluation.cut_rule 0ce1a5398b26a89a
# echotas.evaluation.detection 9359921ee5e077ba
# echotas.evaluation.failures 59d368e35bffa0dd
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.segment_pairs 99f657d9ad6ab8f6
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
# echotas.phantom 99925f3c411af7a3
# echotas.phantom.anatomy fb184d1c3df6b655
# echotas.phantom.blood 32ee0127b8ab2b10
# echotas.phantom.cohort cdce1d76ae7cbd2c
# echotas.phantom.imaging 1ca6b4dfb9b807ee
# echotas.phantom.kinematics 6f89c9df00c3dfb6
# echotas.phantom.observer 66d018b6f2acc4db
# echotas.phantom.pathology 132dd13235c971e1
# echotas.phantom.plans c80dd18fb3fc576e
# echotas.phantom.scanner e7abe66def3fb781
# echotas.phantom.settings e35a7b4f370fa176
# echotas.phantom.surroundings 122522bbd966d6ad
# echotas.phantom.timing 074843adb40e8f56
# echotas.phantom.tissue 96bcff3f891ca286
# echotas.phantom.truth 9dba6297b57f0e86
# echotas.phantom.views 28579d8bd73eaa29
# echotas.phantom.wall_shape 556fe56d9887dd5d
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
# echotas.report.style d63c271e316f1cd9
# echotas.report.tables 2908e60b8569edee
# echotas.seeds a6ab06202579f3ce
# echotas.speckle be0169b9741258f0
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
