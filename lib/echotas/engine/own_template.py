"""A cine of one's own as a simulation template: read, given a sector, and a motion tracked from a drawn line."""

from pathlib import Path

import numpy as np

from echotas.geometry.mesh import radial_mesh
from echotas.readers import read_cine, read_contour
from echotas.readers.sector_estimate import with_sector
from echotas.records import Cine, Mesh, Sector
from echotas.trackers.registry import create

__all__ = ["own_template"]

WALL_THICKNESS_MM = 10.0


def own_template(
    file: str | Path,
    contour: str | Path,
    spacing_mm: float | None = None,
    tracker: str = "lucas_kanade_mesh",
    pixel_mm: float = 0.5,
) -> tuple[Cine, Mesh]:
    """Template and motion from a video or DICOM file and a centre line drawn at end-systole.

    Args:
        file: The cine.
        contour: CSV of the line; its frame is end-systole, frame 0 end-diastole.
        spacing_mm: Pixel size, where the file states none.
        tracker: Who gives the motion.
        pixel_mm: Frames finer than this are reduced to it: the acoustic model resolves no more.

    Raises:
        ValueError: The pixel size is unknown (the simulation is in millimetres), or a file is refused.
    """
    cine = with_sector(read_cine(file, spacing_mm=spacing_mm))
    if cine.spacing_mm is None:
        raise ValueError(f"{Path(file).name}: spacing_mm must be given to simulate, the file states none")
    drawn = read_contour(contour)
    line = radial_mesh(drawn.line_px, WALL_THICKNESS_MM / float(np.mean(cine.spacing_mm)))
    cine = Cine(**{**vars(cine), "es_frame": drawn.frame, "ed_frame": 0 if cine.ed_frame is None else cine.ed_frame})
    cine, factor = _reduced(cine, pixel_mm)
    query = (line.reshape(-1, 2) + 0.5) / factor - 0.5
    tracks = create(tracker).track(cine, query, drawn.frame)
    return cine, Mesh(tracks.points_px.reshape(cine.n_frames, *line.shape))


def _reduced(cine: Cine, pixel_mm: float) -> tuple[Cine, np.ndarray]:
    """The cine averaged over whole blocks of pixels up to about `pixel_mm`, and the block size (x, y)."""
    factor = np.maximum(np.round(pixel_mm / np.array(cine.spacing_mm)), 1).astype(int)
    if (factor == 1).all():
        return cine, factor.astype(float)
    fx, fy = factor
    n_frames, height, width = cine.frames.shape
    blocks = cine.frames[:, : height // fy * fy, : width // fx * fx]
    blocks = blocks.reshape(n_frames, height // fy, fy, width // fx, fx).mean(axis=(2, 4))
    sector = cine.sector
    apex = (np.array(sector.apex_px) + 0.5) / factor - 0.5
    radial = float(np.mean(factor))
    reduced = Sector(tuple(apex), sector.half_angle_deg, sector.radius_min_px / radial, sector.radius_max_px / radial)
    values = {**vars(cine), "frames": np.round(blocks).astype(np.uint8), "sector": reduced}
    values["spacing_mm"] = tuple(np.array(cine.spacing_mm) * factor)
    return Cine(**values), factor.astype(float)
