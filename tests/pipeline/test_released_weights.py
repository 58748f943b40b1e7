"""The command that trains the released weights, at toy size."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from echotas.phantom.cohort import PhantomSettings
from echotas.pipeline import released_peers, released_weights
from echotas.pipeline.released_peers import STEPS, encoder_start
from echotas.pipeline.released_peers import main as released_peers_main
from echotas.simulation import SimulationConfig
from echotas.trackers import create
from echotas.trackers.pretrained import TAS_NET_RELEASED, TAS_NET_SMALL, released
from echotas.trackers.registry import PEERS, class_of
from echotas.trackers.tas_net import load_weights


@pytest.mark.slow
def test_toy_release_writes_weights_with_their_card(tmp_path, monkeypatch):
    monkeypatch.setattr(
        released_weights,
        "PhantomSettings",
        lambda: PhantomSettings(
            frame_rate_hz=12,
            spacing_mm=(1.0, 1.0),
            n_beams=48,
            scatterers_per_wavelength2=0.5,
            depths_m=(0.16,),
            rank=4,
        ),
    )
    toy = SimulationConfig(density_per_wavelength2=0.5, n_beams=48, rank=4)
    monkeypatch.setattr(released_weights, "SimulationConfig", lambda **_: toy)
    rounds = [released_weights.Round("masks", 1, 1e-3), released_weights.Round("network", 1, 1e-3)]
    path = released_weights.release(
        tmp_path / "w.safetensors", tmp_path / "run", n_patients=2, n_validation=1, n_calibration=1, rounds=rounds
    )
    network = load_weights(path)
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["echotas"])["card"]
    assert network.n_steps == 8002 and network.config.begin_with == "lucas_kanade"
    assert (
        card["data"].startswith("2 simulated cines of 1 virtual template patients")
        and card["validation_cines"] == card["calibration_cines"] == 2
    )
    assert card["steps"] == [1, 1] and "motion by masks, network" in card["data"]
    assert float(network.error_scale) != 1.0
    monkeypatch.setitem(released_peers.STEPS, "myotracker", 3)
    cines = tmp_path / "run" / "2-network" / "simulated"
    path = released_peers.release_peer("myotracker", tmp_path / "p.safetensors", cines, tmp_path / "peer", 1)
    assert class_of("myotracker").load(path)[2] == 3


def test_released_weights_have_their_card_and_predict_errors():
    network = load_weights(TAS_NET_RELEASED)
    with safe_open(TAS_NET_RELEASED, framework="pt") as file:
        card = json.loads(file.metadata()["echotas"])["card"]
    text = TAS_NET_RELEASED.with_suffix(".md").read_text(encoding="utf-8")
    assert network.error_head is not None and float(network.error_scale) != 1.0
    assert f"{network.n_steps - 8000:,} steps" in text and card["licence"] == "Apache-2.0"
    assert f"{card['validation_error_mm']:.2f} mm" in text
    assert f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters" in text
    assert TAS_NET_RELEASED.stat().st_size < 2e6


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_weights_with_their_card(name):
    tracker = create(name)
    with safe_open(released(name), framework="pt") as file:
        card = json.loads(file.metadata()["echotas"])["card"]
    text = (released(name).parent / "peers.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} "))
    begun = 0 if card["begins_with"] == "random weights" else 8000
    assert (
        tracker.n_steps == begun + STEPS[name] and f"{tracker.n_parameters:,}" in row and f"{tracker.n_steps:,}" in row
    )
    assert card["licence"] == "Apache-2.0" and f"{card['validation_error_mm']:.2f}" in row


def test_a_peer_begins_with_what_it_shares_with_tas_net():
    encoder = load_file(TAS_NET_SMALL)["core.encoder.stem.weight"]
    network = class_of("pips_plus_plus").untrained()
    assert encoder_start("pips_plus_plus", network) == 44 and torch.equal(network.encoder.stem.weight, encoder.float())
    other = class_of("specknet").untrained()
    before = {name: value.clone() for name, value in other.state_dict().items()}
    assert encoder_start("specknet", other) == 0
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_exception_a_peer_without_simulated_cines(tmp_path, capsys):
    assert released_peers_main([str(tmp_path), "specknet", "--folder", str(tmp_path / "none")]) == 1
    assert "must hold the simulated cines of released_weights" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        released_peers_main([str(tmp_path), "psychic"])
    assert "got psychic" in capsys.readouterr().err
