"""Repeated pairs: analysis of variance and mixed model of statsmodels, and copies of rows, as oracles."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.metrics import bland_altman, cluster_bootstrap
from echotas.metrics.repeated import bland_altman_repeated

seeds = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


def readings(seed=0, n_patients=15, counts=(1, 5), between=1.5, within=0.8, bias=0.6):
    """Method, reference and patient; patients have `counts` pairs (from, to)."""
    draw = rng(seed)
    m = draw.integers(counts[0], counts[1] + 1, n_patients)
    patients = np.repeat([f"P{i:02d}" for i in range(n_patients)], m)
    reference = draw.normal(-18, 3, len(patients))
    own = np.repeat(draw.normal(bias, between, n_patients), m)
    return reference + own + draw.normal(0, within, len(patients)), reference, patients


def plain_components(difference, patients):
    """Variance components by loops, after Bland and Altman 2007."""
    groups = [difference[patients == name] for name in np.unique(patients)]
    m, n, total = [len(group) for group in groups], len(groups), len(difference)
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (total - n) if total > n else 0.0
    between_ms = sum(len(group) * (group.mean() - difference.mean()) ** 2 for group in groups) / (n - 1)
    scale = (total**2 - sum(k * k for k in m)) / ((n - 1) * total)
    return max(0.0, (between_ms - within) / scale), within


def run(seed=0, n_resamples=50, **design):
    return bland_altman_repeated(*readings(seed, **design), n_resamples, rng=rng())


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_components_are_those_of_the_analysis_of_variance(seed):
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    method, reference, patients = readings(seed, counts=(2, 5))
    result = bland_altman_repeated(method, reference, patients, 1, rng=rng())
    table = pd.DataFrame({"d": method - reference, "patient": patients})
    squares = anova.anova_lm(formula.ols("d ~ C(patient)", table).fit())["mean_sq"]
    m = table.groupby("patient").size()
    scale = (len(table) ** 2 - (m**2).sum()) / ((len(m) - 1) * len(table))
    between = max(0.0, (squares["C(patient)"] - squares["Residual"]) / scale)
    assert result.within_sd**2 == pytest.approx(squares["Residual"])
    assert result.between_sd**2 == pytest.approx(between, abs=1e-12)
    assert result.bias == pytest.approx(table["d"].mean())
    assert result.sd**2 == pytest.approx(between + squares["Residual"])


def test_components_of_equal_counts_are_those_of_the_mixed_model():
    formula = pytest.importorskip("statsmodels.formula.api")
    method, reference, patients = readings(2, n_patients=25, counts=(3, 3))
    result = bland_altman_repeated(method, reference, patients, 1, rng=rng())
    table = pd.DataFrame({"d": method - reference, "patient": patients})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns about steps of its optimiser
        fit = formula.mixedlm("d ~ 1", table, groups=table["patient"]).fit(reml=True)
    # The optimiser stops at about 1e-4; for equal counts restricted likelihood and analysis of variance agree.
    assert result.between_sd**2 == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=2e-3)
    assert result.within_sd**2 == pytest.approx(float(fit.scale), rel=2e-3)
    assert result.bias == pytest.approx(float(fit.params["Intercept"]), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_one_pair_per_patient_is_plain_bland_altman(seed):
    method, reference, patients = readings(seed, counts=(1, 1))
    ours, plain = bland_altman_repeated(method, reference, patients, 20, rng=rng()), bland_altman(method, reference)
    assert (ours.bias, ours.sd, ours.loa_low, ours.loa_high) == pytest.approx(
        (plain.bias, plain.sd, plain.loa_low, plain.loa_high)
    )
    assert ours.n_patients == ours.n_pairs == plain.n
    assert np.isnan([ours.between_sd, ours.within_sd]).all()


def test_intervals_of_one_pair_per_patient_are_about_the_closed_ones():
    method, reference, patients = readings(4, n_patients=300, counts=(1, 1))
    ours = bland_altman_repeated(method, reference, patients, 4000, rng=rng())
    plain = bland_altman(method, reference)
    half = (plain.bias_ci[1] - plain.bias_ci[0]) / 2
    # 4,000 resamples place an end within about 5 % of the half-width; the limits' closed form is an approximation.
    assert ours.bias_ci == pytest.approx(plain.bias_ci, abs=0.1 * half)
    assert ours.loa_low_ci == pytest.approx(plain.loa_low_ci, abs=0.3 * half)
    assert ours.loa_high_ci == pytest.approx(plain.loa_high_ci, abs=0.3 * half)


@pytest.mark.parametrize("seed", range(4))
def test_intervals_are_those_of_copied_rows_from_the_same_draws(seed):
    method, reference, patients = readings(seed, n_patients=6)
    result = bland_altman_repeated(method, reference, patients, 120, rng=rng(seed), confidence=0.9)
    difference, names = method - reference, np.unique(patients)
    values = []
    for draw in rng(seed).integers(6, size=(120, 6)):
        # A patient drawn twice enters as two patients.
        parts = [difference[patients == names[index]] for index in draw]
        rows = np.concatenate(parts)
        between, within = plain_components(rows, np.repeat(np.arange(6), [len(part) for part in parts]))
        half = 1.96 * np.sqrt(between + within)
        values.append((rows.mean(), rows.mean() - half, rows.mean() + half))
    low, high = np.percentile(values, [5, 95], axis=0)
    found = (result.bias_ci, result.loa_low_ci, result.loa_high_ci)
    np.testing.assert_allclose(found, np.stack([low, high], axis=1), rtol=1e-9)
    mean = cluster_bootstrap(difference, patients, np.mean, 120, rng=rng(seed), confidence=0.9)
    assert result.bias_ci == pytest.approx((mean.ci_low, mean.ci_high))


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_swapping_method_and_reference_mirrors_the_limits(seed):
    method, reference, patients = readings(seed)
    one = bland_altman_repeated(method, reference, patients, 30, rng=rng())
    other = bland_altman_repeated(reference, method, patients, 30, rng=rng())
    assert (other.bias, other.loa_low, other.loa_high) == pytest.approx((-one.bias, -one.loa_high, -one.loa_low))
    assert other.loa_low_ci == pytest.approx((-one.loa_high_ci[1], -one.loa_high_ci[0]))


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_order_of_rows_changes_nothing(seed):
    method, reference, patients = readings(seed)
    order = rng(seed).permutation(len(method))
    one = bland_altman_repeated(method, reference, patients, 30, rng=rng())
    other = bland_altman_repeated(method[order], reference[order], patients[order], 30, rng=rng())
    assert (other.bias, other.sd, *other.loa_low_ci) == pytest.approx((one.bias, one.sd, *one.loa_low_ci))


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(-1e6, 1e6), st.floats(0.01, 100))
def test_shift_moves_the_bias_and_scale_widens_the_limits(seed, shift, scale):
    method, reference, patients = readings(seed)
    one = bland_altman_repeated(method, reference, patients, 10, rng=rng())
    other = bland_altman_repeated(scale * method + shift, scale * reference, patients, 10, rng=rng())
    # The shift costs digits of the differences: 1e6 in float64 leaves about 1e-9.
    assert other.bias == pytest.approx(scale * one.bias + shift, abs=1e-8)
    assert (other.between_sd, other.within_sd) == pytest.approx(
        (scale * one.between_sd, scale * one.within_sd), rel=1e-5, abs=1e-4
    )


def test_components_recover_the_simulated_ones():
    result = run(7, n_patients=2000, counts=(1, 6), between=2.0, within=1.0, bias=0.5)
    assert (result.between_sd, result.within_sd, result.bias) == pytest.approx((2.0, 1.0, 0.5), abs=0.15)
    assert result.sd == pytest.approx(np.sqrt(5), abs=0.1)


def test_interval_of_the_bias_covers_patients_not_pairs():
    covered, naive = [], []
    for seed in range(150):
        method, reference, patients = readings(seed, n_patients=30, counts=(6, 6), between=1.5, within=0.5)
        low, high = bland_altman_repeated(method, reference, patients, 300, rng=rng(seed)).bias_ci
        covered.append(low <= 0.6 <= high)
        low, high = bland_altman(method, reference).bias_ci
        naive.append(low <= 0.6 <= high)
    # SE of a share of 0.95 in 150 trials is 0.018.
    assert 0.88 <= np.mean(covered) <= 0.99
    assert np.mean(naive) < 0.7


def test_patients_alike_have_no_component_of_their_own():
    method, patients = np.array([1.0, -1, 1, -1, 1, -1]), list("aabbcc")
    result = bland_altman_repeated(method, np.zeros(6), patients, 20, rng=rng())
    assert (result.bias, result.between_sd) == (0, 0)
    assert result.within_sd == result.sd == pytest.approx(np.sqrt(2))


def test_equal_differences_have_zero_width_not_nan():
    result = bland_altman_repeated(np.arange(6.0) + 0.1, np.arange(6.0), list("aabbcc"), 20, rng=rng())
    assert (result.bias, result.loa_low, result.loa_high) == pytest.approx((0.1, 0.1, 0.1))
    assert (*result.bias_ci, *result.loa_high_ci) == pytest.approx((0.1,) * 4)


def test_one_patient_has_a_bias_and_a_within_sd_only():
    result = bland_altman_repeated(np.array([1.0, 3.0]), np.zeros(2), ["a", "a"], rng=rng())
    assert (result.n_patients, result.n_pairs, result.bias) == (1, 2, 2)
    assert result.within_sd == pytest.approx(np.sqrt(2))
    rest = [result.sd, result.between_sd, result.loa_low, result.loa_high]
    assert np.isnan([*rest, *result.bias_ci, *result.loa_low_ci, *result.loa_high_ci]).all()


def test_one_pair_in_all_has_a_bias_only():
    result = bland_altman_repeated(np.array([1.0]), np.zeros(1), ["a"], rng=rng())
    assert result.bias == 1
    assert np.isnan([result.sd, result.between_sd, result.within_sd, result.loa_low, *result.bias_ci]).all()


GOOD = {"method": np.array([1.0, 2.0]), "reference": np.zeros(2), "patients": ["a", "b"]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": np.zeros(0), "reference": np.zeros(0), "patients": []}, "method must hold one value"),
        ({"method": np.zeros((2, 1))}, "method must hold one value"),
        ({"reference": np.zeros(3)}, "reference must have one entry per value of method"),
        ({"patients": ["a"]}, "patients must have one entry per value of method"),
        ({"patients": np.array(["a", None], dtype=object)}, "patients must name the patient of every value, got 1"),
        ({"method": np.array([np.nan, 1.0])}, "method must be finite, got 1 NaN"),
        ({"reference": np.array([np.inf, 1.0])}, "reference must be finite"),
        ({"n_resamples": 0}, "n_resamples must be positive"),
        ({"confidence": 1.0}, "confidence in"),
    ],
)
def test_bland_altman_repeated_refuses(wrong, message):
    with pytest.raises(
        (ValueError, TypeError), match=f"{message}|typechecking parameter"
    ):  # by shape, where shapes are checked
        bland_altman_repeated(**{**GOOD, **wrong}, rng=rng())
