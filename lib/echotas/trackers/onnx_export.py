"""A network of a tracker as an ONNX file, for programs without PyTorch.

    python -m echotas.trackers.onnx_export tas_net_released cine.h5 tas_net.onnx --frames 8

The graph is the network alone, for as many frames, points and pixels as it is exported with: grey levels on the network's grid and
points in frame 0 go in, points come out. Resampling the cine, walking it in both directions and smoothing the mesh stay outside
(`network_inputs`, `PointNetworkTracker`, `TasNetTracker`).
"""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from echotas.geometry.mesh import mesh_uv
from echotas.records import Cine
from echotas.store import read_recording
from echotas.trackers.base import Tracker, check_query
from echotas.trackers.blocks.point_network import PointNetworkTracker
from echotas.trackers.blocks.resampling import move_points, resample_frames
from echotas.trackers.lucas_kanade_mesh import LucasKanadeMeshTracker
from echotas.trackers.registry import create
from echotas.trackers.tas_net import TasNetTracker, scale_frames

__all__ = ["export_onnx", "network_inputs", "network_outputs"]


def network_inputs(
    tracker: Tracker,
    cine: Cine,
    query_px: np.ndarray,
    query_frame: int,
    uv: np.ndarray | None = None,
    n_frames: int = 8,
) -> dict[str, np.ndarray]:
    """What the network of a tracker is given for a clip that begins with the query frame, by the names of the graph's inputs.

    Args:
        tracker: TAS-Net or one of the point networks.
        cine: The loop.
        query_px: (n_points, 2) px of the cine.
        query_frame: First frame of the clip.
        uv: Place of each point in the wall; TAS-Net needs it.
        n_frames: Length of the clip, >= 2.

    Returns:
        frames, float32 on the network's grid (batch of one first); query (1, n_points, 2), px of that grid plus `Grid.first_pixel`;
        for TAS-Net also mesh_uv and, if it begins with Lucas-Kanade, guess (1, n_frames, n_points, 2).

    Raises:
        ValueError: Another tracker, no (u, v) for TAS-Net, a query outside the image, or fewer frames than asked for.
    """
    if not isinstance(tracker, PointNetworkTracker | TasNetTracker):
        raise ValueError(f"tracker must be TAS-Net or another network that follows points, got {tracker.name!r}")
    query, uv = check_query(cine, query_px, query_frame, uv)
    if not 2 <= n_frames <= cine.n_frames - query_frame:
        raise ValueError(
            f"n_frames must be in 2..{cine.n_frames - query_frame}, the frames from the query frame on, got {n_frames}"
        )
    clip = slice(query_frame, query_frame + n_frames)
    matrix, size = tracker.grid_for(cine, query)
    frames = torch.from_numpy(resample_frames(cine.frames[clip], matrix, size))
    given = {"query": move_points(query, matrix)[None]}
    if isinstance(tracker, PointNetworkTracker):
        given = {"query": given["query"] + tracker.grid.first_pixel}
        given |= {"frames": tracker.scaled(tracker.network, frames)[None].numpy()}
    else:
        if uv is None:
            raise ValueError("uv must be given for TAS-Net, got None")
        given |= {"frames": scale_frames(frames)[None].numpy(), "mesh_uv": uv[None]}
        if tracker.network.config.begin_with == "lucas_kanade":
            paths = LucasKanadeMeshTracker().track(cine, query, query_frame).points_px[clip]
            given |= {"guess": move_points(paths, matrix)[None]}
    return {name: given[name].astype(np.float32) for name in ("frames", "query", "mesh_uv", "guess") if name in given}


def network_outputs(tracker: Tracker, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the network makes of `network_inputs`: points (1, n_frames, n_points, 2), px as the query's, and visibility, logits
    (1, n_frames, n_points), from those that predict it."""
    network = _Network(tracker).eval()
    with torch.no_grad():
        found = network(*(torch.from_numpy(value) for value in inputs.values()))
    return {name: value.numpy() for name, value in zip(network.outputs, found, strict=False)}


def export_onnx(tracker: Tracker, inputs: Mapping[str, np.ndarray], path: str | Path) -> Path:
    """Write the network of a tracker, for the sizes of `inputs`.

    Args:
        tracker: As in `network_inputs`.
        inputs: What `network_inputs` gives; their values do not matter.
        path: ONNX file; metadata say which tracker, weights and grid it is of.

    Raises:
        ValueError: A package is missing, or the graph cannot be exported.
    """
    path = Path(path)
    try:
        import onnxscript  # noqa: F401  (what the exporter is built on; torch names it less clearly)
    except ImportError as error:
        raise ValueError(
            "ONNX export needs the packages onnx and onnxscript; run: pip install onnx onnxscript"
        ) from error
    network = _Network(tracker).eval()
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    try:
        loud.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own libraries
            program = torch.onnx.export(
                network,
                tuple(torch.from_numpy(value) for value in inputs.values()),
                input_names=list(inputs),
                output_names=list(network.outputs),
                dynamo=True,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise ValueError(f"{tracker.name} cannot be exported: {reason}") from error
    finally:
        loud.setLevel(level)
    program.model.metadata_props.update({name: json.dumps(value) for name, value in _card(tracker).items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    program.save(temporary)
    temporary.replace(path)
    return path


class _Network(nn.Module):
    """The network of a tracker from its inputs, in order, to points and visibility."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__()
        self.tracker, self.network = tracker, tracker.network
        self.outputs = ("points", "visibility")

    def forward(self, frames: Tensor, query: Tensor, *more: Tensor) -> tuple[Tensor, ...]:
        tracker = self.tracker
        if isinstance(tracker, TasNetTracker):
            uv, guess = (*more, None)[:2]
            found = self.network(frames, query, uv, tracker.n_iterations, guess)
            return found.positions * self.network.config.core.stride, found.visibility
        found = tracker.estimates(self.network, frames, query, tracker.n_iterations)
        return (found.stages[-1],) if found.visibility is None else (found.stages[-1], found.visibility)


def _card(tracker: Tracker) -> dict[str, Any]:
    grid = tracker.network.config if isinstance(tracker, TasNetTracker) else tracker.grid
    return {
        "echotas_tracker": tracker.name,
        "pixel_mm": grid.pixel_mm,
        "first_pixel": getattr(grid, "first_pixel", 0.0),
        "training_steps": tracker.n_steps,
        "n_iterations": tracker.n_iterations,
        "use": "research only, no medical device",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Export one tracker for the wall of one recording; 0, or 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m echotas.trackers.onnx_export", description=__doc__.split("\n")[0])
    parser.add_argument("tracker", help="name in the registry")
    parser.add_argument(
        "recording", type=Path, help="recording file with a mesh: its size and number of points are the graph's"
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", help="instead of those that come with the package")
    parser.add_argument("--frames", type=int, default=8)
    options = parser.parse_args(arguments)
    try:
        recording = read_recording(options.recording)
        if recording.mesh is None or recording.cine.es_frame is None:
            raise ValueError(f"{options.recording}: must hold a mesh and its end-systolic frame")
        follow = create(options.tracker, **({"weights": options.weights} if options.weights else {}))
        frame, points = recording.cine.es_frame, recording.mesh.points_px
        uv = mesh_uv(*points.shape[1:3])
        inputs = network_inputs(follow, recording.cine, points[frame].reshape(-1, 2), frame, uv, options.frames)
        export_onnx(follow, inputs, options.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    shapes = ", ".join(f"{name} {'x'.join(map(str, value.shape))}" for name, value in inputs.items())
    print(f"{options.out}: {options.tracker} for {shapes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
