"""How far a tracked point is probably off: a small head that reads what the tracker ended with and never pulls at it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ErrorHead"]


class ErrorHead(nn.Module):
    """Predicted standard error of each coordinate, mm.

    Its input is detached: training it changes no track. It starts by saying `initial_mm` everywhere.

    Args:
        feature_width: Channels of the appearance vector.
        hidden: Width of the hidden layer.
        initial_mm: What it says before any training.
    """

    def __init__(self, feature_width: int, hidden: int = 32, initial_mm: float = 1.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(feature_width + 3, hidden), nn.GELU(), nn.Linear(hidden, 1))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.constant_(self.layers[-1].bias, math.log(initial_mm))

    def forward(
        self,
        appearance: Float[Tensor, "batch n_frames n_points c"],
        visibility: Float[Tensor, "batch n_frames n_points"],
        last_update: Float[Tensor, "batch n_frames n_points 2"],
        first_frame: int,
    ) -> Float[Tensor, "batch n_frames n_points"]:
        """Standard error from the state after the last iteration.

        Args:
            appearance: Appearance vectors.
            visibility: Logits.
            last_update: What the last iteration moved, cells: points that still move have not settled.
            first_frame: Frames between the query and the first of these.
        """
        n_frames = appearance.shape[1]
        frame = first_frame + torch.arange(n_frames, device=appearance.device, dtype=appearance.dtype)
        distance = torch.log1p(frame)[None, :, None].expand_as(visibility)
        moved = torch.log(last_update.norm(dim=-1) + 1e-3)
        columns = torch.cat([appearance, torch.stack([visibility / 10, moved, distance], dim=-1)], dim=-1)
        return self.layers(columns.detach())[..., 0].clamp(-7, 7).exp()
