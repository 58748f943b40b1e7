"""Scanners: grey map, persistence, presets; artefacts that stay with the probe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echotas.phantom.imaging import draw_artefacts
from echotas.phantom.plans import COHORTS, GRADES, plan
from echotas.phantom.scanner import SCANNERS, Scanner, grey_map, persist


def test_grey_map_keeps_black_and_white():
    grey = np.arange(256, dtype=np.uint8)
    for curve in (0.5, 1.0, 2.0):
        mapped = grey_map(grey, curve)
        assert mapped[0] == 0 and mapped[255] == 255 and (np.diff(mapped.astype(int)) >= 0).all()
    assert grey_map(grey, 0.5)[64] > 64 > grey_map(grey, 2.0)[64]
    np.testing.assert_array_equal(grey_map(grey, 1.0), grey)


@given(share=st.floats(0, 0.6), seed=st.integers(0, 99))
def test_persistence_is_the_recursion_run_to_its_steady_state(share, seed):
    beat = np.random.default_rng(seed).integers(0, 256, (9, 2, 3)).astype(np.uint8)
    beat[-1] = beat[0]
    shown, loop = beat[0].astype(float), []
    for frame in np.concatenate([beat[:-1]] * 6):
        shown = share * shown + (1 - share) * frame
        loop.append(shown)
    expected = np.array([*loop[-8:], share * loop[-1] + (1 - share) * beat[0]])
    assert np.abs(persist(beat, share).astype(float) - expected).max() <= 1.01  # rounding and a thousandth of 255


def test_a_still_scene_stays_as_it_is():
    still = np.full((6, 4, 4), 77, np.uint8)
    np.testing.assert_array_equal(persist(still, 0.5), still)


def test_poorer_grades_have_more_artefacts():
    def count(quality):
        drawn = [draw_artefacts(np.random.default_rng(seed), quality, SCANNERS["one"]) for seed in range(200)]
        return sum(len(one.shadows) + len(one.reverberation) for one in drawn), np.mean([one.noise_db for one in drawn])

    counts = [count(quality) for quality in GRADES]
    assert counts[0][0] < counts[1][0] < counts[2][0] and counts[0][1] < counts[1][1] < counts[2][1]


def test_every_cohort_has_easy_and_hard_patients_and_known_scanners():
    for name, design in COHORTS.items():
        grades = [one.quality for one in plan(name, 40, 0)]
        assert set(grades) == set(GRADES), name
        assert set(design.scanners) <= set(SCANNERS)
    prefix = [one.quality for one in plan("V-HUNT-A", 8, 0)][::3]
    assert "poor" in prefix and "good" in prefix


def test_bad_scanners_are_refused():
    with pytest.raises(ValueError, match="curve"):
        Scanner("x", curve=0.0)
    with pytest.raises(ValueError, match="persistence"):
        Scanner("x", persistence=1.0)
