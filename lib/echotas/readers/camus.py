"""Reads CAMUS: the NIfTI release of 2023 (half sequences, 500 patients) and the MHD release of the 2019 challenge.

Both have one folder per patient with `Info_{2CH,4CH}.cfg`. The two releases number their patients differently, and the
older one uses the same numbers in `training` and `testing`: patient ids carry the release, so that no split can merge
them.
Data: Leclerc et al., IEEE Trans Med Imaging 2019 (CC BY-NC-SA 4.0, registration needed; none is shipped here).
"""

import re
from pathlib import Path

import numpy as np

from echotas.readers.build import build_cine, grey_levels, times_from_rate
from echotas.readers.cfg import frame_of, number_of, read_cfg
from echotas.readers.errors import ReaderError, require_file
from echotas.readers.labelled import LabelledCine, check_mask
from echotas.readers.metaimage import read_metaimage
from echotas.readers.nifti import read_nifti
from echotas.records import View

__all__ = ["camus_patients", "camus_subset", "read_camus"]

CHAMBERS = {View.A2C: "2CH", View.A4C: "4CH"}


def camus_patients(folder: str | Path) -> list[str]:
    """Names of the patient folders (`patient0001`, ...) in a `database_nifti`, `training` or `testing` folder, sorted.

    Raises:
        ReaderError: The folder does not exist or holds no patient.
    """
    folder = Path(folder)
    names = sorted(item.name for item in folder.glob("patient*") if item.is_dir()) if folder.is_dir() else []
    if not names:
        raise ReaderError(folder, "must be a folder with patientXXXX folders, got none")
    return names


def camus_subset(path: str | Path) -> list[str]:
    """Patient names of a list file with one id per line.

    `subgroup_testing.txt` of the NIfTI release, `subGroup1_training.txt` of the MHD release, and their like.

    Raises:
        ReaderError: The file is missing, empty, or a line is no patient id.
    """
    path = require_file(path)
    names = []
    for line in path.read_text(encoding="utf-8-sig").split():
        if not (match := re.fullmatch(r"(?:patient)?(\d{1,4})", line)):
            raise ReaderError(path, f"must list one patient id per line, got {line!r}")
        names.append(f"patient{int(match.group(1)):04d}")
    return names


def read_camus(
    patient_folder: str | Path,
    view: View | str,
    *,
    frame_rate: float | None = None,
    reverse_filling: bool = True,
) -> LabelledCine:
    """One view of one patient, with its masks.

    The NIfTI half sequence holds the frames between ED and ES. Where it runs from ES to ED it is the *filling* half; it
    is then reversed by default, so that frame 0 is ED, but its timing is that of diastole: `meta["reversed"]` says so.
    Its first and last mask are drawn, those between interpolated. The MHD sequence holds all its frames, and masks of
    ED and ES only.

    Args:
        patient_folder: `.../patientXXXX` of either release.
        view: A2C or A4C.
        frame_rate: Hz; needed where the cfg has no `FrameRate` (all of the MHD release), overrides it elsewhere.
        reverse_filling: Whether to turn a half sequence that runs from ES to ED.

    Returns:
        Cine (spacing as stored: 0.308 mm isotropic in the NIfTI, 0.308 x 0.154 mm in the MHD release) and masks. No
        masks where the release has none (`testing` of the MHD release).

    Raises:
        ReaderError: A file is missing or damaged, shapes differ, or the cfg contradicts the images.
    """
    folder = Path(patient_folder)
    view = View(view)
    if view not in CHAMBERS:
        raise ReaderError(folder, f"view must be A2C or A4C in CAMUS, got {view}")
    if not folder.is_dir():
        raise ReaderError(folder, "no such patient folder")
    stem = f"{folder.name}_{CHAMBERS[view]}"
    info_path = folder / f"Info_{CHAMBERS[view]}.cfg"
    info = read_cfg(info_path)
    if (folder / f"{stem}_half_sequence.nii.gz").exists():
        return _read_nifti_release(folder, stem, view, info_path, info, frame_rate, reverse_filling)
    if (folder / f"{stem}_sequence.mhd").exists():
        return _read_mhd_release(folder, stem, view, info_path, info, frame_rate)
    raise ReaderError(folder, f"must hold {stem}_half_sequence.nii.gz or {stem}_sequence.mhd, got neither")


def _read_nifti_release(folder, stem, view, info_path, info, frame_rate, reverse_filling) -> LabelledCine:
    path = folder / f"{stem}_half_sequence.nii.gz"
    values, spacing = read_nifti(path)
    frames = grey_levels(path, values)
    n_frames = len(frames)
    ed, es = _events(info_path, info, n_frames)
    if {ed, es} != {0, n_frames - 1}:
        raise ReaderError(
            info_path, f"ED and ES must be the first and last of {n_frames} frames, got ED {ed + 1}, ES {es + 1}"
        )

    mask_path = folder / f"{stem}_half_sequence_gt.nii.gz"
    masks = {}
    if mask_path.exists():
        mask_values, _ = read_nifti(mask_path)
        if mask_values.shape != frames.shape:
            raise ReaderError(
                mask_path, f"masks must have the shape {frames.shape} of the cine, got {mask_values.shape}"
            )
        masks = {index: check_mask(mask_path, mask, frames.shape[1:]) for index, mask in enumerate(mask_values)}

    turned = bool(ed > es and reverse_filling)
    if turned:
        frames = frames[::-1]
        masks = {n_frames - 1 - index: mask for index, mask in masks.items()}
        ed, es = 0, n_frames - 1
    meta = {"release": "camus-nifti", "reversed": turned, "half": "filling" if (turned or ed > es) else "ejection"}
    cine = _cine(path, folder, stem, view, info_path, info, frame_rate, frames, spacing, ed, es, meta)
    return LabelledCine(cine=cine, masks=masks, drawn_frames=(ed, es) if masks else ())


def _read_mhd_release(folder, stem, view, info_path, info, frame_rate) -> LabelledCine:
    path = folder / f"{stem}_sequence.mhd"
    image = read_metaimage(path)
    frames = grey_levels(path, image.values)
    ed, es = _events(info_path, info, len(frames))
    masks = {}
    for frame, event in ((ed, "ED"), (es, "ES")):
        mask_path = folder / f"{stem}_{event}_gt.mhd"
        if mask_path.exists():
            mask = read_metaimage(mask_path).values
            if len(mask) != 1:
                raise ReaderError(mask_path, f"mask must be of one frame, got {len(mask)}")
            masks[frame] = check_mask(mask_path, mask[0], frames.shape[1:])
    group = folder.parent.name
    meta = {"release": f"camus-mhd-{group}" if group in ("training", "testing") else "camus-mhd", "reversed": False}
    cine = _cine(path, folder, stem, view, info_path, info, frame_rate, frames, image.spacing_mm, ed, es, meta)
    return LabelledCine(cine=cine, masks=masks, drawn_frames=tuple(masks))


def _events(info_path: Path, info: dict[str, str], n_frames: int) -> tuple[int, int]:
    """ED and ES, 0-based; the cfg counts from 1."""
    stated = number_of(info_path, info, "NbFrame")
    if stated is not None and stated != n_frames:
        raise ReaderError(info_path, f"NbFrame must be the number of frames in the cine ({n_frames}), got {stated:g}")
    events = tuple(frame_of(info_path, info, key, n_frames) for key in ("ED", "ES"))
    if None in events or events[0] == events[1]:
        raise ReaderError(
            info_path, f"must state two different frames ED and ES, got {info.get('ed')} and {info.get('es')}"
        )
    return events


def _cine(path, folder, stem, view, info_path, info, frame_rate, frames: np.ndarray, spacing, ed, es, meta: dict):
    stated_rate = number_of(info_path, info, "FrameRate")
    rate = stated_rate if frame_rate is None else frame_rate
    if rate is None:
        raise ReaderError(info_path, "frame_rate must be given, the cfg has no FrameRate")
    optional = {
        "sex": info.get("sex"), "age": number_of(info_path, info, "Age"), "quality": info.get("imagequality"),
        "ejection_fraction_percent": number_of(info_path, info, "EF") or number_of(info_path, info, "LVef"),
    }  # fmt: skip
    return build_cine(
        path,
        frames=frames,
        spacing_mm=spacing,
        times_s=times_from_rate(path, len(frames), rate),
        view=view,
        ed_frame=ed,
        es_frame=es,
        patient_id=f"{meta['release']}-{folder.name}",
        recording_id=f"{meta['release']}-{stem}",
        meta={
            "source": path.name,
            "format": path.name.partition(".")[2],
            "frame_rate_source": "file" if frame_rate is None else "given",
            "spacing_source": "unknown" if spacing is None else "file",
            **meta,
            **{key: value for key, value in optional.items() if value is not None},
        },
    )
