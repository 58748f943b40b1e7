"""The contract of every tracker: a cine and points in one frame in, their paths and a confidence out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from echotas.records import Cine, Tracks

__all__ = ["Paths", "Query", "Tracker", "check_query"]


class Query(NamedTuple):
    """Points to follow."""

    points_px: np.ndarray
    """(n_points, 2) px, inside the image."""
    frame: int
    """Frame in which they are given."""
    mesh_uv: np.ndarray | None = None
    """Place of each in the wall, (n_points, 2) in [0, 1]."""


class Paths(NamedTuple):
    """What `_follow` finds; a tracker that predicts no error may return the first two alone."""

    points_px: np.ndarray
    """(n_frames, n_points, 2) px."""
    confidence: np.ndarray
    """(n_frames, n_points)."""
    error_mm: np.ndarray | None = None
    """(n_frames, n_points) predicted standard error of each coordinate, mm."""


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

    @property
    def n_steps(self) -> int:
        """Optimiser steps behind the parameters, those of all trainings they went through; 0 where nothing was optimised."""
        return 0

    @property
    def error_length(self) -> float | None:
        """How far along the wall predicted errors go together, as a share of it; None where none are predicted."""
        return None

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
        return self.track_all(cine, [Query(query_px, query_frame, mesh_uv)])[0]

    def track_all(self, cine: Cine, queries: Sequence["Query"]) -> list[Tracks]:
        """Follow several sets of points through one cine, e.g. from several observers' lines.

        The same as `track` for each, with the work on the image shared where the tracker can: to a hundredth of a pixel, and to a
        tenth with block matching, whose grid of windows then covers all queries.

        Raises:
            ValueError: As `track`.
        """
        checked = [check_query(cine, item.points_px, item.frame, item.mesh_uv) for item in queries]
        reason = self.skip(cine)
        if reason is not None:
            raise ValueError(f"{self.name} cannot track this cine: {reason}")
        starts = [Query(points, int(item.frame), uv) for item, (points, uv) in zip(queries, checked, strict=True)]
        moving = [start for start in starts if cine.n_frames > 1 and len(start.points_px)]
        followed = iter(self._follow_all(cine, moving) if moving else [])
        tracks = []
        for start in starts:
            if cine.n_frames > 1 and len(start.points_px):
                found = Paths(*next(followed))
                points, confidence = np.array(found.points_px, dtype=np.float64), np.clip(found.confidence, 0.0, 1.0)
                points[start.frame], confidence[start.frame] = start.points_px, 1.0
                error = None if found.error_mm is None else np.array(found.error_mm, dtype=np.float64)
                if error is not None:
                    error[start.frame] = 0.0
            else:
                points = np.repeat(start.points_px[None], cine.n_frames, axis=0)
                confidence, error = np.ones(points.shape[:2]), None
            tracks.append(Tracks(points, confidence, start.frame, error))
        return tracks

    def _follow_all(self, cine: Cine, starts: Sequence["Query"]) -> list[tuple[np.ndarray, ...]]:
        """`_follow` for each start; a member that can share work overrides this."""
        return [self._follow(cine, start.points_px, start.frame, start.mesh_uv) for start in starts]

    @abstractmethod
    def _follow(self, cine: Cine, query: np.ndarray, query_frame: int, uv: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """The members of `Paths`, from checked input, >= 2 frames."""


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
