"""The curve of a training as `training.fit` returns it."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from echotas.report.learning import loss_curves

__all__ = ["training_curve"]

# Two measures of error that share an axis: their distance is no measure of overfitting.
TRAINING, VALIDATION = "training clips,\nper axis", "validation cines,\ndistance"


def training_curve(curves: Mapping[str, pd.DataFrame], title: str = "", null_mm: float | None = None) -> Figure:
    """Position error over steps, training thin and validation with markers, in two measures that do not compare.

    Training: mean absolute error per axis on the augmented clips, all refinements weighted. Validation: mean distance over whole
    cines, as `null_mm`.

    Args:
        curves: By tracker: columns step, position_mm (training clips) and validation_error (whole cines, NaN where not measured).
        title: Title of the figure.
        null_mm: Validation error of the mean-motion control, dashed; None: not drawn.
    """
    histories = {}
    for name, curve in curves.items():
        parts = {TRAINING: (curve["step"].to_numpy(), curve["position_mm"].to_numpy())}
        if "validation_error" in curve:
            checked = curve.dropna(subset=["validation_error"])
            parts[VALIDATION] = (checked["step"].to_numpy(), checked["validation_error"].to_numpy())
        histories[name] = parts
    levels = None if null_mm is None else {f"mean_motion, {VALIDATION}": null_mm}
    return loss_curves(histories, label="error (mm): per axis or distance", title=title, levels=levels)
