"""Feature encoder of LocoTrack (and EchoTracker2, SpeckNet): residual groups with the normalisation before each convolution."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PreActivationEncoder", "SameConv2d", "unit_length"]


class SameConv2d(nn.Conv2d):
    """Convolution whose output has ceil(size / stride) cells: zeros all around, an odd one at the right and bottom."""

    def forward(self, x: Float[Tensor, "n_maps channels height width"]) -> Float[Tensor, "n_maps c h w"]:
        missing = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, kernel, stride in zip(x.shape[-2:], self.kernel_size, self.stride, strict=True)
        ]
        before, odd = [total // 2 for total in missing], [total % 2 for total in missing]
        x = F.pad(x, (0, odd[1], 0, odd[0])) if any(odd) else x
        return F.conv2d(x, self.weight, self.bias, self.stride, before, self.dilation, self.groups)


class PreActivationEncoder(nn.Module):
    """Frames to the feature maps of every residual group.

    Args:
        in_channels: Channels of a frame.
        stem_width: Channels of the 7 x 7, stride-2 stem, which has neither normalisation nor activation.
        group_widths: Channels of the groups.
        group_strides: Stride of the first block of each group.
        n_blocks: Blocks of each group.
    """

    def __init__(
        self,
        in_channels: int = 3,
        stem_width: int = 64,
        group_widths: Sequence[int] = (64, 128, 256, 256),
        group_strides: Sequence[int] = (1, 2, 2, 1),
        n_blocks: int = 2,
    ) -> None:
        super().__init__()
        self.stem = SameConv2d(in_channels, stem_width, 7, stride=2, bias=False)
        groups, width = [], stem_width
        for group_width, stride in zip(group_widths, group_strides, strict=True):
            first = PreActivationBlock(width, group_width, stride, project=True)
            rest = (PreActivationBlock(group_width, group_width) for _ in range(n_blocks - 1))
            groups.append(nn.Sequential(first, *rest))
            width = group_width
        self.groups = nn.ModuleList(groups)

    def forward(self, frames: Float[Tensor, "n_frames channels height width"]) -> list[Tensor]:
        """Maps of each group, first group first; not normalised. Group g is at stride 2 * (product of strides up to g)."""
        x, maps = self.stem(frames), []
        for group in self.groups:
            x = group(x)
            maps.append(x)
        return maps


class PreActivationBlock(nn.Module):
    """Two 3 x 3 convolutions, each after instance normalisation and ReLU; the projected skip starts after the first ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, project: bool = False) -> None:
        super().__init__()
        self.norm1 = InstanceNorm(in_channels)
        self.conv1 = SameConv2d(in_channels, out_channels, 3, stride=stride, bias=False)
        self.norm2 = InstanceNorm(out_channels)
        self.conv2 = SameConv2d(out_channels, out_channels, 3, bias=False)
        self.skip = SameConv2d(in_channels, out_channels, 1, stride=stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        y = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return y + (x if self.skip is None else self.skip(active))


class InstanceNorm(nn.Module):
    """Instance normalisation with learned scale and offset (eps 1e-5), also of maps with a single cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] * x.shape[-1] > 1:
            return F.instance_norm(x, weight=self.weight, bias=self.bias)
        return torch.zeros_like(x) + self.bias[:, None, None]


def unit_length(maps: Float[Tensor, "*maps c h w"]) -> Float[Tensor, "*maps c h w"]:
    """Maps with features of length 1 (0 where the feature is 0)."""
    return maps * maps.square().sum(-3, keepdim=True).clamp(min=1e-12).rsqrt()
