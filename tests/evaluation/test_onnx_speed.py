"""The table of exported networks."""

import numpy as np
import pytest

from echotas.evaluation import onnx_speed
from echotas.evaluation.onnx_speed import onnx_speed_table
from tests.trackers.conftest import as_cine, horseshoe, mesh_uv, translated


def test_a_refused_network_has_a_reason_and_no_times(monkeypatch):
    pytest.importorskip("onnxruntime")

    def refuse(tracker, inputs, path):
        raise ValueError(f"{tracker.name} cannot be exported: no such operator")

    monkeypatch.setattr(onnx_speed, "export_onnx", refuse)
    cine = as_cine(translated((1.0, 0.0), 3))
    table = onnx_speed_table(cine, horseshoe().reshape(-1, 2), 0, mesh_uv(), ["specknet"], n_frames=2, n_repeats=1)
    assert table.loc["specknet", "refused"] == "specknet cannot be exported: no such operator"
    assert np.isnan(table.loc["specknet", ["difference_px", "torch_ms", "onnx_ms"]].astype(float)).all()


def test_a_graph_agrees_and_has_times():
    pytest.importorskip("onnxruntime")
    cine = as_cine(translated((1.0, 0.0), 3))
    table = onnx_speed_table(cine, horseshoe().reshape(-1, 2), 0, mesh_uv(), ["specknet"], n_frames=2, n_repeats=1)
    row = table.loc["specknet"]
    assert row["difference_px"] < 2e-3 and row["refused"] == ""
    assert (row[["torch_ms", "onnx_ms", "size_mb", "export_s"]].astype(float) > 0).all()
