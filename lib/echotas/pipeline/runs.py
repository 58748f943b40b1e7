"""MLflow runs: one per simulation, training or benchmark, named and tagged so that a table of them can be read.

Default store: an sqlite file in the checkout (`mlflow.db`, artifacts in `mlartifacts/`), unless `MLFLOW_TRACKING_URI`
names another. mlflow is imported on first use: it takes seconds.
"""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from echotas.pipeline import paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

__all__ = ["EXPERIMENTS", "JOURNAL_VARIABLE", "SUMMARY_TAG", "Run", "client", "start", "summary_key", "tracking_uri"]

EXPERIMENTS = {
    "simulation": "Virtual patients, acoustics, and how far simulated speckle decorrelates as in its template.",
    "training": "Learned trackers: one run per data engine node and per final training, with loss and validation curves.",
    "benchmark": "Trackers on held-out patients: one run per tracker, and one per question asked of all of them.",
}
"""The experiments that runs belong to, and what they hold."""

JOURNAL_VARIABLE = "ECHOTAS_RUN_JOURNAL"
"""Environment variable with the file in which a notebook's runs are listed for the notebook runner."""

SUMMARY_TAG = "echotas.summary"
"""Tag with the digest of a finished run's summary, by which a report's runs are found again."""

_BATCH = 1000  # MLflow takes at most this many metrics a request
_SECONDS_BETWEEN_FLUSHES = 5.0


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or the sqlite file of the checkout (of the real one, inside DVC's temporary copies)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.database_root() / 'mlflow.db'}"


def client() -> "MlflowClient":
    """Client of the run database, which is created if needed.

    MLflow makes its tables on first use, and two processes that do so at once both fail; hence the lock.
    """
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    uri = tracking_uri()
    if not uri.startswith("sqlite:///"):
        return _connect(uri)
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        connected = _connect(uri)
        for name, text in EXPERIMENTS.items():
            if connected.get_experiment_by_name(name) is None:
                artifacts = database.parent / "mlartifacts" / name
                # The kind opens MLflow's pages for training runs instead of those for language models.
                tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": text}
                connected.create_experiment(name, artifact_location=artifacts.as_uri(), tags=tags)
    return connected


def start(
    experiment: str,
    name: str,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    note: str = "",
) -> "Run":
    """Start a run.

    Args:
        experiment: `simulation`, `training` or `benchmark`.
        name: What tells it apart in a list, e.g. "tas_net | S1>S2>S3 | seed 0".
        params: Parameters; nested mappings are joined by ".".
        tags: What to group by: tracker, chain, seed. Git commit, DVC stage and profile are added.
        note: What a reader should know, Markdown.

    Raises:
        ValueError: The experiment is unknown or the name is empty.
    """
    if experiment not in EXPERIMENTS:
        raise ValueError(f"experiment must be one of {', '.join(EXPERIMENTS)}, got {experiment!r}")
    if not name.strip():
        raise ValueError("name must not be empty: it is what people read in the list of runs")
    entry = {
        "experiment": experiment,
        "name": name,
        "params": _flat_params(params or {}),
        "tags": {key: str(value) for key, value in sorted((tags or {}).items())},
        "note": note,
    }
    return Run(entry)


class Run:
    """An open run; a context manager that marks it failed when an exception passes through."""

    def __init__(self, entry: dict[str, Any], volatile_tags: Mapping[str, str] | None = None) -> None:
        """Open a run from what `start` collected."""
        from mlflow.entities import Param

        self._client = client()
        self._entry = entry
        self._finals: dict[str, float] = {}
        self._pending: list[tuple[str, float, int]] = []
        self._flushed = time.monotonic()
        tags = entry["tags"] | _provenance() | dict(volatile_tags or {})
        if entry["note"]:
            tags["mlflow.note.content"] = entry["note"]
        experiment = self._client.get_experiment_by_name(entry["experiment"])
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(entry["experiment"])
        created = self._client.create_run(experiment_id, run_name=entry["name"], tags=tags)
        self.run_id: str = created.info.run_id
        """Identity in MLflow; random, so it must not be printed in a notebook."""
        self._journal({"event": "start", "run_id": self.run_id, "artifact_uri": created.info.artifact_uri})
        items = [Param(key, value) for key, value in entry["params"].items()]
        for i in range(0, len(items), 100):
            self._client.log_batch(self.run_id, params=items[i : i + 100])
        self._open = True

    @property
    def name(self) -> str:
        """What tells the run apart in a list."""
        return self._entry["name"]

    @property
    def experiment(self) -> str:
        """The experiment it belongs to."""
        return self._entry["experiment"]

    def log_metrics(self, values: Mapping[str, float], volatile: bool = False) -> None:
        """Final numbers.

        Nested ones (`a.b`, such as one number per tracker) go into the file `metrics.json` of the run: as metrics of their
        own, hundreds of them would bury those that runs can be compared by. Counts (`n_...`) become tags for the same reason.

        Args:
            values: Name -> number.
            volatile: Differ from run to run (times, memory), so they stay out of the report.
        """
        from mlflow.entities import RunTag

        values = {_key(key): float(value) for key, value in values.items()}
        if not volatile:
            self._finals |= values
        plain = {key: value for key, value in values.items() if "." not in key}
        self._pending += [(key, value, 0) for key, value in plain.items() if not key.startswith("n_")]
        counts = [RunTag(key, f"{value:g}") for key, value in plain.items() if key.startswith("n_")]
        if counts:
            self._client.log_batch(self.run_id, tags=counts)
        self._flush()

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one training step; sent every few seconds and at the end."""
        self._pending += [(_key(key), float(value), int(step)) for key, value in values.items()]
        if len(self._pending) >= _BATCH or time.monotonic() - self._flushed > _SECONDS_BETWEEN_FLUSHES:
            self._flush()

    def log_curve(self, name: str, values: Sequence[float], steps: Sequence[int] | None = None) -> None:
        """A whole curve; `steps` are 0, 1, 2 ... if None."""
        steps = range(len(values)) if steps is None else steps
        if len(steps) != len(values):
            raise ValueError(f"steps must have one entry per value of {name} ({len(values)}), got {len(steps)}")
        self._pending += [(_key(name), float(value), int(step)) for step, value in zip(steps, values, strict=True)]
        self._flush()

    def log_figure(self, figure: "Figure", file_name: str) -> None:
        """A figure, e.g. `curves.png`, under `figures/`; the picture that the notebook shows, if it has one."""
        picture = getattr(figure, "_repr_png_", None)
        if picture is None or not file_name.endswith(".png"):
            self._client.log_figure(self.run_id, figure, f"figures/{file_name}")
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / file_name
            file.write_bytes(picture())
            self._client.log_artifact(self.run_id, str(file), "figures")

    def log_text(self, text: str, file_name: str) -> None:
        """A text file (Markdown and HTML are shown rendered)."""
        self._client.log_text(self.run_id, text, file_name)

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        """A copy of a file."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        self._flush()
        if any("." in key for key in self._finals):
            self._client.log_dict(self.run_id, dict(sorted(self._finals.items())), "metrics.json")
        summary = self._entry | {"metrics": dict(sorted(self._finals.items()))}
        self._client.set_tag(self.run_id, SUMMARY_TAG, summary_key(summary))
        self._client.set_terminated(self.run_id, status)
        self._journal({"event": "finish", "run_id": self.run_id, "status": status, "summary": summary})

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("FAILED" if kind is not None else "FINISHED")

    def __repr__(self) -> str:
        return f"Run({self._entry['experiment']}: {self._entry['name']})"

    def _flush(self) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        pending, self._pending = self._pending, []
        for i in range(0, len(pending), _BATCH):
            batch = [Metric(key, value, now, step) for key, value, step in pending[i : i + _BATCH]]
            self._client.log_batch(self.run_id, metrics=batch)
        self._flushed = time.monotonic()

    def _journal(self, line: dict[str, Any]) -> None:
        path = os.environ.get(JOURNAL_VARIABLE)
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, sort_keys=True) + "\n")


def summary_key(summary: Mapping[str, Any]) -> str:
    """Digest of what a run's summary says: experiment, name, parameters, tags, note, final numbers."""
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()[:16]


def _connect(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _flat_params(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat_params(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return dict(sorted(flat.items()))


def _key(name: str) -> str:
    """Metric name with the characters that MLflow refuses replaced; `S1>S2` becomes `S1-S2`."""
    return "".join(c if c.isalnum() or c in "_-. /:" else "-" for c in str(name))


def _provenance() -> dict[str, str]:
    """Where a run comes from: commit, DVC stage and experiment, profile."""
    tags = {
        "profile": os.environ.get("ECHOTAS_PROFILE", "laptop"),
        "dvc_stage": paths.stage(),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", ""),
        "mlflow.source.name": paths.stage() or "notebook",
        "mlflow.source.type": "LOCAL",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = tags["git_commit"] = commit
        tags["git_dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    return {key: value for key, value in tags.items() if value}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.database_root(), capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
