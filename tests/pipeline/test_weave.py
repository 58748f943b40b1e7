"""Weaving puts prose around stored outputs, executes nothing and refuses changed code."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output

from echotas.pipeline.notebooks import main
from echotas.pipeline.scrub import INJECTED_TAG, raw_notebook
from echotas.pipeline.weave import WeaveError, weave

from .conftest import write_notebook


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "1.ipynb", ("one", "print(1)"), ("words", "# Words"), ("two", "1 / 0"))


@pytest.fixture
def raw(tmp_path: Path, source: Path) -> Path:
    """As the runner writes it; the outputs are marked, so that executing would be seen."""
    notebook = nbformat.read(source, as_version=4)
    for count, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = count + 1
        cell.outputs = [new_output("stream", text=f"stored {cell.id}\n")]
    injected = nbformat.v4.new_code_cell("seed = 7", id=INJECTED_TAG, metadata={"tags": [INJECTED_TAG]})
    notebook.cells.insert(2, injected)
    notebook.metadata["echotas"] = {"runs": [{"name": "a"}]}
    nbformat.write(raw_notebook(notebook), tmp_path / "raw.ipynb")
    return tmp_path / "raw.ipynb"


def edit(path: Path, cell_id: str, text: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == cell_id).source = text
    nbformat.write(notebook, path)


def test_prose_is_todays_and_outputs_are_the_stored_ones(source: Path, raw: Path):
    edit(source, "title", "# Another title")
    report = weave(source, raw)
    assert [cell.id for cell in report.cells] == ["title", "params", INJECTED_TAG, "one", "words", "two"]
    assert report.cells[0].source == "# Another title"
    assert [cell.outputs[0].text for cell in report.cells if cell.get("outputs")] == [
        "stored params\n",
        "stored one\n",
        "stored two\n",
    ]
    assert report.metadata.echotas.runs[0].name == "a"


def test_changed_code_is_refused_and_nothing_is_written(source: Path, raw: Path, tmp_path: Path, capsys):
    edit(source, "two", "2 / 1")
    assert main(["weave", str(source), str(raw), str(tmp_path / "report.ipynb")]) == 1
    assert "code cell 'two' is not what" in capsys.readouterr().err
    assert not (tmp_path / "report.ipynb").exists()


def test_added_removed_and_moved_cells_are_refused(source: Path, raw: Path):
    notebook = nbformat.read(source, as_version=4)
    one, two = notebook.cells[2], notebook.cells[4]
    new = nbformat.v4.new_code_cell("3", id="three")
    for cells in ([*notebook.cells, new], notebook.cells[:-1], [*notebook.cells[:2], two, one]):
        notebook.cells = cells
        nbformat.write(notebook, source)
        with pytest.raises(WeaveError, match="is not what"):
            weave(source, raw)


def test_cells_tagged_docs_may_change(source: Path, raw: Path):
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("help()", id="try", metadata={"tags": ["docs"]}))
    nbformat.write(notebook, source)
    assert weave(source, raw).cells[-1].outputs == []


def test_outputs_saved_in_the_source_are_not_published(source: Path, raw: Path):
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[2].outputs = [new_output("stream", text="from somebody's afternoon\n")]
    nbformat.write(notebook, source)
    assert weave(source, raw).cells[3].outputs[0].text == "stored one\n"
