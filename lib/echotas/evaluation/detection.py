"""Are weak segments found? Virtual patients know which ones are weak: a summary per tracker, for readers, by territory."""

import numpy as np
import pandas as pd

from echotas import seeds
from echotas.evaluation.tables import READER
from echotas.evaluation.tracking import TRUE_START
from echotas.geometry.segments import SEGMENTS
from echotas.metrics.detection import Detection, detect
from echotas.phantom.pathology import LEVELS, NORMAL_STRAIN, WALLS

__all__ = ["NORMAL_PERCENT", "TERRITORIES", "TERRITORY", "detection_summary", "impaired_segments"]

# Level as segment names and as `pathology.LEVELS` spell it.
_LEVEL = dict(zip(("basal", "mid", "apical"), LEVELS, strict=True))


def _normal_percent() -> dict[str, float]:
    names = [name for view in SEGMENTS.values() for name in view]
    places = {name: name.split() for name in names}
    return {
        name: float(NORMAL_STRAIN[WALLS.index(wall), LEVELS.index(_LEVEL[level])])
        for name, (level, wall) in places.items()
    }


NORMAL_PERCENT = _normal_percent()
"""Normal peak systolic mid-wall strain of each of the 18 segments, percent, by the names of `geometry.segments`."""

TERRITORIES = ("LAD", "RCA", "LCx")
"""Left anterior descending, right, and left circumflex coronary artery."""

_TERRITORY_OF_WALL = {  # base, mid, apical
    "anteroseptal": ("LAD", "LAD", "LAD"),
    "anterior": ("LAD", "LAD", "LAD"),
    "inferoseptal": ("RCA", "RCA", "LAD"),
    "inferior": ("RCA", "RCA", "RCA"),
    "inferolateral": ("LCx", "LCx", "LCx"),
    "anterolateral": ("LCx", "LCx", "LCx"),
}

TERRITORY = {
    f"{level} {wall}": artery
    for wall, arteries in _TERRITORY_OF_WALL.items()
    for level, artery in zip(_LEVEL, arteries, strict=True)
}
"""Artery of each of the 18 segments: the AHA's map of 17 (LAD 1, 2, 7, 8, 13, 14; RCA 3, 4, 9, 10, 15; LCx 5, 6, 11, 12, 16;
Cerqueira 2002), in which both apical septal segments are the AHA's 14 and both apical lateral ones its 16.

It is one answer where patients have several. Above all the apex overlaps: single occlusions showed the apical lateral segment in
the LAD's bed, the apical inferior and inferoseptal ones in the LAD's or the RCA's (Pereztol-Valdes 2005). The
virtual LAD infarct stops all six apical segments (`pathology.TERRITORIES`), so three of them (inferior, inferolateral,
anterolateral) are counted here under the RCA and the LCx."""


def impaired_segments(table: pd.DataFrame, share: float = 0.5) -> pd.Series:
    """Which rows of `segment_strain_table` are of a segment that shortens less than `share` of its normal in truth.

    The true strain at end-systole is compared with the normal of the same segment (basal walls shorten less than apical
    ones); exactly `share` is not impaired, a segment that lengthens is.

    Args:
        table: Rows with `segment` and `true_strain_es`.
        share: Of the normal strain, in (0, 1].

    Returns:
        True or False per row, with the table's index, named "impaired".

    Raises:
        ValueError: A column is missing, a segment has no known normal, a true strain is not finite, or the share is out of
            range.
    """
    _check_columns(table, ("segment", "true_strain_es"))
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    true = table["true_strain_es"].to_numpy(dtype=float)
    if not np.isfinite(true).all():
        raise ValueError(f"true_strain_es must be finite, got {int((~np.isfinite(true)).sum())} NaN or infinite values")
    return pd.Series(_of_normal(true, table["segment"]) > -100 * share, index=table.index, name="impaired")


def detection_summary(
    table: pd.DataFrame,
    seed: int,
    n_resamples: int,
    by_territory: bool = False,
    start: str = TRUE_START,
    share: float = 0.5,
) -> pd.DataFrame:
    """Per tracker, and for the readers, how well impaired segments are found by their measured strain.

    Measured strain in percent of the segment's normal is the score and the threshold is the same share that defines truth,
    so the truth itself scores 1, 1 and 1. Trackers enter from one start; readers with their own lines, all observers together for the
    true start. Segments that the observer rejected are left out.

    Args:
        table: Rows of `segment_strain_table`.
        seed: Run seed. Methods measured on the same patients get the same resamples.
        n_resamples: Bootstrap resamples of patients.
        by_territory: One row per method and territory of `TERRITORY`; one without segments has no row.
        start: "truth", or an observer's name for lines that began on that observer's line.
        share: Of the normal strain, below which a segment is impaired, in (0, 1].

    Returns:
        Index method (and territory). Columns n_patients, n (segments, a reading each), n_impaired, n_patients_impaired, n_left_out
        (segments without a finite strain), then sensitivity, specificity and auc (0-1), each with 95 % limits `_low`
        and `_high`, and n_undefined (resamples without an impaired or without another segment, left out). NaN as in
        `metrics.detection.detect`: a rate without such segments, limits where fewer than five patients hold them or the rate
        is exactly 0 or 1.

    Raises:
        ValueError: As `impaired_segments`, or a column is missing, no row has this start, or a method has no finite strain.

    Unit:
        0-1 for the three rates.

    Better:
        higher

    Formula:
        Called impaired if 100 strain_es / normal < 100 share, impaired if 100 true_strain_es / normal < 100 share.

    Pitfalls:
        Diffusely weak hearts supply impaired segments too; the AUC rewards telling hearts apart, not only walls.
        From an observer's start segments are cut where that line lies, so that even perfect tracking misses some.
        A reader row counts each segment once per observer who accepted it, so its n is larger and its segments are the
        easier ones.
        Normal values are those of the virtual cohort (`pathology.NORMAL_STRAIN`), not of any vendor.

    Known as:
        Detection of hypokinetic segments.

    References:
        Cerqueira et al. 2002 and Pereztol-Valdes et al. 2005 (territories); `metrics.detection.detect` (rates).
    """
    _check_columns(table, ("patient", "method", "start", "segment", "strain_es", "true_strain_es", "accepted"))
    wanted = table["start"] == start
    if start == TRUE_START:
        wanted |= table["method"] == READER
    table = table[wanted & table["accepted"].astype(bool)]
    if table.empty:
        raise ValueError(f"table must have accepted segments of start {start!r}, got none")
    table = table.assign(impaired=impaired_segments(table, share), territory=table["segment"].map(TERRITORY))
    rows = {}
    for method in dict.fromkeys(table["method"]):
        of_method = table[table["method"] == method]
        if not np.isfinite(of_method["strain_es"].to_numpy(dtype=float)).any():
            raise ValueError(f"strain_es must be finite for some segment of every method, got none of {method!r}")
        if by_territory:
            parts = {(method, name): of_method[of_method["territory"] == name] for name in TERRITORIES}
        else:
            parts = {method: of_method}
        for key, part in parts.items():
            finite = np.isfinite(part["strain_es"].to_numpy(dtype=float))
            if finite.any():
                found = _detect(part[finite], seed, n_resamples, share)
                rows[key] = _row(found, n_left_out=int((~finite).sum()))
    names = ["method", "territory"] if by_territory else ["method"]
    summary = pd.DataFrame(list(rows.values()))
    summary.index = pd.MultiIndex.from_tuples(rows, names=names) if by_territory else pd.Index(rows, name=names[0])
    return summary


def _detect(part: pd.DataFrame, seed: int, n_resamples: int, share: float) -> Detection:
    return detect(
        _of_normal(part["strain_es"].to_numpy(dtype=float), part["segment"]),
        part["impaired"].to_numpy(dtype=bool),
        part["patient"].to_numpy(),
        -100 * share,
        n_resamples,
        rng=seeds.generator(seed, "bootstrap", "detection"),
    )


def _row(found: Detection, n_left_out: int) -> dict[str, float | int]:
    row: dict[str, float | int] = {
        "n_patients": found.n_patients,
        "n": found.n_segments,
        "n_impaired": found.n_impaired,
        "n_patients_impaired": found.n_patients_impaired,
        "n_left_out": n_left_out,
    }
    for name in ("sensitivity", "specificity", "auc"):
        interval = getattr(found, name)
        row |= {name: interval.estimate, f"{name}_low": interval.ci_low, f"{name}_high": interval.ci_high}
    return row | {"n_undefined": found.auc.n_undefined}


def _of_normal(strain_percent: np.ndarray, segment: pd.Series) -> np.ndarray:
    """Strain in percent of the size of the segment's normal, negative = shortening: -100 is normal, 0 is none."""
    normal = segment.map(NORMAL_PERCENT)
    if normal.isna().any():
        unknown = sorted(set(segment[normal.isna()].astype(str)))
        raise ValueError(f"segment must be one of the 18 names of geometry.segments, got {', '.join(unknown)}")
    return 100 * strain_percent / np.abs(normal.to_numpy(dtype=float))


def _check_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"table must have the columns of segment_strain_table, got none named {', '.join(missing)}")
