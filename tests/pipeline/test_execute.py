"""The notebook runner: same bytes twice, clear failures, prose kept apart, runs with their notebook."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from echotas.pipeline import runs
from echotas.pipeline.execute import NotebookError, parameter_names
from echotas.pipeline.notebooks import main, select_parameters

from .conftest import write_notebook

pytestmark = pytest.mark.notebook

GOOD = [
    ("heading", "## Work"),
    (
        "work",
        """
import warnings

import matplotlib.pyplot as plt
from echotas.pipeline import runs
from echotas.pipeline.metrics_file import record
from echotas.pipeline.progress import Progress

warnings.warn("careful")
with Progress("count", 1) as progress:
    progress.step()
run = runs.start("benchmark", f"frozen | seed {seed}", params=config, tags={"tracker": "frozen"})
print(object(), config)
plt.plot([1, 2, 3]);
""".strip(),
    ),
    ("end", 'record("1", {"seed": seed}, run=run)\nrun.finish()\nseed'),
]


def run(*arguments: str) -> subprocess.CompletedProcess:
    """The command line, as DVC calls it."""
    command = [sys.executable, "-m", "echotas.pipeline.notebooks", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": ""})


def test_two_runs_give_the_same_bytes_and_the_run_has_its_notebook(workspace: Path, run_database: Path):
    source = write_notebook(workspace / "notebooks" / "1.ipynb", *GOOD)
    command = (str(source), ".work/1-x.ipynb", "-s", "seed", "-s", "config=trackers.tas_net")
    first = run(*command)
    assert first.returncode == 0, first.stderr
    out = workspace / ".work" / "1-x.ipynb"
    before = out.read_bytes()
    words = nbformat.read(source, as_version=4)
    words.cells[0].source = "# Other words, which change no result"
    nbformat.write(words, source)
    second = run(*command)
    assert second.returncode == 0, second.stderr
    assert out.read_bytes() == before

    raw = nbformat.read(out, as_version=4)
    assert [cell.id for cell in raw.cells] == ["params", "injected-parameters", "work", "end"]
    assert raw.cells[1].source == "# From params.yaml, by the pipeline\nseed = 3\nconfig = {'iterations': 2}"
    assert "image/png" in str(raw.cells[2].outputs)
    shown = str([cell.outputs for cell in raw.cells])
    assert "UserWarning: careful" not in shown and "UserWarning: careful" in first.stderr
    assert "count  1/1  100 %" not in shown and "count  1/1  100 %" in first.stderr
    assert "count  1/1  100 %" in (workspace / ".work" / "logs" / "1-x.log").read_text()
    assert raw.metadata.echotas.runs[0].metrics == {"seed": 3.0}
    assert not list(workspace.glob(".work/*.partial.ipynb"))

    client = runs.client()
    experiment = client.get_experiment_by_name("benchmark").experiment_id
    found = client.search_runs([experiment])
    assert [(item.info.run_name, item.info.status) for item in found] == [("frozen | seed 3", "FINISHED")] * 2
    page = client.download_artifacts(found[0].info.run_id, "notebook/1-x.html")
    assert "Other words" in Path(page).read_text() and "image/png" in Path(page).read_text()


def test_failing_cell_gives_one_sentence_a_partial_notebook_and_a_failed_run(workspace: Path, run_database: Path):
    cells = [
        ("start", 'from echotas.pipeline import runs\nrun = runs.start("training", "x")\nprint("so far")'),
        ("heading", "## Track every cine"),
        ("bad", 'raise ValueError("spacing_mm must be positive,\\n got (0.3, 0.0)")'),
        ("never", 'print("never")'),
    ]
    source = write_notebook(workspace / "notebooks" / "1.ipynb", *cells)
    done = run(str(source.relative_to(workspace)), ".work/1.ipynb")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: notebooks/1.ipynb: cell 5 (Track every cine): ValueError: spacing_mm must be positive, got (0.3, 0.0) "
        "(finished cells are in .work/1.partial.ipynb)"
    )
    assert "Traceback" not in done.stderr
    assert not (workspace / ".work" / "1.ipynb").exists()
    assert "so far" in (workspace / ".work" / "1.partial.ipynb").read_text()
    client = runs.client()
    [left] = client.search_runs([client.get_experiment_by_name("training").experiment_id])
    assert left.info.status == "FAILED"


def test_stopped_runner_leaves_no_kernel_behind(workspace: Path):
    wait = 'import os, time\nfrom pathlib import Path\nPath("pid").write_text(str(os.getpid()))\ntime.sleep(600)'
    source = write_notebook(workspace / "notebooks" / "1.ipynb", ("wait", wait))
    command = [sys.executable, "-m", "echotas.pipeline.notebooks", "run", str(source), ".work/1.ipynb"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    pid = workspace / "pid"
    wait_until(lambda: pid.is_file() and pid.read_text(), 90)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; finished items are kept" in errors
    wait_until(lambda: not Path(f"/proc/{pid.read_text()}").exists(), 30)


def wait_until(true, seconds: float) -> None:
    """Wait, and fail if it takes longer than that."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def test_unknown_parameter_missing_key_and_bad_file_are_named(workspace: Path, capsys):
    source = str(write_notebook(workspace / "notebooks" / "1.ipynb"))
    for arguments, message in [
        ((source, ".work/1.ipynb", "-s", "cohort"), "'parameters' cell does not define 'cohort'"),
        ((source, ".work/1.ipynb", "-s", "config=trackers.none"), "params.yaml: has no key 'trackers.none'"),
        ((source, ".work/1.ipynb", "-s", "seed", "-p", "seed", "2"), "parameter 'seed' is given twice"),
        (("notebooks/2.ipynb", ".work/2.ipynb"), "notebooks/2.ipynb: cannot be read"),
        (("params.yaml", ".work/2.ipynb"), "params.yaml: is not a notebook"),
    ]:
        assert main(["run", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not (workspace / ".work" / "1.ipynb").exists()


def test_wrong_params_file_stops_before_anything_runs(workspace: Path, capsys):
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text + "sede: 1\n")
    source = write_notebook(workspace / "notebooks" / "1.ipynb")
    assert main(["run", str(source), ".work/1.ipynb", "-s", "seed"]) == 1
    assert capsys.readouterr().err == "error: params.yaml: sede is not a known key; did you mean seed?\n"


@pytest.mark.parametrize("n_cells", [0, 2])
def test_exactly_one_parameters_cell(tmp_path: Path, n_cells: int):
    path = write_notebook(tmp_path / "1.ipynb", ("second", "seed = 1"))
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells[1:]:
        cell.metadata["tags"] = ["parameters"] if n_cells else []
    nbformat.write(notebook, path)
    with pytest.raises(NotebookError, match=f"exactly one code cell tagged 'parameters', got {n_cells}"):
        parameter_names(path)


def test_parameter_names_are_those_assigned(tmp_path: Path):
    path = write_notebook(tmp_path / "1.ipynb", defaults='"""Doc."""\na = 1\nb: int = 2\nc = {"d": 3}\n# e = 4')
    assert parameter_names(path) == {"a", "b", "c"}


def test_code_that_changed_after_its_view_is_not_run_by_dvc(workspace: Path, monkeypatch, capsys):
    source = write_notebook(workspace / "notebooks" / "1.ipynb")
    assert main(["code"]) == 0
    write_notebook(source, ("more", "1 + 1"))
    monkeypatch.setenv("DVC_STAGE", "one")
    assert main(["run", str(source), ".work/1.ipynb"]) == 1
    assert "code changed after notebooks/.code/1.py was made; run the pipeline again" in capsys.readouterr().err


def test_selected_parameters_keep_names_and_types():
    values = {"seed": 1, "trackers": {"farneback": {"window": 3}}}
    chosen = select_parameters(
        values, ["seed", "config=trackers.farneback", "trackers.farneback"], [("n", "2"), ("s", "S1>S2")]
    )
    assert chosen == {"seed": 1, "config": {"window": 3}, "farneback": {"window": 3}, "n": 2, "s": "S1>S2"}
