"""Lines, meshes, wall segments and the scanned sector in image coordinates."""

from echotas.geometry.contour import (
    arc_length,
    endo_epi_from_mask,
    outward_normals,
    resample_line,
    smooth_line,
)
from echotas.geometry.mesh import (
    boundary,
    carry,
    deform,
    interpolate_at,
    locate,
    mesh_from_endo_epi,
    mesh_from_mask,
    mesh_uv,
    radial_mesh,
    signed_areas,
    triangles,
)
from echotas.geometry.sector import inside, require_inside, sector_mask
from echotas.geometry.segments import SEGMENTS, check_orientation, segment_names, segment_of_arc

__all__ = [
    "SEGMENTS",
    "arc_length",
    "boundary",
    "carry",
    "check_orientation",
    "deform",
    "endo_epi_from_mask",
    "inside",
    "interpolate_at",
    "locate",
    "mesh_from_endo_epi",
    "mesh_from_mask",
    "mesh_uv",
    "outward_normals",
    "radial_mesh",
    "require_inside",
    "resample_line",
    "sector_mask",
    "segment_names",
    "segment_of_arc",
    "signed_areas",
    "smooth_line",
    "triangles",
]
