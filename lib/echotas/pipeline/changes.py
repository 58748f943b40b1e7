"""After a run: are the published results reproduced? Compares the working tree with what git has.

python -m echotas.pipeline.changes
"""

import subprocess
import sys
from pathlib import Path

from echotas.pipeline import paths

__all__ = ["changed_results", "main"]

_RESULTS = ("reports", "README.md", "dvc.lock", "data.dvc", "notebooks/.code")


def changed_results(root: Path) -> list[str] | None:
    """Results that differ from the committed ones, as `git status --porcelain` prints them; None without git."""
    command = ["git", "status", "--porcelain", "--untracked-files=all", "--", *_RESULTS]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def main() -> int:
    """Say which results changed; always 0, because other numbers than before are no error."""
    changed = changed_results(paths.root())
    if changed is None:
        return 0
    if not changed:
        print("Results: byte for byte as committed. Read reports/, compare runs with: make ui", file=sys.stderr)
        return 0
    print(f"Results: {len(changed)} file(s) differ from the committed ones:", file=sys.stderr)
    for line in changed[:20]:
        print(f"  {line}", file=sys.stderr)
    if len(changed) > 20:
        print(f"  ... and {len(changed) - 20} more", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
