"""Feature encoder of MyoTracker: four plain (non-residual) stages, resized to one stride and fused."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PlainEncoder"]


class PlainEncoder(nn.Module):
    """Frames to feature maps at 1 / `stride` of their size.

    Args:
        in_channels: Channels of a frame.
        stem_width: Channels of the 7 x 7, stride-2 stem.
        stage_widths: Channels of the stages, at strides 2, 4, 8, ...
        fuse_width: Channels after the 3 x 3 convolution over the resized stages.
        out_channels: Channels of the result; not normalised.
        stride: Stride of the result.
    """

    def __init__(
        self,
        in_channels: int = 1,
        stem_width: int = 16,
        stage_widths: Sequence[int] = (16, 16, 32, 32),
        fuse_width: int = 64,
        out_channels: int = 64,
        stride: int = 4,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.stem = nn.Conv2d(in_channels, stem_width, 7, stride=2, padding=3)
        stages, width = [], stem_width
        for index, stage_width in enumerate(stage_widths):
            stages.append(_Stage(width, stage_width, stride=1 if index == 0 else 2))
            width = stage_width
        self.stages = nn.ModuleList(stages)
        self.fuse = nn.Conv2d(sum(stage_widths), fuse_width, 3, padding=1)
        self.project = nn.Conv2d(fuse_width, out_channels, 1)

    def forward(self, frames: Float[Tensor, "n_frames channels height width"]) -> Float[Tensor, "n_frames c h w"]:
        """Features of each frame; height and width must be multiples of the stride."""
        height, width = frames.shape[-2:]
        if min(height, width) < self.stride or height % self.stride or width % self.stride:
            raise ValueError(f"height and width must be multiples of {self.stride} px, got {(height, width)}")
        size = (height // self.stride, width // self.stride)
        x = _normalise(self.stem(frames)).relu()
        levels = []
        for stage in self.stages:
            x = stage(x)
            same = tuple(x.shape[-2:]) == size
            levels.append(x if same else F.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.project(_normalise(self.fuse(torch.cat(levels, dim=1))).relu())


class _Stage(nn.Module):
    """Two 3 x 3 convolutions, each with instance normalisation and ReLU; the first one strides."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return _normalise(self.conv2(_normalise(self.conv1(x)).relu())).relu()


def _normalise(x: Tensor) -> Tensor:
    """Instance normalisation without learned scale (eps 1e-5), also of maps with a single pixel."""
    return F.instance_norm(x) if x.shape[-2] * x.shape[-1] > 1 else torch.zeros_like(x)
