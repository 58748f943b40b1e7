"""The contract of every tracker: a cine and points in one frame in, their paths and a confidence out."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from echotas.records import Cine, Tracks

__all__ = ["Tracker", "check_query"]


class Tracker(ABC):
    """Follows points through a cine, forwards and backwards from the frame in which they are given.

    A member implements `_follow`; `track` checks the input for all of them, pins the query frame to the query itself and
    builds the `Tracks`. A tracker holds no state between calls: same input, same bytes.
    """

    name: ClassVar[str]
    """Name in the registry."""

    @property
    def n_parameters(self) -> int:
        """Number of learned parameters; 0 for a classical tracker."""
        return 0

    def skip(self, cine: Cine) -> str | None:
        """Why this tracker cannot follow points in this cine; None if it can."""
        return None

    def track(
        self,
        cine: Cine,
        query_px: Float[np.ndarray, "n_points 2"],
        query_frame: int,
        mesh_uv: Float[np.ndarray, "n_points 2"] | None = None,
    ) -> Tracks:
        """Follow points through all frames.

        Args:
            cine: The loop.
            query_px: Points to follow, (x, y) in px, inside the image. May be empty.
            query_frame: Frame in which the points are given.
            mesh_uv: Place of each point in the wall, (u, v) in [0, 1]: u along the wall base -> apex -> base, v endo -> epi.

        Returns:
            Paths of all points in all frames; exactly `query_px` with confidence 1 in the query frame.

        Raises:
            ValueError: The query or the cine breaks a rule of the contract or of this tracker (`skip`).
        """
        query, uv = check_query(cine, query_px, query_frame, mesh_uv)
        reason = self.skip(cine)
        if reason is not None:
            raise ValueError(f"{self.name} cannot track this cine: {reason}")
        query_frame = int(query_frame)
        if cine.n_frames == 1 or len(query) == 0:
            points = np.repeat(query[None], cine.n_frames, axis=0)
            return Tracks(points, np.ones(points.shape[:2]), query_frame)
        points, confidence = self._follow(cine, query, query_frame, uv)
        points, confidence = np.array(points, dtype=np.float64), np.clip(confidence, 0.0, 1.0)
        points[query_frame], confidence[query_frame] = query, 1.0
        return Tracks(points, confidence, query_frame)

    @abstractmethod
    def _follow(
        self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n_frames, n_points, 2) px and confidence (n_frames, n_points), from checked input, >= 2 frames."""


def check_query(
    cine: Cine, query_px: np.ndarray, query_frame: int, mesh_uv: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Query and mesh coordinates as float64 arrays.

    Raises:
        ValueError: Wrong shape, NaN, a frame that the cine does not have, a point outside the image, (u, v) outside [0, 1].
    """
    query = np.array(query_px, dtype=np.float64)
    if query.ndim != 2 or query.shape[1] != 2:
        raise ValueError(f"query_px must be (n_points, 2), got {query.shape}")
    if not np.isfinite(query).all():
        raise ValueError(f"query_px must be finite, got {int((~np.isfinite(query)).any(1).sum())} points with NaN")
    integral = isinstance(query_frame, int | np.integer) and not isinstance(query_frame, bool)
    if not integral or not 0 <= query_frame < cine.n_frames:
        raise ValueError(f"query_frame must be an integer in 0..{cine.n_frames - 1}, got {query_frame!r}")
    height, width = cine.frames.shape[1:]
    # Pixel centres are at integers, so the image covers -0.5 .. size - 0.5.
    outside = ((query < -0.5) | (query > np.array([width, height]) - 0.5)).any(1)
    if outside.any():
        worst = query[int(np.argmax(outside))]
        raise ValueError(
            f"query_px must lie inside the {width} x {height} px image, got {int(outside.sum())} points outside, "
            f"e.g. ({worst[0]:.1f}, {worst[1]:.1f})"
        )
    if mesh_uv is None:
        return query, None
    uv = np.array(mesh_uv, dtype=np.float64)
    if uv.shape != query.shape:
        raise ValueError(f"mesh_uv must have one (u, v) per query point {query.shape}, got {uv.shape}")
    if not np.isfinite(uv).all() or (uv.size and (uv.min() < 0 or uv.max() > 1)):
        raise ValueError(f"mesh_uv must be finite and lie in [0, 1], got {np.nanmin(uv):.3g}..{np.nanmax(uv):.3g}")
    return query, uv
