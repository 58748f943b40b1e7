"""The same tracks under the measures of the other papers, so that a reader of any of them finds a number they know."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.evaluation.tracking import TRUE_START
from echotas.metrics import (
    contour_distance_mm,
    end_point_error_mm,
    jerk_mm_per_s3,
    median_trajectory_error_px,
    position_accuracy,
    position_accuracy_px,
    survival,
)
from echotas.records import Mesh, check_spacing
from echotas.store import read_recording, read_tracks

__all__ = ["PEER_MEASURES", "peer_table"]

PEER_MEASURES = {
    "median_px": "median error, px of 256 (EchoTracker, EchoTracker2)",
    "accuracy_px_percent": "position accuracy at 1, 2, 4 px of 256, % (EchoTracker2)",
    "accuracy_tapvid_percent": "position accuracy at 1-16 px of 256, % (TAP-Vid)",
    "accuracy_mm_percent": "position accuracy at 0.5-4 mm, %",
    "survival_percent": "survival within 5 mm, %",
    "epe_mm": "end-point error ES to ED, mm (Evain; the error at ED above)",
    "contour_mm": "contour distance at ED, mm (Evain d_m)",
    "hausdorff_mm": "Hausdorff at ED, mm (Evain d_H)",
    "jerk": "jerk, m/s3 (best nearest to the oracle's)",
}
"""Columns of `peer_table` and what they are, with the paper that reports them."""
ECHOTRACKER2_PX = (1.0, 2.0, 4.0)
"""Thresholds of EchoTracker2, px of 256."""


def peer_table(paths: Iterable[Path], tracks: Path, trackers: Iterable[str]) -> pd.DataFrame:
    """One row per recording and tracker, tracked from the true mesh: recording, patient, tracker and the keys of `PEER_MEASURES`.

    Contour distances are those of the mid-wall line. Jerk is NaN for a cine too short for it.
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        cine = recording.cine
        spacing, size = np.array(check_spacing(cine.spacing_mm)), cine.frames.shape[1:]
        true = recording.mesh.points_px.reshape(cine.n_frames, -1, 2)
        true_line = recording.mesh.midwall_px[cine.ed_frame] * spacing
        for tracker in trackers:
            named, attributes = read_tracks(tracks / tracker / path.parent.name / path.name)
            item = named[TRUE_START]
            found, start = item.points_px, item.query_frame
            mesh = Mesh(found.reshape(-1, attributes["n_long"], attributes["n_rad"], 2))
            contour = contour_distance_mm(mesh.midwall_px[cine.ed_frame] * spacing, true_line)
            rows.append(
                {
                    "recording": cine.recording_id,
                    "patient": cine.patient_id,
                    "tracker": tracker,
                    "median_px": median_trajectory_error_px(found, true, size, query_frame=start),
                    "accuracy_px_percent": 100
                    * position_accuracy_px(found, true, size, query_frame=start, thresholds_px=ECHOTRACKER2_PX).average,
                    "accuracy_tapvid_percent": 100 * position_accuracy_px(found, true, size, query_frame=start).average,
                    "accuracy_mm_percent": 100 * position_accuracy(found, true, spacing, query_frame=start).average,
                    "survival_percent": 100 * survival(found, true, spacing, start),
                    "epe_mm": end_point_error_mm(found, true, spacing, cine.ed_frame, cine.es_frame),
                    "contour_mm": contour.mean_mm,
                    "hausdorff_mm": contour.hausdorff_mm,
                    "jerk": jerk_mm_per_s3(found, cine.times_s, spacing) / 1000,
                }
            )
    return pd.DataFrame(rows, columns=["recording", "patient", "tracker", *PEER_MEASURES])
