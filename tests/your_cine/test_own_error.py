"""What is said of a tracker's ±: what was measured, and no more."""

from echotas.your_cine.own_error import measured_on_virtual_patients

METRICS = {
    "n_recordings": 33,
    "n_patients": 8,
    "gls_es_against_truth": {
        "sure": {"bias": 0.17, "bias_low": -0.2, "bias_high": 0.52},
        "plain": {"bias": 1.6, "bias_low": None, "bias_high": None},
    },
    "gls_es_from_observers_against_truth": {"sure": {"bias": 1.31, "bias_low": 0.9, "bias_high": 1.7}},
    "coverage": {"sure_global": {"covered_95": 75.8, "n": 33.0}},
}


def test_measured_coverage_and_bias_are_told():
    text = measured_on_virtual_patients(METRICS, "sure")
    assert "notebook 31, 33 recordings of 8 patients" in text
    assert (
        "from the true line +0.2 [-0.2, +0.5] points, from simulated observers' lines +1.3 [+0.9, +1.7] points" in text
    )
    assert "held the truth in 76 %" in text


def test_what_was_not_measured_is_said_to_be_so():
    plain = measured_on_virtual_patients(METRICS, "plain")
    assert "+1.6 points;" in plain and plain.endswith("How often its ± holds is not measured.")
    for metrics, tracker in ((None, "sure"), ({}, "sure"), (METRICS, "other")):
        assert "is not measured here: see notebook 31" in measured_on_virtual_patients(metrics, tracker)
