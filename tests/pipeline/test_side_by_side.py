"""Two stages at a time: the order that stages need, no stage forgotten, a failure stops what has not begun."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from echotas.pipeline import side_by_side
from echotas.pipeline.side_by_side import bring_up_to_date, phases


@pytest.fixture
def pipeline(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two chains over one root, which only run one inside the other's time."""

    def stage(out: str, *deps: str, cmd: str = "") -> dict:
        return {"cmd": cmd or f"cat {' '.join(deps)} > {out}", "deps": list(deps), "outs": [out]}

    # Each of the two waits until the other has begun.
    meet = (
        "touch {0}.begun; i=0; while [ ! -e {1}.begun ] && [ $i -lt 200 ]; do sleep 0.1; i=$((i+1)); done;"
        " [ -e {1}.begun ] && echo $ECHOTAS_WORKERS > {0}"
    )
    stages = {
        "root": stage("r", "seed"),
        "left": stage("a", "r", cmd=meet.format("a", "b")),
        "right": stage("b", "r", cmd=meet.format("b", "a")),
        "after": stage("c", "a"),
        "last": stage("d", "b", "c"),
    }
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (workspace / "seed").write_text("1\n")
    (workspace / ".dvc").mkdir()
    (workspace / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    monkeypatch.setattr(side_by_side, "phases", lambda params: [[["root", "gone"]], [["left", "after"], ["right"]]])
    monkeypatch.setenv("ECHOTAS_WORKERS", "2")
    return workspace


def test_chains_run_side_by_side_with_half_of_the_cores_each(pipeline: Path, capfd: pytest.CaptureFixture):
    assert bring_up_to_date(pipeline) == 0
    assert (pipeline / "d").read_text() == "1\n1\n", (
        "both chains met, each with one worker, and what is not listed was made"
    )
    before = (pipeline / "dvc.lock").read_bytes()
    capfd.readouterr()
    assert bring_up_to_date(pipeline) == 0
    assert "up to date" in capfd.readouterr().out
    assert (pipeline / "dvc.lock").read_bytes() == before


def test_a_failure_is_the_exit_status_and_nothing_further_begins(pipeline: Path):
    described = yaml.safe_load((pipeline / "dvc.yaml").read_text())
    described["stages"]["root"]["cmd"] = "false"
    (pipeline / "dvc.yaml").write_text(yaml.safe_dump(described))
    assert bring_up_to_date(pipeline) != 0
    assert not (pipeline / "a.begun").exists() and not (pipeline / "d").exists()


def test_named_targets_alone_are_made(pipeline: Path):
    assert bring_up_to_date(pipeline, ["root"]) == 0
    assert (pipeline / "r").exists() and not (pipeline / "a").exists()


def test_every_listed_target_is_a_stage_after_what_it_needs(repository: Path):
    """In the repository's own pipeline: a chain may use what earlier phases and itself have made, nothing else."""
    command = [sys.executable, "-m", "dvc", "dag", "--dot"]
    drawn = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    stages = set(re.findall(r'"([^"]+)"', drawn))
    needs: dict[str, set[str]] = {name: set() for name in stages}
    for before, after in re.findall(r'"([^"]+)" -> "([^"]+)"', drawn):
        needs[after].add(before)
    made: set[str] = set()
    for chains in phases(yaml.safe_load((repository / "params.yaml").read_text())):
        earlier = set(made)
        for chain in chains:
            own = set(earlier)
            for target in chain:
                meant = {name for name in stages if target in (name, name.partition("@")[0])}
                assert meant, f"{target} is no stage of dvc.yaml"
                for name in sorted(meant):
                    assert needs[name] <= own, f"{name} needs {needs[name] - own}"
                    own.add(name)
            made |= own
    assert stages == made
