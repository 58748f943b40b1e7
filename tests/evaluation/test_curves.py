"""Values for bull's-eyes: timing of curves that are known, and which segments a reader rejected."""

import numpy as np
import pytest

from echotas.evaluation import segment_strain_table, track_recording
from echotas.evaluation.curves import bullseye_accepted, bullseye_values, dispersion_ms, example_curves, timing_values
from echotas.records import View
from echotas.store import read_recording

NAMES = ["truth", "oracle", "frozen", "reader"]


@pytest.fixture
def tracked(cohort, tmp_path):
    path = cohort / "V-HUNT-A" / "h1-A4C.h5"
    for name in ("oracle", "frozen"):
        track_recording(path, tmp_path / "tracks" / name / path.parent.name / path.name, name, {}, 36, 5, 6.0)
    return path, tmp_path / "tracks"


def test_timing_is_that_of_the_known_motion(tracked):
    timing = timing_values([tracked[0]], tracked[1], NAMES)
    assert set(timing) == {"time_to_peak_ms", "post_systolic_percent"}
    for name in ("truth", "oracle", "reader"):
        # Uniform shortening: every segment peaks at ES, frame 2 of 40 Hz.
        np.testing.assert_allclose(timing["time_to_peak_ms"][name][View.A4C], 50.0)
        np.testing.assert_allclose(timing["post_systolic_percent"][name][View.A4C], 0.0, atol=1e-9)
    for quantity in timing.values():
        assert np.isnan(quantity["frozen"][View.A4C]).all()  # never shortens


def test_the_readers_curve_has_the_readers_segments(tracked):
    reading = read_recording(tracked[0], images=False).readings[0]
    table = segment_strain_table([tracked[0]], tracked[1], ["oracle"])
    rows = table[(table["method"] == "reader") & (table["start"] == reading.observer)].sort_values("position")
    curve = example_curves(*tracked, ["oracle"])["reader"]
    np.testing.assert_allclose(curve.segment_percent[:, curve.es_frame], rows["strain_es"])


def test_flags_belong_to_the_values_beside_them(tracked):
    table = segment_strain_table([tracked[0]], tracked[1], ["oracle"])
    first = table["start"] == "A"
    table.loc[first & (table["position"] == 4), "accepted"] = False
    table = table.sample(frac=1, random_state=0)
    names = ["truth", "oracle", "reader"]
    values, flags = (read(table, [tracked[0]], names) for read in (bullseye_values, bullseye_accepted))
    assert {name: set(of) for name, of in values.items()} == {name: set(of) for name, of in flags.items()}
    assert flags["truth"][View.A4C].all() and flags["oracle"][View.A4C].all()
    assert list(flags["reader"][View.A4C]) == [True] * 4 + [False, True]
    np.testing.assert_allclose(values["truth"][View.A4C], values["oracle"][View.A4C], atol=0.2)


def test_dispersion_leaves_out_what_has_no_peak_or_was_rejected():
    times = {View.A4C: np.array([300.0, 310, 320, 330, 340, np.nan]), View.A2C: np.full(6, 320.0)}
    value, n = dispersion_ms(times)
    assert n == 11 and value == pytest.approx(np.std([300, 310, 320, 330, 340, *[320] * 6], ddof=1))
    accepted = {View.A4C: np.array([False, *[True] * 5]), View.A2C: np.zeros(6, dtype=bool)}
    value, n = dispersion_ms(times, accepted)
    assert n == 4 and value == pytest.approx(np.std([310, 320, 330, 340], ddof=1))
    value, n = dispersion_ms({View.A4C: np.full(6, np.nan)})
    assert n == 0 and np.isnan(value)
