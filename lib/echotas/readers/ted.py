"""Reads TED: 98 CAMUS patients in A4C, a whole cycle each, with an expert mask of every frame.

The three-digit number is a renumbering of the sorted CAMUS ids, not the CAMUS number. Without the mapping, TED and
CAMUS patients must not be put into one split; with it, `meta["camus_patient"]` names the CAMUS folder.
Data: the TED extension of CAMUS, creatis (CC BY-NC-SA 4.0, registration needed; none is shipped here).
"""

import csv
import re
from pathlib import Path

from echotas.readers.build import build_cine, grey_levels, times_from_rate
from echotas.readers.cfg import frame_of, number_of, read_cfg
from echotas.readers.errors import ReaderError, require_file
from echotas.readers.labelled import Label, LabelledCine, check_mask
from echotas.readers.metaimage import read_metaimage
from echotas.records import View

__all__ = ["read_ted", "ted_patients", "ted_to_camus"]


def ted_patients(folder: str | Path) -> list[str]:
    """Names of the patient folders (`patient001`, ...) in `TED/database`, sorted.

    Raises:
        ReaderError: The folder does not exist or holds no patient.
    """
    folder = Path(folder)
    names = sorted(item.name for item in folder.glob("patient*") if item.is_dir()) if folder.is_dir() else []
    if not names:
        raise ReaderError(folder, "must be a folder with patientNNN folders, got none")
    return names


def ted_to_camus(path: str | Path) -> dict[str, str]:
    """CAMUS folder name by TED folder name, from a CSV with the columns `ted_id` and `camus_id`.

    Raises:
        ReaderError: Missing file or column, an id without a number, or an id that appears twice.
    """
    path = require_file(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"ted_id", "camus_id"} <= set(rows[0]):
        raise ReaderError(
            path, f"must have the columns ted_id and camus_id, got {list(rows[0]) if rows else 'no rows'}"
        )
    mapping = {}
    for row in rows:
        ids = [re.search(r"(\d+)\s*$", row[key] or "") for key in ("ted_id", "camus_id")]
        if None in ids:
            raise ReaderError(path, f"ids must end in a number, got {row['ted_id']!r} and {row['camus_id']!r}")
        ted, camus = f"patient{int(ids[0].group(1)):03d}", f"patient{int(ids[1].group(1)):04d}"
        if ted in mapping or camus in mapping.values():
            raise ReaderError(path, f"every id must appear once, got {ted} -> {camus} again")
        mapping[ted] = camus
    return mapping


def read_ted(
    patient_folder: str | Path, *, frame_rate: float, camus_names: dict[str, str] | None = None
) -> LabelledCine:
    """The cycle of one patient with a mask of every frame, all drawn.

    ED is the first frame, ES as in the cfg, the last frame is the next ED (`meta["cycle_end_frame"]`).

    Args:
        patient_folder: `.../database/patientNNN`.
        frame_rate: Hz; TED does not store one.
        camus_names: Result of `ted_to_camus`.

    Raises:
        ReaderError: A file is missing or damaged, NbFrame or the masks do not fit the cine, or ids are not mapped.
    """
    folder = Path(patient_folder)
    if not folder.is_dir():
        raise ReaderError(folder, "no such patient folder")
    stem = f"{folder.name}_4CH"
    path, mask_path, info_path = (folder / f"{stem}_{end}" for end in ("sequence.mhd", "sequence_gt.mhd", "info.cfg"))
    image, mask_image = read_metaimage(path), read_metaimage(mask_path)
    frames = grey_levels(path, image.values)
    n_frames = len(frames)
    info = read_cfg(info_path)
    stated = number_of(info_path, info, "NbFrame")
    if stated is not None and stated != n_frames:
        raise ReaderError(info_path, f"NbFrame must be the number of frames in the cine ({n_frames}), got {stated:g}")
    ed, es = (frame_of(info_path, info, key, n_frames) for key in ("ED", "ES"))
    if ed not in (None, 0) or es in (None, 0):
        raise ReaderError(
            info_path, f"ED must be frame 1 and ES a later one, got ED {info.get('ed')}, ES {info.get('es')}"
        )
    if mask_image.values.shape != frames.shape:
        raise ReaderError(
            mask_path, f"masks must have the shape {frames.shape} of the cine, got {mask_image.values.shape}"
        )
    masks = {
        index: check_mask(mask_path, mask, frames.shape[1:], Label.MYO) for index, mask in enumerate(mask_image.values)
    }
    meta = {}
    if camus_names is not None:
        if folder.name not in camus_names:
            raise ReaderError(folder, f"must be in the mapping to CAMUS ({len(camus_names)} ids), got {folder.name}")
        meta["camus_patient"] = camus_names[folder.name]
    cine = build_cine(
        path,
        frames=frames,
        spacing_mm=image.spacing_mm,
        times_s=times_from_rate(path, n_frames, frame_rate),
        view=View.A4C,
        ed_frame=0,
        es_frame=es,
        patient_id=f"ted-{folder.name}",
        recording_id=f"ted-{stem}",
        meta={
            "source": path.name,
            "format": "mhd",
            "release": "ted",
            "frame_rate_source": "given",
            "spacing_source": "file",
            "cycle_end_frame": n_frames - 1,
            **meta,
        },
    )
    return LabelledCine(cine=cine, masks=masks, drawn_frames=tuple(range(n_frames)))
