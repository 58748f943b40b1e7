"""Run the whole pipeline with another profile, in a work copy of its own.

`params.yaml` is the laptop profile; `profiles/NAME.yaml` says what another one changes. A profile never touches the
tracked files: the working tree is copied to `.work/profiles/NAME/` (only what changed since last time), the profile is
merged into the copy's `params.yaml`, and `dvc repro` runs there, with a cache, reports and run database of its own.

    python -m echotas.pipeline.profiles smoke
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from echotas.pipeline import paths
from echotas.pipeline.params import ParamsError, load_params, read_yaml
from echotas.pipeline.side_by_side import bring_up_to_date

__all__ = ["copy_for", "main", "merged", "outputs_of_stages", "prepare", "reproduce"]

_OWN = ("dvc.lock", "params.yaml")  # the copy has its own
_MANIFEST = ".synced.json"


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `overlay`; mappings are merged, anything else is replaced."""
    result = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def copy_for(profile: str, root: Path) -> Path:
    """Folder of a profile's work copy."""
    return root / ".work" / "profiles" / profile


def prepare(profile: str, root: Path) -> Path:
    """Make or refresh the work copy of a profile and return its folder.

    Raises:
        ParamsError: There is no such profile, or it holds an unknown, missing or wrong key.
    """
    overlay = root / "profiles" / f"{profile}.yaml"
    if not re.fullmatch(r"[\w-]+", profile) or not overlay.is_file():
        known = sorted(path.stem for path in (root / "profiles").glob("*.yaml"))
        raise ParamsError(f"PROFILE must be one of laptop, {', '.join(known)}, got {profile!r}")
    values = merged(read_yaml(root / "params.yaml"), read_yaml(overlay))
    text = f"# params.yaml with profiles/{profile}.yaml merged in; made, not to be edited.\n"
    text += yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    copy = copy_for(profile, root)
    copy.mkdir(parents=True, exist_ok=True)
    candidate = copy / ".params.yaml.tmp"
    candidate.write_text(text, encoding="utf-8")
    try:
        load_params(candidate)
    except ParamsError as error:
        candidate.unlink()
        raise ParamsError(str(error).replace(candidate.name, f"params.yaml + profiles/{profile}.yaml")) from None
    _synchronise(root, copy)
    os.replace(candidate, copy / "params.yaml")
    # The copy lies inside the repository's folder but is no git checkout of its own.
    (copy / ".dvc").mkdir(exist_ok=True)
    (copy / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n    analytics = false\n", encoding="utf-8")
    _bring_frozen_data(root, copy)
    return copy


def reproduce(profile: str, root: Path, arguments: Sequence[str] = ()) -> int:
    """`dvc repro` with a profile; returns DVC's exit status."""
    copy = prepare(profile, root)
    name = copy.relative_to(root)
    print(f"profile {profile}: running in {name}", file=sys.stderr)
    environment = os.environ | {"ECHOTAS_PROFILE": profile, "PYTHONPATH": str(copy / "lib")}
    environment.pop("DVC_ROOT", None)
    status = bring_up_to_date(copy, arguments, environment)
    if status == 0:
        print(f"profile {profile}: reports in {name}/reports, runs: make ui PROFILE={profile}", file=sys.stderr)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; DVC's exit status, or 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m echotas.pipeline.profiles", description=__doc__.split("\n")[0])
    parser.add_argument("profile", help="name of a file in profiles/")
    parser.add_argument("dvc_arguments", nargs="*", help="passed to dvc repro")
    options = parser.parse_args(arguments)
    try:
        return reproduce(options.profile, paths.root(), options.dvc_arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _synchronise(root: Path, copy: Path) -> None:
    """Copy files that changed in the working tree since last time; remove those that are gone from it.

    Comparing with last time, not with the copy, leaves alone what the profile's own runs wrote into tracked files
    (the README's table, data.dvc).
    """
    manifest = copy / _MANIFEST
    before: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    now: dict[str, str] = {}
    made = outputs_of_stages(root)
    for name in _tracked_files(root):
        if name in _OWN or any(name == out or name.startswith(f"{out}/") for out in made):
            continue
        source, target = root / name, copy / name
        now[name] = hashlib.sha256(source.read_bytes()).hexdigest()
        if before.get(name) != now[name] or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for name in set(before) - set(now):
        (copy / name).unlink(missing_ok=True)
    manifest.write_text(json.dumps(now, indent=0, sort_keys=True), encoding="utf-8")


def outputs_of_stages(root: Path) -> set[str]:
    """Outputs of the last run in a working tree; reports that no stage makes (`make bench`) are not among them."""
    lock = root / "dvc.lock"
    stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {}) if lock.is_file() else {}
    return {out["path"] for stage in stages.values() for out in stage.get("outs", [])}


def _tracked_files(root: Path) -> list[str]:
    """Files of the working tree that git does not ignore; without git, all but the folders git would ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except OSError:
        done = None
    if done is not None and done.returncode == 0:
        names = sorted({name for name in done.stdout.decode().split("\0") if name})
    else:
        ignored = {".venv", ".work", ".git", "data", "data-default", "mlruns", "mlartifacts"}
        files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        kept = (path for path in files if path.parts[0] not in ignored and "__pycache__" not in path.parts)
        made = (".dvc/cache/", ".dvc/tmp/", ".dvc/config.local", "mlflow.db")
        names = sorted(path.as_posix() for path in kept if not path.as_posix().startswith(made))
    return [name for name in names if (root / name).is_file() and not (root / name).is_symlink()]


def _bring_frozen_data(root: Path, copy: Path) -> None:
    """A lab's own data (a frozen import) come from this checkout's cache: their source may be gone."""
    pointer = copy / "data.dvc"
    if not pointer.is_file() or not yaml.safe_load(pointer.read_text(encoding="utf-8")).get("frozen"):
        return
    cache = root / ".dvc" / "cache"
    command = [sys.executable, "-m", "dvc"]
    subprocess.run([*command, "remote", "add", "--local", "--force", "checkout", str(cache)], cwd=copy, check=True)
    subprocess.run([*command, "pull", "--remote", "checkout", "data.dvc"], cwd=copy, check=True)


if __name__ == "__main__":
    sys.exit(main())
