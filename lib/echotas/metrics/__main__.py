"""The tracks-only door: strain and agreement tables from tracked lines, without images.

python -m echotas.metrics lines.csv --out tables/ --reference reader
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from echotas.evaluation.tracked_lines import KINDS, write_tables
from echotas.readers import tracked_lines

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read lines, write tables, print the page; 1 and one sentence on standard error if that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m echotas.metrics",
        description="Strain and agreement tables from tracked lines, without images. Research use only.",
        epilog=tracked_lines.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lines", type=Path, help=".csv, .csv.gz, .h5, .hdf5 or a folder of EchoPAC exports")
    parser.add_argument("--out", type=Path, default=Path("tables"), help="folder of the tables (default: tables)")
    parser.add_argument("--reference", default="reader", help="method the others are compared with (default: reader)")
    parser.add_argument("--gls", choices=KINDS, default="es", help="which GLS is compared (default: es)")
    parser.add_argument("--without-drift", action="store_true", help="take each point's linear drift away first")
    parser.add_argument("--resamples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    try:
        lines, left_out = tracked_lines.read_tracked_lines(chosen.lines)
        page = write_tables(
            lines,
            left_out,
            chosen.out,
            chosen.reference,
            chosen.gls,
            chosen.without_drift,
            chosen.seed,
            chosen.resamples,
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(page.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
