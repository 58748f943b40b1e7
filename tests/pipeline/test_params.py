"""A mistake in params.yaml is one sentence that names file, key, rule and value."""

import copy
from pathlib import Path

import pytest
import yaml

from echotas.pipeline.params import Cohort, Params, ParamsError, load_params, strategy_chain
from echotas.pipeline.section import read_yaml


def test_the_repositorys_parameters_are_accepted(repository: Path):
    assert load_params(repository / "params.yaml").seed >= 0


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("cohort", "templates_patients", "3", r"cohort\.templates_patients must be a valid integer, got '3'"),
        ("cohort", "templates_patients", 0, r"cohort\.templates_patients must be greater than or equal to 1, got 0"),
        (
            "cohort",
            "template_patients",
            3,
            r"cohort\.template_patients is not a known key; did you mean templates_patients",
        ),
        ("simulation", "mix", "loud", r"simulation\.mix must be 'amplitude' or 'power', got 'loud'"),
        ("simulation", "alpha", float("nan"), r"simulation\.alpha must be a finite number, got nan"),
        ("engine", "start", "warm", r"engine\.start must be .*'pretrained', 'parent' or 'random'.*, got 'warm'"),
        ("trackers", "no_such", {}, r"trackers: 'no_such' is not a tracker; known: frozen"),
    ],
)
def test_wrong_values_are_named(parameters: dict, section: str, key: str, value: object, message: str):
    parameters = copy.deepcopy(parameters)
    parameters[section][key] = value
    with pytest.raises(ParamsError, match=rf"^params\.yaml: {message}"):
        Params.of(parameters, "params.yaml")


def test_missing_key_and_unknown_section_are_named(parameters: dict):
    del parameters["seed"]
    parameters["sede"] = 1
    with pytest.raises(ParamsError, match=r"seed is missing.*sede is not a known key; did you mean seed"):
        Params.of(parameters, "params.yaml")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("A", "B", "S1"), ("B", "masks", "S1")], "parent 'B' of 'A' must be listed before it"),
        ([("A", "masks", "S1"), ("A", "masks", "S2")], "name 'A' is used twice"),
        ([("A", "masks", "S4")], r"engine_nodes\.0\.strategy must be 'S1', 'S2' or 'S3', got 'S4'"),
        ([("a/b", "masks", "S1")], r"engine_nodes\.0\.name must"),
    ],
)
def test_engine_nodes_form_a_tree(parameters: dict, nodes: list, message: str):
    parameters["engine_nodes"] = [dict(zip(("name", "parent", "strategy"), node, strict=True)) for node in nodes]
    with pytest.raises(ParamsError, match=message):
        Params.of(parameters)


def test_trained_trackers_name_a_node_that_exists(parameters: dict):
    parameters["train_runs"][0]["node"] = "S9"
    with pytest.raises(ParamsError, match="node 'S9' of 'tas_net' must be one of S1, S1-S3"):
        Params.of(parameters)


def test_chain_lists_strategies_from_the_root(parameters: dict):
    assert Params.of(parameters).chain("S1-S3") == "S1>S3"
    with pytest.raises(ParamsError, match="engine node must be one of S1, S1-S3, got 'S2'"):
        strategy_chain(parameters["engine_nodes"], "S2")


def test_sections_are_frozen(parameters: dict):
    cohort = Cohort.of(parameters["cohort"])
    with pytest.raises(ValueError, match="frozen"):
        cohort.rank = 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "p.yaml: is not valid YAML .*key 'seed' is given twice"),
        ("seed: [1\n", "p.yaml: is not valid YAML"),
        ("- 1\n", "p.yaml: must be a mapping of keys to values, got list"),
        ("", "p.yaml: must be a mapping"),
    ],
)
def test_bad_yaml_is_one_sentence(tmp_path: Path, text: str, message: str):
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=message):
        read_yaml(tmp_path / "p.yaml")


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ParamsError, match="p.yaml: cannot be read"):
        read_yaml(tmp_path / "p.yaml")


def test_numbers_without_a_point_before_the_exponent_are_numbers(tmp_path: Path):
    (tmp_path / "p.yaml").write_text("a: 1e-3\nb: -2E5\nc: 1e\nd: 7\n", encoding="utf-8")
    assert read_yaml(tmp_path / "p.yaml") == {"a": 1e-3, "b": -2e5, "c": "1e", "d": 7}
    assert yaml.safe_load("a: 1e-3") == {"a": "1e-3"}  # PyYAML's own reading, which DVC does not share
