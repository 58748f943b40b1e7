"""Distance between predicted and true paths of points, for one recording.

Two published metrics share one acronym: the TAS-Net paper's is a *mean* over points and frames in mm, the EchoTracker
papers' a *median* over frames in px at 256 x 256. Here each has its full name. A tracker is given the query frame, so
it is left out wherever `query_frame` is stated; with None every frame passed in counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from echotas.records import check_spacing

__all__ = [
    "PositionAccuracy",
    "WallError",
    "end_point_error_mm",
    "mean_trajectory_error_mm",
    "median_trajectory_error_px",
    "point_errors_mm",
    "position_accuracy",
    "position_accuracy_px",
    "survival",
    "survival_px",
    "wall_error_mm",
]

Accepted = Bool[np.ndarray, " n_points"] | Bool[np.ndarray, "n_frames n_points"]
Paths = Float[np.ndarray, "n_frames n_points 2"]

# Square image on which the tracker literature counts pixels (TAP-Vid; EchoTracker).
TAPVID_SIZE_PX = 256


@dataclass(frozen=True)
class PositionAccuracy:
    """Share of positions closer to the truth than each threshold, 0-1."""

    thresholds: tuple[float, ...]
    """Thresholds, in mm or px."""
    shares: tuple[float, ...]
    """Share below each threshold; NaN if no point is accepted."""
    average: float
    """Mean of the shares (`delta_avg` where the thresholds are px at 256 x 256)."""


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
    return _mean(errors_mm[_counted(errors_mm.shape, accepted, query_frame)])


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
    errors_px = _errors(predicted_px, true_px, _square_scale(image_shape, size_px))
    if np.ndim(accepted) == 2:
        raise ValueError("accepted must have one value per point for a median over frames, got one per frame and point")
    counted = _counted(errors_px.shape, accepted, query_frame)
    frames, points = counted.any(axis=1), counted.any(axis=0)
    return _mean(np.median(errors_px[frames][:, points], axis=0)) if points.any() else float("nan")


def position_accuracy(
    predicted_px: Paths,
    true_px: Paths,
    spacing_mm: tuple[float, float],
    accepted: Accepted | None = None,
    query_frame: int | None = None,
    thresholds_mm: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
) -> PositionAccuracy:
    """Share of positions less than each threshold in mm from the truth (strictly less).

    Arguments and errors as `mean_trajectory_error_mm`; `thresholds_mm` must be positive.

    Unit:
        share, 0-1

    Better:
        higher

    Formula:
        share(x) = share of accepted points and frames with |predicted - true| < x, the query frame left out
        average = mean over the thresholds x

    Pitfalls:
        The average depends on the thresholds: state them, and compare only equal ones. Errors beyond the largest
        threshold all count alike.

    Known as:
        no other name in the papers read; their delta counts px (`position_accuracy_px`)
    """
    errors_mm = point_errors_mm(predicted_px, true_px, spacing_mm)
    return _accuracy(errors_mm[_counted(errors_mm.shape, accepted, query_frame)], "thresholds_mm", thresholds_mm)


def position_accuracy_px(
    predicted_px: Paths,
    true_px: Paths,
    image_shape: tuple[int, int],
    accepted: Accepted | None = None,
    query_frame: int | None = None,
    thresholds_px: Sequence[float] = (1.0, 2.0, 4.0, 8.0, 16.0),
    size_px: int = TAPVID_SIZE_PX,
) -> PositionAccuracy:
    """Share of positions less than each threshold in px of a `size_px` x `size_px` image from the truth.

    The paper's number, for comparison; px mean different mm in different recordings, so prefer `position_accuracy`.
    Other arguments and errors as `median_trajectory_error_px`.

    Unit:
        share, 0-1

    Better:
        higher

    Formula:
        share(x) = share of accepted points and frames with |s (predicted - true)| < x, the query frame left out
        s = (size_px / width, size_px / height); average = mean over the thresholds x

    Pitfalls:
        The default thresholds are TAP-Vid's; EchoTracker2's average takes 1, 2 and 4 px and is lower. The papers print
        percent. A px is another length in mm in every recording, and in x and y of an image that is not square.

    Known as:
        EchoTracker2 -> delta^x and its average delta_avg; SpeckNet -> delta, position accuracy; TAP-Vid -> delta_avg

    References:
        TAP-Vid (Doersch et al. 2022); thresholds 1, 2, 4 in EchoTracker2.
    """
    errors_px = _errors(predicted_px, true_px, _square_scale(image_shape, size_px))
    return _accuracy(errors_px[_counted(errors_px.shape, accepted, query_frame)], "thresholds_px", thresholds_px)


def survival(
    predicted_px: Paths,
    true_px: Paths,
    spacing_mm: tuple[float, float],
    query_frame: int,
    accepted: Accepted | None = None,
    threshold_mm: float = 5.0,
) -> float:
    """Share of a recording that a point lives through before it is lost, mean over points, 0-1.

    A point is lost in the first frame, counted from the query frame in both directions, in which it is further from the truth
    than the threshold; later frames do not count even if it comes back. The query frame itself is left out.

    Args:
        predicted_px: Predicted positions, (x, y) in px.
        true_px: True positions, same frames and points.
        spacing_mm: Pixel size (dx, dy) in mm.
        query_frame: Frame the tracker was given.
        accepted: Points that count, one value per point. All, if None.
        threshold_mm: Distance beyond which a point is lost, mm.

    Returns:
        1 if no point is ever lost, NaN if no point is accepted.

    Raises:
        ValueError: Frame or point counts differ, a position is NaN, the query frame is outside or the only one, or a
            spacing or the threshold is not positive.

    Unit:
        share, 0-1

    Better:
        higher

    Formula:
        mean over accepted points of (frames from the query frame, either way, before |predicted - true| > threshold)
        / (n_frames - 1)

    Pitfalls:
        A point that comes back stays lost. Below the threshold every error counts alike, so a survival of 1 does not
        make strain right.

    Known as:
        no other name in the papers read; their survival rate counts px (`survival_px`)
    """
    return _survival(
        point_errors_mm(predicted_px, true_px, spacing_mm), query_frame, accepted, "threshold_mm", threshold_mm
    )


def survival_px(
    predicted_px: Paths,
    true_px: Paths,
    image_shape: tuple[int, int],
    query_frame: int,
    accepted: Accepted | None = None,
    threshold_px: float = 50.0,
    size_px: int = TAPVID_SIZE_PX,
) -> float:
    """`survival` with the threshold in px of a `size_px` x `size_px` image: the papers' number.

    50 px are a third of a ventricle, so that nearly everything survives; prefer `survival`. Other arguments and errors as
    `median_trajectory_error_px`.

    Unit:
        share, 0-1

    Better:
        higher

    Formula:
        as `survival`, of |s (predicted - true)| with s = (size_px / width, size_px / height)

    Pitfalls:
        At 50 px nearly everything survives: clinically useless. A px is another length in mm in every recording, and in
        x and y of an image that is not square.

    Known as:
        EchoTracker's code -> survival rate (50 px); PIPs++ -> survival

    References:
        PointOdyssey (Zheng et al. 2023); EchoTracker2.
    """
    errors_px = _errors(predicted_px, true_px, _square_scale(image_shape, size_px))
    return _survival(errors_px, query_frame, accepted, "threshold_px", threshold_px)


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
    predicted_px, true_px = _checked(predicted_px, true_px)
    frames = [_frame("from_frame", from_frame, len(true_px)), _frame("to_frame", to_frame, len(true_px))]
    errors_mm = point_errors_mm(
        np.diff(predicted_px[frames], axis=0), np.diff(true_px[frames], axis=0), spacing_mm
    )  # (1, n_points)
    return _mean(errors_mm[_counted(errors_mm.shape, accepted, None)])


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
    predicted_px, true_px = _checked(predicted_px, true_px)
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
    counted = _counted(along.shape, accepted, query_frame)
    return WallError(_mean(along[counted]), _mean(across[counted]))


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
    return _errors(predicted_px, true_px, np.asarray(check_spacing(spacing_mm)))


def _errors(predicted_px: np.ndarray, true_px: np.ndarray, scale: np.ndarray) -> np.ndarray:
    predicted_px, true_px = _checked(predicted_px, true_px)
    return np.linalg.norm((predicted_px - true_px) * scale, axis=-1)


def _checked(predicted_px: np.ndarray, true_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted_px = np.asarray(predicted_px, dtype=np.float64)
    true_px = np.asarray(true_px, dtype=np.float64)
    if predicted_px.ndim != 3 or predicted_px.shape[-1] != 2 or predicted_px.shape != true_px.shape:
        raise ValueError(
            f"predicted_px and true_px must both be (n_frames, n_points, 2), "
            f"got {predicted_px.shape} and {true_px.shape}"
        )
    for name, array in (("predicted_px", predicted_px), ("true_px", true_px)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
    return predicted_px, true_px


def _counted(shape: tuple[int, int], accepted: np.ndarray | None, query_frame: int | None) -> np.ndarray:
    counted = np.ones(shape, dtype=bool)
    if accepted is not None:
        accepted = np.asarray(accepted, dtype=bool)
        if accepted.shape not in (shape, shape[1:]):
            raise ValueError(f"accepted must be {shape[1:]} or {shape}, got shape {accepted.shape}")
        counted &= accepted
    if query_frame is not None:
        counted[_frame("query_frame", query_frame, shape[0])] = False
        if shape[0] == 1:
            raise ValueError("query_frame must leave a frame to measure, got a recording of one frame")
    return counted


def _frame(name: str, frame: int, n_frames: int) -> int:
    if not 0 <= frame < n_frames:
        raise ValueError(f"{name} must be in 0..{n_frames - 1}, got {frame}")
    return frame


def _survival(errors: np.ndarray, query_frame: int, accepted: np.ndarray | None, name: str, threshold: float) -> float:
    if not threshold > 0:
        raise ValueError(f"{name} must be positive, got {threshold}")
    if np.ndim(accepted) == 2:
        raise ValueError("accepted must have one value per point, got one per frame and point")
    points = _counted(errors.shape, accepted, query_frame).any(axis=0)
    alive = errors[:, points] <= threshold
    after = np.logical_and.accumulate(alive[query_frame + 1 :], axis=0)
    before = np.logical_and.accumulate(alive[:query_frame][::-1], axis=0)
    return _mean((after.sum(axis=0) + before.sum(axis=0)) / (len(errors) - 1))


def _square_scale(image_shape: tuple[int, int], size_px: int) -> np.ndarray:
    height, width = image_shape
    if min(height, width, size_px) <= 0:
        raise ValueError(f"image_shape and size_px must be positive, got {image_shape} and {size_px}")
    return np.array([size_px / width, size_px / height])


def _accuracy(errors: np.ndarray, name: str, thresholds: Sequence[float]) -> PositionAccuracy:
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if not thresholds or min(thresholds) <= 0:
        raise ValueError(f"{name} must be positive, got {thresholds}")
    shares = tuple(_mean(errors < threshold) for threshold in thresholds)
    return PositionAccuracy(thresholds, shares, float(np.mean(shares)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
