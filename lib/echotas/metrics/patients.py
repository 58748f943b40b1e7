"""Values with the patient as the unit: checked, and one per patient."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

__all__ = ["finite_values", "one_per_patient", "patient_mean"]


def patient_mean(values: Float[np.ndarray, " n_values"], patients: Sequence[object] | np.ndarray) -> pd.Series:
    """Mean of each patient's values, indexed by patient in sorted order.

    Args:
        values: One value per recording.
        patients: Patient of each value.

    Raises:
        ValueError: Counts differ, or a value is NaN (leave the recording out and report it).

    Unit:
        that of the values

    Better:
        no direction (that of the values)

    Formula:
        mean over the recordings of one patient

    Pitfalls:
        Signed errors cancel within a patient: take |error| first for a mean absolute error. A patient with a view
        missing is averaged over the views that are left.

    Known as:
        no other name in the papers read
    """
    values = finite_values("values", values)
    if len(values) != len(patients):
        raise ValueError(f"patients must have one entry per value ({len(values)}), got {len(patients)}")
    return pd.Series(values).groupby(np.asarray(patients), sort=True).mean()


def one_per_patient(name: str, values: np.ndarray) -> np.ndarray:
    """Values of patients as a vector, or `ValueError` where they are not one per patient and finite."""
    values = finite_values(name, values)
    if values.ndim != 1:
        raise ValueError(f"{name} must hold one value per patient, got shape {values.shape}")
    return values


def finite_values(name: str, values: np.ndarray) -> np.ndarray:
    """Values as float64, or `ValueError` where there are none or one is not finite."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim < 1 or len(values) < 1:
        raise ValueError(f"{name} must hold at least one value, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return values
