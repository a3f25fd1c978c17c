"""Mean and range of images in event files: what a run logged of its inputs. Pillow decodes; a few of each tag are enough for that."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from postmortem.model import LoggedImages

_LOOKED = 8
"""Images of one tag that are decoded."""
_MOST_TAGS = 64
_MOST_BYTES = 8 << 20
_MOST_PIXELS = 1 << 24
"""Of one image; more is not looked at: a few bytes can claim any size."""
_MOST_PIXELS_OF_FILE = 1 << 27
_FORMATS = ("PNG", "JPEG", "GIF")
_EIGHT_BITS = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
"""Pillow's mode -> the one without transparency and palette; those of 16 bits would be clipped, and are left out."""


@dataclass(slots=True, eq=False)
class ImageSink:
    """Images of one file so far."""

    counts: dict[str, int] = field(default_factory=dict)
    """Tag -> images."""
    kept: dict[str, list[bytes]] = field(default_factory=dict)
    """Tag -> the first few, encoded."""

    def add(self, tag: str, encoded: Iterable[bytes]) -> None:
        """Images of one value."""
        for one in encoded:
            self.counts[tag] = self.counts.get(tag, 0) + 1
            if tag in self.kept or len(self.kept) < _MOST_TAGS:
                kept = self.kept.setdefault(tag, [])
                if len(kept) < _LOOKED and len(one) <= _MOST_BYTES:
                    kept.append(one)

    def looked_at(self, group: str, source: str) -> tuple[LoggedImages, ...]:
        """What the images of each tag show; tags of which none can be decoded are left out."""
        found = []
        left = _MOST_PIXELS_OF_FILE
        for tag, encoded in self.kept.items():
            looked = total = size = 0
            low, high = 1.0, 0.0
            for one in encoded:
                pixels = _pixels(one) if left > 0 else None
                if pixels is None:
                    continue
                left -= pixels.shape[0] * pixels.shape[1]
                looked, size, total = looked + 1, size + pixels.size, total + int(pixels.sum(dtype=np.int64))
                low, high = min(low, int(pixels.min()) / 255), max(high, int(pixels.max()) / 255)
            if looked:
                found.append(LoggedImages(tag, group, source, self.counts[tag], looked, total / size / 255, low, high))
        return tuple(found)


def _pixels(encoded: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """[height, width, channels] of an image without its transparency; None where it is damaged, of another format, or too large."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is looked at below
            opened = Image.open(io.BytesIO(encoded), formats=_FORMATS)
        with opened as image:
            mode = _EIGHT_BITS.get(image.mode)
            if mode is None or not 0 < image.width * image.height <= _MOST_PIXELS:
                return None
            return np.asarray(image.convert(mode), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError):  # as Pillow raises on files that are none
        return None
