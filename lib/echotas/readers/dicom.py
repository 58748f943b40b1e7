"""Reads an ultrasound DICOM (single or multi-frame) into a cine, with pydicom.

Identifying attributes are not copied. Names burnt into the picture stay there: look before sharing.
"""

import warnings as python_warnings
from pathlib import Path
from typing import Any

import numpy as np

from echotas.readers.build import build_cine, coloured_share, grey_from_rgb, grey_levels, times_from_rate
from echotas.readers.dicom_tags import Region, frame_times, pixel_size, r_wave_frames, tissue_region
from echotas.readers.errors import ReaderError, require_file
from echotas.records import Cine, View

__all__ = ["read_dicom"]

_ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
"""Ultrasound multi-frame and single-frame storage, and their current forms `.1`."""
_RAW_CREATORS = ("GEMS_ULTRASOUND_MOVIEGROUP", "PHILIPS MEDICAL SYSTEMS ULTRASOUND DD", "PHILIPS US IMAGING DD")
"""Private blocks that hold raw or three-dimensional data of GE and Philips."""
_VIEW_NAMES = {
    "A4C": View.A4C, "4CH": View.A4C, "AP4": View.A4C, "A2C": View.A2C, "2CH": View.A2C, "AP2": View.A2C,
    "A3C": View.A3C, "3CH": View.A3C, "AP3": View.A3C, "APLAX": View.A3C,
}  # fmt: skip
_COLOURED_SHARE_TO_TELL = 0.02
"""Small coloured marks (orientation dot, ECG line, buttons) stay below this share of the region."""


def read_dicom(
    path: str | Path,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    frame_rate: float | None = None,
    view: View | str | None = None,
    patient_id: str = "",
    recording_id: str | None = None,
) -> Cine:
    """The frames of an ultrasound DICOM as grey levels.

    Args:
        path: DICOM file.
        spacing_mm: Overrides the pixel size in the file; (dx, dy) in mm, or one number for square pixels.
        frame_rate: Overrides the timing in the file, Hz.
        view: Apical view; ViewName of the file if None, which is usually empty.
        patient_id: Patient, for splits and intervals. Not taken from the file.
        recording_id: Name of the recording; the file name without its ending if None.

    Returns:
        Cine with `meta`: source, format, frame_rate_source, spacing_source, square_pixels, region_px (x0, y0, x1, y1 of
        the 2-D region, if described), r_wave_frames, heart_rate_bpm, manufacturer, model, coloured_share and a list of
        warnings. The spacing is None if neither the file nor the caller states one.

    Raises:
        ReaderError: Missing, foreign or truncated file, no ultrasound image, no pixel data, no 2-D tissue region, no
            timing.
    """
    path = require_file(path)
    dataset = _open(path)
    warnings: list[str] = []
    _check_kind(path, dataset, warnings)
    pixels = _decode(path, dataset)
    region = tissue_region(path, dataset, warnings)
    frames, share = _grey(path, dataset, pixels, region)
    if share > _COLOURED_SHARE_TO_TELL:
        warnings.append(f"{100 * share:.0f} % of the pixels in the region are coloured: grey is their luminance")

    found_spacing, spacing_source = pixel_size(dataset, region, warnings)
    if spacing_mm is not None:
        found_spacing, spacing_source = spacing_mm, "given"
    if frame_rate is not None:
        times, rate_source = times_from_rate(path, len(frames), frame_rate), "given"
    else:
        times, rate_source = frame_times(path, dataset, len(frames), warnings)
    meta = {
        "source": path.name,
        "format": "dicom",
        "frame_rate_source": rate_source,
        "spacing_source": spacing_source,
        # Scanners write square pixels; only a spacing in the file can say otherwise.
        "square_pixels": bool(found_spacing is None or np.ptp(np.atleast_1d(found_spacing)) < 1e-6),
        "region_px": None if region is None else list(region.box_px),
        "r_wave_frames": r_wave_frames(dataset, times),
        "manufacturer": str(dataset.get("Manufacturer", "")),
        "model": str(dataset.get("ManufacturerModelName", "")),
        "coloured_share": share,
        "warnings": warnings,
    }
    rate = dataset.get("HeartRate")
    if rate not in (None, "") and float(rate) > 0:  # 0 is what scanners write without an ECG
        meta["heart_rate_bpm"] = float(rate)
    return build_cine(
        path,
        frames=frames,
        spacing_mm=found_spacing,
        times_s=times,
        view=_view(dataset) if view is None else view,
        patient_id=patient_id,
        recording_id=path.stem if recording_id is None else recording_id,
        meta=meta,
    )


def _open(path: Path) -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise ReaderError(path, "needs the package `pydicom` to read DICOM (pip install pydicom pillow)") from error
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # odd but harmless values, e.g. a UID with a leading zero
        try:
            return pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:
            raise ReaderError(path, "must be a DICOM file with the mark DICM at byte 128, got none") from None
        except (OSError, EOFError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
            raise ReaderError(path, f"is no complete DICOM file ({' '.join(str(error).split())})") from error


def _check_kind(path: Path, dataset: Any, warnings: list[str]) -> None:
    kind = str(dataset.get("SOPClassUID", ""))
    if not kind:
        # pydicom takes a file that ends in the middle of an element for one without elements.
        raise ReaderError(path, "is truncated or no complete DICOM file: it states no SOP class")
    if kind.removesuffix(".1") not in _ULTRASOUND:
        name = getattr(dataset.get("SOPClassUID"), "name", kind)
        raise ReaderError(path, f"must be an ultrasound image or multi-frame image, got {name}")
    creators = [
        str(element.value)
        for element in dataset.group_dataset(0x7FE1) if element.tag.is_private_creator
    ] + [str(element.value) for element in dataset.group_dataset(0x200D) if element.tag.is_private_creator]  # fmt: skip
    raw = [name for name in creators if name.upper().startswith(_RAW_CREATORS)]
    if "PixelData" not in dataset:
        held = f"; it holds raw or 3-D data of the vendor ({raw[0]})" if raw else ""
        raise ReaderError(path, f"must hold a stored image (PixelData), got none{held}")
    if raw:
        warnings.append(f"raw or 3-D data of the vendor ({raw[0]}) are ignored, only the stored image is read")


def _decode(path: Path, dataset: Any) -> np.ndarray:
    """Pixels (n_frames, rows, columns[, 3]); pydicom already turns YBR into RGB."""
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    colours = int(dataset.get("SamplesPerPixel", 1))
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # padding behind the pixels
        try:
            pixels = dataset.pixel_array
        except Exception as error:  # decoders raise many kinds, from ValueError to Pillow's own
            reason = " ".join(str(error).split())
            raise ReaderError(
                path, f"pixel data cannot be decoded, truncated or of an unsupported kind ({reason})"
            ) from error
    shape = (n_frames, int(dataset.Rows), int(dataset.Columns)) + ((3,) if colours == 3 else ())
    if pixels.size != int(np.prod(shape)):
        raise ReaderError(path, f"must hold {n_frames} frames, got pixels of shape {pixels.shape}")
    return pixels.reshape(shape)


def _grey(path: Path, dataset: Any, pixels: np.ndarray, region: Region | None) -> tuple[np.ndarray, float]:
    """Grey frames, and the largest share of coloured pixels inside the region in first, middle and last frame."""
    interpretation = str(dataset.get("PhotometricInterpretation", ""))
    if interpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        table = apply_color_lut(pixels, dataset)
        pixels = np.rint(table[..., :3] / (257 if table.dtype == np.uint16 else 1)).astype(np.uint8)
    if pixels.ndim == 4:
        x0, y0, x1, y1 = (0, 0, None, None) if region is None else (int(value) for value in region.box_px)
        chosen = sorted({0, len(pixels) // 2, len(pixels) - 1})
        share = max(coloured_share(pixels[index, y0:y1, x0:x1]) for index in chosen)
        return np.stack([grey_from_rgb(grey_levels(path, frame)) for frame in pixels]), share
    frames = grey_levels(path, pixels)
    return (255 - frames if interpretation == "MONOCHROME1" else frames), 0.0


def _view(dataset: Any) -> View:
    for name in ("ViewName", "StageName", "SeriesDescription"):
        text = str(dataset.get(name, "")).strip().upper()
        if text in _VIEW_NAMES:
            return _VIEW_NAMES[text]
    return View.OTHER
