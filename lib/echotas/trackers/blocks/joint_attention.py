"""Transformer whose layers attend along the frames of a point and across its neighbours at once (EchoTracker2)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

__all__ = ["JointTransformer", "listed_neighbours", "nearest_neighbours", "past_future_bias"]

SLOPE_BASE = 24.0  # attention falls off along time by 24**(-i / n) per frame in head i of n of each direction


class JointTransformer(nn.Module):
    """Tokens of (point, frame) to updates.

    Args:
        in_width: Columns of a token.
        out_width: Columns of the update.
        width: Hidden width, divisible by `n_heads`.
        n_heads: Attention heads, even: half look at the past, half at the future.
        n_layers: Layers.
        mlp_ratio: Width of the hidden layer of the MLP over `width`.
        points: Attend across points as well as along time.
        head_std: Standard deviation of the output layer at initialisation; None as released (framework default).
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        width: int = 384,
        n_heads: int = 6,
        n_layers: int = 3,
        mlp_ratio: float = 4.0,
        points: bool = True,
        head_std: float | None = None,
    ) -> None:
        super().__init__()
        if width % n_heads or n_heads % 2:
            raise ValueError(f"n_heads must be even and divide width = {width}, got {n_heads}")
        self.n_heads = n_heads
        self.embed = nn.Linear(in_width, width)
        self.layers = nn.ModuleList(_Layer(width, n_heads, mlp_ratio, points) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, out_width)
        if head_std is not None:
            nn.init.trunc_normal_(self.head.weight, std=head_std)
            nn.init.zeros_(self.head.bias)

    def forward(
        self,
        tokens: Float[Tensor, "batch n_points n_frames in_width"],
        neighbours: Bool[Tensor, "batch n_points n_points"],
    ) -> Float[Tensor, "batch n_points n_frames out_width"]:
        """Updates of all tokens; `neighbours` says which points (last axis) a point (axis before) attends to."""
        x = self.embed(tokens)
        bias = past_future_bias(tokens.shape[2], self.n_heads).to(x)
        among = torch.zeros_like(neighbours, dtype=x.dtype).masked_fill(~neighbours, -torch.inf)
        for layer in self.layers:
            x = layer(x, bias, among)
        return self.head(self.norm(x))


class _Layer(nn.Module):
    """Both attentions read the same normalised tokens and are added together; then an MLP."""

    def __init__(self, width: int, n_heads: int, mlp_ratio: float, points: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.time = _Attention(width, n_heads)
        self.points = _Attention(width, n_heads) if points else None
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, int(mlp_ratio * width))
        self.contract = nn.Linear(int(mlp_ratio * width), width)

    def forward(self, x: Tensor, bias: Tensor, among: Tensor) -> Tensor:
        y = self.norm1(x)
        change = self.time(y, bias[None])
        if self.points is not None:
            change = change + self.points(y.transpose(1, 2), among[:, None]).transpose(1, 2)
        x = x + change
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class _Attention(nn.Module):
    """Self-attention along the last axis but one."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(
        self, x: Float[Tensor, "batch rows length width"], bias: Float[Tensor, "batch_or_1 heads_or_1 length length"]
    ) -> Float[Tensor, "batch rows length width"]:
        rows = x.shape[:2]
        heads = (
            part(x).flatten(0, 1).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        # PyTorch's fused attention takes one axis for everything before the heads.
        bias = bias if len(bias) == 1 else bias.repeat_interleave(rows[1], 0)
        attended = F.scaled_dot_product_attention(*heads, attn_mask=bias)
        return self.out(attended.transpose(1, 2).flatten(-2)).unflatten(0, rows)


def past_future_bias(n_frames: int, n_heads: int) -> Float[Tensor, "n_heads n_frames n_frames"]:
    """Added to the attention of a frame (rows) to a frame (columns): the first half of the heads sees only itself and the
    past, the second half only itself and the future, both ever less with distance; float64."""
    half = n_heads // 2
    slopes = SLOPE_BASE ** (-torch.arange(1, half + 1, dtype=torch.float64) / half)
    time = torch.arange(n_frames, dtype=torch.float64)
    ahead = time - time[:, None]  # [q, k] = k - q
    past = (slopes[:, None, None] * ahead).masked_fill(ahead > 0, -torch.inf)
    return torch.cat([past, past.transpose(1, 2)])


def listed_neighbours(n_points: int, n_neighbours: int | None) -> Bool[Tensor, "n_points n_points"]:
    """Neighbours by place in the list: `n_neighbours` (odd) points centred on each point, fewer at the ends; None for all."""
    index = torch.arange(n_points)
    reach = n_points if n_neighbours is None else n_neighbours // 2
    return (index - index[:, None]).abs() <= reach


def nearest_neighbours(
    points: Float[Tensor, "batch n_points 2"], n_neighbours: int | None
) -> Bool[Tensor, "batch n_points n_points"]:
    """The `n_neighbours` points nearest to each point, itself included; None for all."""
    n_points = points.shape[1]
    distance = (points[:, :, None] - points[:, None]).square().sum(-1)
    itself = torch.eye(n_points, dtype=torch.bool, device=points.device)
    distance = distance.masked_fill(itself, -1)  # also before points at the same place
    nearest = distance.topk(min(n_neighbours or n_points, n_points), dim=-1, largest=False).indices
    return torch.zeros_like(distance, dtype=torch.bool).scatter(-1, nearest, True)
