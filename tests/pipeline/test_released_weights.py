"""The command that trains the released weights, at toy size."""

import json

import pytest
from safetensors import safe_open

from echotas.phantom.cohort import PhantomSettings
from echotas.pipeline import released_weights
from echotas.simulation import SimulationConfig
from echotas.trackers.pretrained import TAS_NET_RELEASED
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
