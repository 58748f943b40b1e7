"""Is a finished pipeline run complete? Reports without errors, finite metrics, and every run where MLflow shows it.

python -m echotas.pipeline.verify
"""

import json
import math
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import nbformat

from echotas.pipeline import paths, runs
from echotas.pipeline.profiles import outputs_of_stages

__all__ = ["main", "metric_problems", "pipeline_problems", "report_problems", "run_problems"]

_TAGS = ("profile", "dvc_stage")


def report_problems(reports: Path) -> list[str]:
    """What is wrong with the executed notebooks, one sentence each."""
    found = []
    for path in sorted(reports.glob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code" and cell.source]
        outputs = [(cell, output) for cell in cells for output in cell.outputs]
        expected = [cell for cell in cells if "raises-exception" not in cell.metadata.get("tags", [])]
        if not outputs:
            found.append(f"{path.name}: has no output")
        for cell in expected:
            if any(output.output_type == "error" for output in cell.outputs):
                found.append(f"{path.name}: cell {cell.id!r} shows an error")
        if any(output.get("name") == "stderr" for _, output in outputs):
            found.append(f"{path.name}: shows text from stderr")
    return found or ([] if any(reports.glob("*.ipynb")) else [f"{reports.name}/: holds no executed notebook"])


def metric_problems(metrics: Path) -> list[str]:
    """Metric files that are no JSON or hold no finite number."""
    found = []
    for path in sorted(metrics.glob("*.json")):
        try:
            numbers = list(_numbers(json.loads(path.read_text(encoding="utf-8"))))
        except ValueError as error:
            found.append(f"{path.name}: is not valid JSON ({error})")
            continue
        if not numbers or not all(math.isfinite(number) for number in numbers):
            found.append(f"{path.name}: must hold finite numbers")
    return found or ([] if any(metrics.glob("*.json")) else [f"{metrics.name}/: holds no metrics"])


def run_problems(reports: Path, made: Collection[str] | None = None) -> list[str]:
    """Runs that executed notebooks tell of and MLflow lacks, or that lack parameters, metrics, tags or the notebook.

    Args:
        reports: Folder of the executed notebooks.
        made: Names of those that this pipeline has made; the others (`make ablation`) came with the checkout, and their runs are
            elsewhere until `make ui` brings them. None: all.
    """
    client = runs.client()
    wanted = [
        (path.stem, summary)
        for path in sorted(reports.glob("*.ipynb"))
        if made is None or path.name in made
        for summary in nbformat.read(path, as_version=4).metadata.get("echotas", {}).get("runs", [])
    ]
    found = [] if wanted else ["no executed notebook tells of a run"]
    names = {summary["experiment"] for _, summary in wanted}
    found += [f"experiment {name!r}: has no run" for name in runs.EXPERIMENTS if name not in names]
    for stem, summary in wanted:
        experiment = client.get_experiment_by_name(summary["experiment"])
        query = f"tags.`{runs.SUMMARY_TAG}` = '{runs.summary_key(summary)}' and attributes.status = 'FINISHED'"
        matching = client.search_runs([experiment.experiment_id], query) if experiment else []
        if not matching:
            found.append(f"{stem}: run {summary['name']!r} is not in {runs.tracking_uri()}")
            continue
        run = matching[0]
        files = [item.path for item in client.list_artifacts(run.info.run_id)]
        lacks = ["params"] if not run.data.params else []
        lacks += ["metrics"] if not run.data.metrics and "metrics.json" not in files else []
        lacks += [f"tag {name}" for name in _TAGS if name not in run.data.tags]
        notebook = [item.path for item in client.list_artifacts(run.info.run_id, "notebook")]
        lacks += [] if any(path.endswith(".html") for path in notebook) else ["the executed notebook as HTML"]
        if lacks:
            found.append(f"{stem}: run {summary['name']!r} lacks {', '.join(lacks)}")
    return found


def pipeline_problems(root: Path) -> list[str]:
    """Stages that DVC would run again."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"dvc status failed: {' '.join(done.stderr.split())}"]
    return [f"stage {name} is not up to date" for name in json.loads(done.stdout or "{}")]


def main() -> int:
    """Print what is wrong; 0 if nothing is."""
    root, reports = paths.root(), paths.reports()
    found = report_problems(reports) + metric_problems(reports / "metrics")
    made = {Path(out).name for out in outputs_of_stages(root)}
    found += run_problems(reports, made) + pipeline_problems(root)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        n_reports = len(list(reports.glob("*.ipynb")))
        print(f"{n_reports} executed notebooks, their metrics and their runs are complete; all stages are up to date")
    return 1 if found else 0


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


if __name__ == "__main__":
    sys.exit(main())
