"""Reads MetaImage (.mhd header beside a .raw file, or one .mha file): all that the older CAMUS and TED releases need.

The format is a text header `Key = value` and raw values, first axis fastest; so a 3-D image (x, y, z) reshapes to
(z, y, x), which for a cine is (frame, row = depth, column = lateral).
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echotas.readers.errors import ReaderError, require_file

__all__ = ["MetaImage", "read_metaimage"]

_TYPES = {
    "MET_UCHAR": "u1", "MET_CHAR": "i1", "MET_USHORT": "u2", "MET_SHORT": "i2", "MET_UINT": "u4", "MET_INT": "i4",
    "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class MetaImage:
    """A decoded MetaImage."""

    values: np.ndarray
    """(n_frames, height, width); n_frames is 1 for a 2-D image."""
    spacing_mm: tuple[float, float]
    """In-plane spacing (dx, dy), mm; the spacing along z is a placeholder in CAMUS and TED and is dropped."""


def read_metaimage(path: str | Path) -> MetaImage:
    """Read a .mhd or .mha file.

    Raises:
        ReaderError: A file is missing or truncated, the header lacks a key, or the sizes disagree.
    """
    path = require_file(path)
    header, after_header = _read_header(path)

    def need(key: str) -> str:
        if key not in header:
            raise ReaderError(path, f"must have a header line {key!r}, got keys {sorted(header)[:8]}")
        return header[key]

    size = _numbers(path, "DimSize", need("DimSize"), int)
    if len(size) not in (2, 3) or min(size) < 1:
        raise ReaderError(path, f"DimSize must be two or three positive numbers, got {size}")
    spacing = _numbers(path, "ElementSpacing", header.get("ElementSpacing") or need("ElementSize"), float)
    if len(spacing) < 2 or not all(value > 0 and np.isfinite(value) for value in spacing[:2]):
        raise ReaderError(path, f"ElementSpacing must be positive in x and y, got {spacing}")
    kind = need("ElementType").upper()
    if kind not in _TYPES or int(header.get("ElementNumberOfChannels", 1)) != 1:
        raise ReaderError(path, f"ElementType must be one channel of {sorted(_TYPES)}, got {kind}")
    big_endian = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False")).lower() == "true"
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if big_endian else "<")

    raw = _read_raw(path, need("ElementDataFile"), after_header, header)
    expected = int(np.prod(size)) * dtype.itemsize
    if len(raw) != expected:
        raise ReaderError(path, f"must hold {expected} bytes for DimSize {size} of {kind}, got {len(raw)}")
    shape = (size[2] if len(size) == 3 else 1, size[1], size[0])
    values = np.frombuffer(raw, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))
    return MetaImage(values=values, spacing_mm=(spacing[0], spacing[1]))


def _read_header(path: Path) -> tuple[dict[str, str], bytes]:
    """Header lines by key, and the bytes after the last one (data of an .mha file)."""
    content, header = path.read_bytes(), {}
    start = 0
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        try:
            line = content[start:end].decode("ascii").strip()
        except UnicodeDecodeError:
            raise ReaderError(path, "must start with a MetaImage text header, got binary data") from None
        start = end + 1
        if "=" in line:
            key, _, value = line.partition("=")
            header[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":  # always the last header line
                break
    return header, content[start:]


def _read_raw(path: Path, name: str, after_header: bytes, header: dict[str, str]) -> bytes:
    if name.upper() == "LOCAL":
        raw = after_header
    elif "%" in name or name.upper() == "LIST":
        raise ReaderError(path, f"ElementDataFile must be one file, got {name!r}")
    else:
        try:
            raw = require_file(path.parent / name).read_bytes()
        except ReaderError as error:
            raise ReaderError(path, f"ElementDataFile {name!r} cannot be read: {error.reason}") from error
    if header.get("CompressedData", "False").lower() == "true":
        try:
            raw = zlib.decompress(raw)
        except zlib.error as error:
            raise ReaderError(path, f"compressed data must be complete zlib, got {error}") from error
    return raw


def _numbers(path: Path, key: str, text: str, kind: type) -> tuple:
    try:
        return tuple(kind(part) for part in text.split())
    except ValueError:
        raise ReaderError(path, f"{key} must be numbers, got {text!r}") from None
