"""Names of tensors in the public EchoTracker checkpoint -> names in our network."""

from echotas.trackers.public_names import Names

__all__ = ["PUBLIC_NAMES"]

PUBLIC_NAMES: Names = (
    (r"^fnet(_fine)?\.layer(\d)", lambda match: f"fnet{match[1] or ''}.stages.{int(match[2]) - 1}"),
    (r"^fnet(_fine)?\.conv1", r"fnet\1.stem"),
    (r"^fnet(_fine)?\.conv2", r"fnet\1.fuse"),
    (r"^fnet(_fine)?\.conv3", r"fnet\1.project"),
    (r"downsample\.0", "skip"),
    (r"^fnet_fine\.", "fine_encoder."),
    (r"^fnet\.", "coarse_encoder."),
    (r"^delta_block_spatial", "coarse_net"),
    (r"^delta_block_temporal", "fine_net"),
    (r"first_block_conv\.conv", "embed"),
    (r"basicblock_list\.(\d+)\.conv(\d)\.conv", r"blocks.\1.conv\2"),
    (r"_net\.dense", "_net.head"),
    (r"^linear\.", "mix."),
)
"""Released EchoTracker (2024)."""
