"""Names of tensors in public CoTracker3 checkpoints -> names in `CoTracker3`; to be moved into `public_names`."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES", "PUBLIC_TABLES"]

PUBLIC_NAMES: Names = (
    (r"^fnet\.layer(\d)", lambda match: f"encoder.stages.{int(match[1]) - 1}"),
    (r"^fnet\.conv1", "encoder.stem"),
    (r"^fnet\.conv2", "encoder.fuse"),
    (r"^fnet\.conv3", "encoder.project"),
    (r"downsample\.0", "skip"),
    (r"^corr_mlp\.fc1", "correlation_mlp.0"),
    (r"^corr_mlp\.fc2", "correlation_mlp.2"),
    (r"^updateformer\.flow_head", "motion_head"),
    (r"^updateformer\.vis_conf_head", "visibility_head"),
    (r"^updateformer\.virual_tracks", "transformer.virtual_points"),  # sic
    (r"^updateformer\.input_transform", "transformer.embed"),
    (r"^updateformer\.space_virtual_blocks", "transformer.virtual_blocks"),
    (r"^updateformer\.space_virtual2point_blocks", "transformer.gather_blocks"),
    (r"^updateformer\.space_point2virtual_blocks", "transformer.spread_blocks"),
    (r"^updateformer\.time_blocks", "transformer.time_blocks"),
    (r"norm_context", "context_norm"),
    (r"(cross_)?attn\.to_q\.", "query."),
    (r"(cross_)?attn\.to_kv\.", "key_value."),
    (r"(cross_)?attn\.to_out\.", "out."),
    (r"mlp\.fc1", "expand"),
    (r"mlp\.fc2", "contract"),
)
"""Released CoTracker3, offline."""

PUBLIC_TABLES = ("time_emb",)
"""Public tensors that are computed tables, not weights: ours makes them itself, so a loader leaves them out."""
