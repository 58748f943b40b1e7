import pytest

from echotas.trackers import available, create, describe
from echotas.trackers.registry import PEERS


def test_every_tracker_describes_itself_in_one_line():
    for name in available():
        summary = describe(name).summary
        assert 20 < len(summary) < 130 and summary.endswith("."), (name, summary)


def test_only_networks_have_parameters():
    assert {name for name in available() if describe(name).n_parameters} == {
        *PEERS,
        "tas_net",
        "tas_net_pretrained",
        "tas_net_released",
    }


def test_description_counts_the_parameters_of_the_sizes_asked_for():
    small, smaller = describe("tas_net"), describe("tas_net", config={"mesh_embedding": False})
    # g: 2 -> 32 -> 64 -> 128 -> 32
    assert small.n_parameters - smaller.n_parameters == 3 * 32 + 33 * 64 + 65 * 128 + 129 * 32


def test_exception_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="name must be one of frozen, .*tas_net.* got 'psychic'"):
        create("psychic")


def test_exception_unknown_configuration_key_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"lucas_kanade has no configuration 'widow_mm'; known: window_mm"):
        create("lucas_kanade", widow_mm=10)


def test_exception_missing_configuration_is_named():
    with pytest.raises(ValueError, match="oracle needs the configuration 'truth'"):
        create("oracle")


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("lucas_kanade", {"window_mm": 0}),
        ("lucas_kanade_mesh", {"smoothing_mm": -1}),
        ("farneback", {"levels": 0}),
        ("block_matching", {"windows_mm": (8.0, 16.0)}),
        ("block_matching", {"overlap_percent": 100.0}),
        ("tas_net", {"n_iterations": 0}),
        ("oracle", {"truth": [[[[0, 0]] * 2] * 2], "quantum_px": -0.1}),
    ],
)
def test_exception_bad_value_is_refused_when_made(name, config):
    key = next(key for key in reversed(config))
    with pytest.raises(ValueError, match=f"{key} must"):
        create(name, **config)
