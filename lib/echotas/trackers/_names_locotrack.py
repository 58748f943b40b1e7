"""Names of tensors in the public LocoTrack checkpoints -> names in our network."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^model\.", ""),  # Lightning files prefix every key
    (r"^resnet_torch\.initial_conv", "encoder.stem"),
    (r"^resnet_torch\.block_groups\.(\d+)\.blocks", r"encoder.groups.\1"),
    (r"proj_conv", "skip"),
    (r"bn_0", "norm1"),
    (r"bn_1", "norm2"),
    (r"conv_0", "conv1"),
    (r"conv_1", "conv2"),
    (r"^cmdtop\.(\d+)\.conv\.", r"pair_encoders.\1.stages."),
    (r"^cost_conv", "matcher.fuse"),
    (r"^occ_linear", "matcher.judge"),
    (r"^torch_pips_mixer\.input_proj", "mixer.embed"),
    (r"^torch_pips_mixer\.output_proj", "mixer.head"),
    (r"^torch_pips_mixer\.transformer\.ln_out", "mixer.norm"),
    (r"^torch_pips_mixer\.transformer", "mixer"),
    (r"attn\.(query|key|value)_proj", r"\1"),
    (r"attn\.final_proj", "out"),
    (r"layer_norm1", "norm_attention"),
    (r"layer_norm2", "norm_mlp"),
    (r"dense\.0", "expand"),
    (r"dense\.2", "contract"),
)
"""Released LocoTrack, base and small."""
