"""A cine with its masks, as the segmentation data sets (CAMUS, TED, CARDINAL) provide them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np

from echotas.readers.errors import ReaderError
from echotas.records import Cine

__all__ = ["Label", "LabelledCine", "check_mask"]


class Label(IntEnum):
    """Values in a mask."""

    BACKGROUND = 0
    LV = 1
    """Cavity of the left ventricle."""
    MYO = 2
    """Myocardium, a ring of its own (not the epicardium filled)."""
    LA = 3
    """Left atrium."""


@dataclass(frozen=True, eq=False)
class LabelledCine:
    """A cine and the masks of some or all of its frames."""

    cine: Cine
    """The loop."""
    masks: Mapping[int, np.ndarray]
    """Mask u8 (height, width) by frame, values of `Label`; frames without a mask are absent."""
    drawn_frames: tuple[int, ...] = ()
    """Frames whose mask an expert drew; the others were interpolated or propagated."""

    def __post_init__(self) -> None:
        size = self.cine.frames.shape[1:]
        masks = {}
        for frame, mask in sorted(self.masks.items()):
            mask = np.array(mask, dtype=np.uint8)
            if not 0 <= frame < self.cine.n_frames:
                raise ValueError(f"masks must belong to frames 0..{self.cine.n_frames - 1}, got frame {frame}")
            if mask.shape != size:
                raise ValueError(f"masks must have the frame size {size}, got {mask.shape} at frame {frame}")
            mask.setflags(write=False)
            masks[frame] = mask
        missing = set(self.drawn_frames) - set(masks)
        if missing:
            raise ValueError(f"drawn_frames must have a mask, got none for {sorted(missing)}")
        object.__setattr__(self, "masks", MappingProxyType(masks))
        object.__setattr__(self, "drawn_frames", tuple(sorted(self.drawn_frames)))

    def labels(self) -> np.ndarray:
        """All masks, u8 (n_frames, height, width).

        Raises:
            ValueError: A frame has no mask; an empty mask is not put in its place.
        """
        missing = sorted(set(range(self.cine.n_frames)) - set(self.masks))
        if missing:
            raise ValueError(
                f"labels of every frame were asked of {self.cine.recording_id!r}, got {len(missing)} of "
                f"{self.cine.n_frames} frames without a mask (first: frame {missing[0]})"
            )
        return np.stack([self.masks[frame] for frame in range(self.cine.n_frames)])


def check_mask(path: str | Path, mask: np.ndarray, size: tuple[int, int], largest: int = Label.LA) -> np.ndarray:
    """The mask as u8 (height, width), after checking it against its image.

    Raises:
        ReaderError: Other size than the image, values that are no labels, or no left ventricle at all.
    """
    mask = np.asarray(mask)
    if mask.shape != tuple(size):
        raise ReaderError(path, f"mask must have the size {tuple(size)} of its image, got {mask.shape}")
    if not np.isfinite(mask).all() or (mask != np.rint(mask)).any() or mask.min() < 0 or mask.max() > largest:
        raise ReaderError(path, f"labels must be whole numbers 0..{int(largest)}, got {np.unique(mask)[:8].tolist()}")
    if not (mask == Label.LV).any():
        raise ReaderError(path, f"mask must contain the cavity (label {int(Label.LV)}), got an empty one")
    return mask.astype(np.uint8)
