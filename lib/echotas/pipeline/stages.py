"""Does `dvc.yaml` say what its commands do? Injected parameters are declared, notebooks and views exist.

DVC re-runs a stage when a key listed under `params:` changes; the notebook receives the keys named by `-s`. Only a
check can tell that the two lists agree.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["NotebookStage", "notebook_stages", "problems"]

_RUNNER = "echotas.pipeline.notebooks"


@dataclass(frozen=True)
class NotebookStage:
    """A stage that executes a notebook; `${...}` templates are kept as they are written."""

    name: str
    """Stage in `dvc.yaml`."""
    notebook: str
    """Source notebook."""
    out: str
    """Raw executed notebook."""
    sections: tuple[str, ...]
    """Keys of `params.yaml` that are injected."""
    names: tuple[str, ...]
    """Names under which the notebook receives those keys and the values given with `-p`."""
    declared: tuple[str, ...]
    """Keys under `params:`."""
    deps: tuple[str, ...]
    """Dependencies."""
    outs: tuple[str, ...]
    """Outputs, metrics and plots."""


def notebook_stages(dvc_yaml: Path) -> list[NotebookStage]:
    """Stages of a `dvc.yaml` whose command runs a notebook."""
    found = []
    described = yaml.safe_load(dvc_yaml.read_text(encoding="utf-8"))
    variables = [entry for entry in described.get("vars") or () if isinstance(entry, dict)]
    short = {key: value for entry in variables for key, value in entry.items()}
    for name, stage in (described.get("stages") or {}).items():
        body = stage.get("do", stage)
        commands = body.get("cmd", "")
        for command in [commands] if isinstance(commands, str) else commands:
            for key, value in short.items():
                command = command.replace(f"${{{key}}}", str(value))
            words = shlex.split(command)
            if _RUNNER in words and words[words.index(_RUNNER) + 1 :][:1] == ["run"]:
                found.append(_parsed(name, body, words[words.index(_RUNNER) + 2 :]))
    return found


def problems(dvc_yaml: Path) -> list[str]:
    """What does not agree, one sentence each; empty if all is well."""
    root = dvc_yaml.parent
    found = []
    for stage in notebook_stages(dvc_yaml):
        injected, declared = set(stage.sections), set(stage.declared)
        if injected - declared:
            found.append(f"{stage.name}: injects {sorted(injected - declared)} but does not list them under params")
        if declared - injected:
            found.append(f"{stage.name}: lists {sorted(declared - injected)} under params but does not inject them")
        view = f"notebooks/.code/{Path(stage.notebook).stem}.py"
        if view not in stage.deps:
            found.append(f"{stage.name}: must depend on {view}")
        if stage.notebook in stage.deps:
            found.append(f"{stage.name}: depends on {stage.notebook}, so that every changed word would execute it")
        if stage.out not in stage.outs:
            found.append(f"{stage.name}: must list {stage.out} under outs")
        if "${" not in stage.notebook and not (root / stage.notebook).is_file():
            found.append(f"{stage.name}: {stage.notebook} does not exist")
        if any(dep.startswith("compute") for dep in declared):
            found.append(f"{stage.name}: compute must not be a stage parameter: the machine would invalidate results")
    return found


def _parsed(name: str, body: Mapping[str, Any], words: list[str]) -> NotebookStage:
    places, sections, names = [], [], []
    i = 0
    while i < len(words):
        if words[i] in ("-s", "--section"):
            alias, _, key = words[i + 1].rpartition("=")
            sections.append(key)
            names.append(alias or key.rpartition(".")[2])
            i += 2
        elif words[i] in ("-p", "--parameter"):
            names.append(words[i + 1])
            i += 3
        else:
            places.append(words[i])
            i += 1
    if len(places) != 2:
        raise ValueError(f"{name}: the command must name a notebook and its output, got {places}")
    outs = [item for key in ("outs", "metrics", "plots") for item in _names(body.get(key))]
    return NotebookStage(
        name,
        *places,
        tuple(sections),
        tuple(names),
        tuple(_names(body.get("params"))),
        tuple(_names(body.get("deps"))),
        tuple(outs),
    )


def _names(entries: Any) -> Iterator[str]:
    for entry in entries or ():
        yield from [entry] if isinstance(entry, str) else entry
