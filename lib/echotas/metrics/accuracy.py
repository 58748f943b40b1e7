"""Share of positions near the truth, and how long points stay near it, for one recording.

A tracker is given the query frame, so it is left out wherever `query_frame` is stated; with None every frame passed in counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .point_paths import TAPVID_SIZE_PX, Accepted, Paths, counted_points, errors_of, mean_or_nan, square_scale
from .trajectory import point_errors_mm

__all__ = ["PositionAccuracy", "position_accuracy", "position_accuracy_px", "survival", "survival_px"]


@dataclass(frozen=True)
class PositionAccuracy:
    """Share of positions closer to the truth than each threshold, 0-1."""

    thresholds: tuple[float, ...]
    """Thresholds, in mm or px."""
    shares: tuple[float, ...]
    """Share below each threshold; NaN if no point is accepted."""
    average: float
    """Mean of the shares (`delta_avg` where the thresholds are px at 256 x 256)."""


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
    return _accuracy(errors_mm[counted_points(errors_mm.shape, accepted, query_frame)], "thresholds_mm", thresholds_mm)


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
    errors_px = errors_of(predicted_px, true_px, square_scale(image_shape, size_px))
    return _accuracy(errors_px[counted_points(errors_px.shape, accepted, query_frame)], "thresholds_px", thresholds_px)


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
    errors_px = errors_of(predicted_px, true_px, square_scale(image_shape, size_px))
    return _survival(errors_px, query_frame, accepted, "threshold_px", threshold_px)


def _survival(errors: np.ndarray, query_frame: int, accepted: np.ndarray | None, name: str, threshold: float) -> float:
    if not threshold > 0:
        raise ValueError(f"{name} must be positive, got {threshold}")
    if np.ndim(accepted) == 2:
        raise ValueError("accepted must have one value per point, got one per frame and point")
    points = counted_points(errors.shape, accepted, query_frame).any(axis=0)
    alive = errors[:, points] <= threshold
    after = np.logical_and.accumulate(alive[query_frame + 1 :], axis=0)
    before = np.logical_and.accumulate(alive[:query_frame][::-1], axis=0)
    return mean_or_nan((after.sum(axis=0) + before.sum(axis=0)) / (len(errors) - 1))


def _accuracy(errors: np.ndarray, name: str, thresholds: Sequence[float]) -> PositionAccuracy:
    thresholds = tuple(float(threshold) for threshold in thresholds)
    if not thresholds or min(thresholds) <= 0:
        raise ValueError(f"{name} must be positive, got {thresholds}")
    shares = tuple(mean_or_nan(errors < threshold) for threshold in thresholds)
    return PositionAccuracy(thresholds, shares, float(np.mean(shares)))
