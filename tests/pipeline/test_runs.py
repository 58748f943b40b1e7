"""A run holds what people look for: parameters, curves, finals, figures, tags; reports can fill an empty database."""

import json
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_notebook

from echotas.pipeline import runs
from echotas.pipeline.backfill import backfill, serve_command


@pytest.fixture
def finished(workspace, run_database, monkeypatch):
    """A finished run, as MLflow tells it, and its client."""
    monkeypatch.setenv("DVC_STAGE", "track@frozen")
    monkeypatch.setenv("ECHOTAS_PROFILE", "smoke")
    with runs.start(
        "benchmark",
        "frozen | S1>S3 | seed 0",
        {"mesh": {"n_long": 36}, "name": "x"},
        {"tracker": "frozen"},
        "A **note**.",
    ) as run:
        run.log_curve("loss", [3.0, 2.0, 1.5], steps=[0, 10, 20])
        run.log_step(30, {"loss": 1.25})
        run.log_metrics({"error_mm": 1.5, "S1>S3": 2.0, "bias.frozen": -3.0, "n_patients": 8})
        run.log_metrics({"ms_per_frame": 9.0}, volatile=True)
        run.log_figure(Figure(figsize=(1, 1)), "a.png")
        run.log_text("# Hello", "b.md")
    client = runs.client()
    return client, client.get_run(run.run_id)


def test_run_has_params_metrics_curves_figures_and_tags(finished, workspace):
    client, run = finished
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "frozen | S1>S3 | seed 0"
    assert client.get_experiment(run.info.experiment_id).name == "benchmark"
    assert run.data.params == {"mesh.n_long": "36", "name": "x"}
    assert run.data.metrics == {"loss": 1.25, "error_mm": 1.5, "S1-S3": 2.0, "ms_per_frame": 9.0}
    history = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")]
    assert history == [(0, 3.0), (10, 2.0), (20, 1.5), (30, 1.25)]
    wanted = {
        "tracker": "frozen",
        "profile": "smoke",
        "dvc_stage": "track@frozen",
        "n_patients": "8",
        "mlflow.note.content": "A **note**.",
    }
    assert wanted.items() <= run.data.tags.items()
    assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["b.md", "figures", "metrics.json"]
    nested = json.loads(Path(client.download_artifacts(run.info.run_id, "metrics.json")).read_text())
    assert nested == {"S1-S3": 2.0, "bias.frozen": -3.0, "error_mm": 1.5, "n_patients": 8.0}
    assert (workspace / "mlflow.db").is_file()
    assert list((workspace / "mlartifacts").rglob("a.png"))


def test_backfill_makes_missing_runs_once(finished, workspace):
    client, run = finished
    known = {
        "experiment": "benchmark",
        "metrics": {"S1-S3": 2.0, "bias.frozen": -3.0, "error_mm": 1.5, "n_patients": 8.0},
        "name": "frozen | S1>S3 | seed 0",
        "note": "A **note**.",
        "params": {"mesh.n_long": "36", "name": "x"},
        "tags": {"tracker": "frozen"},
    }
    missing = known | {"name": "oracle | - | seed 0", "metrics": {"error_mm": 0.0}}
    (workspace / "reports").mkdir()
    notebook = new_notebook(metadata={"echotas": {"runs": [known, missing]}})
    nbformat.write(notebook, workspace / "reports" / "20_track.ipynb")
    assert backfill(workspace / "reports") == 1
    assert backfill(workspace / "reports") == 0
    found = client.search_runs([run.info.experiment_id], filter_string="tags.from_report = 'true'")
    assert [item.info.run_name for item in found] == ["oracle | - | seed 0"]
    assert found[0].data.metrics == {"error_mm": 0.0}
    artifacts = client.list_artifacts(found[0].info.run_id, "notebook")
    assert [item.path for item in artifacts] == ["notebook/20_track.html", "notebook/20_track.ipynb"]


def test_failing_run_is_marked_and_gives_no_summary(workspace, run_database, tmp_path, monkeypatch):
    journal = tmp_path / "journal.jsonl"
    monkeypatch.setenv(runs.JOURNAL_VARIABLE, str(journal))
    with pytest.raises(KeyError), runs.start("training", "x") as run:
        raise KeyError
    assert runs.client().get_run(run.run_id).info.status == "FAILED"
    assert [line.split('"event": ')[1].split(",")[0] for line in journal.read_text().splitlines()] == [
        '"start"',
        '"finish"',
    ]


def test_database_is_the_environments_or_the_checkouts(workspace, monkeypatch):
    assert runs.tracking_uri() == f"sqlite:///{workspace}/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", "/real/checkout")
    assert runs.tracking_uri() == "sqlite:////real/checkout/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert runs.tracking_uri() == "http://server:5000"
    assert "http://server:5000" in serve_command(5001)


def test_exception(workspace):
    with pytest.raises(ValueError, match="experiment must be one of simulation, training, benchmark, got 'tests'"):
        runs.start("tests", "x")
    with pytest.raises(ValueError, match="name must not be empty"):
        runs.start("training", " ")
