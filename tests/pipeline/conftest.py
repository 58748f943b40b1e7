"""A small checkout in a temporary folder: parameters, notebooks, the real library."""

import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository() -> Path:
    """The checkout under test."""
    return REPOSITORY


@pytest.fixture
def parameters() -> dict:
    """Parameters that the suite accepts."""
    nodes = [{"name": "S1", "parent": "masks", "strategy": "S1"}, {"name": "S1-S3", "parent": "S1", "strategy": "S3"}]
    return {
        **yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8")),
        "seed": 3,
        "engine_nodes": nodes,
        "train_runs": [{"name": "tas_net", "tracker": "tas_net", "node": "S1-S3", "seed": 0}],
        "trackers": {"frozen": {}, "tas_net": {"iterations": 2}},
        "untrained": ["frozen"],
        "compute": {"backend": "serial", "workers": 1},
    }


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict) -> Path:
    """The small checkout, as current folder."""
    (tmp_path / "lib").symlink_to(REPOSITORY / "lib")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run database with tables and nothing in them; making the tables takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def run_database(workspace: Path, empty_database: Path) -> Path:
    """The small checkout's own run database."""
    return Path(shutil.copyfile(empty_database, workspace / "mlflow.db"))


def write_notebook(path: Path, *cells: tuple[str, str], defaults: str = "seed = 0\nconfig = {}") -> Path:
    """A notebook with a title, a `parameters` cell and the given (id, source) cells; "# ..." makes a Markdown cell."""
    made = [new_markdown_cell("# A title", id="title")]
    made.append(new_code_cell(defaults, id="params", metadata={"tags": ["parameters"]}))
    for name, source in cells:
        make = new_markdown_cell if source.startswith("#") else new_code_cell
        made.append(make(source, id=name))
    nbformat.write(new_notebook(cells=made), path)
    return path
