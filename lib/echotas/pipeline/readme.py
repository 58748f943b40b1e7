"""Put the leaderboard into the README. `python -m echotas.pipeline.readme reports/leaderboard.md README.md`."""

import argparse
import sys
from pathlib import Path

from echotas.report.tables import write_between_markers

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Command line; always 0 unless a marker is missing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path, help="Markdown table")
    parser.add_argument(
        "readme", type=Path, help="file with the markers <!-- begin:leaderboard --> and <!-- end:leaderboard -->"
    )
    options = parser.parse_args(arguments)
    changed = write_between_markers(options.readme, "leaderboard", options.table.read_text(encoding="utf-8"))
    print(f"{options.readme}: leaderboard {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
