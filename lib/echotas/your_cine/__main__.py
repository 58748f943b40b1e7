"""The strain report of one patient, from the command line.

python -m echotas.your_cine --cine a4c.mp4 a4c_line.csv A4C --cine a2c.mp4 a2c_line.csv A2C --spacing 0.35 --out report.pdf
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from echotas.readers.contour import read_contour
from echotas.records import View
from echotas.report.style import save
from echotas.trackers.registry import available, fitted_config
from echotas.your_cine.analyse import analyse
from echotas.your_cine.own_error import PLUS_MINUS
from echotas.your_cine.reading import read_own_cine
from echotas.your_cine.result import CineAnalysis
from echotas.your_cine.segments import accepted_segments
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
    parser.add_argument(
        "--reject",
        action="append",
        default=[],
        metavar="VIEW:SEGMENT",
        help='segment to leave out of GLS, e.g. "A4C:apical anterolateral"; repeatable',
    )
    parser.add_argument("--title", default="")
    parser.add_argument("--out", type=Path, default=Path("strain.pdf"), help=".pdf, .png or .svg; numbers go beside it")
    chosen = parser.parse_args(arguments)
    try:
        accepted = accepted_segments(chosen.reject, [_view(view) for *_, view in chosen.cine])
        results = [_one(chosen, file, line, View(view), accepted[view]) for file, line, view in chosen.cine]
        figure = patient_sheet(results, chosen.title)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        save(figure, chosen.out)
        numbers = chosen.out.with_suffix(".json")
        numbers.write_text(json.dumps([item.summary() for item in results], indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for item in results:
        print(_line(item))
    if any(item.half_width_percent is not None for item in results):
        print(PLUS_MINUS)
    print(f"{chosen.out}, {numbers}: research use only")
    return 0


def _view(view: str) -> View:
    if view not in {str(known) for known in View}:
        raise ValueError(f"VIEW must be one of {', '.join(str(known) for known in View)}, got {view!r}")
    return View(view)


def _one(chosen: argparse.Namespace, file: str, line: str, view: View, accepted: np.ndarray) -> CineAnalysis:
    cine = read_own_cine(file, chosen.spacing, view)
    contour = read_contour(line)
    thickness = "wall_thickness_px" if cine.spacing_mm is None else "wall_thickness_mm"
    return analyse(
        cine,
        contour.line_px,
        chosen.es,
        chosen.tracker,
        contour_frame=contour.frame,
        ed_frame=chosen.ed,
        end_frame=chosen.end,
        accepted=accepted,
        **{thickness: chosen.wall},
        **fitted_config(chosen.tracker, chosen.fitted),
    )


def _line(item: CineAnalysis) -> str:
    """GLS of one view in a sentence: how sure, from which frames, of which segments."""
    widths = item.half_width_percent
    width = "" if widths is None else f" ± {widths[0]:.1f}"
    rejected = f", without {', '.join(item.rejected_names)}" if item.rejected_names else ""
    return (
        f"{item.cine.view}{' (virtual)' if item.virtual else ''}: GLS {item.gls_percent:.1f}{width} % at ES{rejected}; "
        f"ED frame {item.ed_frame} ({item.ed_source}), ES frame {item.es_frame} ({item.es_source}); "
        f"doubts: {len(item.warnings)}"
    )


if __name__ == "__main__":
    sys.exit(main())
