"""Transformer along time with a bias that fades with distance, so that clips of any length need no time table (LocoTrack)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["TimeMixer", "fading_bias"]

SLOPE_BASE = 24.0  # slopes of the bias are powers of its inverse


class TimeMixer(nn.Module):
    """Tokens of the frames of a point to updates; points do not see each other.

    Args:
        in_width: Columns of a token.
        out_width: Columns of the update.
        width: Hidden width, divisible by `n_heads`.
        n_heads: Attention heads, even: half look back, half look ahead.
        n_layers: Layers.
        mlp_ratio: Width of the hidden layer of the MLP over `width`.
    """

    def __init__(
        self, in_width: int, out_width: int, width: int, n_heads: int, n_layers: int, mlp_ratio: float = 4.0
    ) -> None:
        super().__init__()
        if n_heads < 2 or n_heads % 2:
            raise ValueError(f"n_heads must be even and >= 2, got {n_heads}")
        if width % n_heads:
            raise ValueError(f"width must be divisible by n_heads = {n_heads}, got {width}")
        self.embed = nn.Linear(in_width, width)
        self.layers = nn.ModuleList(TimeLayer(width, n_heads, mlp_ratio) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, out_width)
        self.n_heads = n_heads

    def forward(self, tokens: Float[Tensor, "n_rows n_frames in_width"]) -> Float[Tensor, "n_rows n_frames out_width"]:
        """Updates of all tokens."""
        bias = fading_bias(tokens.shape[1], self.n_heads).to(tokens)[None]  # four axes, for PyTorch's fused attention
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, bias)
        return self.head(self.norm(x))


class TimeLayer(nn.Module):
    """Pre-norm self-attention and MLP; normalisations with learned scale and offset."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.expand = nn.Linear(width, int(mlp_ratio * width))
        self.contract = nn.Linear(int(mlp_ratio * width), width)

    def forward(
        self, x: Float[Tensor, "n_rows n_frames width"], bias: Float[Tensor, "1 n_heads n_frames n_frames"]
    ) -> Float[Tensor, "n_rows n_frames width"]:
        normed = self.norm_attention(x)
        query, key, value = (
            project(normed).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm_mlp(x))))


def fading_bias(n_frames: int, n_heads: int) -> Float[Tensor, "n_heads n_frames n_frames"]:
    """What is added to the attention logits (query frame, key frame): -slope * distance; float64.

    The first half of the heads sees the frame itself and earlier ones, the second half itself and later ones (-inf for the
    rest); slopes 24**(-i / (n_heads / 2)), i = 1 .. n_heads / 2, in each half.
    """
    half = n_heads // 2
    frame = torch.arange(n_frames, dtype=torch.float64)
    ahead = frame[None] - frame[:, None]  # key - query
    slopes = SLOPE_BASE ** (-torch.arange(1, half + 1, dtype=torch.float64) / half)
    fading = -slopes[:, None, None] * ahead.abs()
    back = fading.masked_fill(ahead > 0, -torch.inf)
    forward = fading.masked_fill(ahead < 0, -torch.inf)
    return torch.cat([back, forward])
