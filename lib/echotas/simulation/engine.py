"""The data engine's pure pieces: the tree of nodes, and meshes from masks (first stage) or tracks (later stages).

A node simulates the templates with its strategy and its parent's motion, trains a tracker on the result, and tracks the
real templates with it; its tracks are the motion of its children. Roots take the motion of segmentation masks. Errors
do not accumulate: each synthetic cine matches its mesh exactly, whatever the mesh.

Reference: TAS-Net paper, section III-B and Table I.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import ndimage

from echotas.geometry import mesh_from_mask, signed_areas
from echotas.records import Mesh, Tracks
from echotas.simulation.config import require_strategy

__all__ = ["MASKS", "EngineNode", "masks_to_mesh", "ordered_nodes", "paper_nodes", "tracks_to_mesh"]

MASKS = "masks"
"""Parent of a node whose motion comes from segmentation masks."""


@dataclass(frozen=True)
class EngineNode:
    """One stage of the data engine."""

    name: str
    """Unique name, also a folder name."""
    parent: str
    """Node whose tracks give the motion, or "masks"."""
    strategy: str
    """"S1", "S2" or "S3"."""

    def __post_init__(self) -> None:
        if not self.name or self.name == MASKS or not all(c.isalnum() or c in "-_." for c in self.name):
            raise ValueError(f"name must be letters, digits and -_. and not {MASKS!r}, got {self.name!r}")
        require_strategy(self.strategy)


def ordered_nodes(nodes: Sequence[EngineNode]) -> list[EngineNode]:
    """Nodes with every parent before its children, otherwise in the order given.

    Raises:
        ValueError: A name occurs twice, a parent does not exist, or parents form a circle.
    """
    names = [node.name for node in nodes]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"nodes must have unique names, got {', '.join(repeated)} more than once")
    for node in nodes:
        if node.parent != MASKS and node.parent not in names:
            raise ValueError(f"parent of node {node.name!r} must be {MASKS!r} or another node, got {node.parent!r}")
    done, ordered, waiting = {MASKS}, [], list(nodes)
    while waiting:
        ready = [node for node in waiting if node.parent in done]
        if not ready:
            raise ValueError(f"nodes must form a tree, got a circle among {', '.join(node.name for node in waiting)}")
        ordered += ready
        done.update(node.name for node in ready)
        waiting = [node for node in waiting if node.name not in done]
    return ordered


def paper_nodes() -> list[EngineNode]:
    """The nine configurations of the paper's Table I, each sharing the stages it has in common with others."""
    names = ("S1", "S2", "S1-S1", "S2-S2", "S1-S2", "S1-S1-S1", "S2-S2-S2", "S1-S2-S2", "S1-S2-S3")
    return [EngineNode(name, name.rpartition("-")[0] or MASKS, name.rpartition("-")[2]) for name in names]


def masks_to_mesh(
    labels: Int[np.ndarray, "n_frames height width"], n_long: int = 36, n_rad: int = 5, smoothing_frames: float = 1.5
) -> Mesh:
    """Motion of the first stage: the mesh of every frame's mask, smoothed in time.

    Nodes are matched by their arc fraction on either wall, so that slip along the wall is not seen; the mesh is a
    plausible motion, not the true one.

    Args:
        labels: Masks, 1 = cavity, 2 = myocardium.
        n_long: Points along the wall.
        n_rad: Points across it.
        smoothing_frames: Standard deviation of the Gaussian over time, frames; masks of single frames jitter.

    Raises:
        ValueError: A mask gives no mesh (the frame and the reason are named), or the result fails a sanity check.
    """
    labels = np.asarray(labels)
    if labels.ndim != 3 or len(labels) == 0:
        raise ValueError(f"labels must be (n_frames >= 1, height, width), got shape {labels.shape}")
    meshes = []
    for t, mask in enumerate(labels):
        try:
            meshes.append(mesh_from_mask(mask, n_long, n_rad))
        except ValueError as error:
            raise ValueError(f"labels of frame {t} give no mesh: {error}") from error
    points = np.stack(meshes)
    if smoothing_frames > 0:
        points = ndimage.gaussian_filter1d(points, smoothing_frames, axis=0, mode="nearest")
    return _sane(points, reference_frame=0, max_folded=0.05)


def tracks_to_mesh(
    tracks: Tracks, n_long: int, n_rad: int, smoothing_frames: float = 0.0, max_folded: float = 0.2
) -> Mesh:
    """Motion of a later stage: a tracker's points, given in mesh order, as a mesh.

    Args:
        tracks: Points followed through the real cine, node order l * n_rad + r.
        n_long: Points along the wall.
        n_rad: Points across it.
        smoothing_frames: Standard deviation of a Gaussian over time, frames; 0 keeps the tracks.
        max_folded: Largest share of triangles that may be folded in any frame. A few folds do no harm (image and motion
            still agree exactly); many mean that tracking failed.

    Raises:
        ValueError: The number of points is not n_long * n_rad, or the result fails a sanity check.
    """
    n_points = tracks.points_px.shape[1]
    if n_points != n_long * n_rad:
        raise ValueError(f"tracks must have n_long * n_rad = {n_long * n_rad} points, got {n_points}")
    points = tracks.points_px.reshape(len(tracks.points_px), n_long, n_rad, 2)
    if smoothing_frames > 0:
        points = ndimage.gaussian_filter1d(points, smoothing_frames, axis=0, mode="nearest")
    return _sane(points, tracks.query_frame, max_folded)


def _sane(points: np.ndarray, reference_frame: int, max_folded: float) -> Mesh:
    """Mesh of the points, unless its wall folds too much, collapses or explodes against the reference frame."""
    areas = signed_areas(points)  # (T, n_triangles)
    folded = (areas * np.sign(areas[reference_frame].sum()) <= 0).mean(axis=1)
    if folded.max() > max_folded:
        raise ValueError(
            f"mesh must have at most {100 * max_folded:.0f} % folded triangles, got {100 * folded.max():.0f} % "
            f"in frame {int(folded.argmax())}"
        )
    growth = np.abs(areas).sum(axis=1) / np.abs(areas[reference_frame]).sum()
    if growth.min() < 0.4 or growth.max() > 2.5:
        worst = int(np.abs(np.log(growth)).argmax())
        raise ValueError(
            f"mesh must keep its area within 0.4 to 2.5 of frame {reference_frame}, "
            f"got {growth[worst]:.2f} in frame {worst}"
        )
    return Mesh(points)
