import numpy as np
import pytest

from echotas.acoustics.benchmark import (
    EngineCase,
    image_error,
    run_engine,
    standard_scan,
    standard_scatterers,
    time_pymust,
)


def test_standard_case_is_the_one_of_the_papers():
    scan = standard_scan()
    positions, reflectivity = standard_scatterers(np.random.default_rng(0), scan)
    assert len(positions) == len(reflectivity) == pytest.approx(194_000, rel=0.01)
    r = np.hypot(positions[:, 0], positions[:, 2])
    assert r.min() >= 5e-3 and r.max() <= 0.15 and not positions[:, 1].any()


def test_an_engine_in_its_own_process_gives_the_frame_and_its_time(scan, cloud, tmp_path):
    positions, reflectivity = cloud(50)
    exact = run_engine(EngineCase("exact", "exact"), positions, reflectivity, scan)
    fast = run_engine(EngineCase("fast", "fast", 8, 7.0), positions, reflectivity, scan, 2, tmp_path)
    assert exact.iq.shape == fast.iq.shape == (scan.n_beams, scan.n_ranges)
    assert image_error(fast.iq, exact.iq, scan)["iq"] < 0.05
    assert len(fast.seconds) == 2 and fast.median_s > 0 and fast.table_seconds > 0 == exact.table_seconds
    assert exact.peak_mb > 0


def test_error_of_a_frame_with_itself_is_nothing(scan):
    rng = np.random.default_rng(0)
    iq = rng.standard_normal((20, scan.n_ranges)) + 1j * rng.standard_normal((20, scan.n_ranges))
    error = image_error(iq, iq, scan, from_m=0.05)
    assert error["iq"] == error["iq_near"] == error["db"] == 0 and error["log_correlation"] == pytest.approx(1)
    assert image_error(1.1 * iq, iq, scan, from_m=0.05)["iq"] == pytest.approx(0.1)


def test_pymust_is_timed_by_number(scan, cloud):
    taken = time_pymust(*cloud(20), scan, (5, 20))
    assert list(taken) == [5, 20] and all(value > 0 for value in taken.values())
