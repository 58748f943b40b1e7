"""Keep hand-made changes of `data/` from being lost, and replace the input data safely.

By default `data.dvc` imports `data-default/`, which a stage generates, and DVC imports again whenever either changes.
Files put into `data/` by hand, or added with `dvc add data`, would be silently deleted by the next `dvc repro`.

    python -m echotas.pipeline.data_guard check
    python -m echotas.pipeline.data_guard use SRC
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from echotas.pipeline import paths

__all__ = ["DataGuardError", "check", "main", "use"]

_ADVICE = "move them to a folder outside of data/ and run: make use-data SRC=<that folder>"


class DataGuardError(RuntimeError):
    """Files in `data/` would be lost; the message says which and what to do."""


def check(root: Path) -> None:
    """Pass if the next `dvc repro` deletes nothing from `data/` that somebody put there.

    Raises:
        DataGuardError: It would.
    """
    pointer = root / "data.dvc"
    if not pointer.is_file():
        return
    described = _read_pointer(pointer)
    if described.get("frozen") or not described.get("deps"):
        return  # a lab's own import, or `dvc add` without an import: nothing is imported again
    source, target = described["deps"][0], described["outs"][0]
    added = target.get("md5")
    if added and source.get("md5") and source["md5"] != added:
        raise DataGuardError(
            f"data.dvc was changed by 'dvc add' but still imports {source['path']}: the next 'dvc repro' would delete "
            f"the added files; {_ADVICE}, after: git checkout data.dvc"
        )
    folder = root / "data"
    known = _listing(root, added)
    if known is None or not folder.is_dir():
        return
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    foreign = sorted(found - known)
    if foreign:
        raise DataGuardError(
            f"data/ holds {len(foreign)} file(s) that are not part of the imported data and would be deleted "
            f"(first: data/{foreign[0]}); {_ADVICE}"
        )


def use(source: str, root: Path) -> None:
    """Replace the input data by a folder or a remote address (`s3://`, `ssh://`, `remote://NAME/path`).

    The import is frozen: the source may disappear later. If it fails, `data.dvc` and `data/` are as before.

    Raises:
        DataGuardError: The source does not exist, or DVC cannot import it.
    """
    check(root)
    if "://" not in source:
        folder = Path(source).expanduser().resolve()
        if not folder.is_dir():
            raise DataGuardError(f"SRC must be a folder or an address like s3://bucket/path, got {source!r}")
        if folder.is_relative_to(root / "data") or (root / "data").is_relative_to(folder):
            raise DataGuardError(f"SRC must lie outside of data/, got {source!r}")
        source = str(folder)
    pointer, data = root / "data.dvc", root / "data"
    kept = {path: path.with_name(f".{path.name}.before") for path in (pointer, data)}
    for path, aside in kept.items():
        _remove(aside)
        if path.exists():
            path.rename(aside)
    done = subprocess.run([sys.executable, "-m", "dvc", "import-url", source, "data"], cwd=root, check=False)
    if done.returncode:
        for path, aside in kept.items():
            _remove(path)
            if aside.exists():
                aside.rename(path)
        raise DataGuardError(f"'dvc import-url {source} data' failed; the data are as before")
    for aside in kept.values():
        _remove(aside)
    print("data/ is now imported from there; run: make repro", file=sys.stderr)
    print("To go back: git checkout data.dvc && rm -rf data && make repro", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m echotas.pipeline.data_guard", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="refuse if 'dvc repro' would delete files of yours")
    commands.add_parser("use", help="import other data").add_argument("source")
    options = parser.parse_args(arguments)
    try:
        root = paths.root()
        if options.command == "check":
            check(root)
        else:
            use(options.source, root)
    except (DataGuardError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _read_pointer(pointer: Path) -> dict:
    try:
        described = yaml.safe_load(pointer.read_text(encoding="utf-8"))
        if not described["outs"][0]["path"]:
            raise KeyError("path")
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        raise DataGuardError(f"{pointer.name} is not a DVC pointer file ({type(error).__name__}: {error})") from None
    return described


def _listing(root: Path, md5: str | None) -> set[str] | None:
    """Files of the imported folder, from DVC's cache or from the generated source; None if neither is there."""
    if md5:
        entry = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        if entry.is_file():
            return {item["relpath"] for item in json.loads(entry.read_text(encoding="utf-8"))}
    source = root / "data-default"
    if source.is_dir():
        return {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
