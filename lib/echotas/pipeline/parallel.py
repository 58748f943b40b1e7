"""One function over many items, each item one file: spread over processes, resumed after a stop, tolerant of bad items.

An item is skipped when its file exists, still has the content it was written with, and was made from the same inputs
by the same code. Keys are kept in `.work/keys/`, beside the results and never in them.
"""

import functools
import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from echotas.pipeline import paths
from echotas.pipeline.code_view import library_digest
from echotas.pipeline.params import Compute, ParamsError, read_yaml
from echotas.pipeline.progress import Progress, say

__all__ = ["BatchError", "Failure", "MapReport", "compute_settings", "map_items"]


class BatchError(RuntimeError):
    """Not one item of a batch could be done; the message holds the first reason."""


@dataclass(frozen=True)
class Failure:
    """An item that could not be done."""

    name: str
    """Which."""
    error: str
    """Why, one sentence."""


@dataclass(frozen=True)
class MapReport:
    """What became of a batch. Looks the same whether items were computed or found, so that notebooks do too."""

    paths: list[Path]
    """Files of the items that are done, in the order of the items."""
    failed: list[Failure]
    """Items left out."""
    n_computed: int = field(default=0, compare=False)
    """Items computed now; the others were found. Not for printing."""

    def table(self) -> Any:
        """Items left out and why, as a data frame."""
        import pandas as pd

        return pd.DataFrame([(item.name, item.error) for item in self.failed], columns=["item", "left out because"])

    def __repr__(self) -> str:
        names = f": {', '.join(item.name for item in self.failed)}" if self.failed else ""
        return f"{len(self.paths) + len(self.failed)} items, {len(self.failed)} left out{names}"


def compute_settings(backend: str | None = None, workers: int | None = None) -> tuple[str, int]:
    """Back end and number of workers.

    The arguments, else `ECHOTAS_BACKEND` and `ECHOTAS_WORKERS` in the environment, else `compute` in `params.yaml`.
    """
    file = paths.root() / "params.yaml"
    section = read_yaml(file).get("compute", {}) if file.is_file() else {}
    values = {"backend": "joblib", "workers": 0} | dict(section)
    environment = os.environ.get("ECHOTAS_WORKERS", "")
    if environment and not environment.isdecimal():
        raise ParamsError(f"ECHOTAS_WORKERS must be a whole number, got {environment!r}")
    values["backend"] = backend or os.environ.get("ECHOTAS_BACKEND") or values["backend"]
    values["workers"] = workers if workers is not None else int(environment) if environment else values["workers"]
    settings = Compute.of(values, "compute")
    import joblib

    return settings.backend, settings.workers or joblib.cpu_count()


def map_items(
    fn: Callable[[Any, Path], Any],
    items: Iterable[Any],
    out_path_of: Callable[[Any], Path],
    key_of: Callable[[Any], Any],
    *,
    label: str,
    name_of: Callable[[Any], str] | None = None,
    inputs_of: Callable[[Any], Sequence[Path]] | None = None,
    uses: Sequence[str] = (),
    backend: str | None = None,
    workers: int | None = None,
    prune: Path | None = None,
) -> MapReport:
    """Make one file per item.

    Args:
        fn: `fn(item, path)` writes `path`, a temporary name with the final suffix in the final folder; it is moved into
            place when `fn` returns. Its result must depend on nothing but the item and its own arguments.
        items: What to do; sent to workers, so small and picklable.
        out_path_of: Final file of an item.
        key_of: What determines the result, as plain data: parameters, seeds. The code behind `fn` is added.
        label: What is being done, for the progress line.
        name_of: How an item is called in messages; its file's stem if None.
        inputs_of: Files whose content determines the result too.
        uses: Modules that `fn` imports by computed name, e.g. the tracker's; their code is added to the key.
        backend: `joblib` (processes), `serial` or `dask` (needs the `dask` extra; `DASK_SCHEDULER_ADDRESS` names a
            running cluster). See `compute_settings`.
        workers: Processes; 0 for one per core.
        prune: Folder from which files that belong to no item are removed.

    Raises:
        ValueError: Two items share a file.
        BatchError: There are items and not one could be done.
    """
    items = list(items)
    targets = [Path(out_path_of(item)) for item in items]
    if len(set(targets)) != len(targets):
        twice = next(path for path in targets if targets.count(path) > 1)
        raise ValueError(f"out_path_of must give every item its own file, got {twice} twice")
    names = [name_of(item) if name_of else path.stem for item, path in zip(items, targets, strict=True)]
    backend, workers = compute_settings(backend, workers)
    code = _code_digest(fn, uses)
    if prune is not None:
        _prune(Path(prune), set(targets))

    errors: dict[int, str] = {}
    keys: dict[int, str] = {}
    for index, item in enumerate(items):
        try:
            keys[index] = _key(code, key_of(item), inputs_of(item) if inputs_of else ())
        except Exception as error:  # an unreadable input is that item's failure, not the batch's
            errors[index] = _sentence(error)
            _discard(targets[index])
    pending = [index for index in keys if not _is_current(targets[index], keys[index])]
    progress = Progress(label, len(items), len(items) - len(pending) - len(errors))
    for index in errors:
        say(f"{label}  {names[index]} left out: {errors[index]}")

    jobs = [(index, fn, items[index], targets[index], keys[index], _key_file(targets[index])) for index in pending]
    with progress:
        for index, error in _BACKENDS[backend](jobs, workers):
            if error:
                errors[index] = error
                say(f"{label}  {names[index]} left out: {error}")
            progress.step(names[index])
    if items and len(errors) == len(items):
        first = min(errors)
        raise BatchError(f"{label}: none of {len(items)} items could be done; {names[first]}: {errors[first]}")
    return MapReport(
        paths=[path for index, path in enumerate(targets) if index not in errors],
        failed=[Failure(names[index], errors[index]) for index in sorted(errors)],
        n_computed=len(pending) - sum(index in errors for index in pending),
    )


_Job = tuple[int, Callable[[Any, Path], Any], Any, Path, str, Path]


def _do(job: _Job) -> tuple[int, str]:
    """Do one item; an error comes back as a sentence, because one bad item must not end the batch."""
    index, fn, item, target, key, key_file = job
    # A fixed name: some formats put it into the file, and an interrupted write is replaced by the next one.
    temporary = target.with_name(f".part-{target.name}")
    try:
        key_file.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        fn(item, temporary)
        if not temporary.exists():
            raise RuntimeError(f"{getattr(fn, '__name__', 'the function')} returned without writing its file")
        digest = _content(temporary)
        os.replace(temporary, target)
        _write_key(key_file, key, digest)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        target.unlink(missing_ok=True)  # made from other inputs than today's
        return index, _sentence(error)
    return index, ""


def _serial(jobs: list[_Job], workers: int) -> Iterator[tuple[int, str]]:
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    with threadpool_limits(1):  # as in the workers of the other back ends, so that the bytes are the same
        if torch:
            torch.set_num_threads(1)
        try:
            yield from map(_do, jobs)
        finally:
            if torch:
                torch.set_num_threads(threads)


def _joblib(jobs: list[_Job], workers: int) -> Iterator[tuple[int, str]]:
    from joblib import Parallel, delayed, parallel_config

    workers = min(workers, len(jobs))
    if workers < 2:
        yield from _serial(jobs, workers)
        return
    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")(
            delayed(_do)(job) for job in jobs
        )


def _dask(jobs: list[_Job], workers: int) -> Iterator[tuple[int, str]]:
    try:
        from dask.distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise ParamsError('compute: backend dask needs the extra: python -m pip install -e ".[dask]"') from None
    if not jobs:
        return
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    cluster = address or LocalCluster(n_workers=min(workers, len(jobs)), threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as dask_client:
        for future in as_completed(dask_client.map(_do, jobs, pure=False)):
            yield future.result()
    if not address:
        cluster.close()


_BACKENDS: dict[str, Callable[[list[_Job], int], Iterator[tuple[int, str]]]] = {
    "serial": _serial,
    "joblib": _joblib,
    "dask": _dask,
}


def _code_digest(fn: Callable[..., Any], uses: Sequence[str]) -> str:
    """Digest of the library code behind a function; of its own source too if it lives in a notebook."""
    bound = []
    while isinstance(fn, functools.partial):
        bound += [*fn.args, *fn.keywords.values()]
        fn = fn.func
    modules = {fn.__module__, *uses, *(type(value).__module__ for value in bound)}
    own = ""
    if not fn.__module__.startswith("echotas."):
        own = inspect.getsource(fn)
        for value in list(fn.__globals__.values()):  # a module, or something that came from one
            modules.add(str(getattr(value, "__module__", None) or getattr(value, "__name__", "")))
    return hashlib.sha256((library_digest(sorted(modules)) + own).encode()).hexdigest()


def _key(code: str, key: Any, inputs: Sequence[Path]) -> str:
    try:
        text = json.dumps([code, key], sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"key_of must return plain data ({error})") from None
    digest = hashlib.sha256(text.encode())
    for path in inputs:
        digest.update(_content(Path(path)).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} is not plain data")


def _content(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key_file(target: Path) -> Path:
    absolute = target.resolve()
    return paths.work() / "keys" / f"{target.name}-{hashlib.sha256(str(absolute).encode()).hexdigest()[:16]}.json"


def _write_key(file: Path, key: str, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(json.dumps({"key": key, "content": content}), encoding="utf-8")
    os.replace(temporary, file)


def _is_current(target: Path, key: str) -> bool:
    try:
        known = json.loads(_key_file(target).read_text(encoding="utf-8"))
        return known["key"] == key and known["content"] == _content(target)
    except (OSError, ValueError, KeyError):
        return False


def _discard(target: Path) -> None:
    target.unlink(missing_ok=True)
    _key_file(target).unlink(missing_ok=True)


def _prune(folder: Path, wanted: set[Path]) -> None:
    keep = {path.resolve() for path in wanted}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.resolve() not in keep:
            _discard(path)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
