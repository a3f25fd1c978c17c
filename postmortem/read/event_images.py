"""Mean and range of images in event files: what a run logged of its inputs. Pillow decodes; a few of each tag are enough for that."""

from __future__ import annotations

import io
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
        for tag, encoded in self.kept.items():
            pixels = [each for each in map(_pixels, encoded) if each is not None]
            if pixels:
                total = sum(each.size for each in pixels)
                mean = float(sum(each.sum(dtype=np.float64) for each in pixels)) / total / 255
                low, high = min(int(each.min()) for each in pixels) / 255, max(int(each.max()) for each in pixels) / 255
                found.append(LoggedImages(tag, group, source, self.counts[tag], len(pixels), mean, low, high))
        return tuple(found)


def _pixels(encoded: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    """[height, width, channels] of an image without its transparency; None where it is damaged, of another format, or too large."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            mode = _EIGHT_BITS.get(image.mode)
            if mode is None or not 0 < image.width * image.height <= _MOST_PIXELS:
                return None
            return np.asarray(image.convert(mode), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError):  # as Pillow raises on files that are none
        return None
