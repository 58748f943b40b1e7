"""Reads the `Key: value` text files that accompany CAMUS and TED recordings."""

from pathlib import Path

from echotas.readers.errors import ReaderError, require_file

__all__ = ["frame_of", "number_of", "read_cfg"]


def read_cfg(path: str | Path) -> dict[str, str]:
    """Values by lower-case key. Order does not matter; blank lines, lines without a colon and CR are skipped.

    Raises:
        ReaderError: Missing or empty file, binary data, or not one `Key: value` line.
    """
    path = require_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(path, "must be text with `Key: value` lines, got binary data") from error
    values = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() and value.strip():
            values[key.strip().lower()] = value.strip()
    if not values:
        raise ReaderError(path, "must hold `Key: value` lines, got none")
    return values


def number_of(path: str | Path, cfg: dict[str, str], key: str) -> float | None:
    """The number under a key; None if the key is absent or says it is not known."""
    text = cfg.get(key.lower())
    if text is None or text.lower() in ("na", "n/a", "nan", "none", "-", "?"):
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise ReaderError(path, f"{key} must be a number, got {text!r}") from None


def frame_of(path: str | Path, cfg: dict[str, str], key: str, n_frames: int) -> int | None:
    """The 0-based frame under a key that counts from 1; None if the key is absent.

    Raises:
        ReaderError: Not a whole number in 1..n_frames.
    """
    value = number_of(path, cfg, key)
    if value is None:
        return None
    if value != int(value) or not 1 <= value <= n_frames:
        raise ReaderError(
            path, f"{key} must be a frame number in 1..{n_frames} (the frames in the recording), got {value:g}"
        )
    return int(value) - 1
