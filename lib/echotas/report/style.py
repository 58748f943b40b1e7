"""One look for every figure: fixed colours per tracker, strategy and segment, sizes, and files with the same bytes.

Colours are Okabe and Ito's and Paul Tol's sets for colour-blind readers; line style and marker repeat what the colour
says. Figures are built by `styled` functions and so look the same whether or not the notebook called `apply`.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, wraps
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure

__all__ = [
    "SEGMENT_COLORS",
    "SEGMENT_LINES",
    "STRAIN_LIMITS_PERCENT",
    "STRATEGY_COLORS",
    "Look",
    "apply",
    "save",
    "strain_color",
    "strain_norm",
    "strategy_color",
    "styled",
    "tracker_look",
]

Parameters = ParamSpec("Parameters")

RC: dict[str, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "figure.titlesize": 11,
    "font.size": 9,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.dpi": 150,
    "svg.hashsalt": "echotas",
}

STRAIN_LIMITS_PERCENT = (-25.0, 5.0)
"""Fixed colour scale of strain: two figures can be compared by eye only if it never moves."""

SEGMENT_COLORS = ("#4477AA", "#66CCEE", "#228833", "#CCBB44", "#EE6677", "#AA3377")
"""Colour of segment 0..5 (base -> apex -> base)."""
SEGMENT_LINES = ("-", "-", "-", "--", "--", "--")
"""Line style of segment 0..5: left wall solid, right wall dashed."""

STRATEGY_COLORS = {"real": "#000000", "S1": "#E69F00", "S2": "#56B4E9", "S3": "#009E73"}


@dataclass(frozen=True)
class Look:
    """How one tracker is drawn, everywhere."""

    color: str
    """Colour, `#rrggbb`."""
    marker: str
    """Matplotlib marker."""
    line: str
    """Matplotlib line style."""


# Controls are grey and dashed, readers and truth black; classical methods square, learned ones round.
_LOOKS = {
    "truth": Look("#000000", "*", "-"),
    "reader": Look("#333333", "P", "-."),
    "oracle": Look("#555555", "v", ":"),
    "frozen": Look("#AAAAAA", "x", ":"),
    "mean_motion": Look("#777777", "+", ":"),
    "block_matching": Look("#E69F00", "s", "--"),
    "farneback": Look("#CCBB44", "s", "--"),
    "dis": Look("#117733", "s", "--"),
    "lucas_kanade": Look("#56B4E9", "s", "--"),
    "lucas_kanade_mesh": Look("#4477AA", "s", "--"),
    "tas_net": Look("#D55E00", "o", "-"),
    "tas_net_pretrained": Look("#F2B48A", "o", "--"),
    "tas_net_released": Look("#8C2D04", "o", "-"),
    "pwc_net": Look("#9F8FEF", "D", "-"),
    "cotracker": Look("#AA3377", "o", "-"),
    "cotracker3": Look("#CC79A7", "^", "-"),
    "echotracker": Look("#009E73", "o", "-"),
    "echotracker2": Look("#44AA99", "^", "-"),
    "myotracker": Look("#0072B2", "o", "-"),
    "specknet": Look("#999933", "D", "-"),
    "locotrack": Look("#882255", "D", "-"),
    "pips_plus_plus": Look("#332288", "D", "-"),
}
_OTHER_COLORS = ("#6699CC", "#661100", "#DDCC77", "#997700", "#994455", "#004488")
_OTHER_MARKERS = ("<", ">", "h", "d", "p")


def tracker_look(name: str) -> Look:
    """Colour, marker and line of a tracker; a name not listed gets a look of its own that depends on the name only."""
    if name in _LOOKS:
        return _LOOKS[name]
    number = zlib.crc32(name.encode())
    color = _OTHER_COLORS[number % len(_OTHER_COLORS)]
    return Look(color, _OTHER_MARKERS[number // len(_OTHER_COLORS) % len(_OTHER_MARKERS)], "-")


def strategy_color(name: str) -> str:
    """Colour of a simulation strategy or of the real cine; a chain such as "S1>S2" takes its last strategy's."""
    return STRATEGY_COLORS.get(name.split(">")[-1].strip(), tracker_look(name).color)


def strain_norm() -> matplotlib.colors.TwoSlopeNorm:
    """Fixed scale -25..+5 percent with its middle at no strain."""
    low, high = STRAIN_LIMITS_PERCENT
    return matplotlib.colors.TwoSlopeNorm(0, low, high)


def strain_color() -> matplotlib.colors.Colormap:
    """Red = shortening, white = none, blue = lengthening, as on the scanners; safe for red-green blindness."""
    return matplotlib.colormaps["RdBu"]


def apply() -> None:
    """Use the style for a notebook's own figures too (changes matplotlib's settings of this process)."""
    matplotlib.rcParams.update(RC)


def styled(build: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Build a figure with the style, leaving matplotlib's settings as they were; as a cell's value it shows as PNG."""

    @wraps(build)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            figure = build(*args, **kwargs)
        # A figure made without pyplot has no picture for Jupyter of its own. Drawn once: the run database takes the same one.
        figure._repr_png_ = cache(partial(_png, figure))
        return figure

    return wrapper


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: File to write; its folder must exist, its suffix is the format.

    Raises:
        ValueError: The suffix is not .png, .svg or .pdf.
    """
    path = Path(path)
    # A file that carries its date or the library's version never has the same bytes twice.
    metadata = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if path.suffix not in metadata:
        raise ValueError(f"path must end in {', '.join(metadata)}, got {path.name!r}")
    with matplotlib.rc_context(RC):
        figure.savefig(path, metadata=metadata[path.suffix])
    return path


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    with matplotlib.rc_context(RC):
        figure.savefig(picture, format="png", dpi=RC["figure.dpi"], metadata={"Software": None})
    return picture.getvalue()
