"""Items are resumed, told apart when they fail, and the same on every back end."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from echotas.pipeline import parallel
from echotas.pipeline.parallel import BatchError, map_items


def noise(item: int, path: Path, scale: float = 1.0) -> None:
    """Some numbers that depend on the item alone, and a line in a diary of calls."""
    with open("calls.txt", "a") as diary:
        diary.write(f"{item}\n")
    if item == 13:
        raise ValueError("item must not be 13, got 13")
    matrix = np.random.default_rng([1, item]).normal(size=(64, 64)) * scale
    path.write_bytes((matrix @ matrix.T).tobytes())


@pytest.fixture
def run(workspace):
    def call(items, fn=noise, key=1, **options):
        settings = {"label": "test", "backend": "serial", "workers": 1} | options
        return map_items(fn, items, lambda i: Path(f"out/{i}.bin"), lambda i: [key, i], **settings)

    return call


def calls() -> list[int]:
    return sorted(int(line) for line in Path("calls.txt").read_text().split())


def test_finished_items_are_not_done_again(run):
    run([1, 2])
    report = run([1, 2, 3])
    assert calls() == [1, 2, 3]
    assert report.n_computed == 1
    assert report.paths == [Path("out/1.bin"), Path("out/2.bin"), Path("out/3.bin")]


def test_other_inputs_other_code_and_touched_files_are_done_again(run, workspace):
    (workspace / "input").write_text("a")
    options = {"inputs_of": lambda item: [workspace / "input"]}
    assert run([1], **options).n_computed == 1
    assert run([1], **options).n_computed == 0
    assert run([1], key=2, **options).n_computed == 1
    (workspace / "input").write_text("b")
    assert run([1], key=2, **options).n_computed == 1
    assert run([1], key=2, fn=functools.partial(noise, scale=1.0), uses=["echotas.seeds"], **options).n_computed == 1
    Path("out/1.bin").write_bytes(b"something else")
    assert run([1], key=2, uses=["echotas.seeds"], **options).n_computed == 1
    assert len(Path("out/1.bin").read_bytes()) == 64 * 64 * 8


def test_code_of_the_function_is_part_of_the_key(run, monkeypatch):
    run([1])
    monkeypatch.setattr(parallel, "library_digest", lambda modules: "changed")
    assert run([1]).n_computed == 1


def test_one_bad_item_does_not_stop_the_batch(run, capsys):
    report = run([1, 13, 2])
    assert report.paths == [Path("out/1.bin"), Path("out/2.bin")]
    assert [(item.name, item.error) for item in report.failed] == [("13", "item must not be 13, got 13")]
    assert repr(report) == "3 items, 1 left out: 13"
    assert report.table().to_dict("list") == {"item": ["13"], "left out because": ["item must not be 13, got 13"]}
    assert "13 left out: item must not be 13" in capsys.readouterr().err
    assert sorted(path.name for path in Path("out").iterdir()) == ["1.bin", "2.bin"]


def test_an_item_that_fails_today_does_not_keep_yesterdays_file(run):
    run([1, 2])
    report = run([1, 2], fn=fails_at_two, key=2)
    assert [item.name for item in report.failed] == ["2"]
    assert not Path("out/2.bin").exists()


def fails_at_two(item: int, path: Path) -> None:
    """Fails after writing half of it."""
    path.write_bytes(b"half")
    if item == 2:
        raise OSError("disk is full")


def test_missing_input_is_that_items_failure(run, workspace):
    report = run([1, 2], inputs_of=lambda item: [workspace / "missing"] if item == 2 else [])
    assert [item.name for item in report.failed] == ["2"]
    assert "missing" in report.failed[0].error


def test_exception_if_nothing_could_be_done(run):
    with pytest.raises(BatchError, match="test: none of 1 items could be done; 13: item must not be 13, got 13"):
        run([13])
    assert run([]).paths == []


def test_exception_if_two_items_share_a_file(run):
    with pytest.raises(ValueError, match=r"every item its own file, got out/1\.bin twice"):
        run([1, 1])


def test_files_of_no_item_are_pruned(run):
    run([1, 2])
    Path("out/deeper").mkdir()
    Path("out/deeper/.part-9.bin").write_bytes(b"left by an interrupted worker")
    run([2], prune=Path("out"))
    assert [path.name for path in Path("out").rglob("*")] == ["2.bin"]


def test_processes_give_the_bytes_of_the_serial_run(run):
    run([1, 2, 3])
    serial = [Path(f"out/{i}.bin").read_bytes() for i in (1, 2, 3)]
    report = run([3, 1, 13, 2], key=2, backend="joblib", workers=2)
    assert [item.name for item in report.failed] == ["13"]
    assert [Path(f"out/{i}.bin").read_bytes() for i in (1, 2, 3)] == serial
    assert run([1, 2, 3], key=2).n_computed == 0


def test_dask_gives_the_bytes_of_the_serial_run(run):
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    run([1, 2])
    serial = Path("out/2.bin").read_bytes()
    assert run([1, 2], key=2, backend="dask", workers=2).n_computed == 2
    assert Path("out/2.bin").read_bytes() == serial


def test_function_that_writes_nothing_is_a_failure(run):
    with pytest.raises(BatchError, match="writes_nothing returned without writing its file"):
        run([1], fn=writes_nothing)


def writes_nothing(item: int, path: Path) -> None:
    """Forgets."""


def test_settings_come_from_arguments_then_environment_then_parameters(workspace, monkeypatch):
    assert parallel.compute_settings() == ("serial", 1)
    monkeypatch.setenv("ECHOTAS_WORKERS", "5")
    monkeypatch.setenv("ECHOTAS_BACKEND", "joblib")
    assert parallel.compute_settings() == ("joblib", 5)
    assert parallel.compute_settings("dask", 7) == ("dask", 7)
    monkeypatch.setenv("ECHOTAS_WORKERS", "many")
    with pytest.raises(ValueError, match="ECHOTAS_WORKERS must be a whole number, got 'many'"):
        parallel.compute_settings()
    monkeypatch.delenv("ECHOTAS_WORKERS")
    with pytest.raises(ValueError, match="compute: backend must be 'joblib', 'serial' or 'dask', got 'ray'"):
        parallel.compute_settings("ray", 1)


def test_keys_lie_beside_the_results_not_in_them(run, workspace):
    run([1])
    assert [path.name for path in Path("out").iterdir()] == ["1.bin"]
    [key] = (workspace / ".work" / "keys").iterdir()
    assert set(json.loads(key.read_text())) == {"key", "content"}
