"""The six segments of a view by name, and which of them the reader leaves out of GLS."""

from collections.abc import Iterable, Sequence

import numpy as np

from echotas.geometry import SEGMENTS
from echotas.records import View

__all__ = ["accepted_segments", "names_of"]

_LEVELS = ("basal", "mid", "apical")


def names_of(view: View) -> tuple[str, ...]:
    """Six names, base -> apex -> base; positions ("left basal", ...) if the view has no segments."""
    if view in SEGMENTS:
        return SEGMENTS[view]
    return (*(f"left {level}" for level in _LEVELS), *(f"right {level}" for level in reversed(_LEVELS)))


def accepted_segments(rejected: Iterable[str], views: Sequence[View]) -> dict[View, np.ndarray]:
    """The flags that `analyse` takes, by view.

    Args:
        rejected: Segments that stay out of GLS, each as "VIEW:segment", e.g. "A4C:apical anterolateral".
        views: Views that are analysed.

    Returns:
        Bool (6,) for each view, in the order of its segments; all True where nothing is rejected.

    Raises:
        ValueError: A view is not among `views`, or has no segment of that name.
    """
    accepted = {View(view): np.ones(6, dtype=bool) for view in views}
    for item in rejected:
        view, _, name = (part.strip() for part in item.partition(":"))
        if view not in accepted:
            given = ", ".join(accepted)
            raise ValueError(f"a rejected segment must be VIEW:segment with VIEW one of {given}, got {item!r}")
        names = names_of(View(view))
        if name not in names:
            raise ValueError(f"a rejected segment of {view} must be one of {', '.join(names)}, got {name!r}")
        accepted[View(view)][names.index(name)] = False
    return accepted
