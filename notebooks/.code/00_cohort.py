# Code view of 00_cohort.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
n_correlated = 2  # cines for the decorrelation curves
real_cine = ""  # a real cine to put beside the virtual ones; committed reports show none

# %% imports
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from echotas.evaluation import cohort_table, global_strain_table, recording_paths
from echotas.evaluation.cohort_files import wall_and_cavity_grey
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.readers import read_cine
from echotas.report import Panel, correlation_bands, frame_panel, global_curves, image_panels, style
from echotas.speckle import correlation_curves, frame_to_frame_correlation
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
        frames=("n_frames", "mean"),
        heart_rate_bpm=("heart_rate_bpm", "mean"),
        gls_mean=("gls_true_percent", "mean"),
        gls_sd=("gls_true_percent", "std"),
    )
    .round(1)
)
cohort.pivot_table(index="cohort", columns="population", values="patient", aggfunc="nunique", fill_value=0, sort=False)

# %% look
chosen = cohort[cohort["cohort"] != "templates"].drop_duplicates(["view", "population"]).head(8)
panels = []
for row in chosen.itertuples():
    recording = read_recording(row.path)
    panels.append(
        frame_panel(recording.cine, recording.cine.ed_frame, f"{row.view}, {row.population}", recording.mesh.points_px)
    )
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
by_population = cohort[cohort["cohort"] != "templates"].drop_duplicates("population")
figure = global_curves(
    {row.population: read_recording(row.path).truth for row in by_population.itertuples()},
    title="true global strain by population (virtual)",
)
run.log_figure(figure, "true_strain.png")
figure

# %% speckle
correlated = cohort[cohort["cohort"] != "templates"].drop_duplicates("patient").head(n_correlated)
curves, to_ed, neighbours = {}, [], []
for row in correlated.itertuples():
    recording = read_recording(row.path)
    cine = recording.cine
    curve = correlation_curves(
        cine.frames, recording.mesh.points_px, cine.es_frame, spacing_mm=cine.spacing_mm, stride=2
    )
    curves[row.recording] = (curve, cine)
    to_ed.append(curve[cine.ed_frame].ravel())
    neighbours.append(
        frame_to_frame_correlation(cine.frames, recording.mesh.points_px, spacing_mm=cine.spacing_mm).ravel()
    )
first, cine = next(iter(curves.values()))
figure = correlation_bands(
    {next(iter(curves)): first},
    cine.times_s,
    cine.es_frame,
    title="correlation with end-systole, all mesh points (virtual)",
)
run.log_figure(figure, "decorrelation.png")
figure

# %% speckle-table
def quantiles(values):
    return np.percentile(np.concatenate(values), [5, 25, 50, 75, 95])


pd.DataFrame(
    {
        f"ES to ED, virtual (n = {len(to_ed)} recordings)": quantiles(to_ed),
        "ES to ED, 167 real A4C loops": [0.23, 0.42, 0.57, 0.70, 0.84],
        f"frame to frame, virtual (n = {len(to_ed)})": quantiles(neighbours),
        "frame to frame, one real A4C loop": [0.72, 0.86, 0.92, 0.95, 0.98],
    },
    index=["p5", "p25", "median", "p75", "p95"],
).T.round(2)

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
es_ed, frame_pairs = quantiles(to_ed), quantiles(neighbours)
numbers = record(
    "00_cohort",
    {
        "n_patients": int(cohort["patient"].nunique()),
        "n_recordings": len(cohort),
        "n_refused": len(refused),
        "wall_grey": float(grey["wall"].mean()),
        "cavity_grey": float(grey["cavity"].mean()),
        "correlation_es_ed_median": float(es_ed[2]),
        "correlation_frame_to_frame_median": float(frame_pairs[2]),
        "observer_difference_sd": float(difference.std()),
    },
    run=run,
)
run.finish()
display(
    Markdown(
        f"{numbers['n_patients']} virtual patients in {numbers['n_recordings']} recordings. Median speckle correlation is {numbers['correlation_es_ed_median']:.2f} between end-systole and "
        f"end-diastole (real: 0.57) and {numbers['correlation_frame_to_frame_median']:.2f} between frames (real: 0.92). "
        "They cannot tell you how a tracker does on a patient: anatomy, motion and artefacts are sampled from published distributions and one "
        "acoustic model, observers are a formula, and nothing here was compared with a clinician. Next: 02, the simulation strategies."
    )
)

# %% library
# echotas a757a6ea3e0c7793
# echotas.evaluation 1a88cc59fd944937
# echotas.evaluation.cohort_files 75a966d373ea8c87
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
# echotas.records a933352ac1d7dc86
# echotas.report 3032fd0b6f03c03c
# echotas.report.bland_altman d0bc34e7073122b9
# echotas.report.bullseye 7cc36c8ffcef40d3
# echotas.report.cine b6e472e5f28cfb38
# echotas.report.correlation_curves 9d8591ddfeb8ff62
# echotas.report.curves ee157656f3abbb72
# echotas.report.intervals 254d88d92ff4183c
# echotas.report.learning a6fc0aac7e815966
# echotas.report.m_mode 2f57ee3ee04ee101
# echotas.report.movies 1f6c1966584ab946
# echotas.report.overlay 2943d7feb9d2185a
# echotas.report.style 1869e9c2e0bb32cf
# echotas.report.tables 2908e60b8569edee
# echotas.seeds 10083860965dc54e
# echotas.speckle be0169b9741258f0
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
