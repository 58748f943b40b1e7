"""A cine from its file, with the scanned sector where one can be made out; and whether it is of a virtual patient."""

from dataclasses import replace
from pathlib import Path

from echotas.readers import read_cine, with_sector
from echotas.records import Cine, View

__all__ = ["is_virtual", "read_own_cine"]


def read_own_cine(path: str | Path, spacing_mm: float | None = None, view: View | str | None = None) -> Cine:
    """The cine with its sector; a doubt among its `meta["warnings"]` where none can be made out, e.g. in a crop.

    Args:
        path: Video, DICOM or recording.
        spacing_mm: Pixel size where the file states none, mm.
        view: Apical view; the file's own, if None.

    Raises:
        ReaderError: The file cannot be read or a value breaks a rule.
    """
    cine = read_cine(path, spacing_mm=spacing_mm, view=view)
    try:
        return with_sector(cine)
    except ValueError as error:
        found = [*(cine.meta.get("warnings") or []), f"the scanned sector is unknown: {error}"]
        return replace(cine, meta={**cine.meta, "warnings": found})


def is_virtual(cine: Cine) -> bool:
    """Whether the cine is a recording of a virtual patient (`phantom`): its result says nothing about anybody."""
    return cine.meta.get("source") == "virtual patient"
