"""A profile runs in a copy of its own and leaves the tracked files alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from echotas.pipeline import profiles
from echotas.pipeline.params import ParamsError, load_params
from echotas.pipeline.profiles import main, merged, prepare, reproduce


@pytest.fixture
def checkout(workspace: Path) -> Path:
    """A git checkout with two profiles and one stage that copies a parameter into a report."""
    (workspace / "lib").unlink()
    (workspace / "lib").mkdir()
    (workspace / "lib" / "a.py").write_text("x = 1\n")
    (workspace / "profiles").mkdir()
    (workspace / "profiles" / "smoke.yaml").write_text("seed: 9\nmesh: {n_long: 8}\n")
    (workspace / "profiles" / "broken.yaml").write_text("mesh: {n_lon: 8}\n")
    stage = {
        "cmd": "mkdir -p reports && cp params.yaml reports/used.yaml && echo table >> README.md",
        "params": ["seed", "mesh"],
        "outs": [{"reports/used.yaml": {"cache": False}}],
    }
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"use": stage}}))
    (workspace / "README.md").write_text("# Readme\n")
    (workspace / ".gitignore").write_text("/.work/\n")
    (workspace / ".dvcignore").write_text("/.work/profiles\n")
    (workspace / ".dvc").mkdir()
    (workspace / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "-A"], check=True)
    return workspace


def test_mappings_merge_and_the_rest_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merged(base, {"a": {"c": [5]}, "e": {"f": 1}}) == {"a": {"b": 1, "c": [5]}, "d": 3, "e": {"f": 1}}
    assert base["a"]["c"] == [1, 2]


@pytest.mark.parametrize("profile", ["smoke", "paper"])
def test_the_repositorys_profiles_fit_its_parameters(repository: Path, tmp_path: Path, profile: str):
    values = merged(
        yaml.safe_load((repository / "params.yaml").read_text()),
        yaml.safe_load((repository / "profiles" / f"{profile}.yaml").read_text()),
    )
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    load_params(tmp_path / "params.yaml")


def test_profile_runs_in_its_copy_and_the_checkout_stays_clean(checkout: Path):
    status = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    assert reproduce("smoke", checkout) == 0
    copy = checkout / ".work" / "profiles" / "smoke"
    used = yaml.safe_load((copy / "reports" / "used.yaml").read_text())
    assert (used["seed"], used["mesh"]["n_long"], used["mesh"]["n_rad"]) == (9, 8, 5)
    assert (copy / "dvc.lock").is_file() and not (checkout / "dvc.lock").exists()
    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout == status
    lock = (copy / "dvc.lock").read_bytes()
    (copy / "reports" / "used.yaml").touch()
    assert reproduce("smoke", checkout) == 0
    assert (copy / "dvc.lock").read_bytes() == lock
    assert (copy / "README.md").read_text() == "# Readme\ntable\n", "the second run did nothing"


def test_copy_follows_the_checkout(checkout: Path):
    copy = prepare("smoke", checkout)
    (copy / "README.md").write_text("# Readme\nwith the profile's table\n")
    (checkout / "lib" / "a.py").unlink()
    (checkout / "lib" / "b.py").write_text("x = 2\n")
    (checkout / "params.yaml").write_text((checkout / "params.yaml").read_text().replace("n_rad: 5", "n_rad: 7"))
    prepare("smoke", checkout)
    assert [path.name for path in (copy / "lib").iterdir()] == ["b.py"]
    assert load_params(copy / "params.yaml").mesh.n_rad == 7
    assert "profile's table" in (copy / "README.md").read_text()
    assert not (copy / ".work").exists()


def test_reports_of_the_checkouts_runs_stay_out_and_others_come_along(checkout: Path):
    lock = {"stages": {"a": {"outs": [{"path": "reports/a.md"}]}, "b": {"outs": [{"path": "notebooks/.code"}]}}}
    (checkout / "dvc.lock").write_text(yaml.safe_dump(lock))
    for name in ("reports/a.md", "reports/timings.md", "notebooks/.code/1.py"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("laptop")
    copy = prepare("smoke", checkout)
    assert (copy / "reports" / "timings.md").is_file()
    assert not any((copy / name).exists() for name in ("reports/a.md", "notebooks/.code", "dvc.lock"))


def test_without_git_the_ignored_folders_stay_out(checkout: Path, monkeypatch):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "big").write_text("")
    monkeypatch.setattr(profiles.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 128, b"", b""))
    copy = prepare("smoke", checkout)
    names = set(json.loads((copy / ".synced.json").read_text()))
    assert {"lib/a.py", "README.md", ".dvc/config"} <= names
    assert not any(name.startswith((".venv", ".work", ".git/")) for name in names)


def test_lab_data_come_from_the_checkouts_cache(checkout: Path):
    lab = checkout.parent / f"{checkout.name}-lab"
    lab.mkdir()
    (lab / "mine.h5").write_text("real")
    subprocess.run([sys.executable, "-m", "dvc", "import-url", "-q", str(lab), "data"], check=True, capture_output=True)
    (lab / "mine.h5").unlink()
    copy = prepare("smoke", checkout)
    assert (copy / "data" / "mine.h5").read_text() == "real"


def test_unknown_and_broken_profiles_are_named(checkout: Path, capsys):
    for name in ("none", "../x"):
        assert main([name]) == 1
        assert "PROFILE must be one of laptop, broken, smoke, got" in capsys.readouterr().err
    with pytest.raises(ParamsError, match=r"params\.yaml \+ profiles/broken\.yaml: mesh\.n_lon is not a known key"):
        prepare("broken", checkout)
    assert not (checkout / ".work" / "profiles" / "broken" / "params.yaml").exists()
