"""RAFT where torchvision can be used, and what is said where not."""

import dataclasses

import numpy as np
import pytest
import torch

from echotas.trackers import available, create
from echotas.trackers.public_weights import load_public_weights
from echotas.trackers.raft import Raft, RaftConfig, RaftTracker, why_not
from echotas.training.point_networks import PointTrainConfig, train_point_network

from .conftest import as_cine, horseshoe, translated

REASON = why_not()
needs_torchvision = pytest.mark.skipif(REASON is not None, reason=str(REASON))
QUERY = horseshoe().reshape(-1, 2)


def test_it_is_in_no_list_of_what_is_everywhere():
    assert "raft" not in available()


def test_exception_without_torchvision_the_reason_is_one_sentence(monkeypatch):
    def missing():
        raise ImportError("No module named 'torchvision'")

    monkeypatch.setattr("echotas.trackers.raft._builders", missing)
    with pytest.raises(
        ValueError, match="raft needs torchvision, in a build for PyTorch .*No module named 'torchvision'"
    ):
        create("raft", config={})


def test_exception_without_weights():
    with pytest.raises(ValueError, match="raft comes without weights: give weights"):
        create("raft")


@pytest.mark.parametrize("values", [{"network": "huge"}, {"in_channels": 1}])
def test_exception_bad_size(values):
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be"):
        RaftConfig(**values)


@needs_torchvision
@pytest.mark.parametrize(("network", "n_parameters"), [("small", 990_162), ("large", 5_257_536)])
def test_size_is_the_published_one(network, n_parameters):
    assert sum(p.numel() for p in Raft(RaftConfig(network)).parameters()) == n_parameters


@needs_torchvision
def test_points_are_followed_both_ways_and_the_same_each_time():
    tracker = create("raft", config={}, n_iterations=2)
    cine = as_cine(translated((1.0, -0.6), 4), es_frame=2)
    tracks = tracker.track(cine, QUERY, 2)
    assert tracks.points_px.shape == (4, len(QUERY), 2) and np.isfinite(tracks.points_px).all()
    again = tracker.track(cine, QUERY, 2)
    np.testing.assert_array_equal(tracks.points_px, again.points_px)


@needs_torchvision
def test_flow_is_torchvisions_own():
    torch.manual_seed(0)
    model = Raft(RaftConfig.small()).eval()
    first, second = torch.rand(2, 1, 3, 136, 128) * 2 - 1
    with torch.no_grad():
        for ours, theirs in zip(model.flows(first, second, 3), model.raft(first, second, 3), strict=True):
            torch.testing.assert_close(ours, theirs)
        assert model.flows(first[..., :70, :65], second[..., :70, :65], 1)[0].shape == (1, 2, 70, 65)


@needs_torchvision
@pytest.mark.parametrize("network", ["small", "large"])
def test_weights_of_torchvision_are_loaded(network, tmp_path):
    source = Raft(RaftConfig(network))
    torch.save(source.raft.state_dict(), tmp_path / "raft.pth")
    tracker = load_public_weights(f"raft_{network}", tmp_path / "raft.pth")
    for one, other in zip(source.raft.parameters(), tracker.network.raft.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match="these are not the weights of raft_"):
        load_public_weights("raft_large" if network == "small" else "raft_small", tmp_path / "raft.pth")


@needs_torchvision
@pytest.mark.slow
def test_it_learns_one_cine_by_heart(tmp_path):
    from tests.training.test_point_networks import PAIRS, beat, settings

    sequence = beat()
    config = settings(300)
    config = dataclasses.replace(config, clips=dataclasses.replace(PAIRS, start_share=0.0), batch_size=2)
    assert isinstance(config, PointTrainConfig)
    result = train_point_network(RaftTracker, config, [sequence], [], tmp_path)
    tracks = RaftTracker(result.weights_path).track(sequence.cine, sequence.mesh_px[0].reshape(-1, 2), 0)
    error = np.linalg.norm(tracks.points_px - sequence.mesh_px.reshape(8, -1, 2), axis=-1)[1:]
    assert error.mean() < 0.3, error.mean()
