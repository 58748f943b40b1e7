"""Residual network over time, one point after another (delta network of PIPs++ and EchoTracker)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TemporalResNet"]


class TemporalResNet(nn.Module):
    """Tokens of the frames of one point to updates: pre-norm residual blocks of 1-D convolutions along time.

    Args:
        in_width: Columns of a token.
        out_width: Columns of the update.
        width: Channels of the first two blocks; they double every two blocks.
        n_blocks: Residual blocks.
        kernel: Frames under a convolution, odd.
        head_std: Standard deviation of the output layer at initialisation; None for the framework's default as released.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int = 2,
        width: int = 128,
        n_blocks: int = 8,
        kernel: int = 3,
        head_std: float | None = None,
    ) -> None:
        super().__init__()
        if n_blocks < 1:
            raise ValueError(f"n_blocks must be >= 1, got {n_blocks}")
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and >= 1, got {kernel}")
        widths = [width * 2 ** (index // 2) for index in range(n_blocks)]
        self.embed = nn.Conv1d(in_width, width, kernel, padding=kernel // 2)
        self.blocks = nn.ModuleList(
            TemporalBlock(before, after, kernel, first=index == 0)
            for index, (before, after) in enumerate(zip([width, *widths], widths, strict=False))
        )
        self.head = nn.Linear(widths[-1], out_width)
        if head_std is not None:
            nn.init.normal_(self.head.weight, std=head_std)
            nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Float[Tensor, "n_points n_frames in_width"]) -> Float[Tensor, "n_points n_frames out"]:
        """Updates of all tokens."""
        x = F.relu(self.embed(tokens.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(x).transpose(1, 2))


class TemporalBlock(nn.Module):
    """Two convolutions along time; the skip gains channels by zeros on both sides."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, first: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv1d(out_channels, out_channels, kernel, padding=kernel // 2)
        before = (out_channels - in_channels) // 2
        self._pad = (0, 0, before, out_channels - in_channels - before)
        self._first = first  # what enters the first block has just been rectified

    def forward(self, x: Float[Tensor, "n_points c n_frames"]) -> Float[Tensor, "n_points c_out n_frames"]:
        y = self.conv1(x if self._first else F.relu(_normalise(x)))
        y = self.conv2(F.relu(_normalise(y)))
        return y + F.pad(x, self._pad)


def _normalise(x: Tensor) -> Tensor:
    """Instance normalisation over time without learned scale (eps 1e-5), also of a single frame."""
    return F.instance_norm(x) if x.shape[-1] > 1 else torch.zeros_like(x)
