"""Inference: the patient is the unit; statsmodels, scipy and recorded numbers as oracles."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from echotas import metrics
from echotas.metrics import compare_spread, equivalence

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
FILE = GOLDEN / "metrics_stats.json"
CASES = json.loads(FILE.read_text())["wilcoxon_holm"] if FILE.exists() else []


def clustered(seed=0, n_patients=12, n_views=3):
    rng = np.random.default_rng(seed)
    patients = np.repeat([f"P{i:02d}" for i in range(n_patients)], n_views)
    return rng.normal(1, 1, n_patients).repeat(n_views) + rng.normal(0, 0.1, len(patients)), patients


@pytest.mark.skipif(not CASES, reason=f"golden statistics not found: {FILE} (set ECHOTAS_GOLDEN)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["scipy_arguments"]) or "default")
def test_wilcoxon_and_holm_match_recorded(case):
    others = {f"m{i}": np.array(values) for i, values in enumerate(case["others"])}
    arguments = {"zero_method": "wilcox", **case["scipy_arguments"]}
    result = metrics.paired_comparison(np.array(case["base"]), others, **arguments)
    assert [row.name for row in result] == list(others)
    assert [row.statistic for row in result] == pytest.approx(case["statistic"], rel=1e-10)
    assert [row.p for row in result] == pytest.approx(case["p"], rel=1e-10)
    assert [row.p_holm for row in result] == pytest.approx(case["p_holm"], rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_matches_statsmodels(p_values):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert metrics.holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(("n", "dropped"), [(6, 1), (8, 4), (10, 9), (12, 14)])
def test_hodges_lehmann_interval_leaves_out_the_tabled_number_of_pair_means(n, dropped):
    d = np.random.default_rng(n).normal(size=n)
    means = sorted((a + b) / 2 for i, a in enumerate(d) for b in d[i:])
    assert metrics.hodges_lehmann_interval(d) == pytest.approx((means[dropped - 1], means[-dropped]))


@pytest.mark.parametrize("n", [7, 9])
def test_hodges_lehmann_interval_is_what_the_signed_rank_test_does_not_reject(n):
    d = np.random.default_rng(n).normal(0.3, 1, size=n)
    low, high = metrics.hodges_lehmann_interval(d)
    for shift, kept in ((low + 1e-9, True), (high - 1e-9, True), (low - 1e-9, False), (high + 1e-9, False)):
        assert (stats.wilcoxon(d - shift, method="exact").pvalue > 0.05) == kept


def test_five_patients_bound_no_shift():
    assert np.isnan(metrics.hodges_lehmann_interval(np.arange(5.0))).all()


def test_hodges_lehmann_matches_a_slow_loop():
    d = np.random.default_rng(0).normal(1, 2, 15)
    means = [(d[i] + d[j]) / 2 for i in range(15) for j in range(i, 15)]
    assert metrics.hodges_lehmann_shift(d) == pytest.approx(np.median(means))


def test_no_difference_at_all_is_no_evidence():
    base = np.linspace(1, 2, 8)
    (same,) = metrics.paired_comparison(base, {"copy": base.copy()})
    assert (same.p, same.p_holm, same.shift, same.n) == (1, 1, 0, 8)


def test_one_patient_never_reaches_significance():
    (row,) = metrics.paired_comparison(np.array([1.0]), {"other": np.array([9.0])})
    assert row.p == 1
    assert row.shift == 8


def test_bootstrap_of_the_mean_takes_the_same_draws_fast_and_slow():
    values, patients = clustered()
    fast = metrics.cluster_bootstrap(values, patients, np.mean, 300, rng=np.random.default_rng(1))
    slow = metrics.cluster_bootstrap(values, patients, lambda rows: rows.mean(), 300, rng=np.random.default_rng(1))
    assert (fast.ci_low, fast.ci_high) == pytest.approx((slow.ci_low, slow.ci_high), rel=1e-12)
    assert (fast.n_clusters, fast.n_values, fast.n_undefined) == (12, 36, 0)
    assert fast == metrics.cluster_bootstrap(values, patients, np.mean, 300, rng=np.random.default_rng(1))


def test_views_of_one_patient_do_not_narrow_the_interval():
    values, patients = clustered(n_patients=15)
    rng = np.random.default_rng
    once = metrics.cluster_bootstrap(values, patients, n_resamples=2000, rng=rng(0))
    many = metrics.cluster_bootstrap(np.tile(values, 10), np.tile(patients, 10), n_resamples=2000, rng=rng(0))
    wrong = metrics.cluster_bootstrap(np.tile(values, 10), np.arange(450), n_resamples=2000, rng=rng(0))
    assert (many.ci_low, many.ci_high) == pytest.approx((once.ci_low, once.ci_high))
    assert wrong.ci_high - wrong.ci_low < 0.5 * (once.ci_high - once.ci_low)


def test_interval_of_a_mean_is_about_the_normal_one():
    values = np.random.default_rng(3).normal(0, 1, 200)
    interval = metrics.cluster_bootstrap(values, np.arange(200), rng=np.random.default_rng(0))
    half = 1.96 * values.std() / np.sqrt(200)
    assert (interval.ci_low, interval.ci_high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.1 * half
    )


def test_order_of_rows_does_not_change_the_interval():
    values, patients = clustered()
    order = np.random.default_rng(5).permutation(len(values))
    one = metrics.cluster_bootstrap(values, patients, np.mean, 200, rng=np.random.default_rng(0))
    other = metrics.cluster_bootstrap(values[order], patients[order], np.mean, 200, rng=np.random.default_rng(0))
    assert (one.ci_low, one.ci_high) == pytest.approx((other.ci_low, other.ci_high))


def test_statistic_may_use_pairs():
    rng = np.random.default_rng(0)
    pairs = rng.normal(-18, 3, (20, 1)) + rng.normal(0, 1, (20, 2))
    interval = metrics.cluster_bootstrap(
        pairs, np.arange(20), lambda rows: metrics.icc_a1(rows).icc, 200, rng=np.random.default_rng(0)
    )
    assert interval.ci_low < interval.estimate == metrics.icc_a1(pairs).icc < interval.ci_high


def test_one_patient_has_no_interval_and_identical_patients_have_none_to_spare():
    one = metrics.cluster_bootstrap(np.array([1.0, 2, 3]), ["P1"] * 3, rng=np.random.default_rng(0))
    assert one.estimate == 2
    assert np.isnan([one.ci_low, one.ci_high]).all()
    same = metrics.cluster_bootstrap(np.full(6, 2.5), list("aabbcc"), rng=np.random.default_rng(0))
    assert (same.ci_low, same.estimate, same.ci_high) == (2.5, 2.5, 2.5)


def test_resamples_without_a_value_are_counted():
    def sd(rows):
        return rows.std(ddof=1) if len(np.unique(rows)) > 1 else float("nan")

    interval = metrics.cluster_bootstrap(np.array([1.0, 2.0]), ["a", "b"], sd, 400, rng=np.random.default_rng(0))
    assert 150 < interval.n_undefined < 250
    assert np.isfinite([interval.ci_low, interval.ci_high]).all()


def test_patient_mean_averages_views_first():
    means = metrics.patient_mean(np.array([1.0, 3, 10]), ["b", "b", "a"])
    assert means.to_dict() == {"a": 10, "b": 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: metrics.cluster_bootstrap(np.array([1.0, np.nan]), ["a", "b"], rng=rng), "values must be finite"),
        (lambda rng: metrics.cluster_bootstrap(np.zeros(0), [], rng=rng), "values must hold at least one value"),
        (lambda rng: metrics.cluster_bootstrap(np.zeros(3), ["a"], rng=rng), "clusters must have one entry per value"),
        (lambda rng: metrics.cluster_bootstrap(np.zeros(1), ["a"], n_resamples=0, rng=rng), "n_resamples"),
        (lambda rng: metrics.paired_comparison(np.zeros(3), {}), "at least one method"),
        (
            lambda rng: metrics.paired_comparison(np.zeros(3), {"x": np.zeros(2)}),
            r"others\['x'\] must have the baseline",
        ),
        (lambda rng: metrics.holm([0.1, float("nan")]), "p_values must lie in"),
        (lambda rng: metrics.patient_mean(np.zeros(3), ["a"]), "patients must have one entry per value"),
    ],
)
def test_inference_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))


def test_equivalence_agrees_with_two_one_sided_tests_of_scipy():
    differences = np.random.default_rng(2).normal(0.2, 0.8, 14)
    result = equivalence(differences, 1.0)
    p = max(
        stats.ttest_1samp(differences, -1.0, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 1.0, alternative="less").pvalue,
    )
    assert result.p == pytest.approx(p)
    assert result.equivalent == (p < 0.05)
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert (result.ci_low, result.ci_high) == pytest.approx((low, high))


def test_no_difference_found_is_not_equivalence():
    wide = np.array([-4.0, 4.5, -3.5, 4.0])
    assert stats.ttest_1samp(wide, 0).pvalue > 0.5
    assert not equivalence(wide, 1.0).equivalent
    assert equivalence(np.zeros(4), 1.0).equivalent and equivalence(np.zeros(4), 1.0).p == 0
    assert not equivalence([0.0], 1.0).equivalent


def test_compare_spread_finds_the_wider_one_and_not_a_shift():
    rng = np.random.default_rng(5)
    shared, own = rng.normal(0, 1, 60), rng.normal(0, 1, 60)
    narrow, wide = shared + 0.3 * own, 2 * shared + rng.normal(0, 1, 60)
    result = compare_spread(wide, narrow)
    assert result.ratio > 1.5 and result.p < 1e-6 and result.t > 0
    assert compare_spread(narrow, wide).t == pytest.approx(-result.t)
    same = shared + 0.3 * rng.normal(0, 1, 60) + 5
    assert compare_spread(narrow, same).p > 0.05


def test_compare_spread_of_what_does_not_vary_is_not_defined():
    assert np.isnan(compare_spread([1.0, 2.0], [1.0, 3.0]).p)
    assert np.isnan(compare_spread([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).p)


def test_compare_spread_keeps_its_level():
    rng = np.random.default_rng(11)
    draws = rng.normal(size=(2000, 2, 12))
    share = np.mean([compare_spread(first, second).p < 0.05 for first, second in draws])
    assert share == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equivalence([0.1, 0.2], 0.0), "margin must be positive"),
        (lambda: equivalence([0.1, np.nan], 1.0), "differences must be finite"),
        (lambda: compare_spread([1.0, 2.0], [1.0]), "one value per patient"),
    ],
)
def test_tests_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_spread_of_rounding_is_no_spread():
    rounding = np.array([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2])
    assert np.isnan(compare_spread(rounding, np.full(4, 0.3)).p)


def test_one_value_per_patient_is_asked_for():
    for call in (lambda values: equivalence(values, 1.0), metrics.hodges_lehmann_shift):
        with pytest.raises(ValueError, match="one value per patient"):
            call(np.zeros((3, 2)))
