"""Statistics of a sample of image files: mean and deviation of each channel, broken files, and files with the same bytes."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.model import ImageSample
from postmortem.read.manifests.companions import spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

MOST_IMAGES = 200
_MOST_BYTES = 32 << 20
"""Of one file; larger ones are passed over."""
_MOST_PIXELS = 1 << 25
"""Of one image as it is decoded: a few bytes can claim any size."""
MOST_PIXELS_OF_ALL = 1 << 27
"""About two seconds of decoding on one core; images beyond are passed over."""
_DRAFT = 512
"""JPEGs may be decoded at a half, quarter or eighth of their size, but to no fewer pixels a side."""
_MOST_UNREADABLE = 20
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_EIGHT_BITS = {
    "1": "L", "L": "L", "LA": "L", "La": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "RGBa": "RGB",
    "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB",
}  # fmt: skip
"""Pillow's mode -> the one without palette and transparency."""

_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""As Pillow raises on files that are cut short or no images."""


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    sums: NDArray[np.float64]
    """Of each channel, over pixels, as shares of the brightest value."""
    squares: NDArray[np.float64]
    pixels: int


def sample_images(
    paths: Sequence[Path], names: Sequence[str] | None = None, split: str = "", most: int = MOST_IMAGES
) -> ImageSample | None:
    """What a few images look like; None where none of the files is an image that can be judged.

    Args:
        paths: of the training split, if there is one; of more than `most` an evenly spread part is looked at.
        names: how reports show them, one for each path; their last parts where it is left out.
        split: where they come from.
        most: how many are opened at most.

    Images of three channels and of one may be mixed: grey then counts as three equal channels. Float images count where they lie in 0 to 1.
    """
    import numpy as np

    looked: list[_Looked] = []
    unreadable: list[str] = []
    prints: set[bytes] = set()
    identical = opened = 0
    left = MOST_PIXELS_OF_ALL
    for index in spread(len(paths), most):
        encoded = _content(paths[index])
        if encoded is None or left <= 0:
            continue
        opened += 1
        each = blake2b(encoded, digest_size=16).digest()
        identical += each in prints
        prints.add(each)
        try:
            values = _values(encoded)
        except _BROKEN:
            unreadable.append(names[index] if names is not None else paths[index].name)
            continue
        if values is not None:
            left -= values.shape[0] * values.shape[1]
            flat = values.reshape(-1, values.shape[2])
            looked.append(_Looked(flat.sum(0, dtype=np.float64), np.einsum("ij,ij->j", flat, flat, dtype=np.float64), len(flat)))
    if not opened or (not looked and not unreadable):
        return None
    mean, deviation = _put_together(looked)
    return ImageSample(len(looked) + len(unreadable), mean, deviation, tuple(unreadable[:_MOST_UNREADABLE]), identical, split)


def _put_together(looked: Sequence[_Looked]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean over images of each image's mean, and the standard deviation over all their pixels, by channel."""
    import numpy as np

    if not looked:
        return (), ()
    channels = max(len(each.sums) for each in looked)
    sums, squares = (np.array([np.broadcast_to(getattr(each, what), channels) for each in looked]) for what in ("sums", "squares"))
    pixels = np.array([each.pixels for each in looked], dtype=np.float64)
    mean = (sums / pixels[:, None]).mean(0)
    over_all = sums.sum(0) / pixels.sum()
    variance = np.maximum(squares.sum(0) / pixels.sum() - over_all**2, 0.0)
    return tuple(map(float, mean)), tuple(map(float, np.sqrt(variance)))


def _content(path: Path) -> bytes | None:
    """The file's bytes; None where it is no regular file, is empty, too large, or cannot be opened."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= _MOST_BYTES:
            return None
        with os.fdopen(file, "rb", closefd=False) as stream:
            return stream.read(_MOST_BYTES)
    except OSError:
        return None
    finally:
        os.close(file)


def _values(encoded: bytes) -> NDArray[np.float32] | None:
    """[height, width, channels] as shares of the brightest value; None for images that are too large or of no known brightness.

    Raises:
        OSError and others: the file is no image, or is damaged.
    """
    import numpy as np

    # Formats must be registered before they can be asked for by name.
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401

    Image.preinit()
    with warnings.catch_warnings():
        # Pillow warns of large images, whose size is looked at here, and of damaged metadata, which do not matter.
        warnings.simplefilter("ignore")
        try:
            opened = Image.open(io.BytesIO(encoded), formats=_FORMATS)
        except Image.DecompressionBombError:
            return None
        with opened as image:
            if image.format in ("JPEG", "MPO"):
                image.draft("RGB" if image.mode != "L" else "L", (_DRAFT, _DRAFT))
            if not 0 < image.width * image.height <= _MOST_PIXELS:
                return None
            mode = _EIGHT_BITS.get(image.mode)
            if mode is not None:
                opaque = image if image.mode == mode else image.convert(mode)
                found: NDArray[np.float32] | None = np.asarray(opaque, dtype=np.float32) / np.float32(255)
            else:
                found = _deep(image)
    return found[:, :, None] if found is not None and found.ndim == 2 else found


def _deep(image: PillowImage) -> NDArray[np.float32] | None:
    """Images of more than 8 bits a channel."""
    import numpy as np

    found = np.asarray(image)
    if image.mode.startswith("I"):
        # Some versions of Pillow hand 16 bits out as 32.
        return None if found.size and (found.min() < 0 or found.max() > 65535) else found.astype(np.float32) / np.float32(65535)
    if image.mode == "F" and np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1:
        return found.astype(np.float32)
    return None
