# Code view of 90_your_cine.ipynb: made from the notebook, not to be edited.

# %% params [parameters]
file = ""  # video, DICOM or recording; empty: a virtual cine
contour = ""  # CSV of the centre line; empty only with the virtual cine
spacing_mm = 0.0  # pixel size where the file states none; 0: unknown
view = ""  # A2C, A3C or A4C; names the segments
es_frame = -1  # end-systole; -1: the contour's frame
ed_frame = -1  # end-diastole; -1: the file's own, or found (the report says how)
end_frame = -1  # next end-diastole; -1: the file's own, or unknown (then no drift is stated)
tracker = "tas_net_released"  # or lucas_kanade_mesh, which has learned nothing
rejected = []  # segments to leave out of GLS, e.g. ["A4C:apical anterolateral"]
fitted = ""  # folder of 10_train, for trackers that learn
wall_thickness = 10.0  # mm, or px if the pixel size is unknown
out = ".work/your_cine"  # where movie and page go

# %% imports
import json

import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display

from echotas.evaluation import recording_paths
from echotas.pipeline import paths
from echotas.records import View
from echotas.report import (
    Panel,
    bullseye,
    image_panels,
    overlay_frames,
    strain_curves,
    strain_m_mode,
    style,
    write_movie,
)
from echotas.store import read_recording
from echotas.strain import local_strain, strain_curve
from echotas.trackers import fitted_config
from echotas.your_cine import accepted_segments, analyse, is_virtual, read_contour, read_own_cine
from echotas.your_cine.own_error import PLUS_MINUS, measured_on_virtual_patients
from echotas.your_cine.sheet import patient_sheet

# %% setup
style.apply()
if file:
    cine = read_own_cine(paths.root() / file, spacing_mm or None, view or None)
    drawn = read_contour(paths.root() / contour)
    line, frame = drawn.line_px, drawn.frame
else:
    recording = read_recording(next(p for p in recording_paths(paths.data(), ["V-HUNT-A"]) if "A4C" in p.stem))
    cine, reading = recording.cine, recording.readings[0]
    end_frame = cine.n_frames - 1  # a virtual cine is one whole beat
    line, frame = reading.line_px[reading.es_frame], reading.es_frame
title = (cine.recording_id or "your cine") + (" (virtual)" if is_virtual(cine) else "")
known = cine.spacing_mm is not None
display(
    Markdown(
        f"**{title}**: {cine.n_frames} frames of {cine.frames.shape[2]} x {cine.frames.shape[1]} px, view {cine.view}, pixel size {f'{cine.spacing_mm[0]:.3f} x {cine.spacing_mm[1]:.3f} mm' if known else 'unknown: nothing in millimetres'}."
    )
)

# %% track
result = analyse(
    cine,
    line,
    es_frame if es_frame >= 0 else None,
    tracker,
    contour_frame=frame,
    ed_frame=ed_frame if ed_frame >= 0 else None,
    end_frame=end_frame if end_frame >= 0 else None,
    accepted=accepted_segments(rejected, [cine.view])[cine.view],
    **({"wall_thickness_mm": wall_thickness} if known else {"wall_thickness_px": wall_thickness}),
    **fitted_config(tracker, paths.root() / fitted if fitted else None),
)
# A virtual cine knows its own motion: the same beat and segments of the true line.
true = None
if not file:
    true_mm = recording.mesh.midwall_px * np.array(cine.spacing_mm)
    true = strain_curve(true_mm, cine.times_s, result.ed_frame, result.es_frame, accepted=result.accepted)
display(
    Markdown(
        f"ED is frame {result.ed_frame} ({result.ed_source}), ES frame {result.es_frame} ({result.es_source}). "
        f"Rejected segments: {', '.join(result.rejected_names) or 'none'}."
    )
)
display(Markdown("\n".join(f"- {warning}" for warning in result.warnings) or "No warnings."))

# %% frames
shown = {"ED": result.ed_frame, "ES": result.es_frame, "last": cine.n_frames - 1}
node_confidence = result.confidence.reshape(result.mesh.points_px.shape[:3])
figure = image_panels(
    [
        Panel(cine.frames[i], cine.spacing_mm, f"{name}, frame {i}", result.mesh.points_px[i], node_confidence[i])
        for name, i in shown.items()
    ],
    quantity="confidence",
    title=f"{title}: tracked wall, colour = confidence",
)
figure

# %% movie
movie = overlay_frames(
    cine, result.mesh.points_px, node_confidence, "confidence", scale=min(1.0, 300 / cine.frames.shape[2])
)
folder = paths.root() / out
folder.mkdir(parents=True, exist_ok=True)
path = write_movie(folder / "overlay.gif", movie, min(cine.frame_rate, 25))
write_movie(folder / "overlay.mp4", movie, min(cine.frame_rate, 25))
display(Image(path.read_bytes(), format="gif"))

# %% strain
figure = strain_curves(result.strain, cine.view, result.accepted, true, title=f"{title}: {tracker}")
figure

# %% m-mode
points = result.mesh.midwall_px * (np.array(cine.spacing_mm) if known else 1.0)
figure = strain_m_mode(
    local_strain(points, result.ed_frame),
    cine.times_s,
    result.ed_frame,
    result.es_frame,
    cine.view,
    title=f"{title}: strain along the wall",
)
figure

# %% segments
at_es, width, at_end = result.segment_es_percent, result.half_width_percent, result.segment_drift_percent
display(
    pd.DataFrame(
        {
            "strain at ES, %": at_es.round(1),
            **({} if width is None else {"± (95 %), points": width[1:].round(1)}),
            **({} if true is None else {"true (virtual), %": true.segment_percent[:, result.es_frame].round(1)}),
            "lowest strain, %": result.strain.segment_percent.min(axis=1).round(1),
            **({} if at_end is None else {"at the end of the beat, %": at_end.round(1)}),
            "confidence": result.segment_confidence.round(2),
            "accepted": result.accepted,
        },
        index=list(result.segment_names),
    )
)
figure = (
    bullseye({cine.view: at_es}, {cine.view: result.accepted}, title=f"{title}: one view of three")
    if cine.view != View.OTHER
    else None
)
figure

# %% sheet
file_31 = paths.reports() / "metrics" / "31_global_strain.json"
measured = measured_on_virtual_patients(json.loads(file_31.read_text()) if file_31.is_file() else None, result.tracker)
figure = patient_sheet([result], title, measured)
style.save(figure, folder / "strain.pdf")
figure

# %% answer
g = result.global_strain
drift = (
    "unknown (the end of the beat is not known)"
    if result.drift_percent is None
    else f"{result.drift_percent:+.1f} points"
)
plus_minus = "" if width is None else f" ± {width[0]:.1f}"
beside = "" if true is None else f" (true, of this virtual patient: {true.global_percent[result.es_frame]:.1f} %)"
without = f", without {', '.join(result.rejected_names)}" if result.rejected_names else ""
sure = (
    "One cine, one line, one tracker: no interval can be given."
    if width is None
    else f"{PLUS_MINUS}. What the drawn line misses is not in it."
)
display(
    Markdown(
        f"**GLS {g.es_percent:.1f}{plus_minus} % at end-systole{without}**{beside} (peak systolic {g.peak_systolic_percent:.1f} %, peak {g.peak_percent:.1f} % in frame {g.peak_frame}); "
        f"ED is frame {result.ed_frame} ({result.ed_source}), ES frame {result.es_frame} ({result.es_source}). "
        f"Mean confidence {result.confidence.mean():.2f}, drift {drift}, folded triangles {100 * result.folded_share:.1f} %.\n\n"
        f"{sure} {measured} **Research use only.**"
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
# echotas.your_cine 6dcb6f698a407aef
# echotas.your_cine.analyse e7bb8f5005aca75e
# echotas.your_cine.closure 5d4becc04f13581b
# echotas.your_cine.doubts f80a9ebf8f52a71b
# echotas.your_cine.own_error 84ec07ff4d53b955
# echotas.your_cine.reading 97abc9df4c9a0f9a
# echotas.your_cine.result fa0daa50fe7e9851
# echotas.your_cine.segments dff1190a99060d43
# echotas.your_cine.sheet 298001557b5603eb
