"""Transformer over points and frames: attention along time and across points in turn (CoTracker v1)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TimeSpaceTransformer"]


class TimeSpaceTransformer(nn.Module):
    """Tokens of (point, frame) to updates.

    Time blocks attend over the frames of one point, space blocks over the points of one frame. Pre-norm, no final norm.

    Args:
        in_width: Columns of a token.
        out_width: Columns of the update.
        width: Hidden width, divisible by `n_heads`.
        n_heads: Attention heads.
        n_time_blocks: Time blocks.
        n_space_blocks: Space blocks, at most `n_time_blocks`; each follows a time block, evenly spread.
        mlp_ratio: Width of the hidden layer of the MLP over `width`.
        head_std: Standard deviation of the output layer at initialisation; None for Xavier as released. A small value lets
            an untrained model leave points where they are.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        width: int,
        n_heads: int,
        n_time_blocks: int,
        n_space_blocks: int,
        mlp_ratio: float = 4.0,
        head_std: float | None = None,
    ) -> None:
        super().__init__()
        if width % n_heads:
            raise ValueError(f"width must be divisible by n_heads = {n_heads}, got {width}")
        if not 1 <= n_space_blocks <= n_time_blocks:
            raise ValueError(f"n_space_blocks must be in 1..{n_time_blocks}, got {n_space_blocks}")
        self.embed = nn.Linear(in_width, width)
        self.time_blocks = nn.ModuleList(Block(width, n_heads, mlp_ratio) for _ in range(n_time_blocks))
        self.space_blocks = nn.ModuleList(Block(width, n_heads, mlp_ratio) for _ in range(n_space_blocks))
        self.head = nn.Linear(width, out_width)
        self._space_every = n_time_blocks // n_space_blocks
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        if head_std is not None:
            nn.init.trunc_normal_(self.head.weight, std=head_std)

    def forward(
        self, tokens: Float[Tensor, "batch n_points n_frames in_width"]
    ) -> Float[Tensor, "batch n_points n_frames out_width"]:
        """Updates of all tokens."""
        x = self.embed(tokens)
        batch, n_points, n_frames, width = x.shape
        for index, time_block in enumerate(self.time_blocks):
            x = time_block(x.reshape(batch * n_points, n_frames, width)).reshape(batch, n_points, n_frames, width)
            place, rest = divmod(index, self._space_every)
            if rest == 0 and place < len(self.space_blocks):
                x = x.transpose(1, 2).reshape(batch * n_frames, n_points, width)
                x = self.space_blocks[place](x).reshape(batch, n_frames, n_points, width).transpose(1, 2)
        return self.head(x)


class Block(nn.Module):
    """Pre-norm self-attention and MLP; normalisation without learned scale, eps 1e-6."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.expand = nn.Linear(width, int(mlp_ratio * width))
        self.contract = nn.Linear(int(mlp_ratio * width), width)

    def forward(self, x: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        batch, length, width = x.shape
        qkv = self.qkv(_layer_norm(x)).reshape(batch, length, 3, self.n_heads, width // self.n_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, width / heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.contract(F.gelu(self.expand(_layer_norm(x)), approximate="tanh"))


def _layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)
