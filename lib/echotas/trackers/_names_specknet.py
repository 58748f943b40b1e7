"""Names of tensors in the public SpeckNet checkpoint -> names in `SpeckNet`."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^resnet_torch\.initial_conv", "encoder.stem"),
    (r"^resnet_torch\.block_groups\.(\d+)\.blocks", r"encoder.stages.\1"),
    (r"proj_conv", "skip"),
    (r"bn_0", "norm1"),
    (r"bn_1", "norm2"),
    (r"^extra_convs\.blocks", "context"),
    (r"layer_norm", "norm"),
    (r"^(context.*)\.conv\.", r"\1.expand."),
    (r"^(context.*)\.conv_1\.", r"\1.contract."),
    (r"conv_0", "conv1"),
    (r"^(encoder.*)\.conv_1\.", r"\1.conv2."),
)
"""Released SpeckNet."""
