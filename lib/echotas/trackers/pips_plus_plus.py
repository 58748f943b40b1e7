"""PIPs++: paths of points refined over the whole clip at once, each point on its own, with templates that follow its looks.

Zheng, Harley, Shen, Wetzstein, Guibas, "PointOdyssey: A large-scale synthetic dataset for long-term point tracking", 2023.
Written from its published description; every size is an argument. Departures: clips of one frame are accepted, and so are
frames whose coarsest level has a single cell along an axis (the release gives NaN there).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.correlation import correlation_windows, feature_pyramid, sample_features
from echotas.trackers.blocks.encoder import ResidualEncoder
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker
from echotas.trackers.blocks.temporal_resnet import TemporalResNet

__all__ = ["Paths", "PipsPlusPlus", "PipsPlusPlusConfig", "path_loss", "PipsPlusPlusTracker"]


@dataclass(frozen=True)
class PipsPlusPlusConfig:
    """Sizes of the network; the defaults are those of the published weights."""

    in_channels: int = 3
    """Channels of a frame."""
    stem_width: int = 64
    """Encoder stem."""
    stage_widths: tuple[int, int, int, int] = (64, 96, 128, 128)
    """Encoder stages."""
    fuse_width: int = 256
    """Encoder fusion."""
    feature_width: int = 128
    """Channels of features and templates."""
    stride: int = 8
    """Pixels per feature cell; frame height and width are multiples of it."""
    n_levels: int = 4
    """Correlation levels; frames have at least stride * 2**(n_levels - 1) px along each axis."""
    radius: int = 3
    """Correlation radius, cells of each level."""
    lags: tuple[int, ...] = (2, 4)
    """How many frames ago the moving templates were seen, beside the fixed one of frame 0; none for the fixed one alone."""
    n_flow_frequencies: int = 32
    """Frequencies per axis of the flow encoding."""
    motion_width: int = 128
    """Channels of the motion network's first two blocks; they double every two blocks."""
    n_motion_blocks: int = 8
    """Residual blocks of the motion network."""
    unused_norm: bool = True
    """Hold the scale and shift of a normalisation that the published weights contain although nothing reads them."""
    head_std: float | None = None
    """Initial standard deviation of the motion head; None as released (framework default), 0.001 leaves points in place."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_widths", tuple(self.stage_widths))
        object.__setattr__(self, "lags", tuple(self.lags))
        if len(self.stage_widths) != 4:
            raise ValueError(f"stage_widths must have four values, got {self.stage_widths}")
        if any(lag < 1 for lag in self.lags):
            raise ValueError(f"lags must be >= 1 frame, got {self.lags}")
        for name, least in {"stride": 1, "n_levels": 1, "radius": 0, "n_flow_frequencies": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")

    @property
    def correlation_width(self) -> int:
        """Columns of a token that hold correlations: fixed template, then each lag, each with all levels."""
        return (1 + len(self.lags)) * self.n_levels * (2 * self.radius + 1) ** 2

    @property
    def token_width(self) -> int:
        """Columns of a token: correlation, encoded flow, flow."""
        return self.correlation_width + 4 * self.n_flow_frequencies + 2


class Paths(NamedTuple):
    """Paths of points through a clip."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in px after the last iteration; frame 0 holds the given position."""
    iterations: list[Float[Tensor, "batch n_frames n_points 2"]]
    """Positions in px after each iteration, before frame 0 is set back: what a loss compares."""
    templates: list[Float[Tensor, "batch n_frames n_points c"]]
    """Features that the last iteration looked for: the fixed ones, then those of each lag."""


class PipsPlusPlus(nn.Module):
    """Points followed over a whole clip by repeated refinement of their paths.

    Every iteration correlates three templates with the frames around the present path: the point's look in frame 0 and its
    looks two and four frames ago on that path; a residual network along time turns the correlations and the path's steps into a
    correction (Zheng et al., PointOdyssey, 2023). Points do not see one another and there is no visibility. Pick it for long
    clips and few points, for looks that drift slowly, and where paths must not depend on which other points are tracked;
    CoTracker couples the points and is steadier on a mesh, EchoTracker adds a coarse start and a finer grid for large
    motion in ultrasound, MyoTracker is far faster.

    Coordinates inside are in feature cells (px / stride), without half-pixel shift. Points are given in frame 0; for another
    frame, run the clip forwards and backwards from it.
    """

    def __init__(self, config: PipsPlusPlusConfig = PipsPlusPlusConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = ResidualEncoder(
            c.in_channels, c.stem_width, c.stage_widths, c.fuse_width, c.feature_width, c.stride
        )
        self.motion = TemporalResNet(c.token_width, 2, c.motion_width, c.n_motion_blocks, head_std=c.head_std)
        self.unused_norm = nn.GroupNorm(1, c.feature_width).requires_grad_(False) if c.unused_norm else None

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        start: Float[Tensor, "batch n_points 2"] | Float[Tensor, "batch n_frames n_points 2"],
        n_iterations: int = 6,
        damp_end: bool = False,
        features: Float[Tensor, "batch n_frames c h w"] | None = None,
    ) -> Paths:
        """Follow points through a clip.

        Args:
            frames: Grey levels or colours scaled to [-1, 1]; any number of frames.
            start: Points (x, y) in px of frame 0, or whole initial paths (frame 0 of which is kept). Points alone start
                from a path at rest. Positions outside the image see its edge.
            n_iterations: Refinements; published: 6 in training, 16 in testing.
            damp_end: Halve the corrections in the last quarter of the iterations.
            features: Of the frames, from `encode`, if known.

        Raises:
            ValueError: Shapes do not fit, or frames are too small for the correlation levels.
        """
        path = self._initial_path(frames, start)
        if n_iterations < 1:
            raise ValueError(f"n_iterations must be >= 1, got {n_iterations}")
        if features is None:
            features = self.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return self.refine(features, path, n_iterations, damp_end)

    def encode(self, frames: Float[Tensor, "n_frames channels height width"]) -> Float[Tensor, "n_frames c h w"]:
        """Features of frames scaled to [-1, 1]."""
        return self.encoder(frames)

    def refine(
        self,
        features: Float[Tensor, "batch n_frames c h w"],
        path: Float[Tensor, "batch n_frames n_points 2"],
        n_iterations: int,
        damp_end: bool = False,
    ) -> Paths:
        """Refine paths given in px through the features of all frames."""
        stride = self.config.stride
        positions = path / stride
        pinned = positions[:, :1]
        pyramid = feature_pyramid(features.flatten(0, 1), self.config.n_levels)
        fixed = sample_features(features[:, 0], pinned[:, 0])[:, None].expand(-1, features.shape[1], -1, -1)
        iterations = []
        for index in range(n_iterations):
            positions = positions.detach()  # each iteration learns from its own correction
            templates = self.templates(features, positions, fixed, moving=index > 0)
            change = self.correction(self.correlate(pyramid, templates, positions), steps(positions))
            if damp_end and index >= 0.75 * n_iterations:
                change = change / 2
            positions = positions + change
            iterations.append(positions * stride)
            positions = torch.cat([pinned, positions[:, 1:]], dim=1)
        return Paths(positions * stride, iterations, templates)

    def templates(
        self,
        features: Float[Tensor, "batch n_frames c h w"],
        positions: Float[Tensor, "batch n_frames n_points 2"],
        fixed: Float[Tensor, "batch n_frames n_points c"],
        moving: bool,
    ) -> list[Float[Tensor, "batch n_frames n_points c"]]:
        """The fixed template and, per lag, the feature on the path that many frames ago (frame 0 where there is none).

        Until the path has been refined once (`moving` False), all of them are the fixed one. Positions in cells.
        """
        if not moving:
            return [fixed] * (1 + len(self.config.lags))
        on_path = sample_features(features.flatten(0, 1), positions.flatten(0, 1)).unflatten(0, features.shape[:2])
        frame = torch.arange(features.shape[1], device=features.device)
        return [fixed, *(on_path[:, (frame - lag).clamp(min=0)] for lag in self.config.lags)]

    def correlate(
        self,
        pyramid: Sequence[Float[Tensor, "n_maps c _h _w"]],
        templates: Sequence[Float[Tensor, "batch n_frames n_points c"]],
        positions: Float[Tensor, "batch n_frames n_points 2"],
    ) -> Float[Tensor, "batch n_frames n_points columns"]:
        """Correlation columns of all templates; pyramid over batch and frames, positions in cells."""
        place = positions.flatten(0, 1)

        def windows(template: Tensor) -> Tensor:
            return correlation_windows(pyramid, template.flatten(0, 1), place, self.config.radius)

        fixed = windows(templates[0])
        # In the first iteration all templates are the fixed one.
        columns = torch.cat([fixed if one is templates[0] else windows(one) for one in templates], dim=-1)
        return columns.unflatten(0, positions.shape[:2])

    def correction(
        self,
        correlation: Float[Tensor, "batch n_frames n_points columns"],
        flow: Float[Tensor, "batch n_frames n_points 2"],
    ) -> Float[Tensor, "batch n_frames n_points 2"]:
        """Correction of the path, in cells, from correlations and the path's steps in cells."""
        batch = len(flow)
        tokens = torch.cat([correlation, self._encoded(flow), flow], dim=-1)
        change = self.motion(tokens.transpose(1, 2).flatten(0, 1))  # (batch * n_points, n_frames, 2)
        return change.unflatten(0, (batch, -1)).transpose(1, 2)

    def _encoded(self, flow: Tensor) -> Tensor:
        """Sines and cosines of x, then of y; frequencies from 1 down to 1e-4 rad per cell, even on a log scale."""
        n = self.config.n_flow_frequencies
        exponent = torch.arange(n, dtype=flow.dtype, device=flow.device) / max(n - 1, 1)
        phase = flow[..., None] * 10000**-exponent
        return torch.cat([phase.sin(), phase.cos()], dim=-1).flatten(-2)

    def _initial_path(self, frames: Tensor, start: Tensor) -> Tensor:
        """Path in px with which the refinement begins; shapes are checked here."""
        c = self.config
        if frames.ndim != 5 or frames.shape[1] < 1 or frames.shape[2] != c.in_channels:
            raise ValueError(
                f"frames must be (batch, n_frames >= 1, {c.in_channels}, height, width), got {tuple(frames.shape)}"
            )
        least = c.stride * 2 ** (c.n_levels - 1)
        if any(side % c.stride or side < least for side in frames.shape[-2:]):
            raise ValueError(
                f"frame height and width must be multiples of {c.stride} and >= {least}, got {tuple(frames.shape[-2:])}"
            )
        batch, n_frames = frames.shape[:2]
        path = start[:, None].expand(-1, n_frames, -1, -1) if start.ndim == 3 else start
        if path.ndim != 4 or path.shape[:2] != (batch, n_frames) or path.shape[2] < 1 or path.shape[3] != 2:
            raise ValueError(
                f"start must be ({batch}, n_points >= 1, 2) or ({batch}, {n_frames}, n_points >= 1, 2), got {tuple(start.shape)}"
            )
        return path


def steps(positions: Float[Tensor, "batch n_frames n_points 2"]) -> Float[Tensor, "batch n_frames n_points 2"]:
    """Step from each frame to the next; the last frame repeats the step before it. Zero in a clip of one frame."""
    flow = positions.diff(dim=1)
    last = flow[:, -1:] if positions.shape[1] > 1 else torch.zeros_like(positions)
    return torch.cat([flow, last], dim=1)


def path_loss(
    iterations: Sequence[Float[Tensor, "batch n_frames n_points 2"]],
    true_px: Float[Tensor, "batch n_frames n_points 2"],
    valid: Float[Tensor, "batch n_frames n_points"],
    decay: float = 0.8,
) -> Float[Tensor, ""]:
    """Released training loss, px: mean absolute error per axis over valid positions, iteration i of n weighted decay**(n - i), / n.

    Args:
        iterations: `Paths.iterations`.
        true_px: True positions.
        valid: 1 where the truth counts, else 0; 0 everywhere gives 0.
        decay: Weight of an iteration relative to the next.
    """
    n = len(iterations)
    total = true_px.new_zeros(())
    for index, positions in enumerate(iterations):
        error = (positions - true_px).abs().mean(-1)
        # The small constant of the release stands in for an empty set of valid positions.
        total = total + decay ** (n - 1 - index) * (error * valid).sum() / (valid.sum() + 1e-6)
    return total / n


class PipsPlusPlusTracker(PointNetworkTracker):
    """PIPs++: each point by itself, refined by a network along time that looks for what the point looked like at several moments.

    Take it for long clips of points that change their looks; where they form a mesh, `tas_net` lets them support each other. It gives
    no visibility: confidence is 1.
    """

    name = "pips_plus_plus"
    points_interact, encodes_each_frame = False, True
    network_class, config_class = PipsPlusPlus, PipsPlusPlusConfig
    small = {
        "in_channels": 1, "stem_width": 16, "stage_widths": (16, 24, 32, 32), "fuse_width": 32, "feature_width": 32, "stride": 4,
        "n_levels": 3, "radius": 2, "motion_width": 32, "n_motion_blocks": 6, "head_std": 1e-3,
    }  # fmt: skip
    iterations, used_iterations = 4, 3  # 1.12 mm with three, 1.15 with four: five templates of as many virtual patients

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: Tensor | None = None
    ) -> Estimates:
        return Estimates(network(frames, query, n_iterations, features=features).iterations, None)
