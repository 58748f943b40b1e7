"""Populations: strain, timing and what makes each disease recognisable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.phantom.pathology import MIXES, POPULATIONS, TERRITORIES, draw_disease, population_at, wall_knots
from echotas.phantom.timing import draw_timing, evaluate_knots, segment_knots, twist_course
from echotas.seeds import generator


def draw(population, count=40):
    return [draw_disease(population, generator(4, "test", index)) for index in range(count)]


def curves(disease, heart_rate=66.0):
    timing = draw_timing(generator(4, "test-timing"), heart_rate)
    times = np.arange(0, timing.cycle_ms, 2.0)
    return timing, times, np.array([evaluate_knots(row, times, timing.cycle_ms) for row in wall_knots(disease, timing)])


@pytest.mark.parametrize(
    ("population", "low", "high"),
    [
        ("normal", -24.5, -16.0),
        ("mild", -20, -13),
        ("hfref", -14.5, -5),
        ("infarct_lad", -15.5, -8),
        ("infarct_rca", -18.5, -12.5),
        ("infarct_lcx", -18.5, -12.5),
        ("lbbb", -14.5, -8),
        ("amyloid", -14, -6),
        ("hypertrophic", -17.5, -11.5),
    ],
)
def test_mean_strain_lies_in_the_range_of_the_population(population, low, high):
    means = np.array([disease.strain_percent.mean() for disease in draw(population)])
    assert low < np.percentile(means, 5) and np.percentile(means, 95) < high


def test_mixes_have_the_published_mean_and_spread():
    for mix, mean, spread in (("wide", -16.5, 4.4), ("test", -17.7, 3.4)):
        gls = [draw_disease(population_at(mix, i), generator(1, "test", i)).strain_percent.mean() for i in range(400)]
        assert abs(np.mean(gls) - mean) < 0.8 and abs(np.std(gls) - spread) < 0.8
        shares = dict(MIXES[mix])
        drawn = [population_at(mix, i) for i in range(1000)]
        assert all(abs(drawn.count(name) / 1000 - share) < 0.02 for name, share in shares.items())


def test_post_systolic_shortening_marks_ischaemia_only():
    def index(curve, closure):
        peak = curve.min()
        return 100 * (curve[closure] - peak) / abs(peak) if peak < -0.5 else np.nan

    healthy, ill = [], []
    for disease in draw("normal", 20):
        timing, times, every = curves(disease)
        closure = int(np.searchsorted(times, timing.aortic_closure_ms))
        healthy += [index(curve, closure) for row in every for curve in row]
    for disease in draw("infarct_rca", 20):
        timing, times, every = curves(disease)
        closure = int(np.searchsorted(times, timing.aortic_closure_ms))
        ill += [index(every[place], closure) for place in TERRITORIES["infarct_rca"]]
    assert np.nanmedian(healthy) < 5 and np.nanmedian(ill) > 15


def test_left_bundle_branch_block_peaks_early_in_the_septum_and_late_laterally():
    for disease in draw("lbbb", 10):
        timing, times, every = curves(disease)
        septum, lateral = every[0, 0], every[3, 0]
        assert times[septum.argmin()] < timing.aortic_opening_ms + 0.5 * timing.ejection_ms
        assert times[lateral.argmin()] > timing.aortic_closure_ms


def test_amyloid_spares_the_apex():
    for disease in draw("amyloid", 20):
        base, mid, apex = disease.strain_percent.mean(axis=0)
        assert apex / (base + mid) > 1.0 - 0.15


def test_neighbours_of_a_scar_shorten_more_than_the_scar():
    for disease in draw("infarct_lad", 10):
        scar = np.zeros((6, 3), dtype=bool)
        for place in TERRITORIES["infarct_lad"]:
            scar[place] = True
        assert disease.strain_percent[~scar].mean() < disease.strain_percent[scar].mean() - 5


@given(
    heart_rate=st.floats(45, 115),
    strain=st.floats(-25, 4),
    lag=st.floats(-40, 120),
    post=st.sampled_from([0.0, 2.0, 5.0]),
)
@settings(max_examples=20, deadline=None)
def test_curves_start_at_zero_and_repeat(heart_rate, strain, lag, post):
    timing = draw_timing(generator(0, "test"), heart_rate)
    knots = segment_knots(timing, strain, lag_ms=lag, post_systolic_percent=post)
    assert (np.diff(knots.times_ms) > 0).all() and knots.times_ms[-1] < timing.cycle_ms
    times = np.array([0.0, timing.cycle_ms, 3 * timing.cycle_ms, 200.0, 200.0 + timing.cycle_ms])
    value = evaluate_knots([knots], times, timing.cycle_ms)[0]
    assert np.abs(value[:3]).max() < 1e-9 and abs(value[3] - value[4]) < 1e-9


def test_template_has_the_measured_rates():
    """Heart rate 66, strain -20 %: systolic peak rate about -1.1 /s, early diastolic +1.5, late +0.4 (section 6.3)."""
    timing = draw_timing(generator(0, "test"), 66.0)
    times = np.arange(0, timing.cycle_ms, 1.0)
    rate = np.gradient(evaluate_knots([segment_knots(timing, -20.0)], times, timing.cycle_ms)[0] / 100, 1e-3)
    after = times > timing.mitral_opening_ms
    late = times > timing.atrial_start_ms
    assert -1.5 < rate[times < timing.aortic_closure_ms].min() < -0.8
    assert 1.0 < rate[after & ~late].max() < 2.2 and 0.2 < rate[late].max() < 0.8


def test_untwisting_runs_ahead_of_lengthening():
    timing = draw_timing(generator(0, "test"), 66.0)
    events = np.array([0.0, timing.aortic_closure_ms, timing.mitral_opening_ms, timing.cycle_ms])
    start, closure, opening, end = twist_course(timing, events)
    strain = evaluate_knots([segment_knots(timing, -20.0)], events, timing.cycle_ms)[0] / -20
    assert start == end == 0 and closure > 0.9 and opening < 0.7 < strain[2]


def test_exception():
    with pytest.raises(ValueError, match="population"):
        draw_disease("influenza", generator(0, "test"))
    with pytest.raises(ValueError, match="mix"):
        population_at("narrow", 0)
    with pytest.raises(ValueError, match="heart_rate_bpm"):
        draw_timing(generator(0, "test"), 300.0)
    assert len(set(POPULATIONS)) == len(POPULATIONS)
