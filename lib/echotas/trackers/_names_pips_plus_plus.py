"""Tensor names of the released PIPs++ -> names in `PipsPlusPlus`."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^fnet\.layer(\d)", lambda match: f"encoder.stages.{int(match[1]) - 1}"),
    (r"^fnet\.conv1", "encoder.stem"),
    (r"^fnet\.conv2", "encoder.fuse"),
    (r"^fnet\.conv3", "encoder.project"),
    (r"downsample\.0", "skip"),
    (r"^delta_block\.first_block_conv\.conv", "motion.embed"),
    (r"^delta_block\.basicblock_list\.(\d+)\.(conv\d)\.conv", r"motion.blocks.\1.\2"),
    (r"^delta_block\.dense", "motion.head"),
    (r"^norm\.", "unused_norm."),
)
"""Released PIPs++ (stride 8)."""
