"""The curve of a training as `training.fit` returns it."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from echotas.report.learning import loss_curves

__all__ = ["training_curve"]


def training_curve(curves: Mapping[str, pd.DataFrame], title: str = "") -> Figure:
    """Position error over steps, training thin and validation with markers.

    Args:
        curves: By tracker: columns step, position_mm (training clips) and validation_error (whole cines, NaN where not measured).
        title: Title of the figure.
    """
    histories = {}
    for name, curve in curves.items():
        parts = {"training": (curve["step"].to_numpy(), curve["position_mm"].to_numpy())}
        if "validation_error" in curve:
            checked = curve.dropna(subset=["validation_error"])
            parts["validation"] = (checked["step"].to_numpy(), checked["validation_error"].to_numpy())
        histories[name] = parts
    return loss_curves(histories, label="error (mm)", title=title)
