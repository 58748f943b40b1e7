"""Pairs of segment readings: which rows meet, checked by loops."""

import numpy as np
import pandas as pd
import pytest

from echotas.evaluation.segment_pairs import PAIR_KINDS, segment_pair_summary, segment_pairs
from echotas.geometry.segments import SEGMENTS
from echotas.records import View

NAMES = SEGMENTS[View.A4C]


@pytest.fixture(scope="module")
def table():
    """Two patients with one recording, one with two; two observers each, some segments rejected."""
    rng = np.random.default_rng(0)
    rows = []
    for patient, n_recordings in (("P1", 1), ("P2", 1), ("P3", 2)):
        for recording in range(n_recordings):
            true = rng.normal(-18, 3, 6)
            accepted = {name: rng.random(6) < 0.8 for name in ("o1", "o2")}
            for method, starts in (("reader", ("o1", "o2")), ("ours", ("truth", "o1", "o2")), ("other", ("truth",))):
                for start in starts:
                    for position, segment in enumerate(NAMES):
                        rows.append(
                            {
                                "cohort": "C",
                                "recording": f"{patient}-{recording}",
                                "patient": patient,
                                "view": "A4C",
                                "method": method,
                                "start": start,
                                "segment": segment,
                                "strain_es": rng.normal(-18, 3),
                                "true_strain_es": true[position],
                                "accepted": start == "truth" or bool(accepted[start][position]),
                            }
                        )
    return pd.DataFrame(rows)


def _value(table, **wanted):
    rows = table
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    row = rows.iloc[0]
    return (row["strain_es"] if row["accepted"] else np.nan), row["true_strain_es"]


def _by_loops(table):
    expected = {kind: [] for kind in PAIR_KINDS}
    for recording in table["recording"].unique():
        for segment in NAMES:
            expected["truth"].append(_value(table, recording=recording, method="ours", start="truth", segment=segment))
            for observer in ("o1", "o2"):
                keys = {"recording": recording, "start": observer, "segment": segment}
                expected["reader"].append(
                    (_value(table, method="ours", **keys)[0], _value(table, method="reader", **keys)[0])
                )
    for first, second in (("P1-0", "P1-0"), ("P2-0", "P2-0"), ("P3-0", "P3-1")):
        repeat = "observers" if first == second else "test-retest"
        for kind, method in ((f"tracker {repeat}", "ours"), (f"readers {repeat}", "reader")):
            for segment in NAMES:
                keys = {"method": method, "segment": segment}
                one = _value(table, recording=first, start="o1", **keys)[0]
                two = _value(table, recording=second, start="o2", **keys)[0]
                expected[kind].append((two, one))
    return {kind: sorted(pair for pair in pairs if np.isfinite(pair).all()) for kind, pairs in expected.items()}


def test_pairs_are_those_that_loops_find(table):
    pairs = segment_pairs(table, "ours")
    for kind, expected in _by_loops(table).items():
        found = pairs[pairs["kind"] == kind]
        np.testing.assert_allclose(sorted(zip(found["value"], found["reference"], strict=True)), expected)
    assert list(dict.fromkeys(pairs["kind"])) == list(PAIR_KINDS)


def test_two_loops_are_never_pooled_with_one(table):
    pairs = segment_pairs(table, "ours")
    patients = pairs.groupby("kind")["patient"].agg(set)
    for who in ("tracker", "readers"):
        assert patients[f"{who} test-retest"] == {"P3"} and patients[f"{who} observers"] == {"P1", "P2"}


def test_segments_come_in_the_order_of_their_views(table):
    other = table.assign(view="A2C", segment=table["segment"].map(dict(zip(NAMES, SEGMENTS[View.A2C], strict=True))))
    pairs = segment_pairs(pd.concat([other, table]).iloc[::-1], "ours")
    expected = [*SEGMENTS[View.A4C], *SEGMENTS[View.A2C]]
    for _, part in pairs.groupby("kind"):
        met = list(dict.fromkeys(part["segment"]))
        assert met == [name for name in expected if name in met]
    summary = segment_pair_summary(pairs)
    assert list(summary.index) == [(view, name) for view in ("A4C", "A2C") for name in SEGMENTS[View(view)]]


def test_summary_is_bias_sd_and_n_of_the_pairs(table):
    pairs = segment_pairs(table, "ours")
    summary = segment_pair_summary(pairs)
    assert list(summary.index) == [("A4C", name) for name in NAMES] and summary.index.names == ["view", "segment"]
    for segment in NAMES:
        for kind in PAIR_KINDS:
            part = pairs[(pairs["segment"] == segment) & (pairs["kind"] == kind)]
            difference = (part["value"] - part["reference"]).to_numpy()
            row = summary.loc[("A4C", segment), kind]
            assert row["n"] == len(difference) and summary[kind, "n"].dtype == int
            if len(difference) > 1:
                assert row["bias"] == pytest.approx(difference.mean())
                assert row["sd"] == pytest.approx(difference.std(ddof=1))


def test_an_unknown_tracker_is_refused(table):
    with pytest.raises(ValueError, match="method must be a tracker"):
        segment_pairs(table, "reader")
    assert set(segment_pairs(table, "other")["kind"]) == {"truth", "readers observers", "readers test-retest"}
