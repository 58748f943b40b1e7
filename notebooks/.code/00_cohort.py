# Code view of 00_cohort.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
n_drawn = 25  # patients drawn without images, per population
n_per_disease = 8  # patients of each condition that has a pattern, for its recognition from true strain
n_without_twist = 2  # cines rendered again without twist
n_calibrated = 3  # cines for the difficulty of the cohort, at most one view of a patient
real_cine = ""  # a real cine to put beside the virtual ones; committed reports show none

# %% imports
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import cohort_realism, cohort_table, global_strain_table, recording_paths
from echotas.evaluation.cohort_files import wall_and_cavity_grey
from echotas.phantom import POPULATIONS
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.readers import read_cine
from echotas.report import Panel, correlation_bands, frame_panel, image_panels, strain_panels, style
from echotas.speckle import frame_to_frame_correlation
from echotas.store import read_recording

# %% setup
style.apply()
every = recording_paths(paths.data(), ["templates", *evaluation["cohorts"]])
cohort, refused = cohort_table(every)
cohort["path"] = [path for path in every if path.name not in refused]
run = runs.start(
    "simulation",
    "virtual cohort",
    params={"evaluation": evaluation},
    tags={"tracker": "none", "seed": seed, "chain": "cohort"},
    note=f"{len(cohort)} virtual recordings of {cohort['patient'].nunique()} patients.",
)
display(
    Markdown(
        f"{len(cohort)} recordings of {cohort['patient'].nunique()} virtual patients; {len(refused)} files refused."
    )
)
pd.Series(refused, name="refused because").to_frame() if refused else None

# %% who
assert cohort.groupby("patient")["cohort"].nunique().max() == 1, "a patient is in two cohorts"
display(
    cohort.groupby("cohort", sort=False)
    .agg(
        patients=("patient", "nunique"),
        recordings=("recording", "nunique"),
        hard_recordings=("stratum", lambda values: (values == "hard").sum()),
        frames=("n_frames", "mean"),
        frame_rate_hz=("frame_rate_hz", "mean"),
        heart_rate_bpm=("heart_rate_bpm", "mean"),
        gls_mean=("gls_true_percent", "mean"),
        gls_sd=("gls_true_percent", "std"),
    )
    .round(1)
)
cohort.pivot_table(index="cohort", columns="population", values="patient", aggfunc="nunique", fill_value=0, sort=False)

# %% size
shapes = cohort_realism.shape_values(n_drawn, seed)
display(
    Markdown(
        f"n = {n_drawn} virtual patients per population. {cohort_realism.shape_verdict(shapes)} {cohort_realism.shape_differences(shapes)}"
    )
)
cohort_realism.shape_table(shapes)

# %% look
chosen = cohort[cohort["cohort"] != "templates"].drop_duplicates(["view", "population", "quality"]).head(12)
panels = []
for row in chosen.itertuples():
    recording = read_recording(row.path)
    title = f"{row.view}, {row.population}, {row.quality}"
    panels.append(frame_panel(recording.cine, recording.cine.ed_frame, title, recording.mesh.points_px))
if real_cine:
    cine = read_cine(real_cine)
    panels.append(Panel(cine.frames[0], cine.spacing_mm, "real cine, for comparison"))
figure = image_panels(panels, title="virtual patients at end-diastole")
run.log_figure(figure, "gallery.png")
figure

# %% grey
grey = wall_and_cavity_grey(cohort.drop_duplicates("patient")["path"].head(8))
display(
    Markdown(
        f"Mean grey level of wall and cavity at ED: {grey['wall'].mean():.0f} and {grey['cavity'].mean():.0f} (n = {len(grey)} recordings); 101 and 67 in 499 CAMUS patients, a contrast of about 34 levels."
    )
)

# %% move
figure = strain_panels(
    cohort_realism.disease_curves(POPULATIONS, seed), title="true segment strain by population (virtual)"
)
run.log_figure(figure, "true_strain.png")
figure

# %% recognise
recognised = cohort_realism.recognition_table(n_per_disease, seed)
share = np.trace(recognised) / recognised.to_numpy().sum()
display(
    Markdown(
        f"{100 * share:.0f} % named correctly from their true strain, against the patterns that generated it "
        f"({len(recognised)} of {len(POPULATIONS)} conditions, n = {recognised.to_numpy().sum()} virtual patients; rows true, columns named)."
    )
)
recognised

# %% speckle
evaluated = cohort[cohort["cohort"] != "templates"]
coherence = cohort_realism.coherence_table(evaluated["path"])
example = read_recording(evaluated["path"].iloc[0])
figure = correlation_bands(
    {example.cine.recording_id: example.coherence},
    example.cine.times_s,
    example.cine.es_frame,
    title="correlation with end-systole, all mesh points (virtual)",
)
run.log_figure(figure, "decorrelation.png")
figure

# %% speckle-table
real = {"1 frames after ES": 0.87, "2 frames after ES": 0.78, "3 frames after ES": 0.69, "ED": 0.57}
real |= dict(zip(cohort_realism.PLACES, (0.71, 0.60, 0.46, 0.45, 0.51, 0.63), strict=True))
real_pairs = (0.72, 0.86, 0.92, 0.95, 0.98)
medians = coherence.drop(columns=["recording", "stratum"]).median()
by_stratum = coherence.drop(columns="recording").groupby("stratum").median()
neighbours = np.concatenate(
    [
        frame_to_frame_correlation(
            item.cine.frames, item.mesh.points_px[:, ::2], spacing_mm=item.cine.spacing_mm
        ).ravel()
        for item in map(read_recording, evaluated.drop_duplicates("patient")["path"].head(3))
    ]
)
frame_pairs = np.percentile(neighbours, [5, 25, 50, 75, 95])
display(
    Markdown(
        f"Frame to frame, 5th to 95th percentile: {np.round(frame_pairs, 2)}; one real loop: {', '.join(f'{value:.2f}' for value in real_pairs)}."
    )
)
pd.DataFrame({f"virtual, n = {len(coherence)}": medians, **by_stratum.T, "real": pd.Series(real)}).reindex(
    medians.index
).round(2)

# %% twist
first_views = evaluated.drop_duplicates("patient")["path"]
twist = cohort_realism.without_twist(first_views.head(n_without_twist), paths.work() / "response")
columns = ["1 frames after ES", "3 frames after ES", "ED"]
display(Markdown(f"n = {twist['recording'].nunique()} cines."))
twist.groupby("twist", sort=False)[columns].mean().round(2)

# %% difficulty
last_views = evaluated.drop_duplicates("patient", keep="last")["path"]
difficulty = cohort_realism.block_matching_bias(last_views.head(n_calibrated))
bias = difficulty["bias_percent"]
display(
    Markdown(
        f"`block_matching` under-estimates GLS by {bias.mean():.1f} points, SD {bias.std():.1f} (n = {len(bias)} recordings of {difficulty['patient'].nunique()} patients)."
    )
)
difficulty.groupby("stratum")["bias_percent"].agg(["count", "mean"]).round(1)

# %% readers
readings = global_strain_table([path for path in cohort["path"] if path.parent.name != "templates"], paths.work(), [])
wide = readings.pivot_table(index="recording", columns="start", values="gls_es")
difference = wide.iloc[:, 1] - wide.iloc[:, 0]
display(
    Markdown(
        f"GLS of the second minus the first observer on one recording: mean {difference.mean():+.2f}, SD {difference.std():.2f} points (n = {difference.count()} recordings); published between experts on one loop: SD 2.15."
    )
)

# %% record
numbers = record(
    "00_cohort",
    {
        "n_patients": int(cohort["patient"].nunique()),
        "n_recordings": len(cohort),
        "n_refused": len(refused),
        "wall_grey": float(grey["wall"].mean()),
        "cavity_grey": float(grey["cavity"].mean()),
        "diseases_recognised_share": float(share),
        "correlation_es_ed_median": float(medians["ED"]),
        "correlation_drop_three_frames": float(1 - medians["3 frames after ES"]),
        "correlation_frame_to_frame_median": float(frame_pairs[2]),
        "block_matching_bias": float(bias.mean()),
        "block_matching_n": len(bias),
        "observer_difference_sd": float(difference.std()),
    },
    run=run,
)
run.finish()
display(
    Markdown(
        f"{numbers['n_patients']} virtual patients in {numbers['n_recordings']} recordings. {cohort_realism.shape_verdict(shapes)} Median speckle correlation is {numbers['correlation_es_ed_median']:.2f} between end-systole and "
        f"end-diastole (real: {real['ED']:.2f}) and {numbers['correlation_frame_to_frame_median']:.2f} between frames (real: {real_pairs[2]:.2f}); in the three frames after end-systole {numbers['correlation_drop_three_frames']:.2f} is lost "
        f"(real: {1 - real['3 frames after ES']:.2f}). `block_matching` under-estimates GLS by {numbers['block_matching_bias']:.1f} points (SD {bias.std():.1f}, n = {numbers['block_matching_n']} recordings; "
        f"published means: 4.9 to 7.4). A rule names {100 * numbers['diseases_recognised_share']:.0f} % of the hearts with one of {len(recognised)} of the {len(POPULATIONS)} conditions, from their true strain and against the "
        "patterns that generated it. Virtual patients cannot tell you how a tracker does on a patient: anatomy, motion and artefacts are sampled from published distributions and one "
        "acoustic model, observers are a formula, and a trained eye still tells these images from real ones. Next: 02, the simulation strategies."
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
# echotas.evaluation.cohort_realism 6d04d0b02b9a9f9d
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
# echotas.phantom 99925f3c411af7a3
# echotas.phantom.anatomy fb184d1c3df6b655
# echotas.phantom.blood 32ee0127b8ab2b10
# echotas.phantom.cohort cdce1d76ae7cbd2c
# echotas.phantom.imaging 1ca6b4dfb9b807ee
# echotas.phantom.kinematics 6f89c9df00c3dfb6
# echotas.phantom.measure 35f73fb1bf90a32d
# echotas.phantom.observer 66d018b6f2acc4db
# echotas.phantom.pathology 132dd13235c971e1
# echotas.phantom.plans c80dd18fb3fc576e
# echotas.phantom.recognise 8f7fd6314b1da961
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
# echotas.readers f0a6b59154026d25
# echotas.readers.build 9e007d118213e36e
# echotas.readers.camus 74c05a3434327697
# echotas.readers.cardinal 41f7d5360b01ad7f
# echotas.readers.cfg cdd7ba7d0b85597d
# echotas.readers.contour 6354b94a26c5ef56
# echotas.readers.dicom e8c711c389167201
# echotas.readers.dicom_tags 84e08d1b4dc7b566
# echotas.readers.dispatch 80484e52c338c88f
# echotas.readers.echonet 3992f6bc7430ef89
# echotas.readers.echopac ed908307c3a7035b
# echotas.readers.errors ee1a52a8cc81e8f1
# echotas.readers.labelled bb3ca17aab7f1697
# echotas.readers.metaimage fc166de9cfc5da54
# echotas.readers.nifti 049ea2098823dd67
# echotas.readers.sector_estimate 4d7a615152bde040
# echotas.readers.ted eddea8df62e853fc
# echotas.readers.video b257687dfeff7d82
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
