"""Names of tensors in the public EchoTracker2 checkpoint -> names in our network."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^resnet_torch\.initial_conv", "encoder.stem"),
    (r"^resnet_torch\.block_groups\.(\d+)\.blocks", r"encoder.groups.\1"),
    (r"^resnet_torch\.adapter\.(\d+)\.blocks\.0", r"encoder.adapters.\1"),
    (r"proj_conv", "skip"),
    (r"bn_([01])", lambda match: f"norm{int(match[1]) + 1}"),
    (r"(adapters\.\d+)\.layer_norm", r"\1.norm"),
    (r"(adapters\.\d+)\.conv_1", r"\1.conv2"),
    (r"(adapters\.\d+)\.conv\.", r"\1.conv1."),
    (r"(groups.*)\.conv_([01])", lambda match: f"{match[1]}.conv{int(match[2]) + 1}"),
    (r"^cmdtop\.(\d+)\.conv\.(\d+)\.0", r"pair_encoders.\1.convs.\2"),
    (r"^cmdtop\.(\d+)\.conv\.(\d+)\.1", r"pair_encoders.\1.norms.\2"),
    (r"^torch_pips_mixer\.input_proj", "transformer.embed"),
    (r"^torch_pips_mixer\.output_proj", "transformer.head"),
    (r"^torch_pips_mixer\.transformer\.ln_out", "transformer.norm"),
    (r"^torch_pips_mixer\.transformer\.", "transformer."),
    (r"\.sp_attn\.", ".points."),
    (r"\.attn\.", ".time."),
    (r"(query|key|value)_proj", r"\1"),
    (r"final_proj", "out"),
    (r"dense\.0", "expand"),
    (r"dense\.2", "contract"),
    (r"layer_norm([12])", r"norm\1"),
)
"""Released EchoTracker2."""
