"""The files that manifests name: looked up, and a sample of the images looked at."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postmortem.model import FilesSeen
from postmortem.read.manifests import pictures
from postmortem.read.manifests.companions import locate, look, spread
from postmortem.read.manifests.pictures import sample_images


def files(root: Path, *names: str) -> None:
    """Files of one byte."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


@pytest.mark.parametrize("place", ["", "images/", "data/", "../images/", "../"])
def test_places(tmp_path: Path, place: str) -> None:
    """Names are relative to the manifest's folder, to one in it that is called like images, or to its parent and what is beside it."""
    base = tmp_path / "annotations"
    base.mkdir()
    files(base, f"{place}a.jpg", f"{place}b/c.jpg")
    located = locate(["a.jpg", "b/c.jpg"], base)
    assert located is not None and located.seen == FilesSeen(2, 2, 0)
    assert [path.resolve() for path in located.paths] == [(base / place / name).resolve() for name in ("a.jpg", "b/c.jpg")]


def test_missing_and_empty(tmp_path: Path) -> None:
    """Files that are not there and files of no byte are counted, with their names."""
    files(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "e.jpg").touch()
    assert look(["a.jpg", "b.jpg", "e.jpg", "z.jpg"], tmp_path) == FilesSeen(4, 3, 1, ("e.jpg", "z.jpg"))


def test_data_elsewhere(tmp_path: Path) -> None:
    """Where no file is there, nothing is known; addresses and names that lead out of the folder are never looked up."""
    files(tmp_path, "outside.jpg")
    (tmp_path / "in").mkdir()
    assert look(["/mnt/gone/a.jpg", "b.jpg"], tmp_path / "in") is None
    assert look(["../outside.jpg", "https://host/outside.jpg", "s3://x/outside.jpg", "", "a\0b"], tmp_path / "in") is None


def test_absolute_names(tmp_path: Path) -> None:
    """Absolute paths are looked up as they are."""
    files(tmp_path, "a.jpg")
    assert look([str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")], tmp_path / "nowhere") == FilesSeen(2, 1, 0, (str(tmp_path / "b.jpg"),))


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    """Only regular files count as there."""
    files(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "p.jpg")
    (tmp_path / "d.jpg").mkdir()
    assert look(["a.jpg", "p.jpg", "d.jpg"], tmp_path) == FilesSeen(3, 1, 0, ("p.jpg", "d.jpg"))


def test_sample_is_spread(tmp_path: Path) -> None:
    """Of many names an even part is looked up, the same each time."""
    files(tmp_path, *(f"{index}.jpg" for index in range(100)))
    names = [f"{index}.jpg" for index in range(200)]
    assert look(names, tmp_path, most=20) == FilesSeen(20, 10, 0, tuple(f"{index}.jpg" for index in range(100, 150, 10)))
    assert list(spread(5, 10)) == [0, 1, 2, 3, 4] and list(spread(10, 4)) == [0, 2, 5, 7]


def save(path: Path, values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], mode: str | None = None) -> Path:
    """An image of these values."""
    Image.fromarray(values, mode).save(path)
    return path


def test_means_and_deviations(tmp_path: Path) -> None:
    """Means are over images, deviations over pixels, each by channel, as shares of 255."""
    generator = np.random.default_rng(3)
    images = [generator.integers(0, 256, (size, 8, 3), dtype=np.uint8) for size in (4, 8, 20)]
    sample = sample_images([save(tmp_path / f"{index}.png", image) for index, image in enumerate(images)], split="train")
    assert sample is not None and sample.looked == 3 and sample.split == "train"
    assert sample.mean == pytest.approx(np.mean([image.reshape(-1, 3).mean(0) for image in images], axis=0) / 255)
    assert sample.deviation == pytest.approx(np.concatenate([image.reshape(-1, 3) for image in images]).std(0) / 255)


def test_grey_and_colour(tmp_path: Path) -> None:
    """Grey images alone are one channel; beside colours they count as three equal ones; transparency is no channel."""
    grey = save(tmp_path / "g.png", np.full((4, 4), 102, dtype=np.uint8))
    Image.new("RGBA", (4, 4), (255, 0, 0, 7)).save(tmp_path / "c.png")
    Image.new("P", (4, 4), 0).save(tmp_path / "p.png")
    alone = sample_images([grey])
    both = sample_images([grey, tmp_path / "c.png"])
    assert alone is not None and alone.mean == pytest.approx((0.4,))
    assert both is not None and both.mean == pytest.approx((0.7, 0.2, 0.2))
    palette = sample_images([tmp_path / "p.png"])
    assert palette is not None and len(palette.mean) == 3


def test_deep_images(tmp_path: Path) -> None:
    """16 bits are shares of 65535; floats count where they lie in 0 to 1, and are passed over elsewhere."""
    Image.fromarray(np.full((4, 4), 13107, dtype=np.uint16)).save(tmp_path / "d.png")
    Image.fromarray(np.full((4, 4), 0.25, dtype=np.float32)).save(tmp_path / "f.tif")
    Image.fromarray(np.full((4, 4), 99.0, dtype=np.float32)).save(tmp_path / "g.tif")
    deep, shares, other = (sample_images([tmp_path / name]) for name in ("d.png", "f.tif", "g.tif"))
    assert deep is not None and deep.mean == pytest.approx((0.2,))
    assert shares is not None and shares.mean == pytest.approx((0.25,))
    assert other is None


def test_jpeg_is_drafted(tmp_path: Path) -> None:
    """A large JPEG may be decoded smaller; its mean stays."""
    Image.new("RGB", (4096, 2048), (128, 64, 32)).save(tmp_path / "a.jpg", quality=95)
    sample = sample_images([tmp_path / "a.jpg"])
    assert sample is not None and sample.mean == pytest.approx((128 / 255, 64 / 255, 32 / 255), abs=0.01)


def test_broken_images_are_named(tmp_path: Path) -> None:
    """Images that are cut short and files that are none are named; equal files are counted; empty and missing files are not for here."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    good = save(tmp_path / "a.png", noise)
    (tmp_path / "same.png").write_bytes(good.read_bytes())
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "none.jpg").write_bytes(b"<html>not found</html>")
    (tmp_path / "empty.jpg").touch()
    names = ("a.png", "same.png", "cut.png", "none.jpg", "empty.jpg", "gone.jpg")
    sample = sample_images([tmp_path / name for name in names], [f"x/{name}" for name in names])
    assert sample is not None and (sample.looked, sample.unreadable, sample.identical) == (4, ("x/cut.png", "x/none.jpg"), 1)


def test_nothing_to_look_at(tmp_path: Path) -> None:
    """No path, or none that can be opened, gives no sample; a pipe is not waited for."""
    os.mkfifo(tmp_path / "p.jpg")
    assert sample_images([]) is None and sample_images([tmp_path / "p.jpg", tmp_path, tmp_path / "gone.jpg"]) is None


def test_bomb(tmp_path: Path) -> None:
    """A file that claims a gigapixel is neither decoded nor called broken."""
    stream = io.BytesIO()
    Image.new("1", (8, 8)).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = struct.pack(">II", 40_000, 40_000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    assert sample_images([tmp_path / "bomb.png"]) is None


def test_bound_on_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound on pixels in all, images are passed over and not counted."""
    paths = [save(tmp_path / f"{index}.png", np.full((10, 10), index, dtype=np.uint8)) for index in range(6)]
    monkeypatch.setattr(pictures, "MOST_PIXELS_OF_ALL", 250)
    sample = sample_images(paths)
    assert sample is not None and sample.looked == 3
