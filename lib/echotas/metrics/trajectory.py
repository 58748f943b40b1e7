"""Distance between predicted and true paths of points, for one recording.

Two published metrics share one acronym: the TAS-Net paper's is a *mean* over points and frames in mm, the EchoTracker
papers' a *median* over frames in px at 256 x 256. Here each has its full name. A tracker is given the query frame, so
it is left out wherever `query_frame` is stated; with None every frame passed in counts.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from echotas.records import check_spacing

from .point_paths import (
    TAPVID_SIZE_PX,
    Accepted,
    Paths,
    checked_frame,
    checked_paths,
    counted_points,
    errors_of,
    mean_or_nan,
    square_scale,
)

__all__ = [
    "WallError",
    "end_point_error_mm",
    "mean_trajectory_error_mm",
    "median_trajectory_error_px",
    "point_errors_mm",
    "wall_error_mm",
]


@dataclass(frozen=True)
class WallError:
    """Mean size of the error along and across the wall, mm; NaN if no point is accepted."""

    along_mm: float
    """Slip along the wall: it changes strain."""
    across_mm: float
    """Error across the wall: it hardly does."""


def mean_trajectory_error_mm(
    predicted_px: Paths,
    true_px: Paths,
    spacing_mm: tuple[float, float],
    accepted: Accepted | None = None,
    query_frame: int | None = None,
) -> float:
    """Mean trajectory error in millimetres.

    Euclidean distance between prediction and truth, averaged over accepted points and all frames but the query frame.

    Args:
        predicted_px: Predicted positions, (x, y) in px.
        true_px: True positions, same frames and points, (x, y) in px.
        spacing_mm: Pixel size (dx, dy) in mm; dx and dy may differ.
        accepted: Points, or points per frame, that enter the average. All, if None.
        query_frame: Frame the tracker was given, left out. None: the caller has left it out.

    Returns:
        Error in mm, 0 for a perfect prediction. NaN if no point is accepted.

    Raises:
        ValueError: Frame or point counts differ, a position is NaN, or a spacing is not positive.

    Unit:
        mm

    Better:
        lower

    Formula:
        mean over accepted points i and frames t of |predicted_i(t) - true_i(t)|, t not the query frame

    Pitfalls:
        "MTE" in the EchoTracker papers is another quantity, `median_trajectory_error_px`. Counting the query frame,
        where the tracker is given the truth, lowers it. Does not tell slip along the wall, which changes strain, from
        error across it (`wall_error_mm`).

    Known as:
        TAS-Net paper -> MTE

    References:
        TAS-Net paper, section IV-D1 (there "MTE"). Not the median error of the EchoTracker papers.
    """
    errors_mm = point_errors_mm(predicted_px, true_px, spacing_mm)
    return mean_or_nan(errors_mm[counted_points(errors_mm.shape, accepted, query_frame)])


def median_trajectory_error_px(
    predicted_px: Paths,
    true_px: Paths,
    image_shape: tuple[int, int],
    accepted: Bool[np.ndarray, " n_points"] | None = None,
    query_frame: int | None = None,
    size_px: int = TAPVID_SIZE_PX,
) -> float:
    """Median trajectory error in px of an image resized to `size_px` x `size_px`.

    Median over frames of each point's distance, then mean over points. x and y are scaled separately before the
    distance, so a px is not the same length in both directions unless the image was square.

    Args:
        predicted_px: Predicted positions, (x, y) in px of the image as recorded.
        true_px: True positions, same frames and points.
        image_shape: Size of the image as recorded, (height, width) in px.
        accepted: Points that enter the mean. All, if None.
        query_frame: Frame the tracker was given, left out. None: the caller has left it out.
        size_px: Side of the square image on which px are counted.

    Returns:
        Error in px, NaN if no point is accepted.

    Raises:
        ValueError: Frame or point counts differ, a position is NaN, or a size is not positive.

    Unit:
        px at 256 x 256

    Better:
        lower

    Formula:
        mean over accepted points i of the median over frames t of |s (predicted_i(t) - true_i(t))|
        t not the query frame, s = (size_px / width, size_px / height)

    Pitfalls:
        A px is another length in mm in every recording, and in x and y of an image that is not square. The median hides
        the frames in which a point is lost. "MTE" in the TAS-Net paper is another quantity, `mean_trajectory_error_mm`.

    Known as:
        EchoTracker2, SpeckNet -> MTE (median trajectory error); EchoTracker's code -> MTE

    References:
        EchoTracker and EchoTracker2 (there "MTE"). Not the mean error of the TAS-Net paper.
    """
    errors_px = errors_of(predicted_px, true_px, square_scale(image_shape, size_px))
    if np.ndim(accepted) == 2:
        raise ValueError("accepted must have one value per point for a median over frames, got one per frame and point")
    counted = counted_points(errors_px.shape, accepted, query_frame)
    frames, points = counted.any(axis=1), counted.any(axis=0)
    return mean_or_nan(np.median(errors_px[frames][:, points], axis=0)) if points.any() else float("nan")


def end_point_error_mm(
    predicted_px: Paths,
    true_px: Paths,
    spacing_mm: tuple[float, float],
    from_frame: int,
    to_frame: int,
    accepted: Bool[np.ndarray, " n_points"] | None = None,
) -> float:
    """Mean error of the displacement between two frames (ED and ES, say) in mm.

    Unlike a position error it does not count what was wrong already in `from_frame`.

    Args:
        predicted_px: Predicted positions, (x, y) in px.
        true_px: True positions, same frames and points, (x, y) in px.
        spacing_mm: Pixel size (dx, dy) in mm.
        from_frame: Start of the displacement.
        to_frame: End of the displacement.
        accepted: Points that enter the mean. All, if None.

    Returns:
        Error in mm, NaN if no point is accepted.

    Raises:
        ValueError: Frame or point counts differ, a position is NaN, a frame is outside, or a spacing is not positive.

    Unit:
        mm

    Better:
        lower

    Formula:
        mean over accepted points i of |(predicted_i(to) - predicted_i(from)) - (true_i(to) - true_i(from))|

    Pitfalls:
        Frame to frame it is many times smaller than from ED to ES: state the frames. A mean over the points passed in,
        where Evain 2022 averages over the pixels of the myocardium.

    Known as:
        Evain 2022 -> EPE (per frame), cumulative EPE (ED to ES)

    References:
        Evain et al. 2022 (EPE), per frame and cumulative from ED to ES.
    """
    predicted_px, true_px = checked_paths(predicted_px, true_px)
    frames = [checked_frame("from_frame", from_frame, len(true_px)), checked_frame("to_frame", to_frame, len(true_px))]
    errors_mm = point_errors_mm(
        np.diff(predicted_px[frames], axis=0), np.diff(true_px[frames], axis=0), spacing_mm
    )  # (1, n_points)
    return mean_or_nan(errors_mm[counted_points(errors_mm.shape, accepted, None)])


def wall_error_mm(
    predicted_px: Paths,
    true_px: Paths,
    spacing_mm: tuple[float, float],
    accepted: Accepted | None = None,
    query_frame: int | None = None,
) -> WallError:
    """Mean absolute error along and across the wall.

    The wall's direction at a point is that of the true line through its two neighbours, in mm, frame by frame.
    Arguments and errors as `mean_trajectory_error_mm`, but the points must be one ordered line.

    Raises:
        ValueError: As `mean_trajectory_error_mm`, or there are fewer than two points or the true line has no direction.

    Unit:
        mm

    Better:
        lower

    Formula:
        e = predicted - true, tau = unit vector along the true line
        along = mean |e . tau|, across = mean |e x tau|

    Pitfalls:
        Two means of absolute values: they do not add up to the mean trajectory error. The points must be one ordered
        line, as the direction comes from the neighbours in the array.

    Known as:
        no other name in the papers read
    """
    predicted_px, true_px = checked_paths(predicted_px, true_px)
    spacing = np.asarray(check_spacing(spacing_mm))
    if true_px.shape[1] < 2:
        raise ValueError(f"true_px must be a line of two or more points, got {true_px.shape[1]}")
    tangent = np.gradient(true_px * spacing, axis=1)  # (n_frames, n_points, 2)
    size = np.linalg.norm(tangent, axis=-1, keepdims=True)
    if (size == 0).any():
        raise ValueError("true_px must be an ordered line with a direction everywhere, got coinciding points")
    tangent /= size
    error_mm = (predicted_px - true_px) * spacing
    along = np.abs((error_mm * tangent).sum(axis=-1))
    across = np.abs(error_mm[..., 0] * tangent[..., 1] - error_mm[..., 1] * tangent[..., 0])
    counted = counted_points(along.shape, accepted, query_frame)
    return WallError(mean_or_nan(along[counted]), mean_or_nan(across[counted]))


def point_errors_mm(
    predicted_px: Paths, true_px: Paths, spacing_mm: tuple[float, float]
) -> Float[np.ndarray, "n_frames n_points"]:
    """Distance between prediction and truth for every frame and point, mm.

    Raises:
        ValueError: Frame or point counts differ, a position is NaN, or a spacing is not positive.

    Unit:
        mm

    Better:
        lower

    Formula:
        |predicted_i(t) - true_i(t)|, x scaled by dx and y by dy

    Pitfalls:
        Every frame and point is in it: leave out the query frame and rejected points before averaging.

    Known as:
        no other name in the papers read
    """
    return errors_of(predicted_px, true_px, np.asarray(check_spacing(spacing_mm)))
