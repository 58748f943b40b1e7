"""Loading public checkpoints, with generated weights under public names."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from echotas.trackers import load_public_weights
from echotas.trackers.public_weights import public_networks

from .conftest import as_cine, horseshoe, translated
from .golden import ABSENT, specifications

# Name in the project -> `config.cls` of the recorded cases.
ARCHITECTURES = {
    "cotracker_v1": "CoTracker v1",
    "cotracker3": "CoTracker3 offline",
    "myotracker": "MyoTracker",
    "echotracker": "EchoTracker",
    "echotracker2": "EchoTracker2",
    "locotrack_base": "LocoTrack",
    "locotrack_small": "LocoTrack",
    "specknet": "SpeckNet",
    "pips_plus_plus": "PIPs++",
}


def public_tensors(name: str) -> dict[str, torch.Tensor]:
    """Random tensors under the public names, of the published size: the largest recorded case, for `small` the smallest."""
    found = specifications(ARCHITECTURES[name])
    if not found:
        pytest.skip(ABSENT)
    largest = (min if name.endswith("small") else max)(found.values(), key=lambda one: one["count"])
    generator = torch.Generator().manual_seed(0)
    return {key: 0.02 * torch.randn(shape, generator=generator) for key, shape in largest["parameters"].items()}


def test_every_public_network_is_tested():
    assert set(ARCHITECTURES) | {"raft_small", "raft_large"} == set(public_networks())  # raft: test_raft.py


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("wrap", ["flat", "model", "module"])
def test_every_public_tensor_finds_its_place(name, wrap, tmp_path):
    tensors = public_tensors(name)
    if wrap == "module":
        save_file({f"module.{key}": value for key, value in tensors.items()}, path := tmp_path / "w.safetensors")
    else:
        torch.save({"model": tensors} if wrap == "model" else tensors, path := tmp_path / "w.pth")
    tracker = load_public_weights(name, path)
    network = tracker.network
    from_edge = name in ("locotrack_base", "locotrack_small", "echotracker2", "specknet")
    assert tracker.grid.first_pixel == (0.5 if from_edge else 0)
    assert sum(p.numel() for p in network.parameters()) == sum(value.numel() for value in tensors.values())
    total = sum(float(value.double().sum()) for value in tensors.values())
    assert sum(float(p.double().sum()) for p in network.parameters()) == pytest.approx(total, rel=1e-6, abs=1e-3)


def test_a_foreign_file_is_refused_by_what_does_not_fit(tmp_path):
    save_file({"conv.weight": torch.zeros(3)}, path := tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign.safetensors.*missing.*left over: conv.weight"):
        load_public_weights("cotracker_v1", path)


def test_pickled_objects_damaged_and_missing_files_are_refused(tmp_path):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"model": object}, protocol=2))
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 20)
    for name in ("evil.pth", "cut.safetensors", "none.pth"):
        with pytest.raises(ValueError, match=name):
            load_public_weights("cotracker_v1", tmp_path / name)
    with pytest.raises(ValueError, match="name"):
        load_public_weights("resnet", tmp_path / "none.pth")


def test_public_weights_come_as_a_tracker(tmp_path):
    torch.save(public_tensors("myotracker"), path := tmp_path / "w.pth")
    tracker = load_public_weights("myotracker", path)
    cine = as_cine(translated((1.0, 0.0), 3))
    query = horseshoe().reshape(-1, 2)
    assert tracker.name == "myotracker" and tracker.track(cine, query, 1).points_px.shape == (3, len(query), 2)
