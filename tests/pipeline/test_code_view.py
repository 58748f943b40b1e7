"""The code view changes when code changes, and only then."""

from pathlib import Path

import nbformat
import pytest

from echotas.pipeline import code_view
from echotas.pipeline.code_view import import_closure, library_digest, notebook_view, significant_source, write_views
from echotas.pipeline.notebooks import main

from .conftest import write_notebook

LIBRARY = {
    "echotas/__init__.py": "",
    "echotas/a.py": '"""About a."""\nfrom echotas.family import b\n',
    "echotas/family/__init__.py": "",
    "echotas/family/b.py": "from ..c import value\n\n\ndef f():\n    from echotas import d\n    return d\n",
    "echotas/c.py": "value = 1\n",
    "echotas/d.py": "import numpy\n",
    "echotas/unused.py": "value = 2\n",
    "echotas/trackers/__init__.py": "",
    "echotas/trackers/frozen.py": "import echotas.c\n",
    "echotas/pipeline/__init__.py": "",
    "echotas/pipeline/runs.py": "from echotas import unused\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, text in LIBRARY.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "lib"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    cells = [
        ("prose", "# Words"),
        ("work", "%matplotlib inline\nfrom echotas import a\nfrom echotas.pipeline import runs"),
    ]
    return write_notebook(tmp_path / "1.ipynb", *cells)


def test_closure_follows_relative_nested_and_package_imports(library: Path):
    closure = import_closure(["echotas.a.some_function"], library)
    names = ["echotas", "echotas.a", "echotas.c", "echotas.d", "echotas.family", "echotas.family.b"]
    assert list(closure) == names


def test_infrastructure_does_not_count(library: Path, notebook: Path):
    before = notebook_view(notebook, library)
    (library / "echotas/pipeline/runs.py").write_text("faster = True\n")
    (library / "echotas/unused.py").write_text("value = 3\n")
    assert notebook_view(notebook, library) == before
    assert "echotas.pipeline.runs " not in before


@pytest.mark.parametrize("name", ["echotas/a.py", "echotas/c.py", "echotas/family/__init__.py"])
def test_code_behind_an_import_changes_the_view(library: Path, notebook: Path, name: str):
    before = notebook_view(notebook, library)
    (library / name).write_text(LIBRARY[name] + "more = 5\n")
    assert notebook_view(notebook, library) != before


def test_data_beside_the_code_change_the_view(library: Path, notebook: Path):
    before = notebook_view(notebook, library)
    (library / "echotas/family/table.csv").write_text("1,2\n")
    assert notebook_view(notebook, library) != before


def test_words_do_not_change_the_view(library: Path, notebook: Path):
    before = notebook_view(notebook, library)
    (library / "echotas/a.py").write_text('"""Other\n\nwords."""\n\n# Why.\nfrom echotas.family import b  # because\n')
    changed = nbformat.read(notebook, as_version=4)
    changed.cells[0].source = "# Another title"
    changed.cells.append(nbformat.v4.new_code_cell("1 + 1", id="try", metadata={"tags": ["docs"]}))
    nbformat.write(changed, notebook)
    assert notebook_view(notebook, library) == before


def test_code_cells_and_their_tags_change_the_view(library: Path, notebook: Path):
    views = {notebook_view(notebook, library)}
    changed = nbformat.read(notebook, as_version=4)
    changed.cells[3].source += "\nx = 1"
    nbformat.write(changed, notebook)
    views.add(notebook_view(notebook, library))
    changed.cells[3].metadata["tags"] = ["other"]
    nbformat.write(changed, notebook)
    views.add(notebook_view(notebook, library))
    assert len(views) == 3


def test_strings_and_hashes_inside_code_are_kept():
    source = 'x = "# not a comment"  # a comment é\n\n\ndef f():\n    """Doc."""\n    return \'\'\'a\n\n# b\'\'\'\n'
    assert significant_source(source) == "x = \"# not a comment\"\ndef f():\n    return '''a\n# b'''"


def test_digest_names_only_what_is_behind_the_modules(library: Path):
    one, other = library_digest(["echotas.c"], library), library_digest(["echotas.unused"], library)
    assert one != other
    assert library_digest(["echotas.c", "numpy.linalg", "no.such"], library) == one


def test_views_are_written_for_notebooks_trackers_and_named_modules(library: Path, notebook: Path, tmp_path: Path):
    out = tmp_path / "views"
    (out / "lib").mkdir(parents=True)
    (out / "gone.py").write_text("")
    write_views(notebook.parent, out, library, ["echotas.d"])
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert files == ["1.py", "lib/echotas.d.txt", "lib/echotas.trackers.frozen.txt"]
    assert "echotas.c " in (out / "lib/echotas.trackers.frozen.txt").read_text()
    with pytest.raises(ValueError, match="module must be part of echotas, got 'echotas.e'"):
        write_views(notebook.parent, out, library, ["echotas.e"])


def test_invalid_code_names_notebook_and_cell(workspace: Path, capsys):
    write_notebook(workspace / "notebooks" / "1.ipynb", ("broken", "x = = 1"))
    assert main(["code"]) == 1
    assert "1.ipynb: code cell 'broken' is not valid Python" in capsys.readouterr().err


def test_infrastructure_names_real_modules(repository: Path):
    assert all(code_view._file_of(name, repository / "lib") for name in code_view.INFRASTRUCTURE)
