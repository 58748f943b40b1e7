"""The measurement benchmark measures what the notebooks measure, on tracks that look like a beat."""

import numpy as np

from echotas.evaluation.measurement_speed import measure_recording, time_measurement


def test_generated_recordings_have_plausible_strain_and_errors():
    motion, overall, segments = measure_recording(0, n_trackers=2, n_frames=20, n_long=25, n_rad=3, seed=0)
    assert len(motion) == 2 and len(overall) == 6 and len(segments) == 36
    assert all(-30 < row["true_gls_es"] < -5 for row in overall)
    assert all(0.05 < row["mte_mm"] < 3 and np.isfinite(row["along_mm"]) for row in motion)
    assert measure_recording(0, 2, 20, 25, 3, 0) == (motion, overall, segments)


def test_the_parts_add_up():
    seconds = time_measurement(n_recordings=8, n_trackers=2, n_resamples=20, n_frames=10)
    assert seconds["total"] > 0 and np.isclose(seconds["tables"] + seconds["inference"], seconds["total"])
