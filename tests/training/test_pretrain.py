import dataclasses
import json

import torch
from safetensors import safe_open

from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.trackers.tas_net import FIRST_CONFIG, SMALL_CORE, TasNetConfig, load_weights
from echotas.training.pretrain import pretrain

TINY = TasNetConfig(
    core=dataclasses.replace(
        SMALL_CORE, stem_width=4, stage_widths=(4, 4, 4, 4), fuse_width=8, feature_width=9, radius=1, n_levels=3,
        n_flow_frequencies=1, width=16, n_heads=2, n_time_blocks=1, n_space_blocks=1,
    ),
    mesh_widths=(8,),
)  # fmt: skip


def card(path) -> dict:
    with safe_open(path, framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118 (no mapping)
        return json.loads(file.metadata()["echotas"])


def test_pretraining_writes_half_precision_weights_that_say_how_they_were_made(tmp_path):
    settings = {"n_steps": 2, "n_cines": 2, "n_validation": 1, "batch_size": 1, "model": TINY}
    path = pretrain(tmp_path / "weights.safetensors", tmp_path / "run", **settings)
    written = card(path)
    assert written["n_steps"] == 2 and written["card"]["licence"] == "Apache-2.0"
    assert written["card"]["data"].startswith("2 synthetic cines") and written["card"]["validation_error_mm"] > 0
    network = load_weights(path)
    assert network.config == TINY and network.n_steps == 2
    assert next(network.parameters()).dtype == torch.float32


def test_shipped_weights_fit_the_small_network_and_have_their_card():
    written = card(TAS_NET_SMALL)
    network = load_weights(TAS_NET_SMALL)
    assert network.config == TasNetConfig(**FIRST_CONFIG) and network.n_steps == written["n_steps"] == 8000
    assert TAS_NET_SMALL.stat().st_size < 2e6
    text = TAS_NET_SMALL.with_suffix(".md").read_text()
    assert "625,115 parameters" in text and sum(p.numel() for p in network.parameters()) == 625_115
    assert f"{written['card']['validation_error_mm']:.2f} mm" in text and written["card"]["licence"] in text
