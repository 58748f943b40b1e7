"""Readers: files of the field (video, DICOM, CAMUS, TED, CARDINAL, EchoNet, EchoPAC) to records."""

from echotas.readers.camus import camus_patients, camus_subset, read_camus
from echotas.readers.cardinal import cardinal_patients, read_cardinal
from echotas.readers.contour import Contour, read_contour, write_contour
from echotas.readers.dicom import read_dicom
from echotas.readers.dispatch import file_kind, read_cine
from echotas.readers.echonet import Tracing, polygon_area_px, read_echonet, read_file_list, read_tracings
from echotas.readers.echopac import FullTrace, read_full_trace, write_full_trace
from echotas.readers.errors import ReaderError
from echotas.readers.labelled import Label, LabelledCine
from echotas.readers.metaimage import MetaImage, read_metaimage
from echotas.readers.nifti import read_nifti
from echotas.readers.sector_estimate import estimate_sector, with_sector
from echotas.readers.ted import read_ted, ted_patients, ted_to_camus
from echotas.readers.video import read_video

__all__ = [
    "Contour",
    "FullTrace",
    "Label",
    "LabelledCine",
    "MetaImage",
    "ReaderError",
    "Tracing",
    "camus_patients",
    "camus_subset",
    "cardinal_patients",
    "estimate_sector",
    "file_kind",
    "polygon_area_px",
    "read_camus",
    "read_cardinal",
    "read_cine",
    "read_contour",
    "read_dicom",
    "read_echonet",
    "read_file_list",
    "read_full_trace",
    "read_metaimage",
    "read_nifti",
    "read_ted",
    "read_tracings",
    "read_video",
    "ted_patients",
    "ted_to_camus",
    "with_sector",
    "write_contour",
    "write_full_trace",
]
