"""Agreement: pingouin as the oracle, recorded numbers, limits."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas import metrics

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
FILE = GOLDEN / "metrics_stats.json"
STATS = json.loads(FILE.read_text()) if FILE.exists() else {"icc": [], "bland_altman": []}
needs_golden = pytest.mark.skipif(not FILE.exists(), reason=f"golden statistics not found: {FILE} (set ECHOTAS_GOLDEN)")


def two_readings(seed=0, n=25, k=2):
    rng = np.random.default_rng(seed)
    return rng.normal(-18, 3, (n, 1)) + rng.normal(0, 1.2, (n, k)) + 0.4 * np.arange(k)


def pingouin_icc(readings):
    pingouin = pytest.importorskip("pingouin")
    n, k = readings.shape
    table = pd.DataFrame(
        {"patient": np.repeat(np.arange(n), k), "reading": np.tile(np.arange(k), n), "gls": readings.ravel()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pingouin calls pandas in ways pandas 3 deprecates
        result = pingouin.intraclass_corr(table, "patient", "reading", "gls").set_index("Type")
    # Row and column names changed between releases of pingouin.
    row = result.loc["ICC(A,1)" if "ICC(A,1)" in result.index else "ICC2"]
    return float(row["ICC"]), np.asarray(row["CI95" if "CI95" in result.columns else "CI95%"], dtype=float)


@pytest.mark.parametrize("k", [2, 4])
def test_icc_matches_pingouin(k):
    readings = two_readings(k, k=k)
    icc, interval = pingouin_icc(readings)
    ours = metrics.icc_a1(readings)
    assert ours.icc == pytest.approx(icc, rel=1e-10)
    assert [ours.ci_low, ours.ci_high] == pytest.approx(interval, abs=0.0051)  # pingouin prints two decimals


def test_bland_altman_matches_pingouin():
    pingouin = pytest.importorskip("pingouin")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    method, reference = two_readings(3).T
    axis = pingouin.plot_blandaltman(method, reference, agreement=1.96, confidence=0.95)
    drawn = sorted({float(y) for line in axis.lines for y in np.unique(line.get_ydata())})
    ours = metrics.bland_altman(method, reference)
    matplotlib.pyplot.close(axis.figure)
    for value in (ours.bias, ours.loa_low, ours.loa_high):
        assert min(abs(value - y) for y in drawn) < 1e-9
    spans = [patch.get_window_extent().transformed(axis.transData.inverted()) for patch in axis.patches]
    for low, high in (ours.bias_ci, ours.loa_low_ci, ours.loa_high_ci):
        assert any((span.y0, span.y1) == pytest.approx((low, high), abs=1e-6) for span in spans)


@needs_golden
@pytest.mark.parametrize("case", STATS["icc"], ids=lambda case: f"n{len(case['x'])}")
def test_icc_matches_recorded(case):
    ours = metrics.icc_a1(np.array(case["x"]))
    assert [ours.icc, ours.ci_low, ours.ci_high] == pytest.approx([case["icc_a1"], *case["ci95"]], rel=1e-10)


@needs_golden
@pytest.mark.parametrize("case", STATS["bland_altman"], ids=lambda case: f"n{len(case['x'])}")
def test_bland_altman_matches_recorded(case):
    ours = metrics.bland_altman(np.array(case["x"]), np.array(case["y"]))
    assert [ours.bias, ours.sd, ours.loa_low, ours.loa_high] == pytest.approx(
        [case[name] for name in ("bias", "sd", "lower", "upper")], rel=1e-10
    )
    assert [*ours.bias_ci, *ours.loa_low_ci, *ours.loa_high_ci] == pytest.approx(
        [*case["bias_ci95"], *case["lower_ci95"], *case["upper_ci95"]], rel=1e-10
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5))
def test_swapping_method_and_reference_mirrors_the_limits(seed, offset):
    method, reference = two_readings(seed).T
    one, other = metrics.bland_altman(method + offset, reference), metrics.bland_altman(reference, method + offset)
    assert (one.bias, one.loa_low, one.loa_high) == pytest.approx((-other.bias, -other.loa_high, -other.loa_low))
    assert one.loa_high_ci == pytest.approx((-other.loa_low_ci[1], -other.loa_low_ci[0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_patients_and_readings_does_not_matter(seed):
    readings = two_readings(seed, n=9, k=3)
    rng = np.random.default_rng(seed)
    mixed = readings[rng.permutation(9)][:, rng.permutation(3)]
    assert metrics.icc_a1(mixed).icc == pytest.approx(metrics.icc_a1(readings).icc)
    assert metrics.within_subject_sd(mixed) == pytest.approx(metrics.within_subject_sd(readings))


def test_interval_of_the_bias_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        result = metrics.bland_altman(rng.normal(0.5, 1, 12), np.zeros(12))
        covered.append(result.bias_ci[0] <= 0.5 <= result.bias_ci[1])
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_shift_between_readers_lowers_absolute_agreement():
    readings = two_readings()
    shifted = readings + np.array([0, 4])
    assert metrics.icc_a1(shifted).icc < metrics.icc_a1(readings).icc - 0.2


def test_identical_readings_have_zero_variance_not_nan():
    readings = np.repeat(two_readings()[:, :1], 2, axis=1)
    result = metrics.bland_altman(*readings.T)
    assert (result.bias, result.sd, result.loa_low, result.loa_high, result.bias_ci) == (0, 0, 0, 0, (0, 0))
    icc = metrics.icc_a1(readings)
    assert (icc.icc, icc.ci_low, icc.ci_high) == (1, 1, 1)
    assert metrics.within_subject_sd(readings) == metrics.minimal_detectable_change(readings) == 0


def test_one_patient_has_a_bias_but_no_interval():
    result = metrics.bland_altman(np.array([-18.0]), np.array([-17.0]))
    assert (result.n, result.bias) == (1, -1)
    assert np.isnan([result.sd, result.loa_low, result.loa_high, *result.bias_ci, *result.loa_high_ci]).all()
    assert np.isnan(metrics.icc_a1(np.array([[-18.0, -17.0]])).icc)


def test_icc_is_undefined_where_nothing_varies():
    icc = metrics.icc_a1(np.full((5, 2), -18.0))
    assert np.isnan([icc.icc, icc.ci_low, icc.ci_high]).all()


def test_a_tracker_that_says_the_same_for_all_has_no_agreement():
    constant_but_noise = np.column_stack([np.full(30, -18.0), two_readings(n=30)[:, 0]])
    assert abs(metrics.icc_a1(constant_but_noise).icc) < 0.1


def test_within_subject_numbers_match_the_formulas_for_pairs():
    readings = two_readings()
    difference = readings[:, 0] - readings[:, 1]
    sd = np.sqrt((difference**2).sum() / (2 * len(difference)))
    assert metrics.within_subject_sd(readings) == pytest.approx(sd)
    assert metrics.within_subject_cv(readings) == pytest.approx(100 * sd / abs(readings.mean()))
    assert metrics.minimal_detectable_change(readings) == pytest.approx(2.7718 * sd, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.bland_altman(np.zeros(3), np.zeros(4)), "method|reference"),
        (lambda: metrics.bland_altman(np.array([0.0, np.nan]), np.zeros(2)), "method must be finite, got 1 NaN"),
        (lambda: metrics.bland_altman(np.zeros(0), np.zeros(0)), "method must have 1 dimensions and at least one"),
        (lambda: metrics.bland_altman(np.zeros(3), np.zeros(3), confidence=95.0), "confidence must be in"),
        (lambda: metrics.icc_a1(np.zeros((4, 1))), "readings must have two or more columns"),
        (lambda: metrics.icc_a1(np.array([[1.0, np.inf], [2.0, 3.0]])), "readings must be finite"),
        (lambda: metrics.within_subject_cv(np.array([[-1.0, 1.0]])), "readings must not average to 0"),
    ],
)
def test_agreement_refuses(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_patients_who_differ_by_rounding_alone_have_no_icc():
    """A control that returns one constant must not look perfect because 0.1 + 0.2 is not 0.3."""
    readings = np.array([[0.3, 0.1 + 0.2], [0.1 + 0.2, 0.3], [0.3, 0.3]])
    assert np.ptp(readings) > 0 and np.isnan(metrics.icc_a1(readings).icc)
