"""What the attributes of an ultrasound DICOM say about geometry and time: the region, its pixel size, the frame times.

DICOM part 3, C.8.5.5 (US Region Calibration), C.7.6.5 (Cine), C.7.6.6 (Multi-frame). Every doubtful choice adds a
sentence to `warnings`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from echotas.readers.errors import ReaderError

__all__ = ["Region", "frame_times", "pixel_size", "r_wave_frames", "tissue_region"]

CM, TWO_D, TISSUE, COLOUR_FLOW = 3, 1, 1, 2
LARGEST_REDUCTION = 4


@dataclass(frozen=True)
class Region:
    """The two-dimensional tissue region, in px of the stored image."""

    box_px: tuple[float, float, float, float]
    """x0, y0, x1, y1, both corners included."""
    spacing_mm: tuple[float, float] | None
    """Pixel size; None if the region has no length unit."""
    reduction: int
    """Whole factor by which the image is smaller than the raster that the region was written for; 1 if it fits."""


def tissue_region(path: Path, dataset: Any, warnings: list[str]) -> Region | None:
    """The largest 2-D tissue region; None if the file describes no regions at all.

    A box that reaches beyond the image was written for a larger raster: box and pixel size are rescaled by the smallest
    whole factor that makes it fit.

    Raises:
        ReaderError: Regions are described but none is 2-D tissue (Doppler, M-mode), or the box fits no whole reduction.
    """
    items = list(getattr(dataset, "SequenceOfUltrasoundRegions", None) or [])
    if not items:
        return None
    usable = [
        item
        for item in items
        if item.get("RegionSpatialFormat") == TWO_D and item.get("RegionDataType", TISSUE) in (TISSUE, COLOUR_FLOW)
        and None not in _corners(item)
    ]  # fmt: skip
    if not usable:
        kinds = [(item.get("RegionSpatialFormat"), item.get("RegionDataType")) for item in items]
        raise ReaderError(path, f"must have a 2-D tissue region, got regions of (spatial format, data type) {kinds}")
    if any(item.get("RegionDataType") == COLOUR_FLOW for item in items):
        warnings.append("a colour flow region covers the image: grey levels under colour are not tissue")
    in_cm = [item for item in usable if _units(item) == (CM, CM)]
    tissue = [item for item in in_cm or usable if item.get("RegionDataType", TISSUE) == TISSUE] or in_cm or usable
    region = max(tissue, key=_area)
    if len(tissue) > 1:
        warnings.append(f"{len(tissue)} two-dimensional regions: the largest is used")

    x0, y0, x1, y1 = _corners(region)
    if x1 <= x0 or y1 <= y0:
        raise ReaderError(path, f"region must have a positive size, got corners ({x0}, {y0}) and ({x1}, {y1})")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    fits = [k for k in range(1, LARGEST_REDUCTION + 1) if x1 <= k * columns and y1 <= k * rows]
    if not fits:
        raise ReaderError(path, f"region must fit the image of {columns} x {rows} px, got a corner at ({x1}, {y1})")
    reduction = fits[0]
    if reduction > 1:
        warnings.append(
            f"the region reaches ({x1}, {y1}) in an image of {columns} x {rows} px: box and pixel size are rescaled by "
            f"{reduction}; compare with the depth scale in the picture"
        )
    return Region(
        box_px=tuple(value / reduction for value in (x0, y0, x1, y1)),
        spacing_mm=_region_spacing(region, reduction, warnings),
        reduction=reduction,
    )


def pixel_size(dataset: Any, region: Region | None, warnings: list[str]) -> tuple[tuple[float, float] | None, str]:
    """Pixel size (dx, dy) in mm and where it comes from: "region", "region rescaled", "PixelSpacing" or "unknown"."""
    if region is not None and region.spacing_mm is not None:
        return region.spacing_mm, "region" if region.reduction == 1 else "region rescaled"
    stored = dataset.get("PixelSpacing")
    if stored is not None and len(stored) == 2:
        down, across = (abs(float(value)) for value in stored)  # DICOM stores row spacing first
        if all(np.isfinite(value) and value > 0 for value in (across, down)):
            warnings.append(
                "pixel size from PixelSpacing, which ultrasound files often fill wrongly: check the depth scale"
            )
            return (across, down), "PixelSpacing"
    return None, "unknown"


def frame_times(path: Path, dataset: Any, n_frames: int, warnings: list[str]) -> tuple[np.ndarray, str]:
    """Frame times in s from 0, (n_frames,), and the attribute they come from.

    The attribute that FrameIncrementPointer names is asked first, then FrameTimeVector, FrameTime, CineRate,
    RecommendedDisplayFrameRate, EffectiveDuration. An attribute that makes no sense is skipped with a warning.

    Raises:
        ReaderError: No attribute gives times and there is more than one frame.
    """
    if n_frames == 1:
        return np.zeros(1), "single frame"
    readers = {
        "FrameTimeVector": _times_of_vector,
        "FrameTime": lambda value, n: np.arange(n) * float(value) / 1e3,
        "CineRate": lambda value, n: np.arange(n) / float(value),
        "RecommendedDisplayFrameRate": lambda value, n: np.arange(n) / float(value),
        "EffectiveDuration": lambda value, n: np.arange(n) * float(value) / n,
    }
    names = list(readers)
    pointed = {0x00181063: "FrameTime", 0x00181065: "FrameTimeVector"}.get(_pointer(dataset))
    if pointed is not None:
        names.insert(0, names.pop(names.index(pointed)))
    for name in names:
        value = dataset.get(name)
        if value is None or value == "":
            continue
        try:
            times = readers[name](value, n_frames)
        except (ValueError, TypeError, ZeroDivisionError) as error:
            warnings.append(f"{name} is not used: {error}")
            continue
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            warnings.append(f"{name} is not used: frame times must increase")
            continue
        if name in ("CineRate", "RecommendedDisplayFrameRate"):
            warnings.append(
                f"frame times from {name}, the rate of the display, which may be lower than that of the scanner"
            )
        return times, name
    raise ReaderError(
        path,
        "frame_rate must be given, no attribute states one (FrameTime, FrameTimeVector, CineRate, EffectiveDuration)",
    )


def r_wave_frames(dataset: Any, times_s: np.ndarray) -> list[int]:
    """Frames nearest to the R waves of RWaveTimeVector (ms from the start of the cine) inside it; often none."""
    value = dataset.get("RWaveTimeVector")
    if value is None or value == "":
        return []
    waves_s = np.atleast_1d(np.asarray(value, dtype=np.float64)) / 1e3
    margin = np.median(np.diff(times_s)) / 2 if len(times_s) > 1 else 0
    inside = waves_s[(waves_s >= times_s[0] - margin) & (waves_s <= times_s[-1] + margin)]
    return sorted({int(np.abs(times_s - wave).argmin()) for wave in inside})


def _corners(item: Any) -> tuple:
    return tuple(
        item.get(name)
        for name in ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    )


def _area(item: Any) -> float:
    x0, y0, x1, y1 = _corners(item)
    return float((x1 - x0) * (y1 - y0))


def _units(item: Any) -> tuple:
    return item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection")


def _region_spacing(item: Any, reduction: int, warnings: list[str]) -> tuple[float, float] | None:
    deltas = [item.get("PhysicalDeltaX"), item.get("PhysicalDeltaY")]
    if _units(item) != (CM, CM):
        warnings.append(f"the region's units are {_units(item)}, not cm (3, 3): its pixel size is not used")
        return None
    # Deltas are signed by the direction of the axis.
    values = [float("nan") if delta is None else abs(float(delta)) * 10 * reduction for delta in deltas]
    if not all(np.isfinite(value) and value > 0 for value in values):
        warnings.append(f"the region's pixel size is not usable: {deltas}")
        return None
    return values[0], values[1]


def _times_of_vector(value: Any, n_frames: int) -> np.ndarray:
    steps = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if len(steps) == n_frames - 1:  # written without the leading zero
        steps = np.concatenate([[0.0], steps])
    if len(steps) != n_frames:
        raise ValueError(f"it must have one increment per frame ({n_frames}), got {len(steps)}")
    times = np.cumsum(steps) / 1e3
    return times - times[0]


def _pointer(dataset: Any) -> int | None:
    value = dataset.get("FrameIncrementPointer")
    if value is None:
        return None
    return int(value[0] if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else value)
