"""Shards of WebDataset, as the standard library's tar writer makes them, and damaged ones."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest
from postmortem.read.manifests.trees import webdataset
from postmortem.read.manifests.trees.tar_headers import End, members

Sample = tuple[str, dict[str, bytes]]


def shard(path: Path, samples: Sequence[Sample], layout: int = tarfile.GNU_FORMAT) -> Path:
    """An archive of samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=layout) as archive:
        for key, parts in samples:
            for ending, content in parts.items():
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def labelled(keys: Sequence[str], labels: str, size: int = 700) -> list[Sample]:
    """Samples of an image and a class."""
    return [(key, {"jpg": bytes(size), "cls": label.encode()}) for key, label in zip(keys, labels, strict=True)]


def read(path: Path) -> ManifestData:
    """What the readers say of a folder of shards, or of one."""
    return read_manifest(FoundFile(path, path.name, "manifest", 0), ReadOptions())


def whole(path: Path) -> Manifest:
    """The manifest without any problem."""
    found = read(path)
    assert found.problems == () and found.manifest is not None
    return found.manifest


KEYS = ["a7", "q1", "zz", "m3", "b9", "c4"]


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=("ustar", "gnu", "pax"))
def test_counts_by_split(tmp_path: Path, layout: int) -> None:
    """Samples and labels are counted by split of the shards' names, in each of the layouts that tar has."""
    deep = "n" * 60 + "/" + "é" * 30 + "/"
    shard(tmp_path / "s/d-train-000000.tar", labelled([deep + key for key in KEYS], "001122"), layout)
    shard(tmp_path / "s/d-train-000001.tar", labelled(["x1", "y5"], "01"), layout)
    shard(tmp_path / "s/d-val-000000.tar", labelled(["k8", deep + "zz"], "21"), layout)
    manifest = whole(tmp_path / "s")
    assert manifest.counts == {"train": {"0": 3, "1": 3, "2": 2}, "validation": {"1": 1, "2": 1}}
    assert (manifest.records, manifest.label_column, manifest.labels) == ({"train": 8, "validation": 2}, "cls", "single")
    assert (manifest.duplicate_keys, manifest.shared_keys, manifest.format) == (0, {"train|validation": 1}, "WebDataset")


def test_long_names_of_gnu(tmp_path: Path) -> None:
    """Names of more than 100 bytes come whole: two samples that differ at the end of theirs are two."""
    shard(tmp_path / "s/a-000000.tar", labelled(["p/" + "x" * 200 + each for each in ("a", "b", "b")], "012"))
    shard(tmp_path / "s/a-000001.tar", labelled(["k3"], "0"))
    assert whole(tmp_path / "s").rows == 3


def test_splits_by_folders(tmp_path: Path) -> None:
    """Shards in folders named like splits are of these."""
    shard(tmp_path / "s/train/00000.tar", labelled(KEYS[:3], "010"))
    shard(tmp_path / "s/val/00000.tar", labelled(KEYS[3:], "010"))
    assert whole(tmp_path / "s").records == {"train": 3, "validation": 3}


def test_running_numbers_are_no_keys(tmp_path: Path) -> None:
    """Keys that start anew in every split say nothing: neither leak nor its absence is told."""
    for split in ("train", "val"):
        shard(tmp_path / f"s/{split}-000000.tar", labelled([f"{index:06d}" for index in range(30)], "01" * 15))
    manifest = whole(tmp_path / "s")
    assert manifest.key_column is None and manifest.duplicate_keys is None and manifest.shared_keys == {}


def test_ids_of_a_larger_set_are_keys(tmp_path: Path) -> None:
    """Numbers with gaps between them are ids, and tell what a sample is."""
    for split in ("train", "val"):
        shard(tmp_path / f"s/{split}-000000.tar", labelled([f"{index * 977:09d}" for index in range(30)], "01" * 15))
    assert whole(tmp_path / "s").shared_keys == {"train|validation": 30}


@pytest.mark.parametrize("label", [3, "3", [3]], ids=("number", "text", "list"))
def test_labels_in_json(tmp_path: Path, label: object) -> None:
    """A field of the JSON beside the data is the label where no ending is made for it."""
    samples = [(key, {"jpg": b"x", "json": json.dumps({"label": label, "width": 9}).encode()}) for key in KEYS]
    manifest = whole(shard(tmp_path / "a-000000.tar", samples))
    assert manifest.counts == {"": {"3": 6}} and manifest.label_column == "json: label"


def test_several_labels(tmp_path: Path) -> None:
    """Lists of classes are several labels a sample."""
    samples = [(key, {"json": json.dumps({"labels": ["a", "b"]}).encode()}) for key in KEYS]
    manifest = whole(shard(tmp_path / "a-000000.tar", samples))
    assert (manifest.labels, manifest.counts, manifest.rows) == ("multiple", {"": {"a": 6, "b": 6}}, 6)


def test_captions_are_no_classes(tmp_path: Path) -> None:
    """Texts that hardly recur are what is to be produced, and no class is counted."""
    samples = [(f"k{index * 7}", {"jpg": b"x", "txt": f"a dog number {index}".encode()}) for index in range(40)]
    manifest = whole(shard(tmp_path / "a-000000.tar", samples))
    assert (manifest.labels, manifest.counts, manifest.missing_labels) == ("text", {}, 0)


def test_texts_that_recur_are_classes(tmp_path: Path) -> None:
    """Texts of a few words over many samples are classes."""
    samples = [(f"k{index * 7}", {"jpg": b"x", "txt": b"dog" if index % 2 else b"cat"}) for index in range(40)]
    assert whole(shard(tmp_path / "a-000000.tar", samples)).counts == {"": {"cat": 20, "dog": 20}}


def test_missing_labels(tmp_path: Path) -> None:
    """Samples without a member for the class are counted as unlabelled."""
    samples = [*labelled(KEYS, "001122"), ("zzz", {"jpg": b"x"})]
    manifest = whole(shard(tmp_path / "a-000000.tar", samples))
    assert (manifest.rows, manifest.missing_labels) == (7, 1)


def test_empty_members_are_told(tmp_path: Path) -> None:
    """Members of zero bytes are counted in a note."""
    found = read(shard(tmp_path / "a-000000.tar", [*labelled(KEYS, "001122"), ("w", {"jpg": b"", "cls": b"0"})]))
    assert any("1 of 14 members are empty" in note for note in found.notes)


@pytest.mark.parametrize("cut", [1, 100, 511], ids=lambda each: f"cut_by_{each}")
def test_cut_in_the_data(tmp_path: Path, cut: int) -> None:
    """A shard that ends within a member is said to be cut short, with how many samples were read."""
    path = shard(tmp_path / "s/a-000000.tar", labelled(KEYS, "001122", size=5000))
    shard(tmp_path / "s/a-000001.tar", labelled(["o2"], "0"))
    # Each sample takes 512 + 5120 + 512 + 512 bytes.
    path.write_bytes(path.read_bytes()[: 4 * 6656 + 512 + 5000 - cut])
    found = read(tmp_path / "s")
    (problem,) = found.problems
    assert (problem.kind, problem.path) == ("truncated", "s/a-000000.tar") and "4 samples before it were counted" in problem.detail
    assert found.manifest is not None and found.manifest.rows == 5


def test_cut_in_a_header(tmp_path: Path) -> None:
    """The same for a shard that ends within a header."""
    path = shard(tmp_path / "a-000000.tar", labelled(KEYS, "001122", size=5000))
    path.write_bytes(path.read_bytes()[: 2 * 6656 + 100])
    (problem,) = read(path).problems
    assert problem.kind == "truncated" and "within a header, at byte 13312; 2 samples" in problem.detail


def test_flipped_byte_in_a_header(tmp_path: Path) -> None:
    """A header whose checksum is wrong ends the shard there, as corrupt."""
    path = shard(tmp_path / "a-000000.tar", labelled(KEYS, "001122", size=5000))
    data = bytearray(path.read_bytes())
    data[3 * 6656 + 5] ^= 1
    path.write_bytes(data)
    (problem,) = read(path).problems
    assert problem.kind == "corrupt" and "checksum" in problem.detail and "3 samples" in problem.detail


def test_without_the_end_mark(tmp_path: Path) -> None:
    """A shard that ends between members, without the empty blocks of an end, is told as one of which nobody can say whether it is whole."""
    path = shard(tmp_path / "a-000000.tar", labelled(KEYS, "001122", size=5000))
    path.write_bytes(path.read_bytes()[: 3 * 6656])
    found = read(path)
    assert found.problems == () and any("cannot be told: 'a-000000.tar'" in note for note in found.notes)


def test_no_archive(tmp_path: Path) -> None:
    """A file that only ends like an archive is corrupt."""
    path = tmp_path / "a-000000.tar"
    path.write_bytes(b"hello" * 300)
    found = read(path)
    assert found.manifest is None and found.problems[0].kind == "corrupt"


def test_size_that_no_file_has(tmp_path: Path) -> None:
    """A member that claims more than the archive holds, in base 256, is damage and takes no memory."""
    info = tarfile.TarInfo("a.cls")
    info.size = 1 << 60
    header = info.tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "a-000000.tar"
    path.write_bytes(header + bytes(1024))
    (problem,) = read(path).problems
    assert problem.kind == "truncated" and f"claims {1 << 60} bytes" in problem.detail


def test_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed shards are read through, cut ones as far as they go, and none beyond the bound."""
    for index in range(3):
        path = shard(tmp_path / f"a-00000{index}.tar", labelled([key + str(index) for key in KEYS], "001122", size=5000))
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / f"s/a-00000{index}.tar.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    assert whole(tmp_path / "s").rows == 18
    packed = (tmp_path / "s/a-000001.tar.gz").read_bytes()
    (tmp_path / "s/a-000001.tar.gz").write_bytes(packed[: len(packed) // 2])
    found = read(tmp_path / "s")
    assert [problem.kind for problem in found.problems] == ["truncated"] and found.manifest is not None and 12 <= found.manifest.rows < 18
    monkeypatch.setattr(webdataset, "MOST_UNPACKED_BYTES", 10_000)
    found = read(tmp_path / "s")
    assert any(problem.kind == "unsupported" and "must be read through" in problem.detail for problem in found.problems)


def test_unequal_shards(tmp_path: Path) -> None:
    """Shards of very unequal size are told; a small last one is what is left over."""
    for index, count in enumerate((40, 40, 40, 3)):
        shard(tmp_path / f"even/a-{index:06d}.tar", labelled([f"{index}k{each * 3}" for each in range(count)], "0" * count, 1))
    for index, count in enumerate((40, 2, 40, 3)):
        shard(tmp_path / f"odd/a-{index:06d}.tar", labelled([f"{index}k{each * 3}" for each in range(count)], "0" * count, 1))
    assert not any("unequal" in note for note in read(tmp_path / "even").notes)
    assert any("very unequal size: 3 samples" in note for note in read(tmp_path / "odd").notes)


def test_data_are_passed_over(tmp_path: Path) -> None:
    """A gigabyte of data costs a seek: no more than a few blocks a member are read."""

    class Watched(io.RawIOBase):
        total = 0

        def __init__(self, path: Path) -> None:
            self._file = path.open("rb", buffering=0)

        def seek(self, offset: int, whence: int = 0) -> int:
            return self._file.seek(offset, whence)

        def read(self, size: int = -1) -> bytes:
            self.total += size
            return self._file.read(size)

        def close(self) -> None:
            self._file.close()
            super().close()

    path = tmp_path / "a-000000.tar"
    info = tarfile.TarInfo("a.jpg")
    info.size = 1 << 30
    with path.open("wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        stream.seek(1 << 30, io.SEEK_CUR)
        stream.write(tarfile.TarInfo("b.jpg").tobuf() + bytes(1024))
    watched = Watched(path)
    found = list(members(watched, path.stat().st_size, frozenset(), 100, End()))  # type: ignore[arg-type]  # a raw stream
    watched.close()
    assert [(member.name, member.size) for member in found] == [("a.jpg", 1 << 30), ("b.jpg", 0)] and watched.total < 10_000


def test_a_shard_without_a_byte_is_told(tmp_path: Path) -> None:
    """A writer that died leaves such a shard; the others count."""
    shard(tmp_path / "set" / "train-0000.tar", labelled(["a", "b", "c"], "011"))
    (tmp_path / "set" / "train-0001.tar").write_bytes(b"")
    result = read(tmp_path / "set")
    assert result.manifest is not None
    assert result.manifest.rows == 3
    (problem,) = result.problems
    assert (problem.kind, problem.path.endswith("train-0001.tar")) == ("truncated", True)
