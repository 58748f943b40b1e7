"""Reads a cine from one file of any known kind, told by the file's first bytes and not by its name."""

from dataclasses import replace
from pathlib import Path

from echotas.readers.build import build_cine, grey_levels, times_from_rate
from echotas.readers.dicom import read_dicom
from echotas.readers.errors import ReaderError, require_file
from echotas.readers.metaimage import read_metaimage
from echotas.readers.nifti import read_nifti
from echotas.readers.video import read_video
from echotas.records import Cine, View, check_spacing
from echotas.store import StoreError, read_recording

__all__ = ["file_kind", "read_cine"]

_VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".gif", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg")


def file_kind(path: str | Path) -> str:
    """Kind of a file: "dicom", "recording" (our HDF5), "nifti", "metaimage" or "video".

    Raises:
        ReaderError: Missing, empty, or of no known kind.
    """
    path = require_file(path)
    with path.open("rb") as file:
        start = file.read(512)
    name = path.name.lower()
    if start[128:132] == b"DICM":
        return "dicom"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "recording"
    if start[344:348] in (b"n+1\0", b"ni1\0") or (start.startswith(b"\x1f\x8b") and name.endswith(".nii.gz")):
        return "nifti"
    if b"ElementDataFile" in start or b"NDims" in start or name.endswith((".mhd", ".mha")):
        return "metaimage"
    riff = start.startswith(b"RIFF") and start[8:12] == b"AVI "
    matroska = start.startswith(b"\x1a\x45\xdf\xa3")
    iso = start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    if riff or matroska or iso or start[:6] in (b"GIF87a", b"GIF89a") or name.endswith(_VIDEO_ENDINGS):
        return "video"
    if name.endswith((".dcm", ".dicom")):
        return "dicom"
    if name.endswith((".h5", ".hdf5")):
        return "recording"
    if name.endswith((".nii", ".nii.gz")):
        return "nifti"
    raise ReaderError(path, f"must be a video, DICOM, NIfTI, MetaImage or recording (HDF5), got bytes {start[:8]!r}")


def read_cine(
    path: str | Path,
    spacing_mm: float | tuple[float, float] | None = None,
    view: View | str | None = None,
    frame_rate: float | None = None,
    patient_id: str | None = None,
    recording_id: str | None = None,
) -> Cine:
    """The cine in a file. What is given overrides what the file says.

    Args:
        path: Video, DICOM, NIfTI (lateral, depth, frame), MetaImage or a recording of `echotas.store`.
        spacing_mm: Pixel size (dx, dy) in mm, or one number for square pixels.
        view: Apical view.
        frame_rate: Hz; needed for NIfTI and MetaImage, which store none.
        patient_id: Patient, for splits and intervals.
        recording_id: Name of the recording.

    Returns:
        Cine; `spacing_mm` is None where neither the file nor the caller states one.

    Raises:
        ReaderError: The file cannot be read or a value breaks a rule; the message names file, rule and value.
    """
    kind = file_kind(path)
    given = {"spacing_mm": spacing_mm, "view": view, "frame_rate": frame_rate, "recording_id": recording_id}
    if kind == "video":
        return read_video(path, patient_id=patient_id or "", **given)
    if kind == "dicom":
        return read_dicom(path, patient_id=patient_id or "", **given)
    if kind == "recording":
        return _from_store(Path(path), spacing_mm, view, frame_rate, patient_id, recording_id)

    path = Path(path)
    if kind == "nifti":
        values, stored_spacing = read_nifti(path)
    else:
        image = read_metaimage(path)
        values, stored_spacing = image.values, image.spacing_mm
    if frame_rate is None:
        raise ReaderError(path, f"frame_rate must be given, a {kind} file stores none")
    spacing = stored_spacing if spacing_mm is None else spacing_mm
    frames = grey_levels(path, values)
    return build_cine(
        path,
        frames=frames,
        spacing_mm=spacing,
        times_s=times_from_rate(path, len(frames), frame_rate),
        view=view,
        patient_id=patient_id or "",
        recording_id=path.name.partition(".")[0] if recording_id is None else recording_id,
        meta={
            "source": path.name,
            "format": kind,
            "frame_rate_source": "given",
            "spacing_source": "given" if spacing_mm is not None else "unknown" if spacing is None else "file",
        },
    )


def _from_store(path: Path, spacing_mm, view, frame_rate, patient_id, recording_id) -> Cine:
    try:
        cine = read_recording(path).cine
    except StoreError as error:
        raise ReaderError(path, str(error).removeprefix(f"{path}: ")) from error
    changes = {}
    try:
        if spacing_mm is not None:
            pair = (spacing_mm, spacing_mm) if isinstance(spacing_mm, (int, float)) else spacing_mm
            changes["spacing_mm"] = check_spacing(pair)
        if view is not None:
            changes["view"] = View(view)
    except ValueError as error:
        raise ReaderError(path, str(error)) from error
    if frame_rate is not None:
        changes["times_s"] = times_from_rate(path, cine.n_frames, frame_rate)
    if patient_id is not None:
        changes["patient_id"] = patient_id
    if recording_id is not None:
        changes["recording_id"] = recording_id
    return replace(cine, **changes)
