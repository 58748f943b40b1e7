"""A mesh painted on an ultrasound image: one painter for stills and movies, with fixed colour scales.

The cells are painted opaque on a copy which is then blended with the image, so that neighbours never overlap and no
seams show.
"""

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import Colormap, Normalize
from PIL import Image, ImageDraw

from .style import strain_color, strain_norm

__all__ = ["paint_mesh", "quantity_scale"]

WIRE_RGB = (255, 200, 0)


def quantity_scale(quantity: str) -> tuple[Normalize, Colormap, str]:
    """Fixed colour scale, colours and label of a quantity drawn on a mesh.

    Raises:
        ValueError: The quantity is not "strain", "confidence" or "error".
    """
    scales = {
        "strain": (strain_norm(), strain_color(), "strain (%)"),
        "confidence": (Normalize(0, 1), matplotlib.colormaps["viridis"], "confidence (0-1)"),
        "error": (Normalize(0, 5), matplotlib.colormaps["magma"], "error (mm)"),
    }
    if quantity not in scales:
        raise ValueError(f"quantity must be one of {', '.join(scales)}, got {quantity!r}")
    return scales[quantity]


def paint_mesh(
    image: UInt8[np.ndarray, "height width"],
    mesh_px: Float[np.ndarray, "n_long n_rad 2"] | None,
    values: Float[np.ndarray, "n_long n_rad"] | None,
    quantity: str,
    scale: tuple[float, float],
    opacity: float = 0.6,
) -> UInt8[np.ndarray, "screen_height screen_width 3"]:
    """An RGB picture of the image with the mesh on it.

    Args:
        image: Grey levels.
        mesh_px: Mesh nodes (x, y) in px of `image`; nothing is painted, if None.
        values: Value of each node; a cell has the mean of its corners. Only the edges of the cells, if None.
        quantity: Colour scale, as `quantity_scale`.
        scale: Screen px per image px along x and y.
        opacity: Of what is painted, 0-1.

    Returns:
        RGB u8 with even height and width, as video codecs need.
    """
    height, width = image.shape
    size = (2 * round(width * scale[0] / 2), 2 * round(height * scale[1] / 2))
    picture = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    if mesh_px is None:
        return np.asarray(picture)
    # Pixel centres lie at integers in `mesh_px`, at halves for Pillow's resize.
    nodes = (np.asarray(mesh_px) + 0.5) * (size[0] / width, size[1] / height) - 0.5
    colors = None
    if values is not None:
        values = np.asarray(values, dtype=np.float64)
        means = (values[:-1, :-1] + values[1:, :-1] + values[:-1, 1:] + values[1:, 1:]) / 4
        norm, cmap, _ = quantity_scale(quantity)
        colors = cmap(norm(means), bytes=True)[..., :3]
    layer = picture.copy()
    draw = ImageDraw.Draw(layer)
    for i, j in np.ndindex(nodes.shape[0] - 1, nodes.shape[1] - 1):
        corners = [tuple(nodes[k]) for k in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))]
        if colors is None:
            draw.polygon(corners, outline=WIRE_RGB)
        else:
            draw.polygon(corners, fill=tuple(int(part) for part in colors[i, j]))
    return np.asarray(Image.blend(picture, layer, opacity))
