"""Execute a notebook for the pipeline: parameters in, raw executed notebook out, the same bytes whenever it runs.

papermill executes; around it: parameters are checked against the notebook's `parameters` cell, the kernel gets a
fixed environment, progress and warnings go to the stage log and the terminal, a failing run leaves
`*.partial.ipynb`, and what differs between two runs of the same code is scrubbed (`scrub.py`). The raw notebook
holds code cells only: prose is put around them by `weave.py`, so that a changed word executes nothing.
"""

import ast
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from echotas.pipeline import paths
from echotas.pipeline.code_view import notebook_view
from echotas.pipeline.journal import attach, close_runs, finished_runs
from echotas.pipeline.progress import LOG_VARIABLE
from echotas.pipeline.runs import JOURNAL_VARIABLE
from echotas.pipeline.scrub import raw_notebook, scrubbed, stderr_lines

__all__ = ["NotebookError", "execute", "parameter_names"]

PARAMETERS_TAG = "parameters"

_KERNEL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # sums depend on the number of threads; processes are the way to use more cores
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "0",  # no dates in PDF and SVG figures
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # whatever the shell says: reports need their figures
    "TQDM_DISABLE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


class NotebookError(RuntimeError):
    """A notebook cannot be executed or failed; one sentence that names the notebook, the cell and the reason."""


def parameter_names(path: Path) -> set[str]:
    """Names that the notebook's `parameters` cell assigns.

    Raises:
        NotebookError: The file is no notebook, or has no or several such cells.
    """
    notebook = _read(path)
    cells = [cell for cell in notebook.cells if PARAMETERS_TAG in cell.metadata.get("tags", [])]
    if len(cells) != 1 or cells[0].cell_type != "code":
        raise NotebookError(f"{path}: must have exactly one code cell tagged '{PARAMETERS_TAG}', got {len(cells)}")
    names: set[str] = set()
    for node in ast.parse(cells[0].source).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])  # `a = 1` and `a: int = 1`
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def execute(source: Path, out: Path, parameters: Mapping[str, Any]) -> None:
    """Execute `source` with `parameters` and write the raw executed notebook to `out`.

    Args:
        source: Notebook with one `parameters` cell.
        out: Raw executed notebook; `OUT.partial.ipynb` beside it is kept if a cell fails.
        parameters: Values for names that the `parameters` cell assigns.

    Raises:
        NotebookError: A parameter is unknown to the notebook, a cell fails, or the kernel dies.
    """
    unknown = sorted(set(parameters) - parameter_names(source))
    if unknown:
        raise NotebookError(f"{source}: its '{PARAMETERS_TAG}' cell does not define {', '.join(map(repr, unknown))}")
    root = paths.root()
    view = notebook_view(source, root / "lib")
    _refuse_stale_view(source, view, root)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.ipynb")
    log = paths.work() / "logs" / f"{out.stem}.log"
    journal = paths.work() / "logs" / f"{out.stem}.runs.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{out.stem}  started {time.strftime('%Y-%m-%d %H:%M:%S')}\n", encoding="utf-8")
    journal.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="echotas-") as folder, _mirror(log):
            notebook, runs = _papermill_and_runs(source, partial, dict(parameters), folder, root, log, journal)
            _append(log, "".join(f"stderr  {line}\n" for line in stderr_lines(notebook)))
            clean = scrubbed(notebook, root)
            clean.metadata["echotas"] = {"runs": [run["summary"] for run in runs]}
            attach(clean, out.stem, runs)
            _write(raw_notebook(clean), out)
            partial.unlink(missing_ok=True)
            if notebook_view(source, root / "lib") != view:
                _append(log, f"{out.stem}  its code changed while it ran: the result is of the old code, run again\n")
            _append(log, f"{out.stem}  done in {time.monotonic() - started:.0f} s\n")
    except NotebookError as error:
        _append(log, f"{out.stem}  failed: {error}\n")  # after the mirror: the terminal gets it from the caller
        raise


def _papermill_and_runs(
    source: Path, partial: Path, parameters: dict[str, Any], folder: str, root: Path, log: Path, journal: Path
) -> tuple[nbformat.NotebookNode, list[dict[str, Any]]]:
    """Executed notebook and the runs it made; whatever goes wrong, no run stays open."""
    try:
        with _environment(folder, root, log, journal):
            notebook = _papermill(source, partial, parameters, folder, root)
        return notebook, finished_runs(journal)
    except BaseException as error:
        close_runs(journal)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        sentence = _failure_sentence(source, error)
        raise NotebookError(f"{sentence} (finished cells are in {_short(partial, root)})") from None


def _papermill(
    source: Path, partial: Path, parameters: dict[str, Any], folder: str, root: Path
) -> nbformat.NotebookNode:
    import papermill
    from papermill.translators import PythonTranslator, papermill_translators
    from traitlets.config import Config

    class Translator(PythonTranslator):
        """Parameters as a reader wants them: one name a line, long values wrapped."""

        @classmethod
        def codify(cls, parameters: dict[str, Any], comment: str = "") -> str:
            lines = [f"{name} = {_literal(value)}" for name, value in parameters.items()]
            return "\n".join(["# From params.yaml, by the pipeline", *lines])

    papermill_translators.register("python", Translator)
    # IPC instead of TCP: no port clashes, no warning about encryption. Socket names must stay below about 100 bytes.
    config = Config({"KernelManager": {"transport": "ipc" if len(folder) < 50 and os.name == "posix" else "tcp"}})
    return papermill.execute_notebook(
        str(source),
        str(partial),
        parameters=parameters,
        kernel_name="python3",
        language="python",
        cwd=str(root),
        progress_bar=False,
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=CRITICAL"],  # a kernel that is shut down at once complains of the interruption
        start_timeout=600,  # the first imports after an installation, beside another stage, on a slow disk
        timeout=None,
        config=config,
    )


def _literal(value: Any, indent: str = "") -> str:
    """Python literal; a long mapping or list has one entry a line."""
    short = repr(value)
    if not isinstance(value, dict | list) or len(short) + len(indent) <= 90:
        return short
    deeper = indent + "    "
    if isinstance(value, dict):
        entries = [f"{key!r}: {_literal(item, deeper)}" for key, item in value.items()]
    else:
        entries = [_literal(item, deeper) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, *(f"{deeper}{entry}," for entry in entries), f"{indent}{closing}"])


@contextmanager
def _environment(folder: str, root: Path, log: Path, journal: Path) -> Iterator[None]:
    """The kernel's environment: threads, no user configuration of IPython, the library of this working tree first."""
    library = str(root / "lib")
    search = [library, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != library)]
    values = _KERNEL_ENVIRONMENT | {
        "PYTHONPATH": os.pathsep.join(search),
        "JUPYTER_RUNTIME_DIR": folder,
        "IPYTHONDIR": folder,
        LOG_VARIABLE: str(log),
        JOURNAL_VARIABLE: str(journal),
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@contextmanager
def _mirror(log: Path) -> Iterator[None]:
    """Show new lines of the stage log in the terminal while the kernel writes them."""
    stop = threading.Event()

    def follow() -> None:
        with open(log, encoding="utf-8", errors="replace") as file:
            while True:
                last = stop.is_set()
                sys.stderr.write(file.read())
                sys.stderr.flush()
                if last:
                    return
                stop.wait(0.5)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _refuse_stale_view(source: Path, view: str, root: Path) -> None:
    """Inside DVC, refuse to run code that is not the code DVC is about to record."""
    recorded = source.parent / ".code" / f"{source.stem}.py"
    if not paths.stage() or os.environ.get("ECHOTAS_ALLOW_EDITS") or not recorded.is_file():
        return
    if recorded.read_text(encoding="utf-8") != view:
        raise NotebookError(f"{source}: code changed after {_short(recorded, root)} was made; run the pipeline again")


def _failure_sentence(source: Path, error: BaseException) -> str:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        where = f"cell {error.cell_index + 1}"
        heading = _heading_above(source, error.source)
        reason = " ".join(str(error.evalue).split())
        return f"{source}: {where}{f' ({heading})' if heading else ''}: {error.ename}: {reason}"
    if isinstance(error, DeadKernelError):
        return f"{source}: the kernel died, most often for lack of memory"
    return f"{source}: {type(error).__name__}: {' '.join(str(error).split())}"


def _heading_above(source: Path, failed: str) -> str:
    heading = ""
    for cell in _read(source).cells:
        if cell.cell_type == "markdown":
            titles = [line.lstrip("# ").strip() for line in cell.source.splitlines() if line.startswith("#")]
            heading = titles[-1] if titles else heading
        elif cell.source == failed:
            return heading
    return ""


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path}: is not a notebook ({' '.join(str(error).split())[:200]})") from None


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def _append(log: Path, text: str) -> None:
    with open(log, "a", encoding="utf-8") as file:
        file.write(text)


def _short(path: Path, root: Path) -> str:
    return str(path.resolve().relative_to(root)) if path.resolve().is_relative_to(root) else str(path)
