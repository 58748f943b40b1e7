"""Strain of two real EchoPAC traces against recorded numbers of an independent public port."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from echotas import strain

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
TRACES = GOLDEN.parent / "real" / "echopac_full_trace"
FILE = GOLDEN / "echopac_strain.json"
CASES = sorted(json.loads(FILE.read_text())) if FILE.exists() else []

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"golden strain not found: {FILE} (set ECHOTAS_GOLDEN)")


def trace_mm(name, shape):
    """Knots (n_frames, n_knots, 2) of a full-trace export: rows of x0, y0, x1, y1, ... after the `Num Frames` line."""
    path = next(TRACES.glob(f"{name}*"), None)
    if path is None:
        pytest.skip(f"trace {name} not found in {TRACES}")
    rows = [line.strip(",").split(",") for line in path.read_text(encoding="latin-1").splitlines()]
    numbers = [row for row in rows if len(row) == 2 * shape[1]]
    return np.array(numbers[-shape[0] :], dtype=float).reshape(shape)


@pytest.mark.parametrize("name", CASES)
def test_echopac_trace_matches_recorded_strain(name):
    case = json.loads(FILE.read_text())[name]
    arrays = np.load(FILE.with_suffix(".npz"))
    q1, q2, avc = case["q1"], case["q2"], case["avc"]
    points = trace_mm(name, case["shape"])
    assert strain.line_length(points) == pytest.approx(arrays[f"{name}_length_mm"], abs=1e-8)
    raw = strain.longitudinal_strain(points, q1)
    assert raw == pytest.approx(arrays[f"{name}_strain_raw"], abs=1e-8)
    assert strain.drift_percent(raw, q1, q2) == pytest.approx(case["drift_q2"], abs=1e-8)

    corrected = strain.compensate_point_drift(points, q1, q2).values
    curve = strain.longitudinal_strain(corrected, q1)
    assert curve == pytest.approx(arrays[f"{name}_strain_corrected"], abs=1e-8)
    values = strain.gls(curve, q1, avc, q2)
    assert (values.es_percent, values.peak_percent, values.peak_frame) == pytest.approx(
        (case["strain_avc_corrected"], case["peak_corrected"], case["peak_corrected_frame"]), abs=1e-8
    )

    # The recorded segments are runs of knots with shared ends: every link belongs to one run.
    n_links = points.shape[1] - 1
    ends = [i * n_links // 6 for i in range(7)]
    weights = np.array([(np.arange(n_links) >= a) & (np.arange(n_links) < b) for a, b in pairwise(ends)])
    lengths = strain.segment_lengths(corrected, weights.astype(float))
    runs = 100 * (lengths / lengths[:, [q1]] - 1)
    assert runs == pytest.approx(arrays[f"{name}_six_equal_parts_corrected"], abs=1e-8)


@pytest.mark.skipif("VOL_0001_OFF_4CH" not in CASES, reason="needs the A4C trace")
def test_badly_tracked_segment_of_the_real_trace_changes_gls_when_rejected():
    case = json.loads(FILE.read_text())["VOL_0001_OFF_4CH"]
    points = trace_mm("VOL_0001_OFF_4CH", case["shape"])
    accepted = np.array([True] * 5 + [False])
    every = strain.longitudinal_strain(points, case["q1"])[case["avc"]]
    kept = strain.longitudinal_strain(points, case["q1"], accepted=accepted)[case["avc"]]
    assert kept < every - 1
