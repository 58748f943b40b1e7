"""Networks as ONNX files: the graph gives what the network gives, and what cannot be exported is refused in a sentence."""

import json
import sys

import numpy as np
import pytest

from echotas.records import Cine
from echotas.trackers import create
from echotas.trackers.onnx_export import export_onnx, main, network_inputs, network_outputs

from .conftest import as_cine, horseshoe, mesh_uv, translated

QUERY = horseshoe().reshape(-1, 2)
UV = mesh_uv()


@pytest.fixture(scope="module")
def moving() -> Cine:
    return as_cine(translated((1.0, -0.6), 4), es_frame=1)


@pytest.mark.parametrize("name", ["tas_net_released"])  # a point network: test_onnx_speed.py
def test_the_graph_gives_what_the_network_gives(name, moving, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    tracker = create(name)
    inputs = network_inputs(tracker, moving, QUERY, 1, UV, n_frames=3)
    path = export_onnx(tracker, inputs, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = network_outputs(tracker, inputs)
    assert [item.name for item in session.get_outputs()] == list(expected)
    # Other values than those it was exported with: nothing of them is frozen in.
    other = {**inputs, "query": inputs["query"] + np.float32(2.3)}
    for values in (inputs, other):
        found = session.run(None, values)
        for one, (_, wanted) in zip(found, network_outputs(tracker, values).items(), strict=True):
            np.testing.assert_allclose(one, wanted, atol=2e-3)
    card = session.get_modelmeta().custom_metadata_map
    assert json.loads(card["echotas_tracker"]) == name and json.loads(card["pixel_mm"]) == 1.0


def test_inputs_are_those_of_the_tracker_itself(moving):
    tracker = create("tas_net_released", smoothing_mm=0.0)
    tracks = tracker.track(moving, QUERY, 1, UV)
    inputs = network_inputs(tracker, moving, QUERY, 1, UV, n_frames=3)
    points = network_outputs(tracker, inputs)["points"][0].astype(float)
    matrix, _ = tracker.grid_for(moving, QUERY)
    moved = (points - points[:1]) / np.diag(matrix[:, :2])
    np.testing.assert_allclose(QUERY + moved, tracks.points_px[1:], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("farneback", {}, "tracker must be TAS-Net or another network that follows points, got 'farneback'"),
        ("tas_net_released", {"uv": None}, "uv must be given for TAS-Net"),
        ("specknet", {"n_frames": 4}, r"n_frames must be in 2..3, the frames from the query frame on, got 4"),
    ],
)
def test_exception_bad_input(name, arguments, message, moving):
    with pytest.raises(ValueError, match=message):
        network_inputs(create(name), moving, QUERY, 1, **{"uv": UV, "n_frames": 3, **arguments})


def test_exception_without_the_packages(moving, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    tracker = create("specknet")
    with pytest.raises(ValueError, match="ONNX export needs the packages onnx and onnxscript"):
        export_onnx(tracker, network_inputs(tracker, moving, QUERY, 1, UV, 2), tmp_path / "net.onnx")
    assert main(["specknet", str(tmp_path / "none.h5"), str(tmp_path / "net.onnx")]) == 1
