"""Recorded numbers are finite, rounded, sorted, and the same bytes for the same values."""

import json

import numpy as np
import pandas as pd
import pytest

from echotas.pipeline.metrics_file import flatten, record, record_rows


def test_numbers_are_rounded_and_sorted(workspace):
    written = record(
        "x", {"b": np.float64(1 / 3), "a": {"d": 123456789.0, "c": [np.int64(2), True, None, "s"]}, "z": -0.0}
    )
    path = workspace / "reports" / "metrics" / "x.json"
    assert json.loads(path.read_text()) == written
    assert written == {"a": {"c": [2, True, None, "s"], "d": 123457000.0}, "b": 0.333333, "z": 0.0}
    assert list(written) == ["a", "b", "z"]
    assert "-0.0" not in path.read_text()


def test_noise_below_the_kept_digits_gives_the_same_bytes(tmp_path):
    record("x", {"a": 1.2345678}, tmp_path / "1.json")
    record("x", {"a": 1.2345678 + 1e-9}, tmp_path / "2.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


@pytest.mark.parametrize("value", [float("nan"), np.inf, [1.0, np.nan]])
def test_numbers_that_are_not_finite_are_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises(ValueError, match=r"x: a\.b(\[1\])? must be finite"):
        record("x", {"a": {"b": value}}, tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_missing_values_become_null_if_allowed(tmp_path):
    assert record("x", {"a": np.array([1.0, np.nan])}, tmp_path / "x.json", allow_nan=True) == {"a": [1.0, None]}


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="x: a must be a number, a string, a list or a mapping of them, got object"):
        record("x", {"a": object()}, tmp_path / "x.json")


def test_flat_names_join_nested_keys():
    assert flatten({"a": {"b": 1, "c": {"d": 2.5}}, "s": "text", "t": True}) == {"a.b": 1.0, "a.c.d": 2.5}


def test_rows_behind_a_table_go_to_the_reports_and_to_the_run(workspace):
    class Run:
        name, experiment, files = "all | motion", "benchmark", []

        def log_artifact(self, path, folder):
            self.files.append((folder, path.name, path.read_text()))

    sentence = record_rows("30_motion", pd.DataFrame({"recording": ["a", "b"], "x": [1 / 3, 2.0]}), Run())
    text = (workspace / "reports" / "tables" / "30_motion.csv").read_text()
    assert text.splitlines() == ["recording,x", "a,0.3333", "b,2.0"] and Run.files == [
        ("tables", "30_motion.csv", text)
    ]
    assert "2 rows" in sentence and "all | motion" in sentence and "`benchmark`" in sentence
