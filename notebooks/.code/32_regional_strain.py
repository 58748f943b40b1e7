# Code view of 32_regional_strain.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
untrained = ["frozen", "oracle", "farneback"]
train_runs = []

# %% imports
import numpy as np
from IPython.display import Markdown, display

from echotas.evaluation import recording_paths, regional_summary, segment_strain_table
from echotas.evaluation.curves import (
    bullseye_accepted,
    bullseye_values,
    dispersion_ms,
    example_curves,
    most_regional_patient,
    timing_values,
)
from echotas.evaluation.cut_rule import cut_rule_table
from echotas.evaluation.detection import NORMAL_PERCENT, TERRITORIES, detection_summary
from echotas.evaluation.segment_pairs import PAIR_KINDS, segment_pair_summary, segment_pairs
from echotas.geometry.segments import SEGMENTS
from echotas.metrics.detection import MIN_PATIENTS
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record, record_rows
from echotas.report import bland_altman_grid, bullseyes, strain_curves, style, tracker_look
from echotas.report.bullseye import TIMING_SCALES
from echotas.report.estimate_panels import estimate_panels
from echotas.report.estimate_table import estimate_table
from echotas.report.tables import format_estimate
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
hearts = table.drop_duplicates("patient")["population"].value_counts()
display(
    Markdown(
        f"{len(trackers)} trackers and controls, {n}, {table.drop_duplicates(['recording', 'segment']).shape[0]} segments. "
        f"Patients by condition: {', '.join(f'{name} {count}' for name, count in hearts.items())}."
    ),
    Markdown(record_rows("32_regional_strain", table, run)),
)

# %% error
segment_columns = [("bias", "bias, points", 2), ("mae", "mean absolute error, points", 2), ("sd", "SD, points", 2)]
from_truth = table[table["start"] == "truth"]
summary = regional_summary(from_truth, seed, evaluation["n_resamples"])
estimate_table(summary, segment_columns)

# %% error-figure
figure = estimate_panels(
    summary,
    [("bias", "bias (points)"), ("mae", "mean absolute error (points)")],
    title=f"segment strain from the true line, {n}",
)
run.log_figure(figure, "segment_error.png")
figure

# %% observers
read = table[(table["start"] != "truth") & table["accepted"]]
same = read.groupby(["recording", "start", "segment"])["strain_es"].transform(lambda values: values.notna().all())
observed = regional_summary(read[same], seed, evaluation["n_resamples"])
estimate_table(observed, segment_columns)

# %% observers-figure
figure = estimate_panels(
    observed,
    [("bias", "bias (points)"), ("mae", "mean absolute error (points)")],
    title=f"segment strain from observers' lines, {n}",
)
run.log_figure(figure, "segment_error_from_observers.png")
figure

# %% place
by_level = from_truth.assign(
    error=(from_truth["strain_es"] - from_truth["true_strain_es"]).abs(), level=from_truth["segment"].str.split().str[0]
)
once = by_level[by_level["method"] == main].groupby("level")["patient"].agg(["size", "nunique"])
heads = {level: f"{level}, n = {row['size']} segments of {row['nunique']} patients" for level, row in once.iterrows()}
by_level.pivot_table(index="method", columns="level", values="error", sort=False).round(2).rename(columns=heads)

# %% cut
cut = cut_rule_table(recordings)
by_cut = cut.assign(level=cut["segment"].str.split().str[0], size=cut["difference"].abs()).groupby("level", sort=False)
by_cut["size"].agg(["mean", "max", "count"]).round(2).rename(
    columns={"mean": "mean absolute difference, points", "max": "largest, points", "count": "segments"}
)

# %% panels
pairs = segment_pairs(table, main)
names = [name for view in SEGMENTS.values() for name in view]


def panels(kind):
    chosen = pairs[pairs["kind"] == kind]
    if chosen.empty:
        return Markdown(f"No pairs of the kind {kind!r} in these cohorts.")
    groups = {name: chosen[chosen["segment"] == name] for name in names}
    first, second = (name.replace("tracker", main) for name in PAIR_KINDS[kind])
    figure = bland_altman_grid(
        {name: (group["value"].to_numpy(), group["reference"].to_numpy()) for name, group in groups.items()},
        title=f"segment strain, {first} against {second} (virtual)",
        names=(first, second),
        color=tracker_look("reader" if kind.startswith("readers") else main).color,
        patients={name: group["patient"].to_numpy() for name, group in groups.items()},
        row_names=[str(view) for view in SEGMENTS],
        seed=seed,
    )
    run.log_figure(figure, f"segment_bland_altman_{kind.replace(' ', '_')}.png")
    return figure


panels("truth")

# %% 2c2e25bb
panels("reader")

# %% e5bfdad2
panels("tracker observers")

# %% adc75a57
panels("readers observers")

# %% retest-tracker
panels("tracker test-retest")

# %% retest-readers
panels("readers test-retest")

# %% 2c4bcf46
in_numbers = segment_pair_summary(pairs).round(1) + 0  # no "-0.0"
in_numbers[[kind for kind in ("truth", "reader") if kind in in_numbers]]

# %% pairs-repeated
in_numbers.drop(columns=["truth", "reader"], level=0, errors="ignore")

# %% patient
patient, paths_of_patient = most_regional_patient(recordings, table)
recording = read_recording(paths_of_patient[0])
who = f"{patient} (virtual, {recording.cine.meta.get('population', '')})"
shown = ["truth", main, "reader"]
accepted = bullseye_accepted(table, paths_of_patient, shown)
figure = bullseyes(bullseye_values(table, paths_of_patient, shown), accepted, title=who)
run.log_figure(figure, "bullseyes.png")
figure

# %% timing
timing = timing_values(paths_of_patient, tracks, shown)
figure = bullseyes(timing["time_to_peak_ms"], accepted, title=who, **TIMING_SCALES["time_to_peak_ms"])
run.log_figure(figure, "bullseyes_time_to_peak.png")
figure

# %% post-systolic
figure = bullseyes(timing["post_systolic_percent"], accepted, title=who, **TIMING_SCALES["post_systolic_percent"])
run.log_figure(figure, "bullseyes_post_systolic.png")
figure

# %% dispersion
spread = {name: dispersion_ms(timing["time_to_peak_ms"][name], accepted[name]) for name in shown}
display(
    Markdown(
        "Mechanical dispersion (SD of the time to peak): "
        + ", ".join(f"{name} {value:.0f} ms ({count} of 18 segments)" for name, (value, count) in spread.items())
        + f"; segments that never shorten or that the reader rejected are left out, one frame is {1000 / recording.cine.frame_rate:.0f} ms."
    )
)

# %% patient-curves
curves = example_curves(paths_of_patient[0], tracks, [main])
figure = strain_curves(
    curves[main],
    recording.cine.view,
    reference=curves["truth"],
    title=f"{main}, {paths_of_patient[0].stem} (virtual)",
    es_name="ES (AVC)",
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
found = estimate_table(detection, called, higher=["sensitivity", "specificity", "auc"])
found.insert(2, "impaired", detection["n_impaired"].map("{:.0f}".format))
found.insert(3, "in patients", detection["n_patients_impaired"].map("{:.0f}".format))
found

# %% detect-territory
by_territory = detection_summary(table, seed, evaluation["n_resamples"], by_territory=True)
counts = by_territory.loc[main]
enough = [name for name in TERRITORIES if counts["n_patients_impaired"].get(name, 0) > 1]
if len(enough) < len(TERRITORIES):
    impaired_in = ", ".join(
        f"{name} {row['n_impaired']:.0f} in {row['n_patients_impaired']:.0f}" for name, row in counts.iterrows()
    )
    display(
        Markdown(
            f"By coronary artery (the AHA's map of segments) detection cannot be estimated for {', '.join(name for name in TERRITORIES if name not in enough)}: "
            f"the impaired segments belong to {first['n_patients_impaired']:.0f} patients, by artery {impaired_in}, and one patient's wall says nothing about an artery."
        )
    )
if enough:
    heads = {
        name: f"AUC {name} ({counts.loc[name, 'n_impaired']:.0f} impaired in {counts.loc[name, 'n_patients_impaired']:.0f} patients)"
        for name in enough
    }
    display(by_territory["auc"].unstack().reindex(index=detection.index)[enough].round(2).rename(columns=heads))

# %% record
keys = ("bias", "bias_low", "bias_high", "mae", "mae_low", "mae_high", "sd", "n")
against_truth = {
    "segment_strain_es_against_truth": summary,
    "segment_strain_es_from_observers_against_truth": observed,
}
numbers = record(
    "32_regional_strain",
    {
        "n_patients": int(table["patient"].nunique()),
        "n_recordings": int(table["recording"].nunique()),
        **{
            name: {method: {key: float(row[key]) for key in keys} for method, row in rows.iterrows()}
            for name, rows in against_truth.items()
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
controls = [name for name in ("frozen", "oracle", "mean_motion") if name in summary.index]
best = summary.drop(index=controls)["mae"].idxmin()
best_observed = observed.drop(index=[*controls, "reader"])["mae"].idxmin()
off = {
    name: format_estimate(row["mae"], row["mae_low"], row["mae_high"], 1)
    for name, row in [*summary.add_prefix("true ", axis=0).iterrows(), *observed.iterrows()]
}
half = np.mean(np.abs(list(NORMAL_PERCENT.values()))) / 2
display(
    Markdown(
        f"Mean absolute error of a segment, {n}. From the true line: **{off[f'true {best}']} points** with the best tracker ({best}), {off[f'true {main}']} with {main}. "
        f"From the observers' lines, the same {observed.loc[main, 'n']:.0f} readings for all: {off[best_observed]} with the best tracker ({best_observed}), {off[main]} with {main}, "
        f"{off['reader']} with the simulated readers' own software, and {off['oracle']} with the oracle, which is what lines and frames cost alone. "
        f"A segment at half its normal strain is about {half:.0f} points away from normal."
    ),
    Markdown(
        f"Of {first['n_impaired']:.0f} segments at less than half their normal strain, in {first['n_patients_impaired']:.0f} patients, {main} finds {first['n_impaired'] * first['sensitivity']:.0f}"
        + (
            f"; with fewer than {MIN_PATIENTS} such patients no interval can be given, and the rate says nothing about other patients."
            if first["n_patients_impaired"] < MIN_PATIENTS
            else "."
        )
    ),
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
# echotas.acoustics.fast 9eff20e48a12085a
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
# echotas.evaluation.curves c81810714963725b
# echotas.evaluation.cut_rule 3d866924da02ccff
# echotas.evaluation.detection 9359921ee5e077ba
# echotas.evaluation.failures 18452a4e15a026ef
# echotas.evaluation.profiles 37f59cca90959d57
# echotas.evaluation.segment_pairs 3900b8aa2c33202a
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
# echotas.report.style 1f272ada85ef8f3e
# echotas.report.tables 03a6739a358ecdf5
# echotas.seeds a6ab06202579f3ce
# echotas.speckle be0169b9741258f0
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
