"""The runs that a notebook made, as listed in its journal: closed if left open, given the executed notebook."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import nbformat

from echotas.pipeline.runs import client

__all__ = ["attach", "close_runs", "finished_runs"]


def finished_runs(journal: Path) -> list[dict[str, Any]]:
    """Runs of the notebook with their summaries; runs that it left open are an error in the notebook."""
    lines = _lines(journal)
    finished = {line["run_id"]: line for line in lines if line["event"] == "finish"}
    started = [line for line in lines if line["event"] == "start"]
    open_runs = [line for line in started if line["run_id"] not in finished]
    if open_runs:
        close_runs(journal)
        raise ValueError(f"{len(open_runs)} run(s) were started but not finished; end each with run.finish()")
    return [line | finished[line["run_id"]] for line in started]


def close_runs(journal: Path) -> None:
    """Mark runs that a failed notebook left open as failed."""
    lines = _lines(journal)
    finished = {line["run_id"] for line in lines if line["event"] == "finish"}
    left = [line["run_id"] for line in lines if line["event"] == "start" and line["run_id"] not in finished]
    if left:
        connected = client()
        for run_id in left:
            connected.set_terminated(run_id, "FAILED")


def attach(notebook: nbformat.NotebookNode, name: str, runs: list[dict[str, Any]]) -> None:
    """Log the executed notebook with its prose to each of its runs: as HTML, which the run page shows, and as ipynb."""
    if not runs:
        return
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_notebook_node(notebook)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.html", Path(folder) / f"{name}.ipynb"]
        files[0].write_text(html, encoding="utf-8")
        nbformat.write(notebook, files[1])
        for run in runs:
            location = urlparse(run["artifact_uri"])
            if location.scheme in ("", "file"):  # a plain copy saves the seconds that importing mlflow takes
                target = Path(unquote(location.path)) / "notebook"
                target.mkdir(parents=True, exist_ok=True)
                for file in files:
                    shutil.copyfile(file, target / file.name)
            else:
                connected = client()
                for file in files:
                    connected.log_artifact(run["run_id"], str(file), "notebook")


def _lines(journal: Path) -> list[dict[str, Any]]:
    if not journal.is_file():
        return []
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
