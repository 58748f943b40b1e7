"""Reads a plain video (mp4, avi, mov, mkv, gif) into a cine, with PyAV.

A video file carries no pixel size, and its frame rate is that of the player, not of the scanner: both can be given.
Without a spacing the cine measures no millimetres; strain is still valid while pixels are square.
"""

from pathlib import Path

import numpy as np

from echotas.readers.build import build_cine, coloured_share, times_from_rate
from echotas.readers.errors import ReaderError, require_file
from echotas.records import Cine, View

__all__ = ["read_video"]


def read_video(
    path: str | Path,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    frame_rate: float | None = None,
    view: View | str | None = None,
    patient_id: str = "",
    recording_id: str | None = None,
) -> Cine:
    """The frames of a video as grey levels.

    Args:
        path: Video file; the first video stream is read.
        spacing_mm: Pixel size (dx, dy) in mm, or one number for square pixels; None leaves it unknown.
        frame_rate: Acquisition rate, Hz. If None, the container's time stamps are used and
            `meta["frame_rate_source"]` is "container": such times are those of the player.
        view: Apical view; a video does not say.
        patient_id: Patient, for splits and intervals.
        recording_id: Name of the recording; the file name without its ending if None.

    Returns:
        Cine with `meta`: source, format, frame_rate_source, spacing_source, pixel_aspect (dx / dy as the container
        declares it, 1 if it does not), square_pixels, lossy_compression, coloured_share (largest in first, middle and
        last frame).

    Raises:
        ReaderError: Missing, empty, foreign or truncated file, no video stream, or a value that breaks a rule.
    """
    path = require_file(path)
    frames, stamps, info, samples = _decode(path)
    if frame_rate is not None:
        times, rate_source = times_from_rate(path, len(frames), frame_rate), "given"
    else:
        times, rate_source = _container_times(path, len(frames), stamps, info["rate"]), "container"
    aspect = info["aspect"]
    return build_cine(
        path,
        frames=np.stack(frames),
        spacing_mm=spacing_mm,
        times_s=times,
        view=view,
        patient_id=patient_id,
        recording_id=path.stem if recording_id is None else recording_id,
        meta={
            "source": path.name,
            "format": info["codec"],
            "frame_rate_source": rate_source,
            "spacing_source": "unknown" if spacing_mm is None else "given",
            "pixel_aspect": aspect,
            "square_pixels": bool(abs(aspect - 1) < 1e-3),
            "lossy_compression": info["codec"] not in _LOSSLESS,
            "coloured_share": max(coloured_share(sample) for sample in samples),
        },
    )


_LOSSLESS = frozenset({"rawvideo", "ffv1", "huffyuv", "ffvhuff", "png", "apng", "gif", "utvideo", "bmp"})


def _decode(path: Path) -> tuple[list[np.ndarray], list[float | None], dict, list[np.ndarray]]:
    """Grey frames, their time stamps in s, what the container says, and three RGB samples for the colour check."""
    av = _import_av(path)
    frames, stamps, samples = [], [], []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ReaderError(path, "must hold a video stream, got none")
            stream = container.streams.video[0]
            announced = stream.frames
            aspect = stream.sample_aspect_ratio
            info = {
                "codec": stream.codec_context.name,
                "rate": None if stream.average_rate is None else float(stream.average_rate),
                "aspect": float(aspect) if aspect else 1.0,
            }
            wanted = {0, announced // 2, announced - 1}
            for index, frame in enumerate(container.decode(stream)):
                if frame.is_corrupt:
                    raise ReaderError(path, f"every frame must decode, got a damaged frame {index} (truncated file?)")
                frames.append(frame.to_ndarray(format="gray"))
                stamps.append(None if frame.pts is None else float(frame.pts * frame.time_base))
                if index in wanted:
                    samples.append(frame.to_ndarray(format="rgb24"))
    except av.error.FFmpegError as error:
        got = f" after {len(frames)} frames" if frames else ""
        raise ReaderError(
            path, f"is no readable video, truncated or of another kind{got} ({error.strerror})"
        ) from error
    if not frames:
        raise ReaderError(path, "must hold at least one frame, got none")
    if len(frames) < announced:
        raise ReaderError(path, f"is truncated: its header announces {announced} frames, got {len(frames)}")
    if len({frame.shape for frame in frames}) > 1:
        raise ReaderError(path, "every frame must have the same size, got a video whose size changes")
    return frames, stamps, info, samples


def _container_times(path: Path, n_frames: int, stamps: list[float | None], rate: float | None) -> np.ndarray:
    """Presentation times from 0 in s; from the average rate where stamps are missing or do not increase."""
    if all(stamp is not None for stamp in stamps):
        times = np.array(stamps, dtype=np.float64)
        if (np.diff(times) > 0).all():
            return times - times[0]
    if rate is None or rate <= 0:
        raise ReaderError(path, "frame_rate must be given, the container states neither time stamps nor a rate")
    return times_from_rate(path, n_frames, rate)


def _import_av(path: Path):
    try:
        import av
    except ImportError as error:
        raise ReaderError(path, "needs the package `av` to read video (pip install av)") from error
    return av
