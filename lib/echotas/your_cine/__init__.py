"""One cine of your own: from a file and a drawn wall line to tracked mesh, strain and what to doubt about them."""

from echotas.readers.contour import Contour, read_contour, write_contour
from echotas.your_cine.analyse import analyse, check_contour
from echotas.your_cine.result import CineAnalysis

__all__ = ["CineAnalysis", "Contour", "analyse", "check_contour", "read_contour", "write_contour"]
