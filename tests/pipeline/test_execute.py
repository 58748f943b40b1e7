"""The notebook runner: same bytes twice, clear failures, prose kept apart, runs with their notebook."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from echotas.pipeline import runs
from echotas.pipeline.execute import NotebookError, parameter_names
from echotas.pipeline.journal import finished_runs
from echotas.pipeline.notebooks import main, select_parameters

from .conftest import write_notebook

pytestmark = pytest.mark.notebook

WORK = """
import warnings

import matplotlib.pyplot as plt
from echotas.pipeline.progress import Progress

warnings.warn("careful")
with Progress("count", 1) as progress:
    progress.step()
print(object(), config)
plt.plot([1, 2, 3]);
""".strip()

TRACKED = """
from echotas.pipeline import runs
from echotas.pipeline.metrics_file import record

with runs.start("benchmark", f"frozen | seed {seed}", params=config, tags={"tracker": "frozen"}) as run:
    record("1", {"seed": seed}, run=run)
""".strip()


def test_two_runs_give_the_same_bytes_whatever_the_prose_says(workspace: Path, capsys):
    cells = [("heading", "## Work"), ("work", WORK), ("end", "seed")]
    source = write_notebook(workspace / "notebooks" / "1.ipynb", *cells)
    command = ["run", "notebooks/1.ipynb", ".work/1-x.ipynb", "-s", "seed", "-s", "config=trackers.tas_net"]
    assert main(command) == 0
    terminal = capsys.readouterr().err
    out = workspace / ".work" / "1-x.ipynb"
    before = out.read_bytes()
    words = nbformat.read(source, as_version=4)
    words.cells[0].source = "# Other words, which change no result"
    nbformat.write(words, source)
    assert main(command) == 0
    assert out.read_bytes() == before

    raw = nbformat.read(out, as_version=4)
    assert [cell.id for cell in raw.cells] == ["params", "injected-parameters", "work", "end"]
    assert raw.cells[1].source == "# From params.yaml, by the pipeline\nseed = 3\nconfig = {'iterations': 2}"
    shown = str([cell.outputs for cell in raw.cells])
    assert "image/png" in shown and "'text/plain': '3'" in shown
    log = (workspace / ".work" / "logs" / "1-x.log").read_text()
    for line in ("UserWarning: careful", "count  1/1  100 %"):
        assert line in terminal and line in log and line not in shown
    assert [path.name for path in (workspace / ".work").glob("*.ipynb")] == ["1-x.ipynb"]


def test_run_gets_its_executed_notebook_with_prose(workspace: Path, run_database: Path):
    write_notebook(workspace / "notebooks" / "1.ipynb", ("words", "## Words to read"), ("track", TRACKED))
    command = ["run", "notebooks/1.ipynb", ".work/1.ipynb", "-s", "seed", "-s", "config=trackers.tas_net"]
    assert main(command) == 0
    [summary] = nbformat.read(workspace / ".work" / "1.ipynb", as_version=4).metadata.echotas.runs
    assert (summary.name, summary.params, summary.metrics) == ("frozen | seed 3", {"iterations": "2"}, {"seed": 3.0})
    client = runs.client()
    [found] = client.search_runs([client.get_experiment_by_name("benchmark").experiment_id])
    assert (found.info.run_name, found.info.status) == ("frozen | seed 3", "FINISHED")
    page = client.download_artifacts(found.info.run_id, "notebook/1.html")
    assert "Words to read" in Path(page).read_text()


def test_failing_cell_gives_one_sentence_and_a_partial_notebook(workspace: Path, capsys):
    cells = [
        ("start", 'print("so far")'),
        ("heading", "## Track every cine"),
        ("bad", 'raise ValueError("spacing_mm must be positive,\\n got (0.3, 0.0)")'),
        ("never", 'print("never")'),
    ]
    write_notebook(workspace / "notebooks" / "1.ipynb", *cells)
    (workspace / ".work").mkdir()
    (workspace / ".work" / "1.ipynb").write_text("the last good one")
    assert main(["run", "notebooks/1.ipynb", ".work/1.ipynb"]) == 1
    errors = capsys.readouterr().err
    assert errors.splitlines()[-1] == (
        "error: notebooks/1.ipynb: cell 5 (Track every cine): ValueError: spacing_mm must be positive, got (0.3, 0.0) "
        "(finished cells are in .work/1.partial.ipynb)"
    )
    assert errors.count("spacing_mm") == 1 and "Traceback" not in errors
    assert "failed: notebooks/1.ipynb: cell 5" in (workspace / ".work" / "logs" / "1.log").read_text()
    assert "so far" in (workspace / ".work" / "1.partial.ipynb").read_text()
    assert (workspace / ".work" / "1.ipynb").read_text() == "the last good one"


def test_runs_left_open_are_closed_as_failed(workspace: Path, run_database: Path, monkeypatch):
    journal = workspace / "journal.jsonl"
    monkeypatch.setenv(runs.JOURNAL_VARIABLE, str(journal))
    left = runs.start("training", "x")
    with pytest.raises(ValueError, match=r"1 run\(s\) were started but not finished; end each with run\.finish"):
        finished_runs(journal)
    assert runs.client().get_run(left.run_id).info.status == "FAILED"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopped_runner_leaves_no_kernel_behind(workspace: Path, sent: signal.Signals):
    wait = 'import os, time\nfrom pathlib import Path\nPath("pid").write_text(str(os.getpid()))\ntime.sleep(600)'
    source = write_notebook(workspace / "notebooks" / "1.ipynb", ("wait", wait))
    command = [sys.executable, "-m", "echotas.pipeline.notebooks", "run", str(source), ".work/1.ipynb"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    pid = workspace / "pid"
    try:
        wait_until(lambda: pid.is_file() and pid.read_text(), 90)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
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
