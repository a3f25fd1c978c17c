"""Trees of class folders: counts, what is odd about them, and files with the same content."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postmortem.model import FilesSeen, FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest
from postmortem.read.manifests.trees.contents import same_files
from postmortem.read.manifests.trees.listing import list_branch


def put(root: Path, name: str, content: bytes) -> None:
    """One file."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def tree(root: Path, counts: dict[str, int], ending: str = "jpg") -> Path:
    """Files of unlike content and equal size in each folder."""
    number = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            number += 1
            put(root, f"{folder}/{index:04d}.{ending}", b"%08d" % number)
    return root


def read(root: Path) -> ManifestData:
    """What the readers say of a folder."""
    return read_manifest(FoundFile(root, root.name, "manifest", 0), ReadOptions())


def whole(root: Path) -> Manifest:
    """The manifest of a folder without any problem."""
    found = read(root)
    assert found.problems == () and found.manifest is not None
    return found.manifest


def test_counts_by_split_and_class(tmp_path: Path) -> None:
    """Each folder below a split is a class, whatever its files are called; running numbers shared by splits are no leak."""
    counts = {"train/cat": 8, "train/dog": 4, "val/cat": 2, "val/dog": 2, "test/cat": 1, "test/dog": 1}
    manifest = whole(tree(tmp_path / "pets", counts))
    assert manifest.counts == {
        "train": {"cat": 8, "dog": 4},
        "validation": {"cat": 2, "dog": 2},
        "test": {"cat": 1, "dog": 1},
    }
    assert (manifest.rows, manifest.records) == (18, {"train": 12, "validation": 4, "test": 2})
    assert (manifest.format, manifest.labels, manifest.classes) == ("image folder", "single", ("cat", "dog"))
    assert (manifest.duplicate_keys, manifest.shared_keys, manifest.conflicting_keys, manifest.order_runs) == (0, {}, 0, None)


def test_classes_without_splits(tmp_path: Path) -> None:
    """Folders of no split are counted under the empty name; of a tree named like a split, under that split."""
    assert whole(tree(tmp_path / "pets", {"cat": 3, "dog": 2})).counts == {"": {"cat": 3, "dog": 2}}
    assert whole(tree(tmp_path / "train", {"cat": 3, "dog": 2})).counts == {"train": {"cat": 3, "dog": 2}}


def test_folder_of_its_own_name(tmp_path: Path) -> None:
    """Archives that were unpacked into folders of their own name are looked through."""
    manifest = whole(tree(tmp_path / "set", {"in/training_set/training_set/cat": 3, "in/training_set/training_set/dog": 2}))
    assert manifest.counts == {"train": {"cat": 3, "dog": 2}}


def test_equal_content(tmp_path: Path) -> None:
    """Copies count by content: within a split, across splits, and across classes; empty files are equal to nothing."""
    root = tree(tmp_path / "pets", {"train/cat": 5, "train/dog": 5, "val/cat": 5, "val/dog": 5})
    put(root, "train/cat/again.jpg", (root / "train/cat/0000.jpg").read_bytes())
    put(root, "train/dog/cat.jpg", (root / "train/cat/0001.jpg").read_bytes())
    put(root, "val/dog/leak.jpg", (root / "train/dog/0002.jpg").read_bytes())
    put(root, "train/cat/e1.jpg", b"")
    put(root, "val/cat/e2.jpg", b"")
    manifest = whole(root)
    assert (manifest.duplicate_keys, manifest.shared_keys, manifest.conflicting_keys) == (2, {"train|validation": 1}, 1)
    assert manifest.files == FilesSeen(25, 25, 2, ("cat/e1.jpg", "cat/e2.jpg"))


def test_large_files_that_differ_at_their_ends(tmp_path: Path) -> None:
    """Files of equal size with an equal middle are read whole before they are called equal."""
    root = tmp_path / "pets"
    for index, name in enumerate(("train/cat/a.jpg", "train/dog/b.jpg", "val/cat/c.jpg", "val/dog/d.jpg")):
        put(root, name, bytes(200_000) + bytes([index // 2]))
    manifest = whole(root)
    assert (manifest.duplicate_keys, manifest.shared_keys, manifest.conflicting_keys) == (2, {}, 2)


def test_empty_class_folder_declares_its_class(tmp_path: Path) -> None:
    """A class without a file counts 0, and splits with other classes are told: loaders number each split's folders by themselves."""
    root = tree(tmp_path / "pets", {"train/cat": 2, "train/dog": 2, "train/emu": 0, "val/cat": 1, "val/dog": 1})
    found = read(root)
    assert found.manifest is not None and found.manifest.counts["train"] == {"cat": 2, "dog": 2, "emu": 0}
    assert any("train and validation hold different class folders (3 and 2)" in note for note in found.notes)


def test_odd_names(tmp_path: Path) -> None:
    """Names that differ in case only, copies of a class, and a notebook's ghost are told; the ghost counts, as loaders count it."""
    root = tree(tmp_path / "pets", {"train/Cat": 2, "train/cat": 2, "train/dog": 2, "train/dog (copy)": 1, "train/.ipynb_checkpoints": 1})
    found = read(root)
    said = "\n".join(found.notes)
    assert "classes 'Cat', 'cat' differ in case" in said and "class 'dog (copy)' looks like a copy of class 'dog'" in said
    assert ".ipynb_checkpoints lies among the class folders" in said
    assert found.manifest is not None and found.manifest.counts["train"][".ipynb_checkpoints"] == 1


def test_strays_and_leftovers(tmp_path: Path) -> None:
    """Pictures beside class folders have no label, nor has a split of pictures alone; what systems leave is no record."""
    root = tree(tmp_path / "pets", {"train/cat": 4, "train/dog": 4, "train": 3, "test": 5})
    for name in ("train/cat/.DS_Store", "train/cat/Thumbs.db", "train/dog/desktop.ini", "train/dog/._0000.jpg", "train/notes.md"):
        put(root, name, b"x")
    found = read(root)
    manifest = found.manifest
    assert manifest is not None
    assert (manifest.records, manifest.missing_labels, manifest.counts) == (
        {"train": 11, "test": 5},
        3,
        {"train": {"cat": 4, "dog": 4}},
    )
    assert any("1 files ._*" in note for note in found.notes) and any("1 files of other kinds" in note for note in found.notes)
    assert any("'test' has no class folders: its 5 records have no label" in note for note in found.notes)


def test_folders_within_classes(tmp_path: Path) -> None:
    """Files deeper than a class folder count for it, and a note says how many."""
    found = read(tree(tmp_path / "pets", {"train/cat/a": 2, "train/cat/b": 1, "train/dog": 3}))
    assert found.manifest is not None and found.manifest.counts["train"] == {"cat": 3, "dog": 3}
    assert any("3 records lie in folders within class folders" in note for note in found.notes)


def test_dead_links(tmp_path: Path) -> None:
    """Links to nowhere are records whose file is missing; where all are dead the data lie elsewhere, and nothing is said of files."""
    root = tree(tmp_path / "pets", {"cat": 2, "dog": 2})
    (root / "cat" / "x.jpg").symlink_to(tmp_path / "nowhere.jpg")
    manifest = whole(root)
    assert manifest.counts == {"": {"cat": 3, "dog": 2}} and manifest.files == FilesSeen(5, 4, 0, ("cat/x.jpg",))
    dead = tmp_path / "dead"
    for folder in ("cat", "dog"):
        (dead / folder).mkdir(parents=True)
        (dead / folder / "x.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert whole(dead).counts == {"": {"cat": 1, "dog": 1}} and whole(dead).files is None


def test_loops_and_pipes(tmp_path: Path) -> None:
    """A link to a folder above is not followed for ever, and a pipe is no record."""
    root = tree(tmp_path / "pets", {"cat": 2, "dog": 2})
    (root / "cat" / "up").symlink_to(root)
    os.mkfifo(root / "dog" / "pipe.jpg")
    assert whole(root).counts == {"": {"cat": 2, "dog": 2}}


@pytest.mark.parametrize(
    "folders", [("images", "masks"), ("train/images", "train/masks"), ("one",), ()], ids=("pairs", "pairs in splits", "one class", "empty")
)
def test_no_tree_of_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    """Pairs, one folder alone and an empty folder are said to be no known kind of data set."""
    (tmp_path / "set").mkdir()
    found = read(tree(tmp_path / "set", dict.fromkeys(folders, 3)))
    assert found.manifest is None and [problem.kind for problem in found.problems] == ["unsupported"]


def test_more_files_than_are_compared(tmp_path: Path) -> None:
    """Beyond the bound whole groups of equal size are compared: what is found counts, and it is said that it is not all."""
    paths = []
    for index in range(60):
        paths.append(str(tmp_path / f"{index}"))
        (tmp_path / f"{index}").write_bytes(b"x" * (1 + index // 3))
    sizes = np.array([1 + index // 3 for index in range(60)], dtype=np.int64)
    every = same_files(sizes, paths.__getitem__)
    part = same_files(sizes, paths.__getitem__, most_files=30)
    assert every.complete and every.compared == 60 and len(set(every.group.tolist())) == 20
    assert not part.complete and part.compared == 30 and len(set(part.group.tolist())) == 40
    assert part.group.tolist() == same_files(sizes, paths.__getitem__, most_files=30).group.tolist()


def test_file_that_went_away(tmp_path: Path) -> None:
    """A file that cannot be read any more is equal to nothing, and the comparison is not called complete."""
    (tmp_path / "a").write_bytes(b"x")
    found = same_files(np.array([1, 1], dtype=np.int64), [str(tmp_path / "a"), str(tmp_path / "b")].__getitem__)
    assert (found.group.tolist(), found.unread, found.complete) == ([0, 1], 1, False)


def test_more_bytes_than_are_compared(tmp_path: Path) -> None:
    """Large files whose middle is equal count only where there is room to read them whole."""
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(100_000))
    paths = [str(tmp_path / name) for name in "ab"]
    sizes = np.array([100_000, 100_000], dtype=np.int64)
    assert same_files(sizes, paths.__getitem__).group.tolist() == [0, 0]
    none = same_files(sizes, paths.__getitem__, most_bytes=1000)
    assert none.group.tolist() == [0, 1] and not none.complete


def test_more_files_than_are_listed(tmp_path: Path) -> None:
    """A listing ends at its bound and says so."""
    listing = list_branch(tree(tmp_path / "pets", {"cat": 5, "dog": 5}), most=7)
    assert listing.files == 7 and listing.full


def test_sample_of_training_images(tmp_path: Path) -> None:
    """Means of channels come from the training split alone."""
    for split, value in (("train", 51), ("val", 255)):
        for folder in ("cat", "dog"):
            (tmp_path / "pets" / split / folder).mkdir(parents=True)
            for index in range(3):
                Image.new("RGB", (4 + index, 4), (value, 0, value)).save(tmp_path / "pets" / split / folder / f"{index}.png")
    sample = whole(tmp_path / "pets").images
    assert sample is not None and sample.split == "train" and sample.looked == 6
    assert sample.mean == pytest.approx((0.2, 0.0, 0.2)) and sample.identical == 3
