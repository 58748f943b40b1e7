"""One HDF5 file per recording (and one per set of tracks): atomic write, schema version, checks on read.

Layout of a recording: `/cine/frames` u8, `/cine/times_s`, attributes for the rest; optional `/mesh/points_px`, `/truth/*`,
`/labels`, `/coherence`, `/through_plane_mm` and `/readings/<i>/*`. The bytes depend on the content alone.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from echotas.records import Cine, Mesh, Reading, Sector, StrainCurve, Tracks

__all__ = ["Recording", "StoreError", "read_recording", "read_tracks", "write_recording", "write_tracks"]

SCHEMA_VERSION = 1
RECORDING_KIND = "echotas-recording"
TRACKS_KIND = "echotas-tracks"


class StoreError(ValueError):
    """A file cannot be written or is not what it claims to be; the message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Everything one recording file holds; parts that the file lacks are None or empty."""

    cine: Cine
    """The loop."""
    mesh: Mesh | None = None
    """True (or simulated) mesh."""
    truth: StrainCurve | None = None
    """True longitudinal strain, from the material, not measured from pixels."""
    readings: tuple[Reading, ...] = ()
    """Observers' tracked lines."""
    labels: np.ndarray | None = None
    """Masks, u8 (n_frames, height, width): 0 background, 1 LV cavity, 2 myocardium."""
    coherence: np.ndarray | None = None
    """Speckle correlation with the ES frame, 0..1 (n_frames, n_long, n_rad)."""
    through_plane_mm: np.ndarray | None = None
    """Elevation displacement of the mesh points against ES, mm (n_frames, n_long, n_rad)."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Provenance, JSON-serialisable."""


def _write(path: Path, fill) -> None:
    """Write an HDF5 file beside `path` and move it into place; nothing is left behind on failure.

    The file is put together in memory: HDF5 itself swallows what a full disk answers when it closes a file.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False, track_order=True) as file:
        fill(file)
        file.flush()
        image = file.id.get_file_image()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with open(handle, "wb") as target:
            target.write(image)
            target.flush()
            os.fsync(handle)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"{path}: could not be written ({error})") from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _dump(name: str, value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(value), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{name} must be JSON-serialisable without NaN ({error})") from error


def _volume(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """A large array, compressed one frame a chunk."""
    array = np.asarray(array)
    group.create_dataset(
        name, data=array, chunks=(1, *array.shape[1:]), compression="gzip", compression_opts=1, shuffle=False
    )


def write_recording(
    path: str | Path,
    *,
    cine: Cine,
    mesh: Mesh | None = None,
    truth: StrainCurve | None = None,
    readings: Sequence[Reading] = (),
    labels: np.ndarray | None = None,
    coherence: np.ndarray | None = None,
    through_plane_mm: np.ndarray | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Path:
    """Write one recording atomically and return its path.

    Args:
        path: Target file; its folder is made. An existing file is replaced only when the new one is complete.
        cine: The loop.
        mesh: Its mesh, same number of frames.
        truth: Its true strain, same number of frames.
        readings: Observers' lines, same number of frames.
        labels: Masks, same shape as the frames.
        coherence: (n_frames, n_long, n_rad) in [0, 1].
        through_plane_mm: (n_frames, n_long, n_rad) mm.
        attributes: Provenance.

    Raises:
        StoreError: A part does not fit the cine, or the disk refuses.
    """
    path = Path(path)
    n_frames = cine.n_frames
    for name, array in {
        "mesh": None if mesh is None else mesh.points_px,
        "truth": None if truth is None else truth.global_percent,
        "labels": labels,
        "coherence": coherence,
        "through_plane_mm": through_plane_mm,
        **{f"reading {index}": reading.line_px for index, reading in enumerate(readings)},
    }.items():
        if array is not None and len(array) != n_frames:
            raise StoreError(f"{path}: {name} must have {n_frames} frames as the cine, got {len(array)}")
    if labels is not None and np.shape(labels) != cine.frames.shape:
        raise StoreError(f"{path}: labels must have the cine's shape {cine.frames.shape}, got {np.shape(labels)}")

    def fill(file: h5py.File) -> None:
        file.attrs["kind"] = RECORDING_KIND
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["attributes"] = _dump("attributes", attributes or {})
        group = file.create_group("cine")
        _volume(group, "frames", cine.frames)
        group["times_s"] = cine.times_s
        group.attrs["view"] = str(cine.view)
        group.attrs["patient_id"] = cine.patient_id
        group.attrs["recording_id"] = cine.recording_id
        group.attrs["meta"] = _dump("meta", cine.meta)
        if cine.spacing_mm is not None:
            group.attrs["spacing_mm"] = cine.spacing_mm
        for name in ("ed_frame", "es_frame"):
            if getattr(cine, name) is not None:
                group.attrs[name] = getattr(cine, name)
        if cine.sector is not None:
            group.attrs["sector"] = [
                *cine.sector.apex_px,
                cine.sector.half_angle_deg,
                cine.sector.radius_min_px,
                cine.sector.radius_max_px,
            ]
        if mesh is not None:
            file.create_dataset("mesh/points_px", data=mesh.points_px)
        if truth is not None:
            group = file.create_group("truth")
            group["times_s"], group["global_percent"] = truth.times_s, truth.global_percent
            group["segment_percent"] = truth.segment_percent
            group.attrs["ed_frame"], group.attrs["es_frame"] = truth.ed_frame, truth.es_frame
        if labels is not None:
            _volume(file, "labels", np.asarray(labels, dtype=np.uint8))
        if coherence is not None:
            file["coherence"] = np.asarray(coherence, dtype=np.float32)
        if through_plane_mm is not None:
            file["through_plane_mm"] = np.asarray(through_plane_mm, dtype=np.float32)
        for index, reading in enumerate(readings):
            group = file.create_group(f"readings/{index}")
            group["line_px"], group["segment"] = reading.line_px, reading.segment
            group["accepted"] = reading.accepted
            group.attrs["observer"] = reading.observer
            group.attrs["ed_frame"], group.attrs["es_frame"] = reading.ed_frame, reading.es_frame

    _write(path, fill)
    return path


def _open(path: Path, kind: str) -> h5py.File:
    if not path.is_file():
        raise StoreError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise StoreError(f"{path}: not a readable HDF5 file, perhaps truncated ({error})") from error
    found = file.attrs.get("kind", "none")
    version = file.attrs.get("schema_version", 0)
    if found != kind or version != SCHEMA_VERSION:
        file.close()
        raise StoreError(
            f"{path}: must be of kind {kind!r}, schema version {SCHEMA_VERSION}, got kind {found!r}, version {version}"
        )
    return file


def _optional_int(attributes: h5py.AttributeManager, name: str) -> int | None:
    return int(attributes[name]) if name in attributes else None


def read_recording(path: str | Path, images: bool = True) -> Recording:
    """Read one recording file.

    Args:
        path: The file.
        images: False leaves the images in the file: the frames are all 0, which saves most of the time where only mesh, truth or
            readings are wanted.

    Raises:
        StoreError: The file is missing, truncated, foreign, or its content breaks a rule; the message names it.
    """
    path = Path(path)
    try:
        with _open(path, RECORDING_KIND) as file:
            group = file["cine"]
            sector = group.attrs.get("sector")
            cine = Cine(
                frames=group["frames"][()] if images else np.zeros(group["frames"].shape, np.uint8),
                spacing_mm=tuple(group.attrs["spacing_mm"]) if "spacing_mm" in group.attrs else None,
                times_s=group["times_s"][()],
                view=group.attrs["view"],
                ed_frame=_optional_int(group.attrs, "ed_frame"),
                es_frame=_optional_int(group.attrs, "es_frame"),
                patient_id=group.attrs["patient_id"],
                recording_id=group.attrs["recording_id"],
                sector=None if sector is None else Sector((sector[0], sector[1]), *map(float, sector[2:])),
                meta=json.loads(group.attrs["meta"]),
            )
            truth = None
            if "truth" in file:
                group = file["truth"]
                truth = StrainCurve(
                    times_s=group["times_s"][()],
                    global_percent=group["global_percent"][()],
                    segment_percent=group["segment_percent"][()],
                    ed_frame=int(group.attrs["ed_frame"]),
                    es_frame=int(group.attrs["es_frame"]),
                )
            readings = (
                tuple(
                    Reading(
                        line_px=reading["line_px"][()],
                        segment=reading["segment"][()],
                        accepted=reading["accepted"][()],
                        observer=reading.attrs["observer"],
                        ed_frame=int(reading.attrs["ed_frame"]),
                        es_frame=int(reading.attrs["es_frame"]),
                    )
                    for _, reading in sorted(file["readings"].items(), key=lambda item: int(item[0]))
                )
                if "readings" in file
                else ()
            )
            return Recording(
                cine=cine,
                mesh=Mesh(file["mesh/points_px"][()]) if "mesh" in file else None,
                truth=truth,
                readings=readings,
                labels=file["labels"][()] if "labels" in file else None,
                coherence=file["coherence"][()] if "coherence" in file else None,
                through_plane_mm=file["through_plane_mm"][()] if "through_plane_mm" in file else None,
                attributes=json.loads(file.attrs["attributes"]),
            )
    except StoreError:
        raise
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path}: damaged or incomplete recording ({error})") from error


def write_tracks(path: str | Path, tracks: Mapping[str, Tracks], attributes: Mapping[str, Any] | None = None) -> Path:
    """Write named sets of tracks of one recording (e.g. from each observer's contour) atomically."""
    path = Path(path)

    def fill(file: h5py.File) -> None:
        file.attrs["kind"] = TRACKS_KIND
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["attributes"] = _dump("attributes", attributes or {})
        for name, item in tracks.items():
            group = file.create_group(f"tracks/{name}")
            group["points_px"], group["confidence"] = item.points_px, item.confidence.astype(np.float32)
            group.attrs["query_frame"] = item.query_frame
            if item.error_mm is not None:
                group["error_mm"] = item.error_mm.astype(np.float32)

    _write(path, fill)
    return path


def read_tracks(path: str | Path) -> tuple[dict[str, Tracks], dict[str, Any]]:
    """Read a tracks file: the named tracks and the attributes.

    Raises:
        StoreError: The file is missing, truncated or foreign.
    """
    path = Path(path)
    try:
        with _open(path, TRACKS_KIND) as file:
            tracks = {
                name: Tracks(
                    group["points_px"][()],
                    group["confidence"][()],
                    int(group.attrs["query_frame"]),
                    group["error_mm"][()] if "error_mm" in group else None,
                )
                for name, group in file.get("tracks", {}).items()
            }
            return tracks, json.loads(file.attrs["attributes"])
    except StoreError:
        raise
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path}: damaged or incomplete tracks file ({error})") from error
