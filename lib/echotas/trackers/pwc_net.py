"""PWC-Net and c-PWC-Net: dense flow between two frames from coarse to fine, and points carried along by it.

Sun, Yang, Liu, Kautz, "PWC-Net: CNNs for optical flow using pyramid, warping, and cost volume", 2018; Evain et al., "Motion
estimation by deep learning in 2D echocardiography: synthetic dataset and validation", 2022 (a context network at every level,
flow averaged forwards and backwards). Written from their published description; every size is an argument. Not stated there
and chosen here, as in PWC-Net: slope 0.1 of the activation (also on the cost), correlation as mean over channels, transposed
4 x 4 convolutions that enlarge flow and features, flow in units of 20 px. Loss and training pairs: `blocks/flow_loss.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from echotas.trackers.blocks.chained_flow import Chained, chain_flow
from echotas.trackers.blocks.correlation import sample_features
from echotas.trackers.blocks.cost_volume import cost_volume, warp
from echotas.trackers.blocks.flow_tracker import FlowTracker

__all__ = ["PwcNet", "PwcNetConfig", "PwcNetTracker"]

SLOPE = 0.1  # of the activation below zero


@dataclass(frozen=True)
class PwcNetConfig:
    """Sizes of the network; the defaults are those of c-PWC-Net (14.08 M parameters)."""

    in_channels: int = 1
    """Channels of a frame."""
    widths: tuple[int, ...] = (16, 32, 64, 96, 128, 196)
    """Channels of the pyramid levels 1, 2, ...; each level halves the resolution by the first of its three convolutions."""
    finest_level: int = 2
    """Level of the finest flow: 1 / 2**finest_level of the frame."""
    radius: int = 4
    """Cells searched around each cell, on every level."""
    estimator_widths: tuple[int, ...] = (128, 128, 96, 64, 32)
    """Densely connected layers of the flow estimator of each level."""
    context_widths: tuple[int, ...] = (128, 128, 128, 96, 64, 32)
    """Layers of a context network, before its flow."""
    context_dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    """Their dilations."""
    context_everywhere: bool = True
    """A context network on every level (c-PWC-Net); False: on the finest only (PWC-Net, 9.37 M with three input channels)."""
    flow_scale: float = 20.0
    """Pixels per unit of flow inside the network."""
    normalised_costs: bool = False
    """Correlate the directions of the features, not their products: from random weights it learns in hundreds of steps what the
    published form had not begun to learn in a thousand."""
    composed: bool = True
    """In use, a step is the mean of the flow there and of minus the flow back (composition); False: the flow there alone, in half
    the time."""

    def __post_init__(self) -> None:
        for name in ("widths", "estimator_widths", "context_widths", "context_dilations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 1 <= self.finest_level <= len(self.widths):
            raise ValueError(f"finest_level must be in 1..{len(self.widths)}, got {self.finest_level}")
        if len(self.context_widths) != len(self.context_dilations):
            raise ValueError(
                f"context_dilations must have {len(self.context_widths)} values, got {self.context_dilations}"
            )
        if not self.estimator_widths:
            raise ValueError("estimator_widths must not be empty")
        if self.radius < 0:
            raise ValueError(f"radius must be >= 0, got {self.radius}")
        if not self.flow_scale > 0:
            raise ValueError(f"flow_scale must be > 0, got {self.flow_scale}")

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that carry flow, coarsest first."""
        return tuple(range(len(self.widths), self.finest_level - 1, -1))


class PwcNet(nn.Module):
    """Dense motion between two frames, estimated from coarse to fine, and points chained along it.

    Both frames become feature pyramids. Level by level, the second frame's features are warped by the flow so far and correlated
    with the first's in a small window; a dense network turns this into flow and a dilated context network smooths it (Sun et
    al., PWC-Net, 2018; context on every level: Evain et al., c-PWC-Net, 2022). Tracking averages forward and backward flow
    and chains neighbouring frames. Pick it where motion is wanted everywhere and not only at points, or with two frames only,
    as the learned counterpart of Farneback and block matching; over many frames chained flow drifts, and CoTracker, PIPs++ or
    EchoTracker, which see the whole path, are the better choice.

    Cell i of level l is centred on pixel i * 2**l. Frames of any size are accepted: their right and bottom edges are repeated up
    to a multiple of the coarsest cell.
    """

    def __init__(self, config: PwcNetConfig = PwcNetConfig()) -> None:
        super().__init__()
        self.config = config
        c = config
        befores = (c.in_channels, *c.widths)
        self.pyramid = nn.ModuleList(
            nn.Sequential(_conv(before, after, stride=2), _conv(after, after), _conv(after, after))
            for before, after in zip(befores, c.widths, strict=False)
        )
        self.decoders = nn.ModuleDict()
        for level in c.levels:
            costs = (2 * c.radius + 1) ** 2
            coarsest, finest = level == c.levels[0], level == c.levels[-1]
            in_width = costs if coarsest else costs + c.widths[level - 1] + 4
            self.decoders[str(level)] = _Decoder(
                c, in_width, context=finest or c.context_everywhere, enlarge=not finest
            )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                # He: by the inputs that reach one output; of a transposed kernel only one tap in stride**2 does.
                taps = module.kernel_size[0] ** 2 // (module.stride[0] ** 2 if module.transposed else 1)
                nn.init.normal_(module.weight, std=(2 / (module.in_channels * taps)) ** 0.5)
                nn.init.zeros_(module.bias)

    def forward(
        self,
        frames: Float[Tensor, "batch n_frames channels height width"],
        points: Float[Tensor, "batch n_points 2"],
        query_frame: int | Sequence[int] = 0,
    ) -> Chained:
        """Carry points through a clip, frame by frame, both ways from the query frame.

        A step is the mean of the forward flow at the point and of minus the backward flow where that leads, or the forward flow
        alone (`composed`).

        Args:
            frames: Scaled to [-1, 1]; any number of frames.
            points: (x, y) in px of the query frame. Outside the image they move as its edge does.
            query_frame: Frame in which all points are given, or that of each.

        Raises:
            ValueError: Shapes do not fit.
        """
        return chain_flow(self._flows, self._at, frames, points, query_frame)

    def flow(
        self, first: Float[Tensor, "batch channels height width"], second: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch 2 height width"]:
        """Flow (x, y) in px from the first to the second frame, at every pixel of the first."""
        finest = self.levels(first, second)[self.config.finest_level]
        height, width = first.shape[-2:]
        row, column = (torch.arange(side, dtype=finest.dtype, device=finest.device) for side in (height, width))
        pixels = torch.stack(torch.meshgrid(column, row, indexing="xy"), dim=-1).reshape(1, -1, 2)
        return self._at(finest, pixels.expand(len(finest), -1, -1)).transpose(1, 2).unflatten(2, (height, width))

    def _flows(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.config.composed:
            return self.both_ways(first, second)
        return self.levels(first, second)[self.config.finest_level], None

    def both_ways(
        self, first: Float[Tensor, "batch channels height width"], second: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch 2 h w"], Float[Tensor, "batch 2 h w"]]:
        """Finest flow in px, on its own grid, from the first frame to the second and from the second to the first."""
        ours, theirs = self._features(first, second)
        pairs = {
            level: (torch.cat([ours[level], theirs[level]]), torch.cat([theirs[level], ours[level]])) for level in ours
        }
        return self._decode(pairs, first.shape[-2:])[self.config.finest_level].chunk(2)

    def levels(
        self, first: Float[Tensor, "batch channels height width"], second: Float[Tensor, "batch channels height width"]
    ) -> dict[int, Float[Tensor, "batch 2 _h _w"]]:
        """Flow (x, y) in px of every level, coarsest first: what `flow_loss` compares; frames scaled to [-1, 1].

        Raises:
            ValueError: Shapes do not fit.
        """
        ours, theirs = self._features(first, second)
        return self._decode({level: (ours[level], theirs[level]) for level in ours}, first.shape[-2:])

    def _features(self, first: Tensor, second: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Features of both frames on the levels that carry flow."""
        c = self.config
        if first.ndim != 4 or first.shape[1] != c.in_channels or min(first.shape[-2:]) < 1:
            raise ValueError(f"frames must be (batch, {c.in_channels}, height, width), got {tuple(first.shape)}")
        if first.shape != second.shape:
            raise ValueError(f"both frames must have one shape, got {tuple(first.shape)} and {tuple(second.shape)}")
        height, width = first.shape[-2:]
        cell = 2 ** len(c.widths)
        x = F.pad(torch.cat([first, second]), (0, -width % cell, 0, -height % cell), mode="replicate")
        ours, theirs = {}, {}
        for level, stage in enumerate(self.pyramid, start=1):
            x = stage(x)
            if not self.training:
                # Channels side by side in memory: a quarter less time for the convolutions on one core, but more with gradients.
                x = x.contiguous(memory_format=torch.channels_last)
            if level >= c.finest_level:
                ours[level], theirs[level] = x.chunk(2)
        return ours, theirs

    def _decode(self, pairs: dict[int, tuple[Tensor, Tensor]], size: tuple[int, int]) -> dict[int, Tensor]:
        """Flow in px of every level, coarsest first, from the features of both frames; cells beyond `size` (px) left out."""
        c = self.config
        flows, flow, carried = {}, None, None
        for level in c.levels:
            ours, theirs = pairs[level]
            if flow is None:
                inputs = [_costs(ours, theirs, c)]
            else:
                theirs = warp(theirs, flow * (c.flow_scale / 2**level))
                inputs = [_costs(ours, theirs, c), ours, flow, carried]
            estimate, flow, carried = self.decoders[str(level)](torch.cat(inputs, dim=1))
            n_rows, n_columns = (-(-side // 2**level) for side in size)
            flows[level] = estimate[..., :n_rows, :n_columns] * c.flow_scale
        return flows

    def _at(self, finest: Tensor, points: Tensor) -> Tensor:
        """Flow (batch, n_points, 2) at points in px."""
        return sample_features(finest, points / 2**self.config.finest_level)


class _Decoder(nn.Module):
    """Flow of one level; enlarged for the next one unless this is the finest."""

    def __init__(self, config: PwcNetConfig, in_width: int, context: bool, enlarge: bool) -> None:
        super().__init__()
        self.estimator, width = nn.ModuleList(), in_width
        for out in config.estimator_widths:
            self.estimator.append(_conv(width, out))
            width += out
        self.head = nn.Conv2d(width, 2, 3, padding=1)
        self.context = None
        if context:
            befores = (width, *config.context_widths)
            layers = zip(befores, config.context_widths, config.context_dilations, strict=False)
            self.context = nn.Sequential(
                *(_conv(before, after, dilation=dilation) for before, after, dilation in layers),
                nn.Conv2d(befores[-1], 2, 3, padding=1),
            )
        self.enlarge_flow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1) if enlarge else None
        self.enlarge_features = nn.ConvTranspose2d(width, 2, 4, stride=2, padding=1) if enlarge else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Flow in the network's unit; flow and features for the next level."""
        for layer in self.estimator:
            x = torch.cat([layer(x), x], dim=1)
        flow = self.head(x)
        if self.context is not None:
            flow = flow + self.context(x)
        if self.enlarge_flow is None:
            return flow, None, None
        return flow, self.enlarge_flow(flow), self.enlarge_features(x)


def _conv(in_width: int, out_width: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(in_width, out_width, 3, stride=stride, padding=dilation, dilation=dilation)
    return nn.Sequential(convolution, nn.LeakyReLU(SLOPE))


def _costs(ours: Tensor, theirs: Tensor, config: PwcNetConfig) -> Tensor:
    if config.normalised_costs:
        # The volume is a mean over channels: times their number it is the cosine.
        ours, theirs = F.normalize(ours, dim=1) * ours.shape[1], F.normalize(theirs, dim=1)
    return F.leaky_relu(cost_volume(ours, theirs, config.radius), SLOPE)


class PwcNetTracker(FlowTracker):
    """c-PWC-Net: dense flow between neighbouring frames, forwards and backwards, carried along from frame to frame.

    Take it where motion is wanted everywhere, or for two frames only; over a beat its steps add up, and the trackers that see the
    whole path drift less. It gives no visibility: confidence is 1. `context_everywhere: False` in `config` is PWC-Net. It learns from
    pairs: clips of two frames, `max_skip` apart at most, in both orders.

    Args:
        weights, config, seed, device: As in `PointNetworkTracker`.
        composed: Average the flow there and back; None: as the weights say.
    """

    name = "pwc_net"
    network_class, config_class = PwcNet, PwcNetConfig
    small = {
        "widths": (16, 24, 32, 48), "finest_level": 1, "radius": 3, "estimator_widths": (32, 32, 24, 16), "flow_scale": 4.0,
        "context_widths": (24, 24, 16), "context_dilations": (1, 2, 4), "normalised_costs": True,
    }  # fmt: skip

    def __init__(
        self,
        weights: str | Path | None = None,
        config: Mapping[str, Any] | None = None,
        seed: int = 0,
        device: str = "cpu",
        composed: bool | None = None,
    ) -> None:
        super().__init__(weights, None, config, seed, device)
        if composed is not None:
            self.network.config = replace(self.network.config, composed=composed)

    @classmethod
    def refined_flows(
        cls, network: nn.Module, first: Tensor, second: Tensor, n_iterations: int | None
    ) -> Iterator[tuple[Tensor, int]]:
        return ((flow, 2**level) for level, flow in network.levels(first, second).items())
