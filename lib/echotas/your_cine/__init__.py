"""One cine of your own: from a file and a drawn wall line to tracked mesh, strain and what to doubt about them."""

from echotas.readers.contour import Contour, read_contour, write_contour
from echotas.your_cine.analyse import analyse, check_contour
from echotas.your_cine.reading import is_virtual, read_own_cine
from echotas.your_cine.result import CineAnalysis
from echotas.your_cine.segments import accepted_segments

__all__ = [
    "CineAnalysis",
    "Contour",
    "accepted_segments",
    "analyse",
    "check_contour",
    "is_virtual",
    "read_contour",
    "read_own_cine",
    "write_contour",
]
