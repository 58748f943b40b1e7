"""CoTracker v1: points refined together, iteration by iteration, in windows that slide over the frames.

Karaev et al., "CoTracker: It is better to track together", 2023 (first release). Written from its published description; every
size is an argument. Departure: cines of any length give at least one window (the release returns zeros for T <= S / 2).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from echotas.trackers.blocks.attention import TimeSpaceTransformer
from echotas.trackers.blocks.correlation import correlation_windows, feature_pyramid, sample_features
from echotas.trackers.blocks.encoder import ResidualEncoder
from echotas.trackers.blocks.point_network import Estimates, PointNetworkTracker
from echotas.trackers.blocks.positions import flow_frequencies, flow_sincos, place_table, time_table

__all__ = ["CoTracker", "CoTrackerConfig", "CoTrackerTracker", "Followed", "Window"]

INITIAL_VISIBILITY = 10.0  # logit fed for points that no earlier window has seen


@dataclass(frozen=True)
class CoTrackerConfig:
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
    """Channels of features and of the appearance vector Q."""
    stride: int = 4
    """Pixels per feature cell."""
    n_levels: int = 4
    """Correlation levels."""
    radius: int = 3
    """Correlation radius, cells of each level."""
    n_flow_frequencies: int = 32
    """Frequencies per axis of the flow encoding."""
    flow_spectrum: str = "released"
    """"released" or "octaves" (see `flow_frequencies`)."""
    width: int = 384
    """Transformer width."""
    n_heads: int = 8
    """Attention heads."""
    n_time_blocks: int = 6
    """Blocks along time."""
    n_space_blocks: int = 6
    """Blocks across points."""
    mlp_ratio: float = 4.0
    """Hidden over width in the MLPs."""
    window: int = 8
    """Frames per window; neighbours share half."""
    released_columns: bool = True
    """Lay out the mask and visibility columns as the published weights expect them: the release concatenates both along the
    points and then reshapes, so a token sees the flags of other points. False gives each token its own two flags."""
    head_std: float | None = None
    """Initial standard deviation of the motion head; None as released (Xavier), 0.001 when training from scratch."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stage_widths", tuple(self.stage_widths))
        if len(self.stage_widths) != 4:
            raise ValueError(f"stage_widths must have four values, got {self.stage_widths}")
        if self.window < 2 or self.window % 2:
            raise ValueError(f"window must be even and >= 2, got {self.window}")
        if self.token_width % 4:
            raise ValueError(f"the token must have a multiple of 4 columns, got {self.token_width}")
        flow_frequencies(self.n_flow_frequencies, self.flow_spectrum)

    @property
    def token_width(self) -> int:
        """Columns of a token: flow, correlation, appearance, mask, visibility."""
        return 2 + 4 * self.n_flow_frequencies + self.n_levels * (2 * self.radius + 1) ** 2 + self.feature_width + 2


class Window(NamedTuple):
    """What one window produced, for losses and inspection."""

    first_frame: int
    """First frame of the window."""
    points: Int[Tensor, " n_active"]
    """Indices of the active points."""
    positions: list[Float[Tensor, "batch n_frames n_active 2"]]
    """Positions after each iteration, cells; frames beyond the cine left out."""
    visibility: Float[Tensor, "batch n_frames n_active"]
    """Logits after the last iteration."""
    appearance: Float[Tensor, "batch n_frames n_active c"]
    """Appearance vectors after the last iteration."""
    start: Float[Tensor, "batch n_frames n_active 2"]
    """Positions before the first iteration, cells."""


class Followed(NamedTuple):
    """Paths of points through feature maps."""

    positions: Float[Tensor, "batch n_frames n_points 2"]
    """(x, y) in cells; later windows overwrite earlier ones, frames before every window of a point hold its query."""
    visibility: Float[Tensor, "batch n_frames n_points"]
    """Logits."""
    windows: list[Window]
    """All windows in order."""
    errors: list[Float[Tensor, "batch n_frames n_active"]] | None = None
    """Predicted standard error of each coordinate in each window, mm; None from a network that predicts none."""


class _State(NamedTuple):
    positions: Tensor
    visibility: Tensor


class CoTracker(nn.Module):
    """The network: `encode` frames, then `follow` points through the features; `forward` does both.

    Coordinates inside are in feature cells (px / stride), without half-pixel shift.
    """

    def __init__(self, config: CoTrackerConfig = CoTrackerConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        self.encoder = ResidualEncoder(
            c.in_channels, c.stem_width, c.stage_widths, c.fuse_width, c.feature_width, c.stride
        )
        self.transformer = TimeSpaceTransformer(
            c.token_width,
            2 + c.feature_width,
            c.width,
            c.n_heads,
            c.n_time_blocks,
            c.n_space_blocks,
            c.mlp_ratio,
            c.head_std,
        )
        self.feature_norm = nn.LayerNorm(c.feature_width)
        self.feature_update = nn.Linear(c.feature_width, c.feature_width)
        self.visibility_head = nn.Linear(c.feature_width, 1)
        self._tables: dict[tuple, Tensor] = {}

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        queries: Float[Tensor, "n_points 3"],
        n_iterations: int = 4,
    ) -> Followed:
        """Follow queries (frame, x, y), px, through frames scaled to [-1, 1]; positions come back in cells."""
        batch, n_frames = frames.shape[:2]
        features = self.encode(frames.flatten(0, 1)).unflatten(0, (batch, n_frames))
        start = (queries[:, 1:] / self.config.stride).expand(batch, -1, -1)
        return self.follow(features, queries[:, 0].long(), start, n_iterations)

    def encode(self, frames: Float[Tensor, "n_frames channels height width"]) -> Float[Tensor, "n_frames c h w"]:
        """Features of frames scaled to [-1, 1]."""
        return self.encoder(frames)

    def follow(
        self,
        features: Float[Tensor, "batch n_frames c h w"],
        start_frame: Int[Tensor, " n_points"] | int,
        start: Float[Tensor, "batch n_points 2"],
        n_iterations: int = 4,
        token_shift: Float[Tensor, "batch n_points c"] | None = None,
        guess: Float[Tensor, "batch n_frames n_points 2"] | None = None,
    ) -> Followed:
        """Slide the window over the features.

        Args:
            features: Maps of all frames.
            start_frame: Frame in which each point is given, the same for the whole batch; or one number for all points, which
                leaves nothing to look up while it runs, so that the graph can be exported.
            start: Where, in cells.
            n_iterations: Refinements per window.
            token_shift: Added to the appearance vector when a token is built, and nowhere else.
            guess: Paths of another tracker, in cells, whose displacements the iterations begin with; None begins with points
                that stay where they are, as published.

        Returns:
            Paths from each point's own frame onwards.
        """
        size, hop = self.config.window, self.config.window // 2
        n_frames, n_points = features.shape[1], start.shape[1]
        together = isinstance(start_frame, int)
        order = torch.arange(n_points, device=start.device)
        if not together:
            order = torch.argsort(start_frame, stable=True)
            start_frame, start = start_frame[order], start[:, order]
            token_shift = None if token_shift is None else token_shift[:, order]
            guess = None if guess is None else guess[:, :, order]
        appearance = self._query_features(features, start_frame, start)
        # The pyramid is built once; each window takes its frames from it.
        pyramid = [
            level.unflatten(0, features.shape[:2])
            for level in feature_pyramid(features.flatten(0, 1), self.config.n_levels)
        ]
        positions = start[:, None].repeat(1, n_frames, 1, 1)
        visibility = torch.full_like(positions[..., 0], INITIAL_VISIBILITY)
        windows, previous = [], None
        for first in range(0, max(n_frames - hop, 1), hop):
            active = n_points * (start_frame < first + size) if together else int((start_frame < first + size).sum())
            if not active:
                continue
            frame = torch.arange(first, first + size, device=features.device)
            valid = min(size, n_frames - first)
            taken = frame.clamp(max=n_frames - 1)
            moves = None if guess is None else guess[:, taken, :active]
            state = self._initial_state(start[:, :active], previous, size, moves)
            n_old = 0 if previous is None else previous.positions.shape[2]
            begun = torch.full((n_points,), start_frame, device=frame.device) if together else start_frame
            mask = frame[:, None] >= begun[None, :active]
            mask = mask & (frame < n_frames)[:, None]  # the repeated last frame is padding
            mask[:hop, :n_old] = False
            estimates, logits, final = self._refine(
                [level[:, taken] for level in pyramid],
                appearance[:, :active],
                state,
                mask,
                n_iterations,
                None if token_shift is None else token_shift[:, :active],
            )
            previous = _State(estimates[-1].detach(), logits.detach())
            points = order[:active]
            kept = [tensor[:, :valid] for tensor in (*estimates, logits, final, state.positions)]
            windows.append(Window(first, points, kept[:-3], *kept[-3:]))
            positions[:, first : first + valid, :active] = estimates[-1].detach()[:, :valid]
            visibility[:, first : first + valid, :active] = logits.detach()[:, :valid]
        if together:
            return Followed(positions, visibility, windows)
        back = torch.argsort(order)
        return Followed(positions[:, :, back], visibility[:, :, back], windows)

    def _query_features(self, features: Tensor, start_frame: Tensor | int, start: Tensor) -> Tensor:
        """Features (batch, n_points, c) at the queries, each in its own frame."""
        if isinstance(start_frame, int):
            return sample_features(features[:, start_frame], start)
        parts = []
        for frame in start_frame.unique_consecutive().tolist():
            parts.append(sample_features(features[:, frame], start[:, start_frame == frame]))
        return torch.cat(parts, dim=1)

    @staticmethod
    def _initial_state(start: Tensor, previous: _State | None, size: int, moves: Tensor | None) -> _State:
        """Positions and visibility with which a window starts: carried over for old points, the query for new ones."""
        positions = start[:, None].repeat(1, size, 1, 1)
        if moves is not None:
            positions = positions + moves - moves[:, :1]
        visibility = torch.full_like(positions[..., 0], INITIAL_VISIBILITY)
        if previous is not None:
            hop, n_old = size // 2, previous.positions.shape[2]
            for target, source in zip((positions, visibility), previous, strict=True):
                target[:, :hop, :n_old] = source[:, hop:]
                target[:, hop:, :n_old] = source[:, -1:]
            if moves is not None:
                positions[:, hop:, :n_old] += (moves[:, hop:] - moves[:, hop - 1 : hop])[:, :, :n_old]
        return _State(positions, visibility)

    def _refine(
        self,
        pyramid: list[Tensor],
        query_appearance: Tensor,
        state: _State,
        mask: Tensor,
        n_iterations: int,
        token_shift: Tensor | None,
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Positions after each iteration (batch, size, n_points, 2), final visibility logits and appearance of one window."""
        batch, size, n_points = state.positions.shape[:3]
        levels = [level.flatten(0, 1) for level in pyramid]
        appearance = query_appearance[:, None].expand(-1, size, -1, -1)  # (batch, size, n_points, c)
        positions, estimates = state.positions, []
        flags = mask.to(positions).expand(batch, -1, -1)
        if self.config.released_columns:
            fixed = torch.cat([flags, state.visibility], dim=2).transpose(1, 2).reshape(batch, n_points, size, 2)
            fixed = fixed.transpose(1, 2)
        else:
            fixed = torch.stack([flags, state.visibility], dim=-1)
        encoding = self._encoding(positions[:, 0], size, levels[0].shape[-2:])
        for _ in range(n_iterations):
            positions = positions.detach()
            correlation = correlation_windows(
                levels, appearance.flatten(0, 1), positions.flatten(0, 1), self.config.radius
            ).unflatten(0, (batch, size))
            token = self._token(positions, correlation, appearance, fixed, token_shift) + encoding
            update = self.transformer(token.transpose(1, 2)).transpose(1, 2)
            change = F.gelu(self.feature_update(self.feature_norm(update[..., 2:])))
            appearance = appearance + change
            positions = positions + update[..., :2]
            estimates.append(positions)
        return estimates, self.visibility_head(appearance)[..., 0], appearance

    def _token(
        self, positions: Tensor, correlation: Tensor, appearance: Tensor, fixed: Tensor, token_shift: Tensor | None
    ) -> Tensor:
        """Columns: flow and its encoding, correlation, appearance, mask, visibility logit."""
        flow = flow_sincos(positions - positions[:, :1], self._frequencies(positions))
        if token_shift is not None:
            appearance = appearance + token_shift[:, None]
        return torch.cat([flow, correlation, appearance, fixed], dim=-1)

    def _encoding(self, start: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
        """Time and place encodings (batch, size, n_points, token width)."""
        height, width = grid
        place = self._table("place", start, lambda: place_table(height, width, self.config.token_width), height, width)
        time = self._table("time", start, lambda: time_table(size, self.config.token_width), size)
        at_points = sample_features(place.expand(len(start), -1, -1, -1), start)
        return at_points[:, None] + time[None, :, None]

    def _frequencies(self, like: Tensor) -> Tensor:
        make = flow_frequencies
        return self._table("flow", like, lambda: make(self.config.n_flow_frequencies, self.config.flow_spectrum))

    def _table(self, name: str, like: Tensor, make, *key: int) -> Tensor:
        """A constant table in the dtype and on the device of `like`, made once (no buffer: checkpoints hold none)."""
        key = (name, like.dtype, like.device, *key)
        if key not in self._tables:
            self._tables[key] = make().to(like)
        return self._tables[key]


class CoTrackerTracker(PointNetworkTracker):
    """CoTracker v1: points refined together in windows of eight frames that slide away from the query frame, both ways.

    Take it as the base that TAS-Net changes: nothing here knows the wall, and the iterations begin with points that stay. Where it is
    trained on speckle, its visibility is the speckle correlation; CoTracker's own is a yes or no about occlusion.
    """

    name = "cotracker"
    encodes_each_frame = True
    network_class, config_class = CoTracker, CoTrackerConfig
    small = {
        "in_channels": 1, "stem_width": 16, "stage_widths": (16, 24, 32, 32), "fuse_width": 32, "feature_width": 32,
        "n_flow_frequencies": 8, "flow_spectrum": "octaves", "width": 96, "n_heads": 4, "n_time_blocks": 3, "n_space_blocks": 3,
        "mlp_ratio": 2.0, "released_columns": False, "head_std": 1e-3,
    }  # fmt: skip
    iterations, used_iterations = 4, 2  # 0.83 mm with two, 0.84 with four: five templates of as many virtual patients

    @classmethod
    def estimates(
        cls, network: nn.Module, frames: Tensor, query: Tensor, n_iterations: int | None, features: Tensor | None = None
    ) -> Estimates:
        stride = network.config.stride
        if features is None:
            features = network.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        found = network.follow(features, 0, query / stride, n_iterations)
        stages = [
            _in_turn([window.positions[stage] for window in found.windows]) * stride for stage in range(n_iterations)
        ]
        return Estimates(stages, _in_turn([window.visibility for window in found.windows]))


def _in_turn(windows: list[Tensor]) -> Tensor:
    """Values (batch, n_frames, ...) of windows that share half with the next one, the later window's where two have some."""
    parts = [window[:, : window.shape[1] // 2] for window in windows[:-1]]
    return torch.cat([*parts, windows[-1]], dim=1)
