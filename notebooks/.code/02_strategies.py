# Code view of 02_strategies.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
seed = 0
simulation = {"density_per_wavelength2": 2.5, "rank": 6, "correlation_stride": 3}
evaluation = {"cohorts": ["V-HUNT-A"], "n_resamples": 200}
n_templates = 3
template_file = ""  # a video or DICOM file to use as the only template
template_contour = ""  # its centre line at end-systole (CSV), base -> apex -> base
template_spacing_mm = 0.0  # its pixel size, if the file does not say

# %% imports
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from joblib import Parallel, delayed

from echotas.engine import read_motion
from echotas.engine.own_template import own_template
from echotas.evaluation import recording_paths
from echotas.evaluation.summaries import mean_summary
from echotas.pipeline import paths, runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.progress import Progress
from echotas.report import Panel, correlation_bands, format_estimate, image_panels, style
from echotas.simulation import STRATEGIES, SimulationConfig, simulate_sequence
from echotas.store import read_recording

# %% setup
style.apply()
config = SimulationConfig(**simulation)
if template_file:
    templates = [own_template(template_file, template_contour, template_spacing_mm or None)]
else:
    files = recording_paths(paths.data(), ["templates"])[::2][:n_templates]
    templates = [
        (read_recording(path).cine, read_motion(paths.work() / "engine" / "masks" / "motion" / path.name))
        for path in files
    ]
kind = "own" if template_file else "virtual"
display(Markdown(f"{len(templates)} {kind} templates: {', '.join(cine.recording_id for cine, _ in templates)}."))

# %% simulate
cases = [(cine, motion, strategy) for cine, motion in templates for strategy in STRATEGIES]
simulate = delayed(partial(simulate_sequence, config=config, seed=seed, measure_template=True))
results, rows = {}, []
with Progress("simulate S1, S2, S3", len(cases)) as progress:
    made = Parallel(n_jobs=-1, return_as="generator")(
        simulate(*case, cache_dir=paths.work() / "response") for case in cases
    )
    for (cine, _, strategy), result in zip(cases, made, strict=True):
        results[cine.recording_id, strategy] = result
        rows.append(
            {
                "template": cine.recording_id,
                "patient": cine.patient_id,
                "strategy": strategy,
                "error": result.realism_mae,
                "at_ed": float(np.median(result.correlation_simulated[cine.ed_frame])),
            }
        )
        progress.update(len(rows), f"{cine.recording_id} {strategy}")
table = pd.DataFrame(rows)
for strategy in STRATEGIES:
    with runs.start(
        "simulation",
        f"{strategy} | {len(templates)} {kind} templates | seed {seed}",
        params={"simulation": simulation},
        tags={"chain": strategy, "strategy": strategy, "seed": seed},
        note=f"Realism of {strategy} on {kind} templates.",
    ) as run:
        run.log_metrics({"correlation_error": float(table.loc[table["strategy"] == strategy, "error"].mean())})

# %% look
cine, motion = templates[0]
frame = (cine.es_frame + cine.n_frames // 2) % cine.n_frames
panels = [Panel(cine.frames[frame], cine.spacing_mm, f"template ({kind})")]
panels += [Panel(results[cine.recording_id, s].cine.frames[frame], cine.spacing_mm, s) for s in STRATEGIES]
figure = image_panels(panels, title=f"{cine.recording_id}, frame {frame}")
figure

# %% curves
curves = {"real": results[cine.recording_id, "S2"].correlation_template} | {
    s: results[cine.recording_id, s].correlation_simulated for s in STRATEGIES
}
figure = correlation_bands(
    curves, cine.times_s, cine.es_frame, title=f"{cine.recording_id}: 'real' is the {kind} template"
)
figure

# %% error
summary = mean_summary(table.assign(tracker=table["strategy"]), ["error", "at_ed"], seed, evaluation["n_resamples"])
by_template = table.pivot(index="strategy", columns="template", values="error")
pd.DataFrame(
    {
        s: {
            "correlation error": format_estimate(row["error"], row["error_low"], row["error_high"], 3),
            "median correlation at ED": f"{row['at_ed']:.2f}",
            **{name: f"{value:.3f}" for name, value in by_template.loc[s].items()},
        }
        for s, row in summary.iterrows()
    }
).T

# %% record
run = runs.start(
    "simulation",
    f"S1, S2, S3 compared | {len(templates)} {kind} templates",
    params={"simulation": simulation},
    tags={"chain": "S1, S2, S3", "seed": seed},
    note="Figures and table of notebook 02.",
)
run.log_figure(figure, "decorrelation.png")
numbers = record(
    "02_strategies" if not template_file else "02_strategies-own",
    {
        "n_templates": len(templates),
        "strategies": {
            s: {"error": row["error"], "low": row["error_low"], "high": row["error_high"], "at_ed": row["at_ed"]}
            for s, row in summary.iterrows()
        },
    },
    run=run,
    allow_nan=True,
)
run.finish()
ranked = summary["error"].sort_values().index
same = int((by_template.loc[ranked].diff().iloc[1:] > 0).all().sum())
display(
    Markdown(
        f"Correlation error on {len(templates)} {kind} templates, smallest first: **{' < '.join(ranked)}** ("
        + ", ".join(f"{s} {value:.3f}" for s, value in summary["error"].items())
        + f"); the same order in {same} of them. "
        + (
            "One cine of your own: its motion is the one tracked here, and its speckle may be finer or coarser than the simulated scan's. "
            if template_file
            else "The templates are virtual and their decorrelation has its own cause (motion through the elevation beam), so this tests the strategies and not the realism of the templates. "
        )
        + "Next: 03, what the data engine makes of it."
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
# echotas.engine 4626fb239f9b6adf
# echotas.engine.items 7d665560607d13ad
# echotas.engine.motion_error 8c25453382fa4d35
# echotas.engine.own_template b6b1778d98ca510a
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
# echotas.simulation aa72e2d541c5f34d
# echotas.simulation.backscatter e0806f5802224051
# echotas.simulation.coherence 7f60c31705b3d640
# echotas.simulation.config 4968f7d58f7aad90
# echotas.simulation.engine 6a9447cdeeaa70f2
# echotas.simulation.imaging d9b9c06a07c302ce
# echotas.simulation.scatterers cf0dca36b78ffebb
# echotas.simulation.scene b0093f71c826431d
# echotas.simulation.strategies 7744216814d81794
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
