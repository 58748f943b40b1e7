"""`dvc repro` with two stages at a time.

    python -m echotas.pipeline.side_by_side

A stage needs one core for a good part of its time (imports, figures, the notebook around the work), so two side by side, each on
half of the cores, end sooner than one after the other. DVC runs one stage at a time but lets several of its processes work in one
checkout: this starts them. What it does not know of is left to a plain `dvc repro` at the end, which also has the last word on
whether everything is up to date; the results are the same.
"""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from echotas.pipeline import paths
from echotas.pipeline.parallel import compute_settings
from echotas.pipeline.params import read_yaml

__all__ = ["bring_up_to_date", "main", "phases"]

LANES = 2


def phases(params: Mapping[str, Any]) -> list[list[list[str]]]:
    """Targets of DVC in three levels: phases one after the other, in each chains side by side, in each stages in turn.

    Args:
        params: Content of `params.yaml`: names of the trackers.
    """
    rows = [[f"track@{name}", f"weave_track@{name}"] for name in params["untrained"]]
    first = ["default_data", "data.dvc", "code", "mask_motion"]
    learned = ["engine", "weave_engine", "train", "weave_train", "track_trained", "weave_track_trained"]
    data = ["strategies", "weave@02_strategies", "cohort", "weave@00_cohort", "acoustics", "weave@01_acoustics"]
    measured = [_with_reports("30_motion", "32_regional_strain"), _with_reports("31_global_strain")]
    reported = [[*_with_reports("50_leaderboard"), "readme"], _with_reports("90_your_cine")]
    return [
        [first],
        # The longest chain first, the quickest rows (controls and classical trackers, which are listed first) last.
        [learned, data, *reversed(rows)],
        measured,
        reported,
    ]


def _with_reports(*notebooks: str) -> list[str]:
    """Targets of notebooks and of their reports."""
    return [target for name in notebooks for target in (name[3:], f"weave@{name}")]


def bring_up_to_date(root: Path, targets: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> int:
    """Bring a working tree up to date; DVC's exit status, the first that is not 0.

    After a failure no further chain is started; those that run go on, and what they finish is kept.

    Args:
        root: Folder of `dvc.yaml`.
        targets: What to reproduce, one after the other, as `dvc repro` does; all of it, side by side, if empty.
        environment: Of the stages; this process's own if None.
    """
    environment = dict(os.environ if environment is None else environment)
    workers = compute_settings()[1]
    if not targets and workers >= LANES and _run(["status", "--quiet"], root, environment):
        shared = environment | {"ECHOTAS_WORKERS": str(workers // LANES)}
        for chains in _known(phases(read_yaml(root / "params.yaml")), root):
            # A chain that has the machine to itself takes all of it.
            status = _side_by_side(chains, root, shared if len(chains) > 1 else environment)
            if status:
                return status
    return _run(["repro", *targets], root, environment)


def _known(wanted: list[list[list[str]]], root: Path) -> list[list[list[str]]]:
    """Without the targets of stages that this `dvc.yaml` does not have, and without what is empty then."""
    stages = {*read_yaml(root / "dvc.yaml").get("stages", {}), *(path.name for path in root.glob("*.dvc"))}
    found = [[[name for name in chain if name.partition("@")[0] in stages] for chain in chains] for chains in wanted]
    return [kept for chains in found if (kept := [chain for chain in chains if chain])]


def _side_by_side(chains: Sequence[Sequence[str]], root: Path, environment: Mapping[str, str]) -> int:
    """Each chain by a DVC of its own, `LANES` at a time, in the order given."""
    waiting: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()
    for chain in chains:
        waiting.put(chain)
    failures: list[int] = []

    def work() -> None:
        while not failures:
            try:
                chain = waiting.get_nowait()
            except queue.Empty:
                return
            # Only these stages: what they depend on was an earlier phase. DVC holds its lock between the commands of stages.
            status = _run(["--wait-for-lock", "repro", "--single-item", *chain], root, environment)
            if status:
                failures.append(status)

    lanes = [threading.Thread(target=work) for _ in range(min(LANES, len(chains)))]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return failures[0] if failures else 0


def _run(arguments: Sequence[str], root: Path, environment: Mapping[str, str]) -> int:
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment, check=False).returncode


def main() -> int:
    """Run the command; DVC's exit status, or 1 after one sentence on stderr."""
    try:
        return bring_up_to_date(paths.root())
    except (ValueError, OSError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; finished items are kept, the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
