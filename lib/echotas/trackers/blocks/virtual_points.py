"""Transformer in which points exchange through a few learned virtual points instead of directly (CoTracker3).

Attention across N points then costs N times the number of virtual points, not N squared.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["VirtualPointTransformer"]


class VirtualPointTransformer(nn.Module):
    """Tokens of (point, frame) to hidden states.

    Each layer: every point, real or virtual, attends over its own frames; then, within each frame, the virtual points attend
    to the real ones, to each other, and the real ones attend to them. Pre-norm, no final norm. Permuting the points permutes
    the result.

    Args:
        in_width: Columns of a token.
        width: Hidden width, divisible by `n_heads`.
        n_heads: Attention heads.
        n_layers: Layers.
        n_virtual: Virtual points, >= 1.
        mlp_ratio: Width of the hidden layer of the MLPs over `width`.
    """

    def __init__(
        self, in_width: int, width: int, n_heads: int, n_layers: int, n_virtual: int, mlp_ratio: float = 4.0
    ) -> None:
        super().__init__()
        if width % n_heads:
            raise ValueError(f"width must be divisible by n_heads = {n_heads}, got {width}")
        if n_virtual < 1:
            raise ValueError(f"n_virtual must be >= 1, got {n_virtual}")
        self.embed = nn.Linear(in_width, width)
        self.virtual_points = nn.Parameter(torch.randn(1, n_virtual, 1, width))
        self.time_blocks = nn.ModuleList(AttentionBlock(width, n_heads, mlp_ratio) for _ in range(n_layers))
        self.gather_blocks = nn.ModuleList(AttentionBlock(width, n_heads, mlp_ratio, True) for _ in range(n_layers))
        self.virtual_blocks = nn.ModuleList(AttentionBlock(width, n_heads, mlp_ratio) for _ in range(n_layers))
        self.spread_blocks = nn.ModuleList(AttentionBlock(width, n_heads, mlp_ratio, True) for _ in range(n_layers))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(
        self, tokens: Float[Tensor, "batch n_points n_frames in_width"]
    ) -> Float[Tensor, "batch n_points n_frames width"]:
        """Hidden states of all tokens."""
        batch, n_points, n_frames = tokens.shape[:3]
        virtual = self.virtual_points.expand(batch, -1, n_frames, -1)
        x = torch.cat([self.embed(tokens), virtual], dim=1)
        for time, gather, among, spread in zip(
            self.time_blocks, self.gather_blocks, self.virtual_blocks, self.spread_blocks, strict=True
        ):
            x = time(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            x = x.transpose(1, 2).flatten(0, 1)  # (batch * n_frames, points and virtual points, width)
            points, virtual = x[:, :n_points], x[:, n_points:]
            virtual = among(gather(virtual, points))
            x = torch.cat([spread(points, virtual), virtual], dim=1)
            x = x.unflatten(0, (batch, n_frames)).transpose(1, 2)
        return x[:, :n_points]


class AttentionBlock(nn.Module):
    """Pre-norm attention and MLP; the sequence attends to itself or, with `has_context`, to another one.

    The normalisation of the sequence has no learned scale (eps 1e-6), that of the context has one (eps 1e-5).
    """

    def __init__(self, width: int, n_heads: int, mlp_ratio: float, has_context: bool = False) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.context_norm = nn.LayerNorm(width) if has_context else None
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.expand = nn.Linear(width, int(mlp_ratio * width))
        self.contract = nn.Linear(int(mlp_ratio * width), width)

    def forward(
        self, x: Float[Tensor, "batch length width"], context: Float[Tensor, "batch other_length width"] | None = None
    ) -> Float[Tensor, "batch length width"]:
        y = _layer_norm(x)
        source = y if self.context_norm is None else self.context_norm(context)
        key, value = self.key_value(source).chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(*(self._heads(part) for part in (self.query(y), key, value)))
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(_layer_norm(x)), approximate="tanh"))

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, heads, length, width / heads)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


def _layer_norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)
