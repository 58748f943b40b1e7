"""How sure a strain is, from how sure the points are.

A tracker that predicts the standard error of its points gives, to first order, a standard error of every length: with unit
tangents t_j of the links and errors d_i of the points,

    dL_s = sum_j w_(s,j) t_j . (d_(j+1) - d_j)

The errors of two points go together the more, the nearer they are along the wall: correlation exp(-|u_i - u_k| / ell). A shift of
the whole wall costs nothing, errors of single points much; ell decides between them and comes from held-out cines.
"""

import numpy as np
from jaxtyping import Float

from .length import check_frame, check_line
from .regional import segment_lengths

__all__ = ["length_error_mm", "midwall_error_mm", "strain_error_percent"]


def midwall_error_mm(
    error_mm: Float[np.ndarray, "n_frames n_points"], n_long: int, n_rad: int
) -> Float[np.ndarray, "n_frames n_long"]:
    """Standard error of the centre line of a mesh, from that of its points (longitudinal slow, radial fast).

    With an even number of radial points the centre is the mean of two; their errors are taken as one, which is the cautious way.
    """
    error = np.asarray(error_mm).reshape(-1, n_long, n_rad)
    return (error[:, :, (n_rad - 1) // 2] + error[:, :, n_rad // 2]) / 2


def length_error_mm(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    error_mm: Float[np.ndarray, "n_frames n_points"],
    weights: Float[np.ndarray, "n_lengths n_links"],
    correlation_length: float,
) -> Float[np.ndarray, "n_lengths n_frames"]:
    """Standard error of weighted sums of link lengths.

    Args:
        points_mm: Tracked line.
        error_mm: Standard error of each coordinate of each point, >= 0.
        weights: Share of each link in each length.
        correlation_length: ell, as a share of the line, > 0; infinite makes the errors of all points one.
    """
    points_mm = check_line(points_mm)
    n_frames, n_points, _ = points_mm.shape
    if np.shape(error_mm) != (n_frames, n_points):
        raise ValueError(f"error_mm must be {(n_frames, n_points)}, got {np.shape(error_mm)}")
    if not np.isfinite(error_mm).all() or np.min(error_mm, initial=0) < 0:
        raise ValueError("error_mm must be finite and >= 0, got NaN, infinite or negative values")
    if not correlation_length > 0:
        raise ValueError(f"correlation_length must be positive, got {correlation_length}")
    links = np.diff(points_mm, axis=1)
    tangent = links / np.maximum(np.linalg.norm(links, axis=-1, keepdims=True), 1e-9)
    pull = weights[:, None, :, None] * tangent  # (n_lengths, n_frames, n_links, 2)
    slope = np.zeros((*pull.shape[:2], n_points, 2))
    slope[:, :, 1:] += pull
    slope[:, :, :-1] -= pull
    place = np.linspace(0, 1, n_points)
    correlation = np.exp(-np.abs(place[:, None] - place) / correlation_length)
    scaled = slope * np.asarray(error_mm)[None, :, :, None]
    variance = np.einsum("stic,ik,stkc->st", scaled, correlation, scaled, optimize=True)
    return np.sqrt(np.maximum(variance, 0))


def strain_error_percent(
    points_mm: Float[np.ndarray, "n_frames n_points 2"],
    error_mm: Float[np.ndarray, "n_frames n_points"],
    ed_frame: int,
    correlation_length: float,
    weights: Float[np.ndarray, "n_lengths n_links"] | None = None,
) -> Float[np.ndarray, "n_lengths n_frames"]:
    """Standard error of the strain of the whole line, or of parts of it, in points of strain.

    Args:
        points_mm: Tracked line.
        error_mm: Standard error of each coordinate of each point; 0 in the frame that the line was drawn in, so that what the
            drawing misses is not in here.
        ed_frame: Frame of zero strain.
        correlation_length: See `length_error_mm`.
        weights: Share of each link in each length, e.g. `segment_weights`; None: one length, the whole line.

    Returns:
        (n_lengths, n_frames); 0 at `ed_frame`. Frames count as independent: errors that two frames share would cancel in part, so
        between two frames that were both tracked the result is on the safe side.

    Unit:
        points of strain (standard error)

    Better:
        no direction: it should be the size of the errors made

    Formula:
        var L = g^T C g, g_i = w_(i-1) t_(i-1) - w_i t_i, C_ik = s_i s_k exp(-|u_i - u_k| / ell)
        var e = (100 / L_ED)^2 (var L + (L / L_ED)^2 var L_ED)

    Pitfalls:
        Tracking alone: what the drawn line misses is not in it, nor a bias. Judge it by coverage on patients held out.

    Known as:
        no other name in the papers read
    """
    points_mm = check_line(points_mm)
    check_frame("ed_frame", ed_frame, len(points_mm))
    weights = np.ones((1, points_mm.shape[1] - 1)) if weights is None else weights
    lengths = segment_lengths(points_mm, weights)
    error = length_error_mm(points_mm, error_mm, weights, correlation_length)
    at_ed = lengths[:, [ed_frame]]
    total = 100 / at_ed * np.hypot(error, lengths / at_ed * error[:, [ed_frame]])
    total[:, ed_frame] = 0
    return total
