"""EchoTracker: whole paths through an echocardiographic cine, coarse from frame-wide correlation, then refined finely."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.correlation import feature_pyramid, sample_features
from echotas.trackers.blocks.encoder import ResidualEncoder
from echotas.trackers.blocks.feature_patches import to_read
from echotas.trackers.blocks.iteration_loss import iteration_loss
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import at_query_frame, check_queries, is_query_frame
from echotas.trackers.blocks.template_correlation import features_at, map_correlation, window_correlations
from echotas.trackers.blocks.trajectory_resnet import TrajectoryResNet, path_steps, step_sincos

__all__ = ["EchoTracker", "EchoTrackerConfig", "EchoTracks", "EchoTrackerTracker"]

TEMPLATE_AGES = (2, 4)  # frames before the current one from which the fine stage takes its moving templates


@dataclass(frozen=True)
class EchoTrackerConfig:
    """Sizes and choices of the network; the defaults are those of the published weights."""

    in_channels: int = 1
    """Channels of a frame."""
    stem_width: int = 32
    """Stem of both encoders."""
    stage_widths: tuple[int, int, int, int] = (32, 48, 64, 64)
    """Stages of both encoders."""
    fuse_width: int = 128
    """Fusion of both encoders."""
    feature_width: int = 64
    """Channels of features."""
    coarse_stride: int = 8
    """Pixels per cell of the coarse stage."""
    fine_stride: int = 2
    """Pixels per cell of the fine stage."""
    n_levels: int = 4
    """Correlation levels of both stages."""
    radius: int = 3
    """Correlation radius of the fine stage, cells of each level."""
    coarse_map: tuple[int, int] = (14, 14)
    """Height and width to which the coarse correlation maps are resized."""
    frame_map: tuple[int, int] = (50, 60)
    """Height and width to which the change between frames is resized."""
    n_step_frequencies: int = 16
    """Frequencies per axis of the encoding of steps."""
    mixed_width: int = 392
    """Columns to which the correlations of the three templates are mixed."""
    width: int = 64
    """First width of the networks along the path; doubled every second block."""
    n_blocks: int = 8
    """Blocks of the networks along the path."""
    released_first_change: bool = True
    """Give the last frame itself as the change into frame 0, as the published weights expect; False gives 0."""
    pin_query: bool = False
    """Put the coarse path back on the query in the frame of the query (later release); the first release does not."""
    loss_decay: float = 0.8
    """Weight of a stage in the loss relative to the next."""
    head_std: float | None = None
    """Initial standard deviation of the motion heads; None as released, 0.001 when training from scratch."""

    def __post_init__(self) -> None:
        for name, length in (("stage_widths", 4), ("coarse_map", 2), ("frame_map", 2)):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)
            if len(values) != length:
                raise ValueError(f"{name} must have {length} values, got {values}")
        if self.coarse_stride % self.fine_stride:
            raise ValueError(
                f"coarse_stride must be a multiple of fine_stride = {self.fine_stride}, got {self.coarse_stride}"
            )

    @property
    def shared_width(self) -> int:
        """Columns that both stages have beside the correlation: change between frames, step and its encoding, place."""
        return self.frame_map[0] * self.frame_map[1] + 4 * self.n_step_frequencies + 2 + 2

    @property
    def min_size(self) -> int:
        """Smallest height and width of a frame, px: one cell at the last level of the coarse stage."""
        return self.coarse_stride * 2 ** (self.n_levels - 1)


class EchoTracks(NamedTuple):
    """Paths of points."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) after the last iteration, px."""
    stages: list[Float[Tensor, "batch n_frames n_points 2"]]
    """After the coarse stage and after each fine iteration, px; gradients stay within a stage."""


class EchoTracker(nn.Module):
    """Two-stage tracker of tissue points in echocardiography.

    A coarse stage guesses whole paths at once from the correlation of each point with entire frames; a fine stage refines
    them over a few iterations from local correlation with three templates (the query and the tissue two and four frames
    before). Both predict changes by a residual network along the frames of each path, which also sees how the image changes
    from frame to frame. Azad, Chernyshov, Nyberg, Tveten, Lovstakken, Dalen, Grenne, Ostvik: "EchoTracker: Advancing
    Myocardial Point Tracking in Echocardiography", 2024. Pick it over PIPs++ where no initial path is at hand or motion is
    large, and over CoTracker for speed and for whole cycles in one pass; points are followed independently, there is no
    visibility, and EchoTracker2 is the more accurate successor.

    Positions are pixel centres at integers; inside, feature cells are px / stride, without half-pixel shift.
    """

    def __init__(self, config: EchoTrackerConfig = EchoTrackerConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.coarse_encoder, self.fine_encoder = (
            ResidualEncoder(c.in_channels, c.stem_width, c.stage_widths, c.fuse_width, c.feature_width, stride)
            for stride in (c.coarse_stride, c.fine_stride)
        )
        n_columns = (1 + len(TEMPLATE_AGES)) * c.n_levels * (2 * c.radius + 1) ** 2
        self.mix = nn.Linear(n_columns, c.mixed_width)
        self.coarse_net, self.fine_net = (
            TrajectoryResNet(width + c.shared_width, 2, c.width, c.n_blocks, c.head_std)
            for width in (c.coarse_map[0] * c.coarse_map[1], c.mixed_width)
        )

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int = 4,
        features: Sequence[Float[Tensor, "batch n_frames c _h _w"]] | None = None,
    ) -> EchoTracks:
        """Follow points through all frames.

        Args:
            frames: Grey levels scaled to [-1, 1]; height and width multiples of the coarse stride, at least
                `config.min_size`. Any number of frames; a single one is legal.
            queries: (frame, x, y) of each point, px; the published weights were trained with frame 0.
            n_iterations: Fine iterations; 0 stops after the coarse stage.
            features: Of the frames, from `encode`, if known.

        Returns:
            Paths, points in the order of the queries. The query frame is predicted like every other.

        Raises:
            ValueError: A shape does not fit, or a query lies in no frame.
        """
        self._check(frames, queries)
        start_frame, start = queries[..., 0].long(), queries[..., 1:]
        if features is None:
            features = [maps.unflatten(0, frames.shape[:2]) for maps in self.encode(frames.flatten(0, 1))]
        coarse, fine = features
        change = self.frame_changes(frames)
        positions = self._guess(coarse, change, start_frame, start)
        stages = [positions]
        # Everything about the query is read once, where the coarse path passes its frame.
        anchor = at_query_frame(positions.detach(), start_frame) / self.config.fine_stride
        template = features_at(fine, start_frame, anchor)
        levels = feature_pyramid(fine.flatten(0, 1), self.config.n_levels)
        pyramid = [to_read(level.unflatten(0, fine.shape[:2])) for level in levels]
        for _ in range(n_iterations):
            positions = self._refine(pyramid, change, template, anchor, positions.detach())
            stages.append(positions)
        return EchoTracks(positions, stages)

    def encode(
        self, frames: Float[Tensor, "n_frames channels height width"]
    ) -> list[Float[Tensor, "n_frames c _h _w"]]:
        """Coarse and fine features of frames scaled to [-1, 1]."""
        return [self.coarse_encoder(frames), self.fine_encoder(frames)]

    def loss(
        self,
        tracks: EchoTracks,
        true_px: Float[Tensor, "batch n_frames n_points 2"],
        valid: Float[Tensor, "batch n_frames n_points"] | None = None,
    ) -> Float[Tensor, ""]:
        """Training loss over all stages, px; see `iteration_loss`."""
        return iteration_loss(tracks.stages, true_px, valid, self.config.loss_decay)

    def frame_changes(
        self, frames: Float[Tensor, "batch n_frames channels height width"]
    ) -> Float[Tensor, "batch n_frames cells"]:
        """Change from the previous frame, resized to `config.frame_map`, rows first; frame 0 as the configuration says."""
        grey = frames.mean(2)
        first = grey[:, -1:] if self.config.released_first_change else torch.zeros_like(grey[:, :1])
        change = torch.cat([first, grey.diff(dim=1)], dim=1)
        return F.interpolate(change, self.config.frame_map, mode="bilinear").flatten(2)

    def _guess(self, maps: Tensor, change: Tensor, start_frame: Tensor, start: Tensor) -> Tensor:
        """Coarse paths (batch, n_frames, n_points, 2), px."""
        c = self.config
        cells = start / c.coarse_stride
        levels = [level.unflatten(0, maps.shape[:2]) for level in feature_pyramid(maps.flatten(0, 1), c.n_levels)]
        template = features_at(maps, start_frame, cells)
        correlation = map_correlation(levels, template, c.coarse_map)
        still = cells[:, None].expand(-1, maps.shape[1], -1, -1)
        moved = still + self._change(self.coarse_net, correlation, change, still, cells)
        positions = moved * c.coarse_stride
        if c.pin_query:
            pinned = is_query_frame(start_frame, maps.shape[1])
            positions = torch.where(pinned[..., None], start[:, None], positions)
        return positions

    def _refine(
        self, pyramid: Sequence[Tensor], change: Tensor, template: Tensor, anchor: Tensor, positions: Tensor
    ) -> Tensor:
        """Paths (batch, n_frames, n_points, 2) after one more iteration, px."""
        c = self.config
        batch, n_frames = positions.shape[:2]
        cells = positions / c.fine_stride
        time = torch.arange(n_frames, device=positions.device)
        here = sample_features(pyramid[0].flatten(0, 1), cells.flatten(0, 1)).unflatten(0, (batch, n_frames))
        moving = [here[:, (time - age).clamp(min=0)] for age in TEMPLATE_AGES]
        templates = torch.stack([template[:, None].expand_as(here), *moving], dim=3).transpose(1, 2)
        columns = window_correlations(pyramid, templates, cells, c.radius)
        return (cells + self._change(self.fine_net, self.mix(columns), change, cells, anchor)) * c.fine_stride

    def _change(
        self, net: TrajectoryResNet, correlation: Tensor, change: Tensor, positions: Tensor, anchor: Tensor
    ) -> Tensor:
        """Predicted change (batch, n_frames, n_points, 2) in cells, from correlation (batch, n_points, n_frames, columns)."""
        batch, n_points, n_frames = correlation.shape[:3]
        steps = step_sincos(path_steps(positions), self.config.n_step_frequencies).transpose(1, 2)
        seen = change[:, None].expand(-1, n_points, -1, -1)
        place = anchor[:, :, None].expand(-1, -1, n_frames, -1)
        columns = torch.cat([correlation, seen, steps, place], dim=-1)
        return net(columns.flatten(0, 1)).unflatten(0, (batch, n_points)).transpose(1, 2)

    def _check(self, frames: Tensor, queries: Tensor) -> None:
        c = self.config
        if frames.ndim != 5 or frames.shape[2] != c.in_channels or 0 in frames.shape:
            raise ValueError(
                f"frames must be (batch, n_frames, {c.in_channels}, height, width), got {tuple(frames.shape)}"
            )
        if any(size % c.coarse_stride or size < c.min_size for size in frames.shape[-2:]):
            raise ValueError(
                f"frames must be multiples of {c.coarse_stride} px and >= {c.min_size} px, got {tuple(frames.shape[-2:])}"
            )
        check_queries(queries, len(frames), frames.shape[1])


class EchoTrackerTracker(PointNetworkTracker):
    """EchoTracker: a coarse look at the whole clip, then refinement at half the pixels, each point by itself.

    Take it where points are few and scattered; where they form a mesh, the trackers that let points support each other gain from
    it. It gives no visibility: confidence is 1.
    """

    name = "echotracker"
    points_interact, encodes_each_frame = False, True
    network_class, config_class = EchoTracker, EchoTrackerConfig
    small = {
        "stem_width": 16, "stage_widths": (16, 24, 32, 32), "fuse_width": 32, "feature_width": 32, "n_levels": 3, "radius": 2,
        "frame_map": (16, 20), "mixed_width": 96, "width": 32, "n_blocks": 6, "head_std": 1e-3,
    }  # fmt: skip
    iterations, used_iterations = 3, 2  # 1.18 mm with two, 1.26 with three: five templates of as many virtual patients

    @classmethod
    def estimates(
        cls,
        network: nn.Module,
        frames: Tensor,
        query: Tensor,
        n_iterations: int | None,
        features: list[Tensor] | None = None,
    ) -> Estimates:
        found = network(frames, queries(query), n_iterations, features)
        return Estimates(found.stages, None)
