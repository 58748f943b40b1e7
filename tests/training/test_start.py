import pytest

from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.training import starting_weights


def test_shipped_weights_at_the_root_and_where_asked_for(tmp_path):
    assert starting_weights("tas_net", "parent", None) == TAS_NET_SMALL
    assert starting_weights("tas_net", "pretrained", tmp_path) == TAS_NET_SMALL


def test_the_parents_weights_below_the_root(tmp_path):
    (tmp_path / "weights.safetensors").touch()
    assert starting_weights("tas_net", "parent", tmp_path) == tmp_path / "weights.safetensors"


def test_nothing_to_go_on_from():
    assert starting_weights("tas_net", "random", None) is None
    assert starting_weights("mean_motion", "parent", None) is None


def test_exceptions(tmp_path):
    with pytest.raises(ValueError, match="start must be random, pretrained, parent or node, got 'warm'"):
        starting_weights("tas_net", "warm", None)
    with pytest.raises(ValueError, match="folder must hold weights.safetensors of the parent's training"):
        starting_weights("tas_net", "parent", tmp_path)
