"""Names of tensors in public checkpoints -> names in our networks: (pattern, replacement) pairs for `re.sub`, in order."""

import re
from collections.abc import Callable

__all__ = [
    "COTRACKER3",
    "COTRACKER_V1",
    "ECHOTRACKER",
    "ECHOTRACKER2",
    "LOCOTRACK",
    "MYOTRACKER",
    "PIPS_PLUS_PLUS",
    "RAFT",
    "SPECKNET",
    "Names",
    "rename",
]

Names = tuple[tuple[str, str | Callable[[re.Match], str]], ...]
"""Applied in order to a public key."""

RAFT: Names = ((r"^", "raft."),)
"""torchvision's RAFT, which is the network itself."""

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

COTRACKER3: Names = (
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

MYOTRACKER: Names = (
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

ECHOTRACKER: Names = (
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

ECHOTRACKER2: Names = (
    (r"^resnet_torch\.initial_conv", "encoder.stem"),
    (r"^resnet_torch\.block_groups\.(\d+)\.blocks", r"encoder.groups.\1"),
    (r"^resnet_torch\.adapter\.(\d+)\.blocks\.0", r"encoder.adapters.\1"),
    (r"proj_conv", "skip"),
    (r"bn_([01])", lambda match: f"norm{int(match[1]) + 1}"),
    (r"(adapters\.\d+)\.layer_norm", r"\1.norm"),
    (r"(adapters\.\d+)\.conv_1", r"\1.conv2"),
    (r"(adapters\.\d+)\.conv\.", r"\1.conv1."),
    (r"(groups.*)\.conv_([01])", lambda match: f"{match[1]}.conv{int(match[2]) + 1}"),
    (r"^cmdtop\.(\d+)\.conv\.", r"pair_encoders.\1.stages."),
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

LOCOTRACK: Names = (
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

SPECKNET: Names = (
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

PIPS_PLUS_PLUS: Names = (
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


def rename(key: str, names: Names) -> str:
    """Our name of a public tensor."""
    for pattern, replacement in names:
        key = re.sub(pattern, replacement, key)
    return key
