"""How far a node's predicted template motion is from the truth: possible only because the built-in templates are virtual."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.engine.items import read_motion
from echotas.records import check_spacing
from echotas.store import read_recording
from echotas.strain import gls, longitudinal_strain

__all__ = ["motion_error_table"]


def motion_error_table(templates: Iterable[Path], motion: Path) -> pd.DataFrame:
    """GLS of the motion in `motion/<template>` against the true one, and how far its wall is from the true wall.

    Columns: template, patient, gls_error (points, motion - truth), wall_mm (mean distance of the mid-wall line to the
    nearest place of the true one; slip along the wall does not count: mask meshes have none to show).
    Templates without truth or without motion are left out.
    """
    rows = []
    for path in templates:
        if not (motion / path.name).is_file():
            continue
        recording = read_recording(path)
        if recording.truth is None or recording.mesh is None:
            continue
        spacing = np.array(check_spacing(recording.cine.spacing_mm))
        line = read_motion(motion / path.name).midwall_px * spacing
        true = recording.mesh.midwall_px * spacing
        distance = np.linalg.norm(line[:, :, None] - true[:, None], axis=-1).min(axis=2)
        truth = recording.truth
        measured = gls(longitudinal_strain(line, truth.ed_frame), truth.ed_frame, truth.es_frame).es_percent
        rows.append(
            {
                "template": path.stem,
                "patient": recording.cine.patient_id,
                "gls_error": measured - float(truth.global_percent[truth.es_frame]),
                "wall_mm": float(distance.mean()),
            }
        )
    return pd.DataFrame(rows, columns=["template", "patient", "gls_error", "wall_mm"])
