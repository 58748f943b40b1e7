"""Fill the run database from the reports, and show it: a clone whose stages are up to date has executed nothing yet.

Every executed notebook carries the summary of the runs it made. `backfill` creates the ones that the database lacks,
with the report as HTML; a second call creates none.

    python -m echotas.pipeline.backfill            # fill
    python -m echotas.pipeline.backfill --ui 5000  # fill, then serve the MLflow pages
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat

from echotas.pipeline import paths, runs
from echotas.pipeline.progress import say

__all__ = ["backfill", "main", "serve_command"]


def backfill(reports: Path) -> int:
    """Create the runs that executed notebooks tell of and the database lacks; returns how many."""
    from nbconvert import HTMLExporter

    client = runs.client()
    known: set[str] = set()
    for experiment in client.search_experiments():
        token = None
        while True:
            page = client.search_runs([experiment.experiment_id], page_token=token, max_results=500)
            known |= {run.data.tags.get(runs.SUMMARY_TAG, "") for run in page if run.info.status == "FINISHED"}
            token = page.token
            if not token:
                break
    made = 0
    for path in sorted(reports.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        missing = [s for s in notebook.metadata.get("echotas", {}).get("runs", []) if runs.summary_key(s) not in known]
        if not missing:
            continue
        html, _ = HTMLExporter().from_notebook_node(notebook)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / f"{path.stem}.html"
            page.write_text(html, encoding="utf-8")
            for summary in missing:
                entry = {key: summary[key] for key in ("experiment", "name", "params", "tags", "note")}
                with runs.Run(entry, {"mlflow.source.name": path.name, "from_report": "true"}) as run:
                    run.log_metrics(summary["metrics"])
                    run.log_artifact(page, "notebook")
                    run.log_artifact(path, "notebook")
                made += 1
    return made


def serve_command(port: int) -> list[str]:
    """Command that serves the MLflow pages for the current run database on this machine."""
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", runs.tracking_uri(), *place]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, and serve if asked; 0, or 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m echotas.pipeline.backfill", description=__doc__.split("\n")[0])
    parser.add_argument("--ui", type=int, metavar="PORT", help="then serve the MLflow pages on this port")
    options = parser.parse_args(arguments)
    try:
        say(f"{backfill(paths.reports())} runs taken from reports/, the others were in {runs.tracking_uri()}")
        if options.ui is None:
            return 0
        if not runs.tracking_uri().startswith("sqlite:"):
            say(f"the runs are at {runs.tracking_uri()}: open that address")
            return 0
        benchmark = runs.client().get_experiment_by_name("benchmark").experiment_id
        page = f"#/experiments/{benchmark}/runs?workflowType=machine_learning"
        say(f"open http://127.0.0.1:{options.ui}/{page} (Ctrl-C ends it)")
        os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # nine processes otherwise, for nothing
        command = serve_command(options.ui)
        os.execv(command[0], command)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
