"""Detection: scipy's rank-sum statistic and copies of rows as oracles."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from echotas.metrics import cluster_bootstrap
from echotas.metrics.detection import MIN_PATIENTS, detect
from echotas.metrics.resampling import draw_counts, percentile_ends

seeds = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


def cohort(seed=0, n_patients=12, n_segments=6, digits=0, share=0.3):
    """Strain with many ties (rounded to whole points), impairment that clusters in patients, and who they are."""
    draw = rng(seed)
    patients = np.repeat([f"P{i:02d}" for i in range(n_patients)], n_segments)
    odds = np.repeat(draw.beta(share, 1 - share, n_patients), n_segments)
    impaired = draw.random(len(patients)) < odds
    impaired[0], impaired[-1] = True, False
    return np.round(np.where(impaired, -9.0, -15.0) + draw.normal(0, 4, len(patients)), digits), impaired, patients


def slow_auc(strain, impaired):
    wins = [(i > j) + 0.5 * (i == j) for i in strain[impaired] for j in strain[~impaired]]
    return float(np.mean(wins)) if wins else float("nan")


def slow_rates(threshold):
    """Statistics of rows (strain, impaired), as `cluster_bootstrap` wants them."""

    def rate(hits):
        return float(np.mean(hits)) if len(hits) else float("nan")

    return {
        "sensitivity": lambda rows: rate(rows[rows[:, 1] == 1, 0] > threshold),
        "specificity": lambda rows: rate(rows[rows[:, 1] == 0, 0] <= threshold),
        "auc": lambda rows: slow_auc(rows[:, 0], rows[:, 1] == 1),
    }


def ends(interval):
    return interval.ci_low, interval.ci_high


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0, 6]))
def test_auc_is_the_rank_sum_of_scipy(seed, digits):
    strain, impaired, patients = cohort(seed, digits=digits)
    ill, well = strain[impaired], strain[~impaired]
    u = stats.mannwhitneyu(ill, well, alternative="two-sided").statistic
    result = detect(strain, impaired, patients, -10.0, 1, rng=rng())
    assert result.auc.estimate == pytest.approx(u / (len(ill) * len(well)), rel=1e-12)
    assert result.auc.estimate == pytest.approx(slow_auc(strain, impaired), rel=1e-12)


def test_a_table_of_four_is_counted_by_hand():
    strain = np.array([-5.0, -12.0, -8.0, -20.0, -8.0, -10.0])
    impaired = np.array([True, True, True, False, False, False])
    result = detect(strain, impaired, list("aabbcc"), -10.0, 50, rng=rng())
    assert result.sensitivity.estimate == pytest.approx(2 / 3)
    assert result.specificity.estimate == pytest.approx(2 / 3)  # exactly at the threshold is not called impaired
    assert result.auc.estimate == pytest.approx((3 + 1 + 2.5) / 9)
    assert (result.n_patients, result.n_segments, result.n_impaired, result.n_patients_impaired) == (3, 6, 3, 2)
    assert (result.sensitivity.n_clusters, result.sensitivity.n_values) == (2, 3)
    assert (result.specificity.n_clusters, result.specificity.n_values) == (2, 3)
    assert (result.auc.n_clusters, result.auc.n_values) == (3, 6)


@pytest.mark.parametrize("seed", range(6))
def test_intervals_are_those_of_copied_rows_from_the_same_draws(seed):
    strain, impaired, patients = cohort(seed, n_patients=5 + seed)
    fast = detect(strain, impaired, patients, -11.0, 150, rng=rng(seed), confidence=0.9)
    rows = np.column_stack([strain, impaired])
    for name, statistic in slow_rates(-11).items():
        slow = cluster_bootstrap(rows, patients, statistic, 150, rng=rng(seed), confidence=0.9)
        ours = getattr(fast, name)
        assert ours.estimate == pytest.approx(slow.estimate, rel=1e-12)
        assert ours.n_undefined == slow.n_undefined
        if np.isfinite(ours.ci_low):
            assert ends(ours) == pytest.approx(ends(slow), rel=1e-12)


def test_resamples_without_an_impaired_segment_are_left_out_and_counted():
    strain, patients = np.array([-5.0, -18, -7, -18, -19, -20]), list("aabbcd")
    impaired = np.array([True, False, True, False, False, False])
    result = detect(strain, impaired, patients, -10.0, 4000, rng=rng())
    drawn = rng().integers(4, size=(4000, 4))
    without = int((drawn >= 2).all(axis=1).sum())
    assert result.sensitivity.n_undefined == result.auc.n_undefined == without > 0
    assert without / 4000 == pytest.approx(0.5**4, abs=0.02)
    assert result.specificity.n_undefined == 0
    assert np.isnan([*ends(result.sensitivity), *ends(result.auc)]).all()  # two patients hold them


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.1, 10), st.floats(-5, 5))
def test_a_monotone_transform_leaves_the_auc_and_its_interval(seed, scale, shift):
    strain, impaired, patients = cohort(seed)
    one = detect(strain, impaired, patients, -10.0, 40, rng=rng()).auc
    other = detect(np.sinh(scale * strain / 20) + shift, impaired, patients, 0.0, 40, rng=rng()).auc
    assert (other.estimate, *ends(other)) == pytest.approx((one.estimate, *ends(one)), nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_swapping_the_labels_mirrors_the_auc(seed):
    strain, impaired, patients = cohort(seed)
    one = detect(strain, impaired, patients, -10.0, 40, rng=rng()).auc
    other = detect(strain, ~impaired, patients, -10.0, 40, rng=rng()).auc
    assert other.estimate == pytest.approx(1 - one.estimate)
    assert ends(other) == pytest.approx((1 - one.ci_high, 1 - one.ci_low), nan_ok=True)
    assert other.n_undefined == one.n_undefined


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_swapping_labels_and_sign_swaps_sensitivity_and_specificity(seed):
    strain, impaired, patients = cohort(seed)
    strain = strain + 0.25  # none at the threshold, which belongs to one side only
    one = detect(strain, impaired, patients, -10.0, 40, rng=rng())
    other = detect(-strain, ~impaired, patients, 10.0, 40, rng=rng())
    assert (other.sensitivity.estimate, other.specificity.estimate) == pytest.approx(
        (one.specificity.estimate, one.sensitivity.estimate)
    )
    assert ends(other.sensitivity) == pytest.approx(ends(one.specificity), nan_ok=True)
    assert other.auc.estimate == pytest.approx(one.auc.estimate)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_order_of_rows_changes_nothing(seed):
    strain, impaired, patients = cohort(seed)
    order = rng(seed).permutation(len(strain))
    one = detect(strain, impaired, patients, -10.0, 40, rng=rng())
    other = detect(strain[order], impaired[order], patients[order], -10.0, 40, rng=rng())
    for name in ("sensitivity", "specificity", "auc"):
        a, b = getattr(one, name), getattr(other, name)
        assert (b.estimate, *ends(b)) == pytest.approx((a.estimate, *ends(a)), nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(-20, 0), st.floats(0, 5))
def test_a_stricter_threshold_trades_sensitivity_for_specificity(seed, threshold, step):
    strain, impaired, patients = cohort(seed)
    loose = detect(strain, impaired, patients, threshold, 1, rng=rng())
    strict = detect(strain, impaired, patients, threshold + step, 1, rng=rng())
    assert strict.sensitivity.estimate <= loose.sensitivity.estimate
    assert strict.specificity.estimate >= loose.specificity.estimate
    assert strict.auc.estimate == loose.auc.estimate


def test_recordings_of_one_patient_do_not_narrow_the_interval():
    strain, impaired, patients = cohort(3, n_patients=20)
    once = detect(strain, impaired, patients, -11.0, 1000, rng=rng())
    often = detect(*(np.tile(values, 8) for values in (strain, impaired, patients)), -11.0, 1000, rng=rng())
    for name in ("sensitivity", "specificity", "auc"):
        assert ends(getattr(often, name)) == pytest.approx(ends(getattr(once, name)))


def test_perfect_and_blind_scores():
    _, impaired, patients = cohort(1)
    perfect = detect(np.where(impaired, -5.0, -20.0), impaired, patients, -10.0, 100, rng=rng())
    assert perfect.sensitivity.estimate == perfect.specificity.estimate == perfect.auc.estimate == 1
    assert np.isnan([*ends(perfect.sensitivity), *ends(perfect.specificity), *ends(perfect.auc)]).all()
    still = detect(np.zeros(len(impaired)), impaired, patients, -10.0, 100, rng=rng())
    assert (still.sensitivity.estimate, still.specificity.estimate, still.auc.estimate) == (1, 0, 0.5)
    assert ends(still.auc) == (0.5, 0.5)


def test_interval_of_the_auc_covers_as_often_as_it_says():
    # Patients differ, so that counting segments would cover too rarely; difference of means 6 with SD sqrt(2 (9 + 4)).
    truth, covered = stats.norm.cdf(6 / np.sqrt(2 * (9 + 4))), []
    draw = rng(5)
    for _ in range(150):
        patients = np.repeat(np.arange(40), 6)
        impaired = np.repeat(np.arange(40) < 16, 6)
        strain = np.where(impaired, -9.0, -15.0) + draw.normal(0, 3, 40).repeat(6) + draw.normal(0, 2, 240)
        low, high = ends(detect(strain, impaired, patients, -10.0, 200, rng=draw).auc)
        covered.append(low <= truth <= high)
    # SE of a share of 0.95 in 150 trials is 0.018; percentile intervals cover a little less than they say.
    assert 0.88 <= np.mean(covered) <= 1.0


@pytest.mark.parametrize(
    ("impaired", "undefined", "defined"), [(False, "sensitivity", "specificity"), (True, "specificity", "sensitivity")]
)
def test_nothing_to_find_or_to_spare_is_undefined(impaired, undefined, defined):
    patients = np.repeat(np.arange(MIN_PATIENTS), 2)
    result = detect(np.tile([-18.0, -5], MIN_PATIENTS), np.full(10, impaired), patients, -10.0, 30, rng=rng())
    for name in (undefined, "auc"):
        interval = getattr(result, name)
        assert np.isnan([interval.estimate, interval.ci_low, interval.ci_high]).all() and interval.n_undefined == 30
    assert getattr(result, defined).estimate == 0.5 and ends(getattr(result, defined)) == (0.5, 0.5)


@pytest.mark.parametrize("n_ill", [1, MIN_PATIENTS - 1, MIN_PATIENTS])
def test_few_patients_with_impaired_segments_bound_neither_sensitivity_nor_auc(n_ill):
    patients = np.repeat(np.arange(12), 4)
    impaired = (patients < n_ill) & (np.arange(48) % 2 == 0)
    strain = np.tile([-5.0, -18, -20, -3], 12)  # one of two found, one of two spared
    result = detect(strain, impaired, patients, -12.0, 200, rng=rng())
    assert all(0 < rate.estimate < 1 for rate in (result.sensitivity, result.specificity, result.auc))
    for rate in (result.sensitivity, result.auc):
        assert np.isfinite(ends(rate)).all() == (n_ill >= MIN_PATIENTS)
    assert np.isfinite(ends(result.specificity)).all()
    swapped = detect(strain, ~impaired, patients, -12.0, 200, rng=rng())
    assert np.isfinite(ends(swapped.specificity)).all() == (n_ill >= MIN_PATIENTS)


@pytest.mark.parametrize(("threshold", "sensitivity"), [(-100.0, 1), (100.0, 0)])
def test_a_rate_of_exactly_zero_or_one_has_no_interval(threshold, sensitivity):
    strain, impaired, patients = cohort(0, n_patients=20)
    result = detect(strain, impaired, patients, threshold, 50, rng=rng())
    assert (result.sensitivity.estimate, result.specificity.estimate) == (sensitivity, 1 - sensitivity)
    assert np.isnan([*ends(result.sensitivity), *ends(result.specificity)]).all()
    assert np.isfinite(ends(result.auc)).all()


def test_one_patient_has_rates_but_no_intervals():
    result = detect(np.array([-18.0, -5, -7]), np.array([False, True, False]), ["a"] * 3, -10.0, rng=rng())
    assert (result.sensitivity.estimate, result.specificity.estimate, result.auc.estimate) == (1, 0.5, 1)
    for interval in (result.sensitivity, result.specificity, result.auc):
        assert np.isnan(ends(interval)).all() and interval.n_undefined == 0


def test_draws_are_counted_whatever_the_chunk():
    drawn = rng(4).integers(7, size=(45, 7))
    for chunk in (1, 8, 100):
        counts = np.concatenate(list(draw_counts(7, 45, rng(4), chunk)))
        assert (counts == [[(row == cluster).sum() for cluster in range(7)] for row in drawn]).all()


def test_percentile_ends_leave_the_undefined_out():
    values = np.array([np.nan, *np.linspace(0, 1, 101), np.nan])
    assert percentile_ends(values, 0.9) == pytest.approx((0.05, 0.95, 2))
    assert np.isnan(percentile_ends(np.full(3, np.nan), 0.9)[:2]).all()


def test_a_whole_cohort_takes_seconds():
    strain, impaired, patients = cohort(0, n_patients=1478, digits=6)
    began = time.process_time()
    result = detect(strain, impaired, [int(name[1:]) for name in patients], -10.0, 5000, rng=rng())
    # About one second of an idle core; the limit only tells seconds from minutes.
    assert time.process_time() - began < 30
    assert result.auc.ci_low < result.auc.estimate < result.auc.ci_high


GOOD = {
    "strain_percent": np.array([-18.0, -5.0]),
    "impaired": np.array([False, True]),
    "patients": ["a", "b"],
    "threshold_percent": -10.0,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"strain_percent": np.zeros(0), "impaired": np.zeros(0, bool), "patients": []},
            "strain_percent must hold one",
        ),
        ({"strain_percent": np.zeros((2, 1))}, "strain_percent must hold one"),
        ({"strain_percent": np.array([-18.0, np.nan])}, "strain_percent must be finite, got 1 NaN"),
        ({"strain_percent": np.array([-18.0, np.inf])}, "strain_percent must be finite"),
        ({"impaired": np.array([True])}, "impaired must have one entry per segment"),
        ({"impaired": np.array([0, 1])}, "impaired must be True or False for each segment, got int64"),
        ({"patients": ["a"]}, "patients must have one entry per segment"),
        ({"patients": np.array(["a", None], dtype=object)}, "patients must name the patient of every segment, got 1"),
        ({"threshold_percent": float("nan")}, "threshold_percent must be finite"),
        ({"n_resamples": 0}, "n_resamples must be positive"),
        ({"confidence": 95.0}, "confidence in"),
    ],
)
def test_detect_refuses(wrong, message):
    with pytest.raises(
        (ValueError, TypeError), match=f"{message}|typechecking parameter"
    ):  # by shape, where shapes are checked
        detect(**{**GOOD, **wrong}, rng=rng())
