"""The eighteen segments of three apical views as the AHA's sixteen or seventeen.

Three views give six apical segments; the AHA display has four. Septal and lateral apex are each seen in two views and are averaged; the
apical cap of the seventeen is on no wall line and is the mean of the four apical segments, as vendors do: derived, not measured.
"""

from collections.abc import Mapping

import numpy as np

from echotas.geometry import SEGMENTS
from echotas.records import View

__all__ = ["AHA_SEGMENTS", "segment_model"]

WALLS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_APICAL = {
    "apical anterior": ("apical anterior",),
    "apical septal": ("apical inferoseptal", "apical anteroseptal"),
    "apical inferior": ("apical inferior",),
    "apical lateral": ("apical anterolateral", "apical inferolateral"),
}
AHA_SEGMENTS: tuple[str, ...] = (
    *(f"{level} {wall}" for level in ("basal", "mid") for wall in WALLS),
    *_APICAL,
    "apex",
)
"""Names by AHA number, from 1 (Cerqueira et al., Circulation 2002)."""


def segment_model(values: Mapping[View | str, np.ndarray], n_segments: int = 18) -> dict[str, float]:
    """Segment values by name.

    Args:
        values: Six values per apical view, base -> apex -> base; views may be missing.
        n_segments: 18 (every segment of every view), 16, or 17 (with the derived apical cap).

    Returns:
        Name -> value, in AHA order for 16 and 17, by view for 18. NaN where a view that a segment needs is missing: no average over
        what happens to be there.

    Raises:
        ValueError: Another number of segments, an unknown view, or not six values.

    Unit:
        as given

    Better:
        no direction

    Formula:
        apical septal = (apical inferoseptal + apical anteroseptal) / 2; apical lateral = (apical anterolateral + apical
        inferolateral) / 2; apex = mean of the four apical segments

    Pitfalls:
        The mean over 18 segments weighs the apex more than the mean over 16. The cap of the 17 is derived, never measured.

    Known as:
        AHA 16- and 17-segment model; the papers' 18 segments are six per view
    """
    if n_segments not in (16, 17, 18):
        raise ValueError(f"n_segments must be 16, 17 or 18, got {n_segments!r}")
    found = {}
    for view, numbers in values.items():
        if View(view) not in SEGMENTS:
            raise ValueError(f"values must be given for A2C, A3C or A4C, got {view!s}")
        if np.shape(numbers) != (6,):
            raise ValueError(f"values[{view!s}] must have 6 values, got shape {np.shape(numbers)}")
        found |= dict(zip(SEGMENTS[View(view)], map(float, numbers), strict=True))
    every = {name: found.get(name, float("nan")) for view in SEGMENTS.values() for name in view}
    if n_segments == 18:
        return every
    model = {name: every[name] for name in AHA_SEGMENTS[:12]}
    model |= {name: float(np.mean([every[part] for part in parts])) for name, parts in _APICAL.items()}
    if n_segments == 17:
        model["apex"] = float(np.mean([model[name] for name in _APICAL]))
    return model
