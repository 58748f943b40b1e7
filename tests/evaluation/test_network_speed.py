import numpy as np

from echotas.evaluation.network_speed import CASES, NetworkCase, network_speed_table
from echotas.trackers.myotracker import MyoTracker


def test_every_case_runs_and_the_ratio_is_ours_over_theirs():
    cases = [NetworkCase("a", MyoTracker, 2, None, 3, public_s=2.0), NetworkCase("b", MyoTracker, 2, None, 3)]
    table = network_speed_table(cases, size=64)
    assert table["parameters"].tolist() == [316_450] * 2 and (table["cpu_s"] > 0).all()
    np.testing.assert_allclose(table["ratio"][0], table["cpu_s"][0] / 2.0)
    assert np.isnan(table["ratio"][1])
    assert (table["gflop"] > 0.01).all() and table["gflop"].nunique() == 1
    # The same operations at the same rate, whatever else the machine does.
    assert table["floor_s"].nunique() == 1 and (table["floor_s"] > 0).all()


def test_the_networks_of_the_benchmark_take_what_is_given_to_them():
    small = [NetworkCase(case.name, case.make, 2, case.n_iterations and 1, 2) for case in CASES]
    assert network_speed_table(small, n_repeats=0 + 1, size=128)["network"].nunique() == 9
