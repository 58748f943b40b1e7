"""Feature encoder of CoTracker v1 (and PIPs): four residual stages, resized to one stride and fused."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ResidualEncoder"]


class ResidualEncoder(nn.Module):
    """Frames to feature maps at 1 / `stride` of their size.

    Args:
        in_channels: Channels of a frame.
        stem_width: Channels of the 7 x 7, stride-2 stem.
        stage_widths: Channels of the four stages, at strides 2, 4, 8 and 16.
        fuse_width: Channels after the 3 x 3 convolution over the four resized stages.
        out_channels: Channels of the result; not normalised.
        stride: Stride of the result.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_width: int = 64,
        stage_widths: Sequence[int] = (64, 96, 128, 128),
        fuse_width: int = 256,
        out_channels: int = 128,
        stride: int = 4,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.stem = nn.Conv2d(in_channels, stem_width, 7, stride=2, padding=3)
        stages, width = [], stem_width
        for index, stage_width in enumerate(stage_widths):
            stages.append(
                nn.Sequential(
                    ResidualBlock(width, stage_width, stride=1 if index == 0 else 2),
                    ResidualBlock(stage_width, stage_width),
                )
            )
            width = stage_width
        self.stages = nn.ModuleList(stages)
        self.fuse = nn.Conv2d(sum(stage_widths), fuse_width, 3, padding=1)
        self.project = nn.Conv2d(fuse_width, out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Float[Tensor, "n_frames channels height width"]) -> Float[Tensor, "n_frames c h w"]:
        """Features of each frame; height and width must be multiples of the stride, best of 16."""
        size = (frames.shape[-2] // self.stride, frames.shape[-1] // self.stride)
        x = F.relu(_normalise(self.stem(frames)))
        levels = []
        for stage in self.stages:
            x = stage(x)
            same = tuple(x.shape[-2:]) == size
            levels.append(x if same else F.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.project(F.relu(_normalise(self.fuse(torch.cat(levels, dim=1)))))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with instance normalisation; ReLU before and after the sum."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        # The released model has a projected skip exactly where the stride is 2; a change of width at stride 1 needs one too.
        needs_skip = stride != 1 or in_channels != out_channels
        self.skip = nn.Conv2d(in_channels, out_channels, 1, stride=stride) if needs_skip else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(_normalise(self.conv1(x)))
        y = F.relu(_normalise(self.conv2(y)))
        return F.relu(y + (x if self.skip is None else _normalise(self.skip(x))))


def _normalise(x: Tensor) -> Tensor:
    """Instance normalisation without learned scale (eps 1e-5), also of maps with a single pixel."""
    return F.instance_norm(x) if x.shape[-2] * x.shape[-1] > 1 else torch.zeros_like(x)
