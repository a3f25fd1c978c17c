"""Lists of paths, and texts that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmortem.model import FilesSeen, FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest, read_manifests


def found(path: Path, text: str | bytes, name: str = "") -> FoundFile:
    """A file of this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return FoundFile(path, name or path.name, "manifest", path.stat().st_size)


def read(path: Path, text: str | bytes) -> ManifestData:
    """What the readers say of it."""
    return read_manifest(found(path, text), ReadOptions())


def whole(path: Path, text: str | bytes) -> Manifest:
    """The manifest without any problem."""
    said = read(path, text)
    assert said.problems == () and said.manifest is not None
    return said.manifest


def lines(form: str, count: int = 30) -> str:
    """Lines of one form, with two classes."""
    return "".join(form.format(i=index, c=index % 2, n=("cat", "dog")[index % 2]) + "\n" for index in range(count))


FORMS = {
    "path": ("img/{n}/{i:04d}.jpg", {"cat": 15, "dog": 15}, "folder"),
    "path label": ("img/{i:04d}.JPG {c}", {"0": 15, "1": 15}, "label"),
    "path with spaces": ("my img/{i:04d} b.png {n}", {"cat": 15, "dog": 15}, "label"),
    "tab": ("img/{i:04d}.jpg\t{n}", {"cat": 15, "dog": 15}, "label"),
    "comma": ("img/{i:04d}.jpg,{n}", {"cat": 15, "dog": 15}, "label"),
    "label first": ("{c} img/{i:04d}.wav", {"0": 15, "1": 15}, "label"),
    "mxnet": ("{i}\t{c}\timg/{i:04d}.jpg", {"0": 15, "1": 15}, "label"),
    "frames": ("Jump/v_{i:04d}\t\t26{c}\t{c}", {"0": 15, "1": 15}, "label"),
    "windows": ("img\\{n}\\{i:04d}.jpg", {"cat": 15, "dog": 15}, "folder"),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path: Path, name: str) -> None:
    """Each form of list gives its classes, from the label or from the path's folder."""
    form, counts, column = FORMS[name]
    manifest = whole(tmp_path / "train.txt", lines(form))
    assert manifest.counts == {"train": counts} and manifest.label_column == column
    assert (manifest.rows, manifest.duplicate_keys, manifest.format, manifest.order_runs) == (30, 0, "path list", 30)


def test_order_is_counted(tmp_path: Path) -> None:
    """A sorted list has one run a class."""
    text = "".join(f"{index}.jpg {index // 10}\n" for index in range(30))
    assert whole(tmp_path / "val_list.txt", text).order_runs == 3


def test_leak_between_lists(tmp_path: Path) -> None:
    """A path in two lists of one folder is in both splits; one that stands twice in a list is a duplicate."""
    train = found(tmp_path / "train.txt", "".join(f"a/{index}.jpg {index % 2}\n" for index in range(30)) + "a/3.jpg 1\n")
    val = found(tmp_path / "val.txt", "".join(f"a/{index}.jpg {index % 2}\n" for index in range(25, 40)))
    data = read_manifests([train, val])
    (manifest,) = data.manifests
    assert data.problems == () and manifest.records == {"train": 31, "validation": 15}
    assert (manifest.duplicate_keys, manifest.shared_keys) == (1, {"train|validation": 5})


def test_running_numbers_below_folders_of_splits(tmp_path: Path) -> None:
    """Paths relative to the folder of their own split cannot be compared with those of another."""
    assert whole(tmp_path / "train" / "list.txt", lines("{i:04d}.jpg {c}")).key_column is None
    assert whole(tmp_path / "all" / "train.txt", lines("{i:04d}.jpg {c}")).key_column == "path"


NO_LISTS: dict[str, str | bytes] = {
    "sentences": "The quick brown fox.\nJumps over the lazy dog.\n" * 20,
    "a log": "epoch 1 loss 0.5\nepoch 2 loss 0.4\n",
    "words": "alpha\nbeta\n",
    "numbers": "1 2 3\n4 5 6\n",
    "a sentence among paths": "a/1.jpg 0\nsaved to a/2.jpg as before, with the caption: a dog\n" + "a/3.jpg 1\n" * 30,
    "binary": b"\0\1\2" * 100,
    "one word": "x",
    "blank": "\n\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_texts_are_no_lists(tmp_path: Path, name: str) -> None:
    """A text to learn from, a log or anything else under the name of a list gives nothing, silently."""
    said = read(tmp_path / "train.txt", NO_LISTS[name])
    assert (said.manifest, said.problems, said.notes) == (None, (), ())


def test_text_that_was_named_as_manifest(tmp_path: Path) -> None:
    """A text that the user calls a manifest is not passed over in silence."""
    file = found(tmp_path / "corpus.txt", NO_LISTS["sentences"])
    assert read_manifest(file, ReadOptions(manifests=(file.path,))).problems


def test_bad_lines_are_counted(tmp_path: Path) -> None:
    """A line of no list far down is left out and told with its number."""
    text = lines("a/{i:06d}.jpg {c}", 8000) + "<<<<<<< HEAD\n" + lines("b/{i:06d}.jpg {c}", 10)
    said = read(tmp_path / "train.txt", text)
    assert said.manifest is not None and (said.manifest.rows, said.manifest.rejected) == (8010, 1)
    (problem,) = said.problems
    assert problem.kind == "corrupt" and "1 of 8011 lines" in problem.detail and "line 8001" in problem.detail


def test_vectors_are_no_classes(tmp_path: Path) -> None:
    """Several numbers behind a path are boxes or several labels: records are counted, classes are not."""
    manifest = whole(tmp_path / "train.txt", lines("a/{i}.jpg 10,20,30,40,{c}"))
    assert (manifest.counts, manifest.rows, manifest.label_column) == ({}, 30, "")
    assert whole(tmp_path / "val.txt", lines("a/{i}.jpg masks/{i}.png")).counts == {}


def test_targets(tmp_path: Path) -> None:
    """Labels with fractions are targets, with their moments."""
    targets = whole(tmp_path / "train.txt", "".join(f"a/{index}.jpg {index / 10}\n" for index in range(1, 101))).targets
    assert targets is not None and targets.count == 100 and targets.mean == pytest.approx(5.05)
    assert targets.deviation == pytest.approx((9999 / 1200) ** 0.5) and targets.maximum == 10.0


def test_transcripts(tmp_path: Path) -> None:
    """A text behind a bar is one to produce; empty ones are missing labels."""
    manifest = whole(tmp_path / "train_filelist.txt", lines("wavs/{i}.wav|Hello number {i}.") + "wavs/99.wav|\n")
    assert (manifest.labels, manifest.counts, manifest.missing_labels) == ("text", {}, 1)


def test_names_of_classes_beside(tmp_path: Path) -> None:
    """Numbers are given their names where a file of them lies beside the list; a class that never occurs counts 0."""
    (tmp_path / "classes.txt").write_text("cat\ndog\nemu\n")
    manifest = whole(tmp_path / "train.txt", lines("a/{i}.jpg {c}"))
    assert manifest.counts == {"train": {"cat": 15, "dog": 15, "emu": 0}} and manifest.classes == ("cat", "dog", "emu")


def test_lists_of_pascal_voc(tmp_path: Path) -> None:
    """Ids alone, and ids with 1, 0 or -1, are lists where they lie in `ImageSets`, and nowhere else."""
    ids = "".join(f"2008_{index:06d}\n" for index in range(20))
    marked = "".join(f"2008_{index:06d} {1 if index < 5 else -1:2d}\n" for index in range(20))
    assert whole(tmp_path / "VOC/ImageSets/Main/train.txt", ids).records == {"train": 20}
    assert whole(tmp_path / "VOC/ImageSets/Main/dog_val.txt", marked).counts == {"validation": {"-1": 15, "1": 5}}
    assert read(tmp_path / "elsewhere/train.txt", ids).manifest is None


def test_files_are_looked_for(tmp_path: Path) -> None:
    """Files that a list names are looked up below its folder; where none is there, nothing is said of them."""
    text = lines("a/{i}.jpg {c}", 10)
    assert whole(tmp_path / "train.txt", text).files is None
    (tmp_path / "a").mkdir()
    for index in range(8):
        (tmp_path / "a" / f"{index}.jpg").write_bytes(b"x" * (index != 3))
    assert whole(tmp_path / "train.txt", text).files == FilesSeen(10, 8, 1, ("a/3.jpg", "a/8.jpg", "a/9.jpg"))


def test_labels_that_hardly_recur(tmp_path: Path) -> None:
    """Words that differ in almost each line are a key or a text, and no classes."""
    manifest = whole(tmp_path / "train.txt", "".join(f"a/{index}.jpg word{index}\n" for index in range(200)))
    assert manifest.counts == {} and manifest.rows == 200


def test_labels_of_several_words(tmp_path: Path) -> None:
    """Classes may be several words behind a tab; captions, which hardly recur, are texts to produce."""
    assert whole(tmp_path / "train.txt", lines("a/{i}.jpg\tbig {n}")).counts == {"train": {"big cat": 15, "big dog": 15}}
    manifest = whole(tmp_path / "val.txt", lines("a/{i}.jpg\tA {n} number {i}.", 200))
    assert (manifest.labels, manifest.counts) == ("text", {})


def test_folders_of_recordings_are_no_classes(tmp_path: Path) -> None:
    """The folder of a recording is its speaker as often: no classes are taken from it."""
    manifest = whole(tmp_path / "train.txt", lines("wav/{n}/{i}.wav"))
    assert (manifest.counts, manifest.rows) == ({}, 30)


def test_leftovers_in_a_list(tmp_path: Path) -> None:
    """A list made by listing a folder may hold what a system left there; it is told, and is no record."""
    said = read(tmp_path / "train.txt", lines("img/{n}/{i:04d}.jpg", 300) + "img/cat/.DS_Store\n")
    assert said.manifest is not None and said.manifest.rows == 300
    assert [problem.kind for problem in said.problems] == ["corrupt"] and "1 of 301 lines" in said.problems[0].detail


def test_a_list_that_was_cut(tmp_path: Path) -> None:
    """The last line of a list that was cut costs itself and is told; the others count."""
    result = read(tmp_path / "list.txt", "".join(f"img/{i}.jpg {i % 2}\n" for i in range(20)) + "img/20.j")
    assert result.manifest is not None
    assert (result.manifest.format, result.manifest.rows, result.manifest.rejected) == ("path list", 20, 1)
    assert [problem.kind for problem in result.problems] == ["corrupt"]
