"""A run is complete only with reports without errors, finite metrics, and its runs in MLflow."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from echotas.pipeline import runs
from echotas.pipeline.verify import metric_problems, report_problems, run_problems


@pytest.fixture
def publish(workspace):
    """Write an executed notebook into reports/."""
    (workspace / "reports" / "metrics").mkdir(parents=True)

    def write(outputs: list, summaries: list = (), tags: list = ()) -> None:
        cell = new_code_cell("f()", id="a", outputs=outputs, metadata={"tags": list(tags)})
        notebook = new_notebook(cells=[cell], metadata={"echotas": {"runs": list(summaries)}})
        nbformat.write(notebook, workspace / "reports" / "20.ipynb")

    return write


def test_reports_with_errors_stderr_or_nothing_are_named(publish, workspace):
    reports = workspace / "reports"
    assert report_problems(reports) == ["reports/: holds no executed notebook"]
    publish([new_output("stream", text="fine")])
    assert report_problems(reports) == []
    publish([])
    assert report_problems(reports) == ["20.ipynb: has no output"]
    error = new_output("error", ename="E", evalue="e", traceback=[])
    publish([error, new_output("stream", name="stderr", text="careful")])
    assert report_problems(reports) == ["20.ipynb: cell 'a' shows an error", "20.ipynb: shows text from stderr"]
    publish([error], tags=["raises-exception"])
    assert report_problems(reports) == []


def test_metrics_must_be_finite_numbers(publish, workspace):
    metrics = workspace / "reports" / "metrics"
    assert metric_problems(metrics) == ["metrics/: holds no metrics"]
    (metrics / "a.json").write_text('{"a": [1, {"b": 2.5}], "c": "text"}')
    assert metric_problems(metrics) == []
    (metrics / "a.json").write_text('{"a": NaN}')
    (metrics / "b.json").write_text('{"a": "text"}')
    (metrics / "c.json").write_text("{")
    found = metric_problems(metrics)
    assert [problem.split(":")[0] for problem in found] == ["a.json", "b.json", "c.json"]


def test_runs_that_mlflow_lacks_or_that_lack_something_are_named(
    publish, workspace, run_database, monkeypatch, tmp_path
):
    journal = tmp_path / "journal.jsonl"
    monkeypatch.setenv(runs.JOURNAL_VARIABLE, str(journal))
    monkeypatch.setenv("DVC_STAGE", "track")
    with runs.start("benchmark", "x", {"a": 1}) as run:
        run.log_metrics({"b": 2.0})
    summary = json.loads(journal.read_text().splitlines()[1])["summary"]
    publish([], [summary, summary | {"name": "y"}])
    found = run_problems(workspace / "reports")
    assert found[0] == "experiment 'simulation': has no run"
    assert found[2] == "20: run 'x' lacks the executed notebook as HTML"
    assert found[3].startswith("20: run 'y' is not in sqlite:///")
    page = tmp_path / "20.html"
    page.write_text("<p>")
    run.log_artifact(page, "notebook")
    assert not any("'x'" in problem for problem in run_problems(workspace / "reports"))
    # A report that this pipeline has not made has its runs elsewhere.
    assert not any("not in" in problem for problem in run_problems(workspace / "reports", {"30.ipynb"}))
    assert any("'y' is not in" in problem for problem in run_problems(workspace / "reports", {"20.ipynb"}))
