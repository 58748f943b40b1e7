"""One-dimensional residual network along the frames of a path, and the encoding of its steps (PIPs++, EchoTracker)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TrajectoryResNet", "path_steps", "step_sincos"]


class TrajectoryResNet(nn.Module):
    """What is known along a path to a change of its positions; frames see their neighbours, paths do not see each other.

    Args:
        in_width: Columns given per frame.
        out_width: Columns of the change.
        base_width: Channels of the first blocks; every second later block doubles them.
        n_blocks: Residual blocks of two convolutions over three frames.
        head_std: Standard deviation of the output layer at initialisation; None as released (framework default). A small
            value lets an untrained network leave points where they are.
    """

    def __init__(
        self, in_width: int, out_width: int = 2, base_width: int = 64, n_blocks: int = 8, head_std: float | None = None
    ) -> None:
        super().__init__()
        if n_blocks < 1:
            raise ValueError(f"n_blocks must be >= 1, got {n_blocks}")
        self.embed = nn.Conv1d(in_width, base_width, 3, padding=1)
        widths = [base_width * 2 ** (index // 2) for index in range(n_blocks)]
        blocks = [_Block(widths[max(index - 1, 0)], width, activate=index > 0) for index, width in enumerate(widths)]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(widths[-1], out_width)
        if head_std is not None:
            nn.init.trunc_normal_(self.head.weight, std=head_std)
            nn.init.zeros_(self.head.bias)

    def forward(self, columns: Float[Tensor, "n_paths n_frames in_width"]) -> Float[Tensor, "n_paths n_frames out"]:
        """Changes of all frames of all paths."""
        x = F.relu(self.embed(columns.transpose(1, 2)))
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(x).transpose(1, 2))


class _Block(nn.Module):
    """Two convolutions over three frames, normalised and activated before each; channels added by zeros on both sides."""

    def __init__(self, in_width: int, out_width: int, activate: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(in_width, out_width, 3, padding=1)
        self.conv2 = nn.Conv1d(out_width, out_width, 3, padding=1)
        # The first block comes straight after an activation and needs none of its own.
        self._activate = activate
        extra = out_width - in_width
        self._pad = (0, 0, extra // 2, extra - extra // 2)

    def forward(self, x: Float[Tensor, "n_paths c n_frames"]) -> Float[Tensor, "n_paths out n_frames"]:
        y = self.conv1(F.relu(_normalise(x)) if self._activate else x)
        y = self.conv2(F.relu(_normalise(y)))
        return y + F.pad(x, self._pad)


def path_steps(positions: Float[Tensor, "*batch n_frames n_points 2"]) -> Float[Tensor, "*batch n_frames n_points 2"]:
    """Step from each frame to the next; the last frame repeats the one before, a single frame has none (0)."""
    if positions.shape[-3] == 1:
        return torch.zeros_like(positions)
    steps = positions.diff(dim=-3)
    return torch.cat([steps, steps[..., -1:, :, :]], dim=-3)


def step_sincos(steps: Float[Tensor, "*rest 2"], n_frequencies: int) -> Float[Tensor, "*rest columns"]:
    """Sines of x, cosines of x, the same of y, then the step itself; 4 n_frequencies + 2 columns.

    Frequencies fall geometrically from 1 to 1 / 10000 rad per cell.
    """
    index = torch.arange(n_frequencies, dtype=torch.float64)
    frequencies = (10000 ** (-index / max(n_frequencies - 1, 1))).to(steps)
    phase = steps[..., None] * frequencies  # (*rest, 2, n)
    return torch.cat([torch.cat([phase.sin(), phase.cos()], dim=-1).flatten(-2), steps], dim=-1)


def _normalise(x: Tensor) -> Tensor:
    """Instance normalisation along the frames (no learned scale, eps 1e-5); a single frame equals its own mean."""
    return F.instance_norm(x) if x.shape[-1] > 1 else torch.zeros_like(x)
