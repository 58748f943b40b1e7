"""Files that somebody put into data/ are never lost to the default import, and data can be swapped and swapped back."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from echotas.pipeline.data_guard import DataGuardError, check, main, use


def dvc(*arguments: str) -> str:
    """Run DVC in the current folder."""
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the default data imported, as in the repository; made once."""
    root = tmp_path_factory.mktemp("imported")
    (root / "data-default").mkdir()
    (root / "data-default" / "a.h5").write_text("virtual")
    (root / "params.yaml").write_text("seed: 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        dvc("init", "--no-scm", "-q")
        dvc("import-url", "-q", "data-default", "data")
        dvc("unfreeze", "-q", "data.dvc")
    return root


@pytest.fixture
def checkout(imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test's own copy of it."""
    root = shutil.copytree(imported, tmp_path / "checkout")
    monkeypatch.chdir(root)
    return root


def test_default_import_passes_before_and_after_it_is_made(checkout: Path):
    check(checkout)
    shutil.rmtree(checkout / ".dvc" / "cache")  # a fresh clone: what belongs to the import is read from its source
    check(checkout)
    shutil.rmtree(checkout / "data")
    check(checkout)


def test_files_put_into_the_import_by_hand_are_reported(checkout: Path, capsys):
    (checkout / "data" / "lab").mkdir()
    (checkout / "data" / "lab" / "mine.h5").write_text("real")
    assert main(["check"]) == 1
    message = capsys.readouterr().err
    assert "data/ holds 1 file(s)" in message and "first: data/lab/mine.h5" in message and "make use-data" in message


def test_dvc_add_on_the_import_is_reported(checkout: Path):
    (checkout / "data" / "mine.h5").write_text("real")
    dvc("add", "-q", "data")
    assert yaml.safe_load((checkout / "data.dvc").read_text())["deps"], "the trap: DVC keeps the import's dependency"
    with pytest.raises(
        DataGuardError, match=r"changed by 'dvc add' but still imports data-default.*git checkout data\.dvc"
    ):
        check(checkout)


def test_data_can_be_swapped_and_stay_when_the_source_is_gone(checkout: Path):
    lab = checkout.parent / "lab"
    lab.mkdir()
    (lab / "mine.h5").write_text("real")
    use(str(lab), checkout)
    assert (checkout / "data" / "mine.h5").read_text() == "real"
    assert not (checkout / "data" / "a.h5").exists()
    assert yaml.safe_load((checkout / "data.dvc").read_text())["frozen"]
    (checkout / "data" / "more.h5").write_text("added later")
    check(checkout)  # frozen: DVC imports nothing again
    assert sorted(path.name for path in checkout.iterdir() if path.name.endswith(".before")) == []


def test_exception_leaves_everything_as_it_was(checkout: Path):
    before = (checkout / "data.dvc").read_text()
    for source, message in [
        ("no-such-folder", "SRC must be a folder or an address"),
        ("data", r"SRC must lie outside of data/"),
        ("remote://nowhere/x", "failed; the data are as before"),
    ]:
        with pytest.raises(DataGuardError, match=message):
            use(source, checkout)
    assert (checkout / "data.dvc").read_text() == before
    assert (checkout / "data" / "a.h5").read_text() == "virtual"


def test_pointer_that_is_no_pointer_is_named(checkout: Path):
    (checkout / "data.dvc").write_text("outs: []\n")
    with pytest.raises(DataGuardError, match=r"data\.dvc is not a DVC pointer file"):
        check(checkout)


def test_the_repositorys_data_are_safe(repository: Path):
    check(repository)
