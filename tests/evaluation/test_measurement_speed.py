"""The measurement benchmark measures what the notebooks measure, on tracks that look like a beat."""

import numpy as np
import pytest

from echotas.evaluation.measurement_speed import measure_recording, time_measurement
from echotas.evaluation.summaries import mean_absolute, spread_of_difference
from echotas.metrics import cluster_bootstrap


def test_generated_recordings_have_plausible_strain_and_errors():
    motion, overall, segments = measure_recording(0, n_trackers=2, n_frames=20, n_long=25, n_rad=3, seed=0)
    assert len(motion) == 2 and len(overall) == 6 and len(segments) == 36
    assert all(-30 < row["true_gls_es"] < -5 for row in overall)
    assert all(0.05 < row["mte_mm"] < 3 and np.isfinite(row["along_mm"]) for row in motion)
    assert measure_recording(0, 2, 20, 25, 3, 0) == (motion, overall, segments)


def test_the_parts_add_up():
    seconds = time_measurement(n_recordings=8, n_trackers=2, n_resamples=20, n_frames=10, n_jobs=1)
    assert seconds["total"] > 0 and np.isclose(seconds["tables"] + seconds["inference"], seconds["total"])


@pytest.mark.parametrize("statistic", [spread_of_difference, mean_absolute])
def test_sums_by_patient_give_the_intervals_that_copied_rows_give(statistic):
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(1.0, 2.0, 60), rng.integers(0, 9, 60)
    fast, slow = (
        cluster_bootstrap(values, clusters, how, 300, rng=np.random.default_rng(1))
        for how in (statistic, statistic.direct)
    )
    assert np.allclose([fast.estimate, fast.ci_low, fast.ci_high], [slow.estimate, slow.ci_low, slow.ci_high])
    single = cluster_bootstrap(values[:2], [0, 1], statistic, 50, rng=np.random.default_rng(1))
    assert np.isfinite(single.estimate)
