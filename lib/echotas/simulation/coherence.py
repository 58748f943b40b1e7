"""The coherence map: which share of the echo at a place moves with the wall.

Static (S1): c(x) = p max(0, 1 - d / w), d the distance outside the wall. Dynamic (S2, S3): D_t(x) interpolates the
speckle correlation C_t measured at the mesh nodes over the deformed cells, and falls to 0 outside in the same way.
Mixing: "amplitude" D and 1 - D (TAS-Net paper, Eq. 2), "power" sqrt(D) and sqrt(1 - D).
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float

__all__ = ["above_floor", "coherence_image", "mix_weights", "refined", "static_coherence", "wall_mask"]


def static_coherence(distance: Float[np.ndarray, "*shape"], p: float, border: float) -> Float[np.ndarray, "*shape"]:
    """c = p max(0, 1 - d / w) for distances d >= 0 outside the wall (0 inside), in the unit of the border width w."""
    return p * np.maximum(0.0, 1 - np.asarray(distance) / border)


def coherence_image(
    mesh_t: Float[np.ndarray, "n_long n_rad 2"],
    values: Float[np.ndarray, "n_long n_rad"],
    shape: tuple[int, int],
    border_px: float,
) -> Float[np.ndarray, "height width"]:
    """Coherence at every pixel of one frame, float32.

    Inside the wall bilinear in the mesh cells; outside, the value of the nearest wall pixel, falling linearly to 0 at
    `border_px`. A wall entirely outside the image gives zeros.
    """
    image, wall = _rasterise(mesh_t, values, shape)
    if not wall.any():
        return image
    distance, label = cv2.distanceTransformWithLabels(
        (~wall).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(label.max() + 1, dtype=np.float32)
    nearest[label[wall]] = image[wall]
    return (nearest[label] * static_coherence(distance, 1.0, border_px)).astype(np.float32)


def wall_mask(mesh_t: Float[np.ndarray, "n_long n_rad 2"], shape: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Pixels covered by the mesh in one frame."""
    return _rasterise(mesh_t, np.ones(mesh_t.shape[:2]), shape)[1]


def mix_weights(
    coherence: Float[np.ndarray, "*shape"], mix: str = "amplitude"
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Weights (myocardium, background) of the two populations' amplitudes for a coherence in [0, 1].

    "amplitude" weights sum to 1; the squares of "power" weights do, which keeps the brightness.
    """
    coherence = np.clip(coherence, 0.0, 1.0)
    if mix == "amplitude":
        return coherence, 1 - coherence
    if mix == "power":
        return np.sqrt(coherence), np.sqrt(1 - coherence)
    raise ValueError(f"mix must be 'amplitude' or 'power', got {mix!r}")


def above_floor(correlation: Float[np.ndarray, "*shape"], floor: float = 0.0) -> Float[np.ndarray, "*shape"]:
    """Correlation read as a coherence in [0, 1]: (C - floor) / (1 - floor), clipped."""
    if not 0 <= floor < 1:
        raise ValueError(f"floor must be in [0, 1), got {floor}")
    return np.clip((np.asarray(correlation, dtype=np.float64) - floor) / (1 - floor), 0.0, 1.0)


def refined(
    coherence: Float[np.ndarray, "*shape"],
    target: Float[np.ndarray, "*shape"],
    achieved: Float[np.ndarray, "*shape"],
    alpha: float = 2.0,
) -> Float[np.ndarray, "*shape"]:
    """Coherence for the next simulation (S3): clip(D + alpha (C - C_sim), 0, 1).

    Args:
        coherence: Coherence D of the simulation just made; C itself the first time.
        target: Correlation C measured in the template.
        achieved: Correlation C_sim measured in that simulation.
        alpha: Step; the paper's 2 can overshoot, 1 converges when repeated.
    """
    return np.clip(coherence + alpha * (np.asarray(target) - achieved), 0.0, 1.0)


def _rasterise(mesh_t: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear mesh values painted on pixels (float32), and the pixels painted."""
    layers = np.concatenate([mesh_t, values[..., None]], axis=-1)  # (n_long, n_rad, x y value)
    # Samples closer than 0.7 px, also in the longest cell, leave no pixel of a cell unpainted.
    n_long, n_rad = (
        int(np.linalg.norm(np.diff(mesh_t, axis=axis), axis=-1).max() * (mesh_t.shape[axis] - 1) / 0.65) + 2
        for axis in (0, 1)
    )
    across = _upsampling(n_rad, mesh_t.shape[1]) @ layers  # (n_long, fine n_rad, 3)
    fine = (_upsampling(n_long, len(mesh_t)) @ across.reshape(len(mesh_t), -1)).reshape(-1, 3)
    column, row = np.rint(fine[:, 0]).astype(int), np.rint(fine[:, 1]).astype(int)
    shown = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    image, wall = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    image[row[shown], column[shown]] = fine[shown, 2]
    wall[row[shown], column[shown]] = True
    return image, wall


def _upsampling(n_fine: int, n: int) -> np.ndarray:
    """Linear interpolation matrix (n_fine, n), ends kept."""
    at = np.linspace(0, n - 1, n_fine)
    left = np.minimum(at.astype(int), n - 2)
    matrix = np.zeros((n_fine, n))
    rows = np.arange(n_fine)
    matrix[rows, left] = 1 - (at - left)
    matrix[rows, left + 1] = at - left
    return matrix
