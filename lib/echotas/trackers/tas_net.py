"""TAS-Net: CoTracker v1 with a mesh-position embedding and continuous visibility, run both ways from the query frame.

Paper: "Track Any Speckle", section III. What it leaves open is decided here: GELU in the embedding and a zero last layer (training starts
as plain CoTracker), a sigmoid over the visibility, grey frames with one channel. Ours, and switches: iterations that begin with the
steps of smoothed Lucas-Kanade, a predicted error for each point, a mesh that is smoothed, more where it would fold.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from echotas.records import Cine
from echotas.trackers.base import Paths, Query, Tracker
from echotas.trackers.blocks.error_head import ErrorHead
from echotas.trackers.blocks.fold_free import mesh_order, unfold
from echotas.trackers.blocks.point_network import SNAP, in_parts, on_one_grid
from echotas.trackers.blocks.resampling import crop_to_grid, move_points, resample_frames
from echotas.trackers.cotracker import CoTracker, CoTrackerConfig, CoTrackerTracker, Followed
from echotas.trackers.lucas_kanade_mesh import LucasKanadeMeshTracker
from echotas.trackers.pretrained import TAS_NET_RELEASED

__all__ = [
    "N_ITERATIONS",
    "SMALL_CORE",
    "SMOOTHING_MM",
    "TasNet",
    "TasNetConfig",
    "TasNetTracker",
    "load_weights",
    "save_weights",
    "scale_frames",
]

FIRST_CONFIG = {"error_head": False, "begin_with": "still"}  # what files say nothing about that are older than these
SMALL_CORE = CoTrackerConfig(**CoTrackerTracker.small)
"""Core that trains from scratch in minutes on two cores."""
N_ITERATIONS = {"still": 3, "lucas_kanade": 1}
"""Refinements per window in training and use, by what they begin with. After the steps of Lucas-Kanade one does as well as more: the
released weights, trained with three, have 0.483 mm on 16 cines of eight template patients, 0.481 with two and with three; trained with
one in the laptop's pipeline 0.64 mm on its 33 recordings, with two 0.66."""
SMOOTHING_MM = 4.0
"""Of 1.5, 2.5, 4 and 6 mm the smallest with the lowest error, on 17 recordings of the laptop cohort."""


@dataclass(frozen=True)
class TasNetConfig:
    """Sizes and choices of TAS-Net; saved with its weights."""

    core: CoTrackerConfig = field(default=SMALL_CORE)
    """The CoTracker core."""
    mesh_embedding: bool = True
    """Add g(u, v) to the appearance vector in the token."""
    mesh_widths: tuple[int, ...] = (32, 64, 128)
    """Hidden layers of g."""
    pixel_mm: float = 1.0
    """Pixel of the network's grid, mm."""
    image_size: tuple[int, int] = (128, 112)
    """Grid height and width, px; grown for a mesh that does not fit."""
    margin_mm: float = 12.0
    """Least distance of the query from the grid's border; `crop_to_grid` takes up to half of `SNAP` px of it."""
    error_head: bool = True
    """Predict how far each point is off."""
    begin_with: str = "lucas_kanade"
    """Where the iterations begin: "still", points that stay, as published; "lucas_kanade", the steps of `lucas_kanade_mesh`
    in the cine's own pixels, which the network then corrects."""

    def __post_init__(self) -> None:
        core = self.core if isinstance(self.core, CoTrackerConfig) else CoTrackerConfig(**self.core)
        object.__setattr__(self, "core", core)
        object.__setattr__(self, "mesh_widths", tuple(self.mesh_widths))
        object.__setattr__(self, "image_size", tuple(self.image_size))
        if self.begin_with not in ("still", "lucas_kanade"):
            raise ValueError(f"begin_with must be still or lucas_kanade, got {self.begin_with!r}")
        if not self.pixel_mm > 0:
            raise ValueError(f"pixel_mm must be positive, got {self.pixel_mm}")
        if not self.margin_mm >= 0:
            raise ValueError(f"margin_mm must be >= 0, got {self.margin_mm}")
        if len(self.image_size) != 2 or any(size < 64 or size % 16 for size in self.image_size):
            raise ValueError(f"image_size must be two multiples of 16, at least 64 px, got {self.image_size}")


class TasNet(nn.Module):
    """The network. Points start in frame 0; run it on the frames before a query in reverse order."""

    def __init__(self, config: TasNetConfig = TasNetConfig()) -> None:
        super().__init__()
        self.config = config
        self.n_steps = 0
        """Optimiser steps behind the weights; kept in their file."""
        self.core = CoTracker(config.core)
        self.mesh_embedding = _mesh_mlp(config) if config.mesh_embedding else None
        self.error_head = ErrorHead(config.core.feature_width) if config.error_head else None
        if config.error_head:
            # From `training.calibration`; until then the head's own word, and errors that go together over a third of the wall.
            self.register_buffer("error_scale", torch.ones(()))
            self.register_buffer("error_length", torch.full((), 1 / 3))

    def encode(self, frames: Float[Tensor, "batch n_frames height width"]) -> Float[Tensor, "batch n_frames c h w"]:
        """Feature maps of frames scaled to [-1, 1]."""
        batch, n_frames = frames.shape[:2]
        frames = frames.flatten(0, 1)[:, None].expand(-1, self.config.core.in_channels, -1, -1)
        return self.core.encode(frames).unflatten(0, (batch, n_frames))

    def follow(
        self,
        features: Float[Tensor, "batch n_frames c h w"],
        query: Float[Tensor, "batch n_points 2"],
        uv: Float[Tensor, "batch n_points 2"] | None = None,
        n_iterations: int = 4,
        guess: Float[Tensor, "batch n_frames n_points 2"] | None = None,
    ) -> Followed:
        """Follow points given in frame 0, (x, y) in px of the network's grid; the result is in feature cells."""
        shift = None if uv is None or self.mesh_embedding is None else self.mesh_embedding(2 * uv - 1)
        stride = self.config.core.stride
        guess = None if guess is None else guess / stride
        followed = self.core.follow(features, 0, query / stride, n_iterations, shift, guess)
        if self.error_head is None:
            return followed
        errors = []
        for window in followed.windows:
            before = window.positions[-2] if len(window.positions) > 1 else window.start
            update = window.positions[-1] - before
            errors.append(self.error_head(window.appearance, window.visibility, update, window.first_frame))
        return followed._replace(errors=errors)

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames height width"],
        query: Float[Tensor, "batch n_points 2"],
        uv: Float[Tensor, "batch n_points 2"] | None = None,
        n_iterations: int = 4,
        guess: Float[Tensor, "batch n_frames n_points 2"] | None = None,
    ) -> Followed:
        """`encode`, then `follow`."""
        return self.follow(self.encode(frames), query, uv, n_iterations, guess)


class TasNetTracker(Tracker):
    """TAS-Net: learned speckle tracker, all mesh points refined together in windows both ways from the query frame.

    Displacements count from the network's own estimate in the query frame. Query a whole wall mesh with its (u, v): the
    network is trained on such meshes and lets their points support each other.
    Confidence is the predicted speckle correlation with the query frame: how decorrelated the tissue is, not how wrong the point.
    How wrong it may be is `error_mm` of the tracks.

    Args:
        weights: Weights file (safetensors) of `training.train`; it also holds the sizes. None: the released weights that come
            with the package, unless `config` asks for other sizes.
        n_iterations: Refinements per window; None for `N_ITERATIONS` of what the network begins with.
        config: Sizes of a network with random weights, which leave points nearly still; only without `weights`.
        seed: Seed of the random weights.
        smoothing_mm: Displacements of a whole mesh are smoothed by a local-linear fit with this standard deviation, widened in
            frames where a triangle would fold: no mesh folds. 0, or points that are no whole mesh: as found.
        device: Where to compute.
    """

    name = "tas_net"

    def __init__(
        self,
        weights: str | Path | None = None,
        n_iterations: int | None = None,
        config: TasNetConfig | Mapping[str, Any] | None = None,
        seed: int = 0,
        smoothing_mm: float = SMOOTHING_MM,
        device: str = "cpu",
    ) -> None:
        if not (isinstance(smoothing_mm, int | float) and smoothing_mm >= 0):
            raise ValueError(f"smoothing_mm must be a number >= 0, got {smoothing_mm!r}")
        if n_iterations is not None and not (isinstance(n_iterations, int) and n_iterations >= 1):
            raise ValueError(f"n_iterations must be an integer >= 1, got {n_iterations!r}")
        if weights is not None and config is not None:
            raise ValueError("config must be left out when weights are given: the weights file holds it")
        if config is None:
            self.network = load_weights(TAS_NET_RELEASED if weights is None else weights)
        else:
            config = config if isinstance(config, TasNetConfig) else TasNetConfig(**config)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.network = TasNet(config)
        self.network = self.network.to(device).eval().requires_grad_(False)
        self.n_iterations = n_iterations or N_ITERATIONS[self.network.config.begin_with]
        self.device, self.smoothing_mm = device, float(smoothing_mm)

    @classmethod
    def from_network(
        cls, network: TasNet, n_iterations: int | None = None, smoothing_mm: float = 0.0
    ) -> "TasNetTracker":
        """Tracker around a network in memory, e.g. to validate during training; the network is used as it is."""
        tracker = cls.__new__(cls)
        tracker.network, tracker.smoothing_mm = network, smoothing_mm
        tracker.n_iterations = n_iterations or N_ITERATIONS[network.config.begin_with]
        tracker.device = next(network.parameters()).device
        return tracker

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def n_steps(self) -> int:
        return self.network.n_steps

    @property
    def error_length(self) -> float | None:
        return None if self.network.error_head is None else float(self.network.error_length)

    def skip(self, cine: Cine) -> str | None:
        return "spacing_mm must be known to resample it, got None" if cine.spacing_mm is None else None

    def grid_for(self, cine: Cine, query: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Matrix from px of the cine to px of the grid that the network sees for these points, and its (height, width)."""
        config = self.network.config
        return crop_to_grid(query, cine.spacing_mm, config.pixel_mm, config.image_size, config.margin_mm, snap=SNAP)

    def _follow(self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None) -> Paths:
        return self._follow_all(cine, [Query(query, query_frame, uv)])[0]

    @torch.no_grad()
    def _follow_all(self, cine: Cine, starts: Sequence[Query]) -> list[Paths]:
        grids = [self.grid_for(cine, start.points_px) for start in starts]
        dtype = next(self.network.parameters()).dtype
        guesses = None
        if self.network.config.begin_with == "lucas_kanade":
            guesses = [tracks.points_px for tracks in LucasKanadeMeshTracker().track_all(cine, starts)]
        paths: dict[int, Paths] = {}
        for same in on_one_grid(grids):
            matrix, size = grids[same[0]]
            frames = scale_frames(torch.from_numpy(resample_frames(cine.frames, matrix, size)).to(self.device), dtype)
            # Features are computed once per frame and serve every start on this grid, and every window of both directions.
            features = in_parts(lambda part: self.network.encode(part[None])[0], frames)[None]
            for index in same:
                guess = None if guesses is None else guesses[index]
                paths[index] = self._follow_in(features, matrix, starts[index], guess, cine)
        return [paths[index] for index in range(len(starts))]

    def _follow_in(
        self, features: Tensor, matrix: np.ndarray, given: Query, guess_px: np.ndarray | None, cine: Cine
    ) -> Paths:
        """Paths of one start through the features of its grid."""
        config, (query, query_frame, uv) = self.network.config, given
        start = torch.from_numpy(move_points(query, matrix)).to(features)[None]
        place = None if uv is None else torch.from_numpy(uv).to(features)[None]
        positions = np.repeat(query[None], cine.n_frames, axis=0)
        confidence = np.ones(positions.shape[:2])
        error_mm = None if self.network.error_head is None else np.zeros(positions.shape[:2])
        guess = None if guess_px is None else torch.from_numpy(move_points(guess_px, matrix)).to(features)[None]
        for frames_used in (np.arange(query_frame, cine.n_frames), np.arange(query_frame, -1, -1)):
            if len(frames_used) < 2:
                continue
            begin = None if guess is None else guess[:, frames_used]
            found = self.network.follow(features[:, frames_used], start, place, self.n_iterations, begin)
            cells = found.positions[0].double().cpu().numpy()
            # What the network makes of the query frame itself, where nothing has moved, is its bias.
            cells = cells - cells[:1] + start[0].double().cpu().numpy() / config.core.stride
            positions[frames_used] = move_points(cells * config.core.stride, matrix, inverse=True)
            confidence[frames_used] = found.visibility[0].double().sigmoid().cpu().numpy()
            for window, error in zip(found.windows, found.errors or (), strict=False):
                seen = frames_used[window.first_frame : window.first_frame + error.shape[1]]
                error_mm[seen] = (error[0].double() * self.network.error_scale.double()).cpu().numpy()
        mesh = mesh_order(uv) if self.smoothing_mm > 0 else None
        if mesh is not None:
            positions = unfold(positions, query_frame, *mesh, cine.spacing_mm, self.smoothing_mm, error_mm)
        return Paths(positions, confidence, error_mm)


def scale_frames(frames: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Grey levels 0..255 to [-1, 1]."""
    return frames.to(dtype) * (2 / 255) - 1


def save_weights(network: TasNet, path: str | Path, metadata: Mapping[str, str] | None = None) -> Path:
    """Write weights and configuration as safetensors; a reader needs no other file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    card = {"tracker": "tas_net", "config": asdict(network.config), "n_steps": network.n_steps, **(metadata or {})}
    temporary = path.with_name(f".{path.name}.tmp")
    # One key: safetensors writes several in an order that differs from run to run.
    save_file(tensors, temporary, metadata={"echotas": json.dumps(card, sort_keys=True)})
    temporary.replace(path)
    return path


def load_weights(path: str | Path, config: TasNetConfig | None = None) -> TasNet:
    """Network with the weights of a file.

    Args:
        path: File of `save_weights`.
        config: Use this one instead of the file's, e.g. another pixel size; shapes must fit.

    Raises:
        ValueError: The file is missing, holds something else, or does not fit `config`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("echotas", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if card.get("tracker") != "tas_net":
            raise ValueError(f"holds weights of {card.get('tracker')!r}")
        network = TasNet(config or TasNetConfig(**(FIRST_CONFIG | card["config"])))
        missing, foreign = network.load_state_dict(tensors, strict=False)
        missing = [name for name in missing if not name.startswith("error_")]  # weights from before the head
        if missing or foreign:
            raise ValueError(f"missing {missing}, not of this network {foreign}")
        network.n_steps = int(card.get("n_steps", 0))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: not a TAS-Net weights file that fits ({error})") from error
    return network


def _mesh_mlp(config: TasNetConfig) -> nn.Sequential:
    """g: (u, v) scaled to [-1, 1] to the width of the appearance vector; its last layer starts at zero."""
    widths = (2, *config.mesh_widths)
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(before, after), nn.GELU()]
    last = nn.Linear(widths[-1], config.core.feature_width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
