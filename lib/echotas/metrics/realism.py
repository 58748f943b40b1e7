"""Realism of simulated speckle: does it decorrelate as the real speckle does?"""

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["correlation_error"]


def correlation_error(
    real: Float[np.ndarray, "n_frames ..."],
    simulated: Float[np.ndarray, "n_frames ..."],
    reference_frame: int | None = None,
    valid: Bool[np.ndarray, "n_frames ..."] | None = None,
) -> float:
    """Mean absolute difference between two sets of speckle correlation curves, `mean |C_real - C_sim|`.

    Both must come from `speckle.correlation_curves` with the same window, search range and log compression; nothing
    here can tell.

    Args:
        real: Correlation of the real cine with its reference frame, per frame and mesh point, -1..1.
        simulated: The same for the simulated cine.
        reference_frame: Frame left out, as both curves are 1 there by construction. None: all frames count.
        valid: Points and frames that enter the mean (inside the sector, say). All, if None.

    Returns:
        Error, 0 for equal curves. NaN if nothing is valid.

    Raises:
        ValueError: Shapes differ, or a value that counts is NaN or outside -1..1.

    Unit:
        none (difference of correlations, 0-2)

    Better:
        lower

    Formula:
        mean over frames t and mesh points i of |C_real(t, i) - C_sim(t, i)|

    Pitfalls:
        Window, search range and log compression must be the same in both. The largest correlation in a search has a
        positive floor even for unrelated speckle, which depends on window and search range. The reference frame, 1 in
        both, lowers the error unless it is left out.

    Known as:
        TAS-Net paper -> MAE of the correlation curves (realism)

    References:
        TAS-Net paper, realism of S1, S2 and S3.
    """
    real, simulated = np.asarray(real, dtype=np.float64), np.asarray(simulated, dtype=np.float64)
    if real.shape != simulated.shape or real.ndim < 1:
        raise ValueError(f"real and simulated must have the same shape, got {real.shape} and {simulated.shape}")
    counted = np.ones(real.shape, dtype=bool) if valid is None else np.array(valid, dtype=bool)
    if counted.shape != real.shape:
        raise ValueError(f"valid must have the shape of real {real.shape}, got {counted.shape}")
    if reference_frame is not None:
        if not 0 <= reference_frame < len(real):
            raise ValueError(f"reference_frame must be in 0..{len(real) - 1}, got {reference_frame}")
        counted[reference_frame] = False
    for name, array in (("real", real), ("simulated", simulated)):
        # Normalised correlations of float32 images exceed 1 by rounding.
        bad = ~(np.abs(array[counted]) <= 1 + 1e-5)
        if bad.any():
            raise ValueError(f"{name} must hold correlations in -1..1, got {int(bad.sum())} values outside or NaN")
    return float(np.abs(real - simulated)[counted].mean()) if counted.any() else float("nan")
