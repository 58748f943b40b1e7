"""Names of tensors in the public MyoTracker checkpoint -> names in our network."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^encoder\.layer(\d+)", lambda match: f"encoder.stages.{int(match[1]) - 1}"),
    (r"^encoder\.conv1", "encoder.stem"),
    (r"^encoder\.conv2", "encoder.fuse"),
    (r"^encoder\.conv3", "encoder.project"),
    (r"^updateformer\.input_transform", "transformer.embed"),
    (r"^updateformer\.flow_head", "transformer.head"),
    (r"^updateformer", "transformer"),
    (r"attn\.to_q", "query"),
    (r"attn\.to_k", "key"),
    (r"attn\.to_v", "value"),
    (r"attn\.to_out", "out"),
    (r"mlp\.fc1", "expand"),
    (r"mlp\.fc2", "contract"),
)
"""Released MyoTracker (one pass)."""
