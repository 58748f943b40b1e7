"""Movies: the tracked mesh over the cine, written as GIF or MP4 with the same bytes every time."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from echotas.records import Cine

from .overlay import paint_mesh, quantity_scale

__all__ = ["overlay_frames", "side_by_side_frames", "write_movie"]

Movie = UInt8[np.ndarray, "_ _ _ 3"]

# Pillow's own font: the same letters on every machine.
CAPTION_PX = 16
BAR_WIDTH_PX = 90


def overlay_frames(
    cine: Cine,
    mesh_px: Float[np.ndarray, "n_frames n_long n_rad 2"] | None = None,
    values: Float[np.ndarray, "n_frames n_long n_rad"] | None = None,
    quantity: str = "strain",
    scale: float = 1.5,
    opacity: float = 0.6,
) -> Movie:
    """RGB frames of a cine with its mesh drawn on it.

    Args:
        cine: The cine; pixels of unequal sides are stretched to true proportions if the spacing is known.
        mesh_px: Mesh over the cine, (x, y) in px. Nothing is drawn, if None.
        values: Value of each mesh node; a cell takes the mean of its corners. Only the cells' outlines, if None.
        quantity: Colour scale: "strain" (%), "confidence" (0-1) or "error" (mm).
        scale: Screen px per image px (along x).
        opacity: Of the coloured cells, 0-1.

    Returns:
        RGB u8 (n_frames, height, width, 3) with even height and width, as video codecs need; with values, the colour
        scale stands on the right.

    Raises:
        ValueError: Mesh or values do not have the cine's frames, or the values not the mesh's nodes.
    """
    if mesh_px is not None and len(mesh_px) != cine.n_frames:
        raise ValueError(f"mesh_px must have the {cine.n_frames} frames of the cine, got {len(mesh_px)}")
    if values is not None and (mesh_px is None or np.shape(values) != np.shape(mesh_px)[:3]):
        raise ValueError(f"values must have one value per node of mesh_px, got {np.shape(values)}")
    dx, dy = cine.spacing_mm or (1.0, 1.0)
    movie = np.stack(
        [
            paint_mesh(
                frame,
                None if mesh_px is None else mesh_px[t],
                None if values is None else values[t],
                quantity,
                (scale, scale * dy / dx),
                opacity,
            )
            for t, frame in enumerate(cine.frames)
        ]
    )
    if values is None:
        return movie
    bar = np.asarray(_color_bar(quantity, movie.shape[1]))
    return np.concatenate([movie, np.broadcast_to(bar, (len(movie), *bar.shape))], axis=2)


def side_by_side_frames(movies: Mapping[str, Movie]) -> Movie:
    """Movies of the same length and height next to each other, each under its name.

    Raises:
        ValueError: No movie, or movies of different length or height.
    """
    shapes = {name: movie.shape[:2] for name, movie in movies.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"movies must have the same number of frames and height, got {shapes}")
    parts = []
    for name, movie in movies.items():
        banner = Image.new("RGB", (movie.shape[2], CAPTION_PX + 8))
        ImageDraw.Draw(banner).text((6, 3), name, fill="white", font=ImageFont.load_default(CAPTION_PX))
        parts.append(
            np.concatenate([np.broadcast_to(np.asarray(banner), (len(movie), *np.shape(banner))), movie], axis=1)
        )
    return np.concatenate(parts, axis=2)


def write_movie(path: str | Path, frames: Movie, frame_rate: float) -> Path:
    """Write RGB frames as a movie that any browser plays; the same frames give the same bytes.

    Args:
        path: File ending in .gif (loops; frame times rounded to 10 ms by the format) or .mp4 (H.264; MPEG-4 where this
            build of FFmpeg has no H.264 encoder).
        frames: RGB u8 (n_frames, height, width, 3); even height and width for .mp4.
        frame_rate: Frames per second.

    Raises:
        ValueError: Frames or frame rate are not as described, or the suffix is another one.
    """
    path = Path(path)
    if np.ndim(frames) != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) < 1:
        raise ValueError(f"frames must be u8 (n_frames >= 1, height, width, 3), got {frames.dtype} {np.shape(frames)}")
    if not (np.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"frame_rate must be positive, got {frame_rate}")
    if path.suffix == ".gif":
        _write_gif(path, frames, frame_rate)
    elif path.suffix == ".mp4":
        _write_mp4(path, frames, frame_rate)
    else:
        raise ValueError(f"path must end in .gif or .mp4, got {path.name!r}")
    return path


def _color_bar(quantity: str, height: int) -> Image.Image:
    norm, cmap, label = quantity_scale(quantity)
    bar = Image.new("RGB", (BAR_WIDTH_PX, height))
    draw, font = ImageDraw.Draw(bar), ImageFont.load_default(11)
    top, bottom = 26, height - 12
    for row in range(top, bottom):
        color = cmap((bottom - 1 - row) / max(bottom - 1 - top, 1))[:3]
        draw.line([(8, row), (20, row)], fill=tuple(int(255 * c) for c in color))
    draw.text((4, 4), label, fill="white", font=font)
    for value in (norm.vmin, (norm.vmin + norm.vmax) / 2 if norm.vmin >= 0 else 0.0, norm.vmax):
        row = bottom - float(norm(value)) * (bottom - top)
        draw.text((25, row), f"{value:g}", fill="white", font=font, anchor="lm")
    return bar


def _write_gif(path: Path, frames: np.ndarray, frame_rate: float) -> None:
    # One palette for the whole movie: colours do not flicker from frame to frame.
    sample = Image.fromarray(np.concatenate(list(frames[:: max(1, len(frames) // 8)]), axis=0))
    palette = sample.quantize(256, method=Image.Quantize.MEDIANCUT)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    duration_ms = max(20, 10 * round(100 / frame_rate))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=duration_ms, loop=0, optimize=False)


def _write_mp4(path: Path, frames: np.ndarray, frame_rate: float) -> None:
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"frames must have even height and width for .mp4, got {height} x {width}")
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=Fraction(frame_rate).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # One thread: the split of the work over threads changes the bytes.
        stream.thread_count = 1
        stream.options = (
            {"crf": "20", "flags": "+bitexact"} if codec == "libx264" else {"qscale": "3", "flags": "+bitexact"}
        )
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
