"""The strain report of one patient, from the command line.

python -m echotas.your_cine --cine a4c.mp4 a4c_line.csv A4C --cine a2c.mp4 a2c_line.csv A2C --spacing 0.35 --out report.pdf
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from echotas.readers import read_cine, with_sector
from echotas.readers.contour import read_contour
from echotas.records import Cine, View
from echotas.report.style import save
from echotas.trackers.registry import available, fitted_config
from echotas.your_cine.analyse import analyse
from echotas.your_cine.result import CineAnalysis
from echotas.your_cine.sheet import patient_sheet

__all__ = ["main"]

NOMINAL_WALL = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Analyse the cines and write the page; 1 and one sentence on standard error if that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m echotas.your_cine",
        description="One page of strain from one to three apical cines with a drawn wall line each. Research use only.",
        epilog="LINE is a CSV file point,frame,x_px,y_px: the centre line of the wall, base to apex to base, from the left "
        "image wall, drawn at end-systole unless --es says otherwise.",
    )
    parser.add_argument(
        "--cine",
        nargs=3,
        action="append",
        required=True,
        metavar=("FILE", "LINE", "VIEW"),
        help="video, DICOM or recording; its line; A4C, A2C or A3C. Up to three times",
    )
    parser.add_argument("--spacing", type=float, help="pixel size in mm where the file states none")
    parser.add_argument("--es", type=int, help="frame of end-systole (default: the frame of each line)")
    parser.add_argument("--ed", type=int, help="frame of end-diastole (default: the file's own, or found)")
    parser.add_argument("--end", type=int, help="frame of the next end-diastole (default: the file's own, or unknown)")
    parser.add_argument("--tracker", choices=available(), default="tas_net_released")
    parser.add_argument("--fitted", type=Path, help="folder that a training left, for a tracker that learns")
    parser.add_argument(
        "--wall", type=float, default=NOMINAL_WALL, help="thickness of the wall, mm, or px without pixel size"
    )
    parser.add_argument("--title", default="")
    parser.add_argument("--out", type=Path, default=Path("strain.pdf"), help=".pdf, .png or .svg; numbers go beside it")
    chosen = parser.parse_args(arguments)
    try:
        results = [_one(chosen, *given) for given in chosen.cine]
        figure = patient_sheet(results, chosen.title)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        save(figure, chosen.out)
        numbers = chosen.out.with_suffix(".json")
        numbers.write_text(json.dumps([item.summary() for item in results], indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for item in results:
        print(f"{item.cine.view}: GLS {item.gls_percent:.1f} % at ES, {len(item.warnings)} doubts")
    print(f"{chosen.out}, {numbers}: research use only")
    return 0


def _one(chosen: argparse.Namespace, file: str, line: str, view: str) -> CineAnalysis:
    if view not in {str(known) for known in View}:
        raise ValueError(f"VIEW must be one of {', '.join(str(known) for known in View)}, got {view!r}")
    cine = _with_sector(read_cine(file, spacing_mm=chosen.spacing, view=view))
    contour = read_contour(line)
    thickness = "wall_thickness_px" if cine.spacing_mm is None else "wall_thickness_mm"
    return analyse(
        cine,
        contour.line_px,
        contour.frame if chosen.es is None else chosen.es,
        chosen.tracker,
        contour_frame=contour.frame,
        ed_frame=chosen.ed,
        end_frame=chosen.end,
        **{thickness: chosen.wall},
        **fitted_config(chosen.tracker, chosen.fitted),
    )


def _with_sector(cine: Cine) -> Cine:
    """The cine with its sector; a doubt where none can be made out, e.g. in a crop."""
    try:
        return with_sector(cine)
    except ValueError as error:
        found = [*(cine.meta.get("warnings") or []), f"the scanned sector is unknown: {error}"]
        return replace(cine, meta={**cine.meta, "warnings": found})


if __name__ == "__main__":
    sys.exit(main())
