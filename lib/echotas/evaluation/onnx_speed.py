"""Networks of trackers exported to ONNX: does the graph give the same points, and is it faster?"""

import time
from collections.abc import Iterable
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from echotas.metrics import measure_ms_per_frame
from echotas.records import Cine
from echotas.trackers.onnx_export import export_onnx, network_inputs, network_outputs
from echotas.trackers.registry import create

__all__ = ["onnx_speed_table"]


def onnx_speed_table(
    cine: Cine, query_px: np.ndarray, query_frame: int, uv: np.ndarray, trackers: Iterable[str], n_frames: int = 8, n_repeats: int = 3
) -> pd.DataFrame:  # fmt: skip
    """Export each tracker's network and run both on one thread, with the weights that come with the package.

    Args:
        cine: What to track in.
        query_px: (n_points, 2) px.
        query_frame: First frame of the clip.
        uv: Place of each point in the wall.
        trackers: Names in the registry.
        n_frames: Length of the clip.
        n_repeats: Runs after one that warms up; the median counts.

    Returns:
        Index tracker; difference_px (largest distance of a coordinate between both, px of the network's grid), torch_ms and onnx_ms
        (per frame of the clip), size_mb, export_s and refused (why there is no graph, the other columns NaN then; else empty).

    Raises:
        ValueError: onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError("timing ONNX graphs needs the package onnxruntime; run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = {}
    try:
        for name in trackers:
            tracker = create(name)
            inputs = network_inputs(tracker, cine, query_px, query_frame, uv, n_frames)
            with TemporaryDirectory() as folder:
                begin = time.perf_counter()
                try:
                    path = export_onnx(tracker, inputs, f"{folder}/{name}.onnx")
                except ValueError as error:
                    rows[name] = {"refused": str(error)}
                    continue
                exported = time.perf_counter() - begin
                session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                found, wanted = session.run(["points"], inputs)[0], network_outputs(tracker, inputs)["points"]
                rows[name] = {
                    "difference_px": float(np.abs(found - wanted).max()),
                    "torch_ms": measure_ms_per_frame(
                        partial(network_outputs, tracker, inputs), n_frames, n_repeats
                    ).median_ms,
                    "onnx_ms": measure_ms_per_frame(
                        partial(session.run, ["points"], inputs), n_frames, n_repeats
                    ).median_ms,
                    "size_mb": path.stat().st_size / 1e6,
                    "export_s": exported,
                    "refused": "",
                }
    finally:
        torch.set_num_threads(threads)
    columns = ["difference_px", "torch_ms", "onnx_ms", "size_mb", "export_s", "refused"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("tracker")
