"""LocoTrack: every point found again in each frame by itself, then refined from all-pairs correlation of small squares.

Cho et al., "Local All-Pair Correspondence for Point Tracking", 2024. Written from its published description; every size is an
argument. Departure: the network works at the size of its input, without resizing to 256 x 256 px first.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from echotas.trackers.blocks.feature_patches import patch_products, query_patches, to_read
from echotas.trackers.blocks.matching import Match, Matcher, Searched
from echotas.trackers.blocks.pair_encoder import PairEncoder
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker, queries
from echotas.trackers.blocks.point_queries import check_queries
from echotas.trackers.blocks.preactivation import PreActivationEncoder, unit_length
from echotas.trackers.blocks.time_mixer import TimeMixer

__all__ = ["LocoTrack", "LocoTrackConfig", "Located", "Stage", "degree_sincos", "motion", "LocoTrackTracker"]

GROUP_STRIDES = (1, 2, 2, 1)  # after the stem at stride 2
LEVELS = ((1, 4), (3, 8), (0, 2))  # (encoder group, stride) of the features, in the order of the token


@dataclass(frozen=True)
class LocoTrackConfig:
    """Sizes of the network; the defaults are those of the published base model, `small` gives the other one."""

    in_channels: int = 3
    """Channels of a frame."""
    stem_width: int = 64
    """Encoder stem."""
    group_widths: tuple[int, int, int, int] = (64, 128, 256, 256)
    """Encoder groups, at strides 2, 4, 8 and 8; the first, second and last give features."""
    n_blocks: int = 2
    """Residual blocks of each group."""
    radius: int = 3
    """Radius, cells of each level, of the squares around query and estimate."""
    pair_layers: tuple[tuple[int, int, int], ...] = ((3, 2, 64), (3, 2, 128), (2, 2, 128))
    """Kernel, stride and channels of the convolutions over the 4-D correlation, one stack per level."""
    norm_channels: int = 16
    """Channels per group in the normalisation of these convolutions."""
    n_degrees: int = 10
    """Sines and cosines of the motion columns: frequencies 2**0 .. 2**(n_degrees - 1)."""
    width: int = 384
    """Transformer width."""
    n_heads: int = 6
    """Attention heads, half of them looking back, half ahead."""
    n_layers: int = 3
    """Transformer layers."""
    mlp_ratio: float = 4.0
    """Hidden over width in the MLPs."""
    spare_outputs: int = 384
    """Output columns that nothing reads; the published weights have 384, a model trained from scratch needs none."""
    temperature: float = 20.0
    """Factor before the softmax of the initialisation."""
    peak_radius: float = 5.0
    """Radius, cells of 4 px, around the best cell of the initialisation within which the position is averaged."""
    initialise: bool = True
    """Start from the positions at which the query's feature is found again. False starts every frame from the query, with
    logits of 0 (the ablation of the EchoTracker2 paper); its tensors stay, so that the same weights load into both."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "group_widths", tuple(self.group_widths))
        object.__setattr__(self, "pair_layers", tuple(tuple(layer) for layer in self.pair_layers))
        if len(self.group_widths) != 4:
            raise ValueError(f"group_widths must have four values, got {self.group_widths}")
        if not self.pair_layers or any(len(layer) != 3 for layer in self.pair_layers):
            raise ValueError(f"pair_layers must hold (kernel, stride, channels), got {self.pair_layers}")
        if any(channels % self.norm_channels for _, _, channels in self.pair_layers):
            raise ValueError(
                f"channels of pair_layers must be multiples of {self.norm_channels}, got {self.pair_layers}"
            )
        if self.radius < 0 or self.n_blocks < 1:
            raise ValueError(f"radius must be >= 0 and n_blocks >= 1, got {self.radius} and {self.n_blocks}")

    @classmethod
    def small(cls) -> "LocoTrackConfig":
        """The published small model: fewer convolutions over the correlation, a narrower transformer, the same encoder."""
        return cls(pair_layers=((5, 4, 64), (2, 2, 128)), width=256, n_heads=4)

    @property
    def token_width(self) -> int:
        """Columns of a token: occlusion, expected error, correlation of the levels, motion."""
        return 2 + len(LEVELS) * 2 * self.pair_layers[-1][2] + 4 * (1 + 2 * self.n_degrees)


class Stage(NamedTuple):
    """One estimate of the tracks: the initialisation, or an iteration."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in px of the frames."""
    occlusion: Float[Tensor, "batch n_frames n_points"]
    """Logits."""
    large_error: Float[Tensor, "batch n_frames n_points"]
    """Logits that the position is more than 6 px (of 256) off: the expected distance of the publication."""

    @property
    def visibility(self) -> Float[Tensor, "batch n_frames n_points"]:
        """Probability of being visible and well placed; the publication calls a point visible above 0.5."""
        return (-self.occlusion).sigmoid() * (-self.large_error).sigmoid()


class Located(NamedTuple):
    """Tracks and how they came about."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """Final (x, y) in px of the frames; the query itself is refined too, so its own frame need not hold it exactly."""
    visibility: Float[Tensor, "batch n_frames n_points"]
    """Final probability of being visible and well placed."""
    stages: list[Stage]
    """Start and every iteration, for losses: n_iterations + 1."""


class LocoTrack(nn.Module):
    """The network: `encode` frames, then `follow` points through the features; `forward` does both.

    A residual encoder gives unit-length features at 2, 4 and 8 px. Each point is first matched in every frame by itself
    (cosine maps, softmax); then, a few times, the 7 x 7 features around its estimate are correlated with the 7 x 7 features
    around its query (all 2401 pairs per level), and a transformer along time turns these, the logits and the motion into an
    update. Cho et al., "Local All-Pair Correspondence for Point Tracking", 2024. Pick it over CoTracker when points are few or
    scattered (each is tracked alone, over the whole cine, forwards and backwards at once), when the motion is large or a point
    comes back (the matching sees the whole image), or where the non-commercial licence of CoTracker's code is in the way. In the
    EchoTracker2 paper its mean error on ultrasound, 1.73 px, lies between EchoTracker2 (1.63) and EchoTracker (1.82). Where
    look-alike speckle lures the matching away, start at the query (`initialise=False`), or take a network whose points support
    each other (CoTracker, EchoTracker2).

    Coordinates are px from the left and top edge of the image: the centre of the first pixel lies at 0.5.
    """

    def __init__(self, config: LocoTrackConfig = LocoTrackConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = PreActivationEncoder(c.in_channels, c.stem_width, c.group_widths, GROUP_STRIDES, c.n_blocks)
        self.matcher = Matcher(c.temperature, c.peak_radius)
        self.pair_encoders = nn.ModuleList(
            PairEncoder(2 * c.radius + 1, c.pair_layers, c.norm_channels) for _ in LEVELS
        )
        self.mixer = TimeMixer(c.token_width, 4 + c.spare_outputs, c.width, c.n_heads, c.n_layers, c.mlp_ratio)

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "*batch n_points 3"],
        n_iterations: int = 4,
        chunk: int = 64,
        features: list[Float[Tensor, "batch n_frames _c _h _w"]] | None = None,
    ) -> Located:
        """Follow points through frames scaled to [-1, 1].

        Args:
            frames: Height and width multiples of 8; the published weights expect tissue at the scale of 256 x 256 px.
            queries: (frame, x, y), whole frames counted from 0, px; one set for all clips (n_points, 3) or one per clip
                (batch, n_points, 3). Outside the image the query takes the features of its edge.
            n_iterations: Refinements; 0 gives the start alone.
            chunk: Points refined at once; smaller takes less memory, the result is the same.
            features: Of the frames, from `encode`, if known.

        Raises:
            ValueError: Wrong shapes, or a query outside the frames in time.
        """
        c = self.config
        if frames.ndim != 5 or frames.shape[2] != c.in_channels or not frames.shape[1]:
            raise ValueError(
                f"frames must be (batch, n_frames, {c.in_channels}, height, width), got {tuple(frames.shape)}"
            )
        if any(size % 8 or not size for size in frames.shape[-2:]):
            raise ValueError(f"height and width must be multiples of 8, got {tuple(frames.shape[-2:])}")
        batch, n_frames = frames.shape[:2]
        if queries.ndim == 2:
            queries = queries.expand(batch, -1, -1)
        if features is None:
            features = [level.unflatten(0, (batch, n_frames)) for level in self.encode(frames.flatten(0, 1))]
        return self.follow(features, queries, n_iterations, chunk)

    def encode(self, frames: Float[Tensor, "n_frames channels height width"]) -> list[Tensor]:
        """Unit-length features (n_frames, c, h, w) of frames scaled to [-1, 1], at strides 4, 8 and 2, in this order."""
        maps = self.encoder(frames)
        return [unit_length(maps[group]) for group, _ in LEVELS]

    def follow(
        self,
        levels: list[Float[Tensor, "batch n_frames _c _h _w"]],
        queries: Float[Tensor, "batch n_points 3"],
        n_iterations: int = 4,
        chunk: int = 64,
    ) -> Located:
        """Match and refine points; arguments as in `forward`, features as from `encode`."""
        batch, n_frames = levels[0].shape[:2]
        check_queries(queries, batch, n_frames)
        if n_iterations < 0 or chunk < 1:
            raise ValueError(f"n_iterations must be >= 0 and chunk >= 1, got {n_iterations} and {chunk}")
        frame, places = queries[..., 0].long(), queries[..., 1:].to(levels[0])
        levels = [to_read(level) for level in levels]
        searched = self.matcher.prepare(*levels[:2])
        parts = []
        for some, start in zip(frame.split(chunk, 1), places.split(chunk, 1), strict=True):
            support = self.support(levels, some, start)
            stages = [self.start(searched, support, some, start)]
            for _ in range(n_iterations):
                stages.append(self.refine(levels, support, stages[-1]))
            parts.append(stages)
        stages = [
            Stage(*(torch.cat(values, 2) for values in zip(*same, strict=True))) for same in zip(*parts, strict=True)
        ]
        return Located(stages[-1].positions, stages[-1].visibility, stages)

    def support(
        self, levels: list[Tensor], frame: Int[Tensor, "batch n_points"], start: Float[Tensor, "batch n_points 2"]
    ) -> list[Float[Tensor, "batch n_points cells _c"]]:
        """Features of each level around the queries, row by row; outside the image its edge."""
        return [
            query_patches(level, frame, start / stride - 0.5, self.config.radius)
            for level, (_, stride) in zip(levels, LEVELS, strict=True)
        ]

    def start(
        self,
        searched: list[Searched],
        support: list[Tensor],
        frame: Int[Tensor, "batch n_points"],
        start: Float[Tensor, "batch n_points 2"],
    ) -> Stage:
        """The first estimate; the query's own frame holds the query, unlike in later stages."""
        n_frames = searched[0].maps.shape[1]
        here = start[:, None].expand(-1, n_frames, -1, -1)
        if not self.config.initialise:
            nothing = torch.zeros_like(here[..., 0])
            return Stage(here, nothing, nothing)
        match = self.match(searched, support)
        own = torch.arange(n_frames, device=frame.device)[:, None] == frame[:, None]  # (batch, n_frames, n_points)
        positions = torch.where(own[..., None], here, match.positions * LEVELS[0][1])
        return Stage(positions, *match.logits.unbind(-1))

    def match(self, searched: list[Searched], support: list[Tensor]) -> Match:
        """The features of the queries found again in every frame, at strides 4 and 8; `searched` as from `Matcher.prepare`."""
        centre = support[0].shape[2] // 2
        return self.matcher(searched, support[0][:, :, centre], support[1][:, :, centre])

    def refine(self, levels: list[Tensor], support: list[Tensor], stage: Stage) -> Stage:
        """One iteration; no gradient flows back through the positions it starts from."""
        positions = stage.positions.detach()
        token = self.token(levels, support, stage._replace(positions=positions))
        update = self.update(token)
        return Stage(positions + update[..., :2], stage.occlusion + update[..., 2], stage.large_error + update[..., 3])

    def token(
        self, levels: list[Tensor], support: list[Tensor], stage: Stage
    ) -> Float[Tensor, "batch n_frames n_points token_width"]:
        """Columns: occlusion and large-error logits, correlation at strides 4, 8 and 2, motion and its encoding."""
        columns = [stage.occlusion[..., None], stage.large_error[..., None]]
        for level, around, encoder, (_, stride) in zip(levels, support, self.pair_encoders, LEVELS, strict=True):
            pairs = patch_products(level, stage.positions / stride - 0.5, around[:, :, None], self.config.radius)
            columns.append(encoder(pairs).transpose(1, 2))
        height, width = (size * LEVELS[0][1] for size in levels[0].shape[-2:])
        columns.append(degree_sincos(motion(stage.positions, (width, height)), self.config.n_degrees))
        return torch.cat(columns, dim=-1)

    def update(self, token: Float[Tensor, "batch n_frames n_points token_width"]) -> Tensor:
        """Changes (batch, n_frames, n_points, 4) of x and y, px, and of the two logits."""
        batch, _, n_points, _ = token.shape
        rows = token.transpose(1, 2).flatten(0, 1)
        return self.mixer(rows)[..., :4].unflatten(0, (batch, n_points)).transpose(1, 2)


def motion(
    positions: Float[Tensor, "batch n_frames n_points 2"], size: tuple[int, int]
) -> Float[Tensor, "batch n_frames n_points 4"]:
    """Way from the next frame and way from the previous one, (x, y) each, over (width, height); 0 at the ends."""
    step = (positions[:, 1:] - positions[:, :-1]) / torch.tensor(size, dtype=positions.dtype, device=positions.device)
    none = torch.zeros_like(positions[:, :1])
    return torch.cat([torch.cat([-step, none], dim=1), torch.cat([none, step], dim=1)], dim=-1)


def degree_sincos(values: Float[Tensor, "*rest n"], n_degrees: int) -> Float[Tensor, "*rest columns"]:
    """The values, sin(2**d * values) for d = 0 .. n_degrees - 1, then the cosines likewise; n * (1 + 2 n_degrees) columns."""
    scale = 2.0 ** torch.arange(n_degrees, dtype=values.dtype, device=values.device)
    phase = (values[..., None, :] * scale[:, None]).flatten(-2)
    return torch.cat([values, phase.sin(), phase.cos()], dim=-1)


class LocoTrackTracker(PointNetworkTracker):
    """LocoTrack: a start from global correlation, then local four-dimensional correlation, each point by itself.

    Take it over the refining peers where points move far between frames: it alone begins with a look at the whole image. Confidence
    is its probability of being visible and well placed.
    """

    name = "locotrack"
    points_interact, encodes_each_frame = False, True
    network_class, config_class = LocoTrack, LocoTrackConfig
    small = {
        "in_channels": 1, "stem_width": 16, "group_widths": (16, 32, 48, 48), "n_blocks": 1, "radius": 2,
        "pair_layers": ((3, 2, 32), (2, 2, 32)), "width": 96, "n_heads": 4, "n_layers": 2, "spare_outputs": 32,
    }  # fmt: skip
    iterations = 2

    @classmethod
    def estimates(
        cls,
        network: nn.Module,
        frames: Tensor,
        query: Tensor,
        n_iterations: int | None,
        features: list[Tensor] | None = None,
    ) -> Estimates:
        found = network(frames, queries(query), n_iterations, features=features)
        return Estimates([stage.positions for stage in found.stages], torch.logit(found.visibility, eps=1e-6))
