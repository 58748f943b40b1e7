"""Trackers around a network that follows queried points through a clip: resampling, both directions, weights files.

Every peer is used in the same way, which is ours: grey levels on a grid of square pixels around the points, followed from the query
frame forwards and, in reverse, backwards, displacements counted from the network's own estimate in the query frame.
"""

import json
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from echotas.records import Cine
from echotas.trackers.base import Paths, Query, Tracker
from echotas.trackers.blocks.resampling import crop_to_grid, move_points, resample_frames
from echotas.trackers.pretrained import released

__all__ = [
    "SNAP",
    "Estimates",
    "Features",
    "Grid",
    "PointNetworkTracker",
    "in_parts",
    "of_clip",
    "on_one_grid",
    "queries",
]

Features = Tensor | list[Tensor]
"""Feature maps of frames, of one level or of several."""
FRAMES_AT_ONCE = 16  # bounds the memory of the encoder
SNAP = 8  # px of the grid; of 34 readers' lines drawn in the frame of another line of their recording, 25 then share its grid


@dataclass(frozen=True)
class Grid:
    """What a network sees of a cine; saved with its weights."""

    pixel_mm: float = 1.0
    """Pixel, mm."""
    image_size: tuple[int, int] = (128, 112)
    """Height and width, px; grown for points that do not fit."""
    margin_mm: float = 12.0
    """Least distance of the query from the border; `crop_to_grid` takes up to half of `SNAP` px of it."""
    first_pixel: float = 0.0
    """Where the network has the centre of the first pixel: 0, or 0.5 if it counts from the pixel's edge. Weights trained here have 0
    whatever the network, which they have learned; public ones keep what they were trained with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", tuple(self.image_size))
        if not self.pixel_mm > 0 or not self.margin_mm >= 0:
            raise ValueError(f"pixel_mm must be positive and margin_mm >= 0, got {self.pixel_mm} and {self.margin_mm}")
        if self.first_pixel not in (0.0, 0.5):
            raise ValueError(f"first_pixel must be 0 or 0.5, got {self.first_pixel}")
        if len(self.image_size) != 2 or any(size < 64 or size % 16 for size in self.image_size):
            raise ValueError(f"image_size must be two multiples of 16, at least 64 px, got {self.image_size}")


class Estimates(NamedTuple):
    """What a network says of points given in frame 0 of a clip."""

    stages: list[Float[Tensor, "batch n_frames n_points 2"]]
    """(x, y), px of the grid as the network counts them (`Grid.first_pixel`), after each stage that a loss compares; the last counts."""
    visibility: Float[Tensor, "batch n_frames n_points"] | None
    """Logits; None from a network that gives none."""


class PointNetworkTracker(Tracker):
    """A member names its network, its configuration and the small one, and implements `estimates`.

    Args:
        weights: Weights file (safetensors) of `training.point_networks`; it also holds the sizes. None: the weights that come
            with the package, unless `config` asks for other sizes.
        n_iterations: Refinements; None for the member's own number.
        config: Size ("small" or "published") of a network with random weights and changes to it; only without `weights`.
        seed: Seed of the random weights.
        device: Where to compute.
    """

    network_class: ClassVar[type[nn.Module]]
    config_class: ClassVar[type]
    small: ClassVar[Mapping[str, Any]]
    """Sizes that train on two cores, where they differ from the published ones."""
    iterations: ClassVar[int | None] = None
    """Refinements in training; None for a network that has none to choose."""
    used_iterations: ClassVar[int | None] = None
    """Refinements in use where fewer do as well; None: as many as in training."""
    encodes_each_frame: ClassVar[bool] = False
    """Does `network.encode` look at each frame by itself? Then features are found once for all starts on one grid, both ways."""
    points_interact: ClassVar[bool] = True
    """Does the path of a point depend on the others asked for? Where not, starts on one grid are followed in one go."""
    comes_with_weights: ClassVar[bool] = True
    """Does the package hold weights for it?"""
    darkest: ClassVar[float] = -1.0
    """Grey level 0 as the network sees it; 255 is 1."""

    def __init__(
        self,
        weights: str | Path | None = None,
        n_iterations: int | None = None,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        if n_iterations is not None and not (isinstance(n_iterations, int) and n_iterations >= 1):
            raise ValueError(f"n_iterations must be an integer >= 1, got {n_iterations!r}")
        if n_iterations is not None and self.iterations is None:
            raise ValueError(f"{self.name} has no n_iterations to choose, got {n_iterations}")
        if weights is not None and config is not None:
            raise ValueError("config must be left out when weights are given: the weights file holds it")
        if weights is None and config is None and not self.comes_with_weights:
            raise ValueError(f"{self.name} comes without weights: give weights, or config for random ones")
        if config is None:
            self.network, self.grid, self._steps = self.load(released(self.name) if weights is None else weights)
        else:
            self.network, self.grid, self._steps = self.untrained(config, seed), Grid(), 0
        self.network = self.network.to(device).eval().requires_grad_(False)
        self.n_iterations = n_iterations or self.used_iterations or self.iterations
        self.device = device

    @classmethod
    def untrained(cls, config: Mapping[str, Any] | None = None, seed: int = 0) -> nn.Module:
        """A network with random weights: the small one unless `config` says {"size": "published"}; its other keys change sizes.

        Raises:
            ValueError: Another size, or a value that the configuration refuses.
        """
        changes = dict(config or {})
        size = changes.pop("size", "small")
        if size not in ("small", "published"):
            raise ValueError(f"size must be small or published, got {size!r}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls.network_class(
                replace(cls.config_class(), **{**(cls.small if size == "small" else {}), **changes})
            )

    @classmethod
    def from_network(cls, network: nn.Module, grid: Grid, n_iterations: int | None = None) -> "PointNetworkTracker":
        """Tracker around a network in memory, e.g. to validate during training."""
        tracker = cls.__new__(cls)
        tracker.network, tracker.grid, tracker._steps = network, grid, 0
        tracker.n_iterations, tracker.device = n_iterations or cls.iterations, next(network.parameters()).device
        return tracker

    @classmethod
    @abstractmethod
    def estimates(
        cls,
        network: nn.Module,
        frames: Float[Tensor, "batch n_frames channels height width"],
        query: Float[Tensor, "batch n_points 2"],
        n_iterations: int | None,
        features: Features | None = None,
    ) -> Estimates:
        """Run the network on frames scaled to `darkest`..1, points given in frame 0.

        `features` are those of the frames, (batch, n_frames, ...), where they are known (`encodes_each_frame`).
        """

    @classmethod
    def scaled(cls, network: nn.Module, frames: Float[Tensor, "*batch n_frames height width"]) -> Tensor:
        """Grey levels 0..255 as the network wants them, (..., n_frames, channels, height, width)."""
        like = next(network.parameters())
        grey = frames.to(like) / 255 * (1 - cls.darkest) + cls.darkest
        return grey[..., None, :, :].expand(*[-1] * (grey.ndim - 2), network.config.in_channels, -1, -1)

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def n_steps(self) -> int:
        return self._steps

    def skip(self, cine: Cine) -> str | None:
        return "spacing_mm must be known to resample it, got None" if cine.spacing_mm is None else None

    def grid_for(self, cine: Cine, query: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Matrix from px of the cine to px of the grid that the network sees for these points, and its (height, width)."""
        grid = self.grid
        return crop_to_grid(query, cine.spacing_mm, grid.pixel_mm, grid.image_size, grid.margin_mm, snap=SNAP)

    def _follow(self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None) -> Paths:
        return self._follow_all(cine, [Query(query, query_frame, uv)])[0]

    @torch.no_grad()
    def _follow_all(self, cine: Cine, starts: Sequence[Query]) -> list[Paths]:
        grids = [self.grid_for(cine, start.points_px) for start in starts]
        paths: dict[int, Paths] = {}
        for same in on_one_grid(grids):
            matrix, size = grids[same[0]]
            resampled = torch.from_numpy(resample_frames(cine.frames, matrix, size)).to(self.device)
            frames = self.scaled(self.network, resampled)
            features = in_parts(self.network.encode, frames) if self.encodes_each_frame else None
            for together in [[index] for index in same] if self.points_interact else [same]:
                points = [starts[index].points_px for index in together]
                of_point = np.repeat([starts[index].frame for index in together], [len(part) for part in points])
                query = move_points(np.concatenate(points), matrix) + self.grid.first_pixel
                moved, confidence = self._paths(frames, features, torch.from_numpy(query).to(frames), of_point)
                found = move_points(moved - self.grid.first_pixel, matrix, inverse=True)
                ends = np.cumsum([len(part) for part in points])[:-1]
                parts = (np.split(values, ends, axis=1) for values in (found, confidence))
                paths |= {index: Paths(*part) for index, part in zip(together, zip(*parts, strict=True), strict=True)}
        return [paths[index] for index in range(len(starts))]

    def _paths(
        self, frames: Tensor, features: Features | None, query: Tensor, query_frames: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paths (n_frames, n_points, 2), px of the grid as the network counts them, and confidence of points given in a frame each."""
        given = query.double().cpu().numpy()
        positions = np.repeat(given[None], len(frames), axis=0)
        confidence = np.ones(positions.shape[:2])
        for query_frame in np.unique(query_frames):
            of_it = np.flatnonzero(query_frames == query_frame)
            for used in (np.arange(query_frame, len(frames)), np.arange(query_frame, -1, -1)):
                if len(used) < 2:
                    continue
                seen = None if features is None else of_clip(features, used)
                found = self.estimates(self.network, frames[used][None], query[of_it][None], self.n_iterations, seen)
                moved = found.stages[-1][0].double().cpu().numpy()
                # What the network makes of the query frame itself, where nothing has moved, is its bias.
                positions[np.ix_(used, of_it)] = moved - moved[:1] + given[of_it]
                if found.visibility is not None:
                    confidence[np.ix_(used, of_it)] = found.visibility[0].double().sigmoid().cpu().numpy()
        return positions, confidence

    @classmethod
    def save(
        cls, network: nn.Module, path: str | Path, grid: Grid, n_steps: int, card: Mapping[str, Any] | None = None
    ) -> Path:
        """Write weights, sizes and grid as safetensors; a reader needs no other file. `card`: how they were made, for people."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        held = {"tracker": cls.name, "config": asdict(network.config), "grid": asdict(grid), "n_steps": n_steps}
        held |= {} if card is None else {"card": dict(card)}
        temporary = path.with_name(f".{path.name}.tmp")
        save_file(tensors, temporary, metadata={"echotas": json.dumps(held, sort_keys=True)})
        temporary.replace(path)
        return path

    @classmethod
    def load(cls, path: str | Path) -> tuple[nn.Module, Grid, int]:
        """Network, grid and steps of a file of `save`.

        Raises:
            ValueError: The file is missing, holds something else, or does not fit.
        """
        try:
            with safe_open(path, framework="pt") as file:
                card = json.loads((file.metadata() or {}).get("echotas", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            if card.get("tracker") != cls.name:
                raise ValueError(f"holds weights of {card.get('tracker')!r}")
            network = cls.network_class(cls.config_class(**card["config"]))
            network.load_state_dict(tensors)
            return network, Grid(**card["grid"]), int(card["n_steps"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: not a weights file of {cls.name} that fits ({error})") from error


def on_one_grid(grids: Sequence[tuple[np.ndarray, tuple[int, int]]]) -> list[list[int]]:
    """Indices of equal grids (matrix, size), group by group."""
    groups = defaultdict(list)
    for index, (matrix, size) in enumerate(grids):
        groups[matrix.tobytes(), size].append(index)
    return list(groups.values())


def in_parts(encode: Callable[[Tensor], Features], frames: Float[Tensor, "n_frames *rest"]) -> Features:
    """What `encode` makes of frames, `FRAMES_AT_ONCE` at a time."""
    parts = [encode(part) for part in frames.split(FRAMES_AT_ONCE)]
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    return [torch.cat(level) for level in zip(*parts, strict=True)]


def of_clip(features: Features, frames: np.ndarray) -> Features:
    """Features of some frames, as a batch of one clip."""
    return features[frames][None] if isinstance(features, Tensor) else [level[frames][None] for level in features]


def queries(points: Float[Tensor, "batch n_points 2"]) -> Float[Tensor, "batch n_points 3"]:
    """(frame, x, y) of points given in frame 0."""
    return torch.cat([torch.zeros_like(points[..., :1]), points], dim=-1)
