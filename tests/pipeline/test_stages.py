"""dvc.yaml and the notebooks agree with each other and with the parameters."""

import ast
from pathlib import Path

import nbformat
import pytest
import yaml

from echotas.pipeline.execute import parameter_names
from echotas.pipeline.stages import notebook_stages, problems

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def stage(**changes) -> dict:
    """A notebook stage that is right."""
    body = {
        "cmd": "${nb} notebooks/20.ipynb .work/20-${item}.ipynb -s seed -s config=trackers.${item} -p tracker ${item}",
        "deps": ["notebooks/.code/20.py", "data"],
        "params": ["seed", "trackers.${item}"],
        "outs": [".work/20-${item}.ipynb", {".work/tracks/${item}": {"persist": True}}],
    }
    return {"foreach": ["a"], "do": body | changes}


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "20.ipynb").touch()

    def make(described: dict) -> Path:
        whole = {"vars": [{"nb": "python -m echotas.pipeline.notebooks run"}], "stages": {"track": described}}
        (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(whole))
        return tmp_path / "dvc.yaml"

    return make


def test_a_right_stage_has_no_problems(write):
    path = write(stage())
    assert problems(path) == []
    [parsed] = notebook_stages(path)
    assert parsed.sections == ("seed", "trackers.${item}")
    assert parsed.names == ("seed", "config", "tracker")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": ["seed"]}, r"track: injects ['trackers.${item}'] but does not list them under params"),
        (
            {"params": ["seed", "mesh", "trackers.${item}"]},
            "track: lists ['mesh'] under params but does not inject them",
        ),
        ({"deps": ["data"]}, "track: must depend on notebooks/.code/20.py"),
        ({"deps": ["notebooks/.code/20.py", "notebooks/20.ipynb"]}, "track: depends on notebooks/20.ipynb"),
        ({"outs": []}, "track: must list .work/20-${item}.ipynb under outs"),
    ],
)
def test_disagreements_are_named(write, changes: dict, message: str):
    [problem] = problems(write(stage(**changes)))
    assert problem.startswith(message)


def test_compute_is_no_stage_parameter(write):
    cmd = "${nb} notebooks/20.ipynb .work/20.ipynb -s compute"
    [problem] = problems(write(stage(cmd=cmd, params=["compute"], outs=[".work/20.ipynb"])))
    assert "compute must not be a stage parameter" in problem


def test_the_repositorys_stages_are_right():
    assert problems(REPOSITORY / "dvc.yaml") == []


def test_stages_give_their_notebooks_only_names_that_these_know():
    for parsed in notebook_stages(REPOSITORY / "dvc.yaml"):
        unknown = set(parsed.names) - parameter_names(REPOSITORY / parsed.notebook)
        assert not unknown, f"{parsed.name} gives {sorted(unknown)} to {parsed.notebook}, which does not know them"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_sources_are_well_formed(path: Path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids), "weaving finds outputs by cell id"
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"outputs in cell {cell.id}; run: make format"
    assert parameter_names(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_parameters_are_literals(path: Path):
    [cell] = [c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
    for node in ast.parse(cell.source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            ast.literal_eval(node.value)
