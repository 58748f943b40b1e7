"""Reads CARDINAL (239 hypertensive patients, private): a flat folder of `{ID}_{A2C|A4C}_{bmode|mask}.nii.gz`.

Arrays are (lateral, depth, frame); the third spacing is meaningless and no frame rate is stored.
"""

from pathlib import Path

from echotas.readers.build import build_cine, grey_levels, times_from_rate
from echotas.readers.errors import ReaderError, require_file
from echotas.readers.labelled import Label, LabelledCine, check_mask
from echotas.readers.nifti import read_nifti
from echotas.records import View

__all__ = ["cardinal_patients", "read_cardinal"]


def cardinal_patients(folder: str | Path, subset: str | Path | None = None) -> list[str]:
    """Patient ids with a bmode file in the folder, sorted; only those of a subset file (one id per line), if given.

    Raises:
        ReaderError: No bmode file at all, or the subset names a patient who is not there.
    """
    folder = Path(folder)
    ids = sorted({item.name.split("_")[0] for item in folder.glob("*_bmode.nii.gz")}) if folder.is_dir() else []
    if not ids:
        raise ReaderError(folder, "must be a folder with ID_VIEW_bmode.nii.gz files, got none")
    if subset is None:
        return ids
    wanted = require_file(subset).read_text(encoding="utf-8-sig").split()
    if missing := sorted(set(wanted) - set(ids)):
        raise ReaderError(subset, f"ids must have a bmode file in {folder}, got none for {missing[:5]}")
    return sorted(set(wanted))


def read_cardinal(folder: str | Path, patient: str, view: View | str, *, frame_rate: float) -> LabelledCine:
    """One view of one patient with the masks that exist (labels 0 background, 1 LV, 2 myocardium).

    Args:
        folder: The flat folder.
        patient: Id, the first part of the file name.
        view: A2C or A4C.
        frame_rate: Hz; the files do not store one.

    Raises:
        ReaderError: The cine is missing or damaged, it has no spacing, or the mask does not fit it.
    """
    view = View(view)
    path = Path(folder) / f"{patient}_{view}_bmode.nii.gz"
    values, spacing = read_nifti(path)
    frames = grey_levels(path, values)
    if spacing is None:
        raise ReaderError(path, "spacing must be stored in the header (0.308 mm in CARDINAL), got none")
    mask_path = path.with_name(f"{patient}_{view}_mask.nii.gz")
    masks = {}
    if mask_path.exists():
        mask_values, _ = read_nifti(mask_path)
        if mask_values.shape != frames.shape:
            raise ReaderError(
                mask_path, f"masks must have the shape {frames.shape} of the cine, got {mask_values.shape}"
            )
        masks = {
            index: check_mask(mask_path, mask, frames.shape[1:], Label.MYO) for index, mask in enumerate(mask_values)
        }
    cine = build_cine(
        path,
        frames=frames,
        spacing_mm=spacing,
        times_s=times_from_rate(path, len(frames), frame_rate),
        view=view,
        patient_id=f"cardinal-{patient}",
        recording_id=f"cardinal-{patient}_{view}",
        meta={
            "source": path.name,
            "format": "nii.gz",
            "release": "cardinal",
            "frame_rate_source": "given",
            "spacing_source": "file",
        },
    )
    return LabelledCine(cine=cine, masks=masks)
