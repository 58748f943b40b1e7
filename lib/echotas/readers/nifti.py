"""Reads an ultrasound NIfTI (lateral, depth[, frame]) as (frame, row = depth, column = lateral), with its in-plane
spacing.

After a plain transpose the probe is at the top and the left image wall on the left; the negative affine of CAMUS does
not ask for a flip. The third spacing is a placeholder in every release seen and is never read as a time step.
"""

import zlib
from pathlib import Path

import numpy as np

from echotas.readers.errors import ReaderError, require_file

__all__ = ["read_nifti"]


def read_nifti(path: str | Path) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Values (n_frames, height, width), n_frames 1 for a single frame, and spacing (dx, dy) in mm.

    The spacing is None where the header has no unit and 1 x 1: that is what a writer leaves who knew no spacing.

    Raises:
        ReaderError: The file is missing, foreign or truncated, is no 2-D or 3-D image, or its spacing is not positive.
    """
    path = require_file(path)
    try:
        import nibabel
    except ImportError as error:
        raise ReaderError(path, "needs the package `nibabel` to read NIfTI (pip install nibabel)") from error
    try:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
        zooms, units = image.header.get_zooms(), image.header.get_xyzt_units()[0]
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise ReaderError(path, f"is no complete NIfTI image ({' '.join(str(error).split())})") from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or 0 in values.shape:
        raise ReaderError(path, f"must be (lateral, depth) or (lateral, depth, frame), got shape {values.shape}")
    to_mm = {"mm": 1.0, "unknown": 1.0, "meter": 1e3, "micron": 1e-3}[units]
    spacing = (float(zooms[0]) * to_mm, float(zooms[1]) * to_mm)
    if not all(np.isfinite(value) and value > 0 for value in spacing):
        raise ReaderError(path, f"pixdim must be positive in plane, got {spacing}")
    if units == "unknown" and spacing == (1.0, 1.0):
        spacing = None
    return np.ascontiguousarray(values.transpose(2, 1, 0)), spacing
