"""What the choice of where a wall is cut into segments is worth, in points of strain."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from echotas.geometry import SEGMENTS
from echotas.records import check_spacing
from echotas.store import read_recording
from echotas.strain import segmental_strain
from echotas.strain.regional import CUT_RULES

__all__ = ["cut_rule_table"]


def cut_rule_table(paths: Iterable[Path]) -> pd.DataFrame:
    """End-systolic segment strain of the true mid-wall line under every rule of `strain.regional.CUT_RULES`.

    Columns: recording, patient, segment, position (0..5), one per rule (percent), and difference (points, the largest strain under any
    rule minus the smallest): an error that no tracker makes, and that any comparison between two systems contains.
    """
    rows = []
    for path in paths:
        recording = read_recording(path, images=False)
        if recording.mesh is None or recording.truth is None or recording.cine.view not in SEGMENTS:
            continue
        truth = recording.truth
        line = recording.mesh.midwall_px * np.array(check_spacing(recording.cine.spacing_mm))
        strain = {rule: segmental_strain(line, truth.ed_frame, cut_rule=rule)[:, truth.es_frame] for rule in CUT_RULES}
        apart = np.ptp(np.stack(list(strain.values())), axis=0)
        for position, name in enumerate(SEGMENTS[recording.cine.view]):
            rows.append(
                {
                    "recording": recording.cine.recording_id,
                    "patient": recording.cine.patient_id,
                    "segment": name,
                    "position": position,
                    **{rule: values[position] for rule, values in strain.items()},
                    "difference": apart[position],
                }
            )
    columns = ["recording", "patient", "segment", "position", *CUT_RULES, "difference"]
    return pd.DataFrame(rows, columns=columns)
