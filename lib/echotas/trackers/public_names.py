"""Names of tensors in public checkpoints -> names in our networks: (pattern, replacement) pairs for `re.sub`, in order."""

import re
from collections.abc import Callable

__all__ = ["COTRACKER_V1", "Names", "rename"]

Names = tuple[tuple[str, str | Callable[[re.Match], str]], ...]
"""Applied in order to a public key."""

COTRACKER_V1: Names = (
    (r"^fnet\.layer(\d)", lambda match: f"encoder.stages.{int(match[1]) - 1}"),
    (r"^fnet\.conv1", "encoder.stem"),
    (r"^fnet\.conv2", "encoder.fuse"),
    (r"^fnet\.conv3", "encoder.project"),
    (r"downsample\.0", "skip"),
    (r"^updateformer\.input_transform", "transformer.embed"),
    (r"^updateformer\.flow_head", "transformer.head"),
    (r"^updateformer", "transformer"),
    (r"attn\.qkv", "qkv"),
    (r"attn\.proj", "out"),
    (r"mlp\.fc1", "expand"),
    (r"mlp\.fc2", "contract"),
    (r"^norm\.", "feature_norm."),
    (r"^ffeat_updater\.0", "feature_update"),
    (r"^vis_predictor\.0", "visibility_head"),
)
"""Released CoTracker v1 (stride 4, window 8)."""


def rename(key: str, names: Names) -> str:
    """Our name of a public tensor."""
    for pattern, replacement in names:
        key = re.sub(pattern, replacement, key)
    return key
