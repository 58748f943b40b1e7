"""Residual encoder whose features look one frame back and ahead after each stage (EchoTracker2; without that, LocoTrack)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["NeighbourFrames", "ShiftedEncoder", "pad_same"]

STEM_KERNEL = 7


class ShiftedEncoder(nn.Module):
    """Frames to the feature maps of four groups of pre-activated residual blocks.

    Args:
        in_channels: Channels of a frame.
        widths: Channels of the groups; the stem has those of the first.
        n_blocks: Residual blocks per group.
        neighbour_frames: Mix every group but the last with the frames before and after.
    """

    STRIDES = (1, 2, 2, 1)
    """Stride of each group; the stem has 2, so the maps are at strides 2, 4, 8 and 8."""

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 256),
        n_blocks: int = 2,
        neighbour_frames: bool = True,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, widths[0], STEM_KERNEL, stride=2, bias=False)
        self.groups = nn.ModuleList()
        width = widths[0]
        for group_width, stride in zip(widths, self.STRIDES, strict=True):
            blocks = [_Block(width, group_width, stride, project=True)]
            blocks += [_Block(group_width, group_width, 1, project=False) for _ in range(n_blocks - 1)]
            self.groups.append(nn.Sequential(*blocks))
            width = group_width
        self.adapters = nn.ModuleList(NeighbourFrames(width) for width in widths[:-1] if neighbour_frames)

    def forward(
        self, frames: Float[Tensor, "n_clips n_frames channels height width"]
    ) -> list[Float[Tensor, "n_clips n_frames _c _h _w"]]:
        """Maps of the four groups; neighbours are those of the same clip, the first and last frame are their own."""
        clips = frames.shape[:2]
        x = self.stem(pad_same(frames.flatten(0, 1), STEM_KERNEL, 2))
        units = []
        for index, group in enumerate(self.groups):
            x = group(x)
            if index < len(self.adapters):
                x = self.adapters[index](x.unflatten(0, clips)).flatten(0, 1)
            units.append(x.unflatten(0, clips))
        return units


class NeighbourFrames(nn.Module):
    """Features, normalised over channels, plus a change computed from the same place in three successive frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv1 = nn.Conv2d(3 * width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n_clips n_frames c h w"]) -> Float[Tensor, "n_clips n_frames c h w"]:
        """Channels seen: this frame, the one before, the one after; ends repeated."""
        x = self.norm(x.movedim(2, -1)).movedim(-1, 2)
        before = torch.cat([x[:, :1], x[:, :-1]], dim=1)
        after = torch.cat([x[:, 1:], x[:, -1:]], dim=1)
        seen = torch.cat([x, before, after], dim=2).flatten(0, 1)
        change = self.conv2(F.gelu(self.conv1(seen), approximate="tanh"))
        return x + change.unflatten(0, x.shape[:2])


class _Block(nn.Module):
    """Normalisation and ReLU before each of two 3 x 3 convolutions; a projected skip starts after the first ReLU."""

    def __init__(self, in_width: int, out_width: int, stride: int, project: bool) -> None:
        super().__init__()
        self.stride = stride
        self.norm1 = nn.InstanceNorm2d(in_width, affine=True)
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride=stride, bias=False)
        self.norm2 = nn.InstanceNorm2d(out_width, affine=True)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(in_width, out_width, 1, stride=stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(x))
        kept = x if self.skip is None else self.skip(y)
        y = self.conv1(pad_same(y, 3, self.stride))
        return kept + self.conv2(F.relu(self.norm2(y)))


def pad_same(x: Float[Tensor, "n c height width"], kernel: int, stride: int) -> Float[Tensor, "n c _h _w"]:
    """Zeros around maps so that a convolution gives ceil(size / stride) cells; an odd one goes to the right and bottom."""
    pads = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)
