"""Control: the truth itself, read at the query points, resampled and rounded."""

import numpy as np

from echotas.geometry.mesh import carry, locate
from echotas.records import Cine, Mesh
from echotas.trackers.base import Tracker

__all__ = ["OracleTracker"]


class OracleTracker(Tracker):
    """Reads the true motion at the query points, rounded to `quantum_px`: the error floor of the measuring chain.

    A point inside the true mesh moves with its triangle (linear interpolation of the truth). A point outside, e.g. of an
    observer whose line leaves the wall, moves by the displacement of the nearest mesh point. Confidence is 1.

    Args:
        truth: True mesh, as `Mesh` or array (n_frames, n_long, n_rad, 2) px.
        quantum_px: Positions are rounded to multiples of this, px; 0 leaves them exact.
    """

    name = "oracle"

    def __init__(self, truth: Mesh | np.ndarray, quantum_px: float = 0.1) -> None:
        if not quantum_px >= 0:
            raise ValueError(f"quantum_px must be >= 0, got {quantum_px}")
        self.truth_px = (truth if isinstance(truth, Mesh) else Mesh(truth)).points_px
        self.quantum_px = float(quantum_px)

    def skip(self, cine: Cine) -> str | None:
        if len(self.truth_px) != cine.n_frames:
            return f"truth must have the cine's {cine.n_frames} frames, got {len(self.truth_px)}"
        return None

    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        reference = self.truth_px[query_frame]
        triangle, barycentric = locate(reference, query)
        points = np.empty((cine.n_frames, len(query), 2))
        inside = triangle >= 0
        points[:, inside] = carry(self.truth_px, triangle[inside], barycentric[inside])
        if not inside.all():
            vertices = self.truth_px.reshape(cine.n_frames, -1, 2)
            distance = np.linalg.norm(query[~inside, None] - vertices[query_frame], axis=-1)
            nearest = distance.argmin(1)
            points[:, ~inside] = query[~inside] + vertices[:, nearest] - vertices[query_frame, nearest]
        if self.quantum_px:
            points = np.round(points / self.quantum_px) * self.quantum_px
        return points, np.ones(points.shape[:2])
