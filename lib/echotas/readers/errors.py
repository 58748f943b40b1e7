"""The one error of the readers: a file cannot be turned into a record; the message names file, rule and value."""

from pathlib import Path

__all__ = ["ReaderError", "require_file"]


class ReaderError(ValueError):
    """A file is missing, truncated, foreign or breaks a rule of its format."""

    def __init__(self, path: str | Path, reason: str):
        self.path = Path(path)
        """The file at fault."""
        self.reason = reason
        """Rule and value, without the file."""
        super().__init__(f"{path}: {reason}")


def require_file(path: str | Path) -> Path:
    """The path of an existing, non-empty file.

    Raises:
        ReaderError: It does not exist, is a folder, or has no bytes.
    """
    path = Path(path)
    if path.is_dir():
        raise ReaderError(path, "must be a file, got a folder")
    if not path.is_file():
        raise ReaderError(path, "no such file")
    if path.stat().st_size == 0:
        raise ReaderError(path, "must hold data, got an empty file (0 bytes)")
    return path
