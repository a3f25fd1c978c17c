"""All manifests of a run together: read once, joined, and told apart from other tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from postmortem.model import FilesSeen, FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.files import read_manifests


def test_a_manifest_that_many_runs_share_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file for the next run costs nothing, and is read again where it changed."""
    path = tmp_path / "train.csv"
    path.write_text("path,label\n" + "".join(f"{row}.png,{row % 3}\n" for row in range(60)))
    file = FoundFile(path, "../train.csv", "manifest", path.stat().st_size)
    first = read_manifests([file])
    with monkeypatch.context() as patch:
        patch.setattr("postmortem.read.manifests.files.read_table", lambda *_: pytest.fail("read again"))
        assert read_manifests([file]) == first
    path.write_text("path,label\n" + "".join(f"{row}.png,{row % 3}\n" for row in range(90)))
    (manifest,) = read_manifests([file]).manifests
    assert manifest.rows == 90


def test_a_table_of_something_else_is_a_problem_only_where_it_was_called_a_manifest(tmp_path: Path) -> None:
    """Tables of all kinds lie beside a run: one without labels is told, and is damage only where the user named it."""
    path = tmp_path / "sales.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    file = FoundFile(path, "sales.csv", "manifest", path.stat().st_size)
    found = read_manifests([file])
    assert found.problems == ()
    assert any("no column of labels" in note for note in found.notes)
    given = read_manifests([file], ReadOptions(manifests=(path,)))
    assert [problem.kind for problem in given.problems] == ["unsupported"]


def _image(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level, level, level)).save(path)


def test_files_that_a_table_names_are_looked_for_and_sampled(tmp_path: Path) -> None:
    """A missing file is counted; the images of the training split, and no others, give mean and deviation."""
    lines = ["path,label,split"]
    for row in range(10):
        split, level = ("train", 51) if row < 6 else ("val", 255)
        lines.append(f"images/{row}.png,{row % 2},{split}")
        if row != 9:
            _image(tmp_path / f"images/{row}.png", level)
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    (manifest,) = read_manifests([FoundFile(path, "labels.csv", "manifest", path.stat().st_size)]).manifests
    assert manifest.files == FilesSeen(10, 9, 0, ("images/9.png",))
    assert manifest.images is not None
    assert (manifest.images.split, manifest.images.looked) == ("train", 6)
    assert manifest.images.mean == pytest.approx((0.2, 0.2, 0.2))


def test_tables_of_one_file_a_split_keep_what_was_seen_of_their_files(tmp_path: Path) -> None:
    """Joined, their looks add up, and the images are those of training."""
    files = []
    for split, level in (("val", 255), ("train", 51)):
        rows = [f"{split}/{row}.png,{row % 3}" for row in range(6)]
        for row in rows:
            _image(tmp_path / row.partition(",")[0], level)
        path = tmp_path / f"{split}.csv"
        path.write_text("path,label\n" + "\n".join(rows) + "\n")
        files.append(FoundFile(path, path.name, "manifest", path.stat().st_size))
    (manifest,) = read_manifests(files).manifests
    assert manifest.files == FilesSeen(12, 12, 0)
    assert manifest.images is not None and manifest.images.mean == pytest.approx((0.2, 0.2, 0.2))


@pytest.mark.parametrize("cell", ["https://host/{}.png", "{}@host.com", "{}", "/mnt/elsewhere/{}.png"])
def test_files_that_lie_elsewhere_are_unknown_not_missing(tmp_path: Path, cell: str) -> None:
    """Addresses, numbers and paths of another machine say nothing of missing files."""
    path = tmp_path / "labels.csv"
    path.write_text("path,label\n" + "".join(f"{cell.format(row)},{row % 3}\n" for row in range(30)))
    (manifest,) = read_manifests([FoundFile(path, "labels.csv", "manifest", path.stat().st_size)]).manifests
    assert manifest.files is None and manifest.images is None


@pytest.mark.parametrize("word", ["None", "-1", "?"])
@pytest.mark.parametrize("files", [1, 2])
def test_a_word_in_the_place_of_all_labels_of_a_test_split_is_no_class(tmp_path: Path, word: str, files: int) -> None:
    """A test split whose every label is `None`, in a file of its own or not, is unlabelled; `none` that training knows is a class."""

    def read(labels: tuple[str, ...]) -> Manifest:
        train = [f"a{i}.jpg,{labels[i % len(labels)]},train" for i in range(30)]
        test = [f"b{i}.jpg,{word},test" for i in range(10)]
        parts = {"all.csv": train + test} if files == 1 else {"train.csv": train, "test.csv": test}
        found = []
        for name, rows in parts.items():
            columns = 3 if files == 1 else 2
            lines = [",".join(row.split(",")[:columns]) for row in ("image,label,split", *rows)]
            (tmp_path / name).write_text("\n".join(lines) + "\n")
            found.append(FoundFile(tmp_path / name, name, "manifest", (tmp_path / name).stat().st_size))
        (manifest,) = read_manifests(found).manifests
        return manifest

    without = read(("1", "2"))
    assert without.counts == {"train": {"1": 15, "2": 15}, "test": {}}
    assert without.missing_labels == 10
    assert dict(without.records) == {"train": 30, "test": 10}
    known = read(("1", "2", word))
    assert known.counts["test"] == {word: 10}
    assert known.missing_labels == 0
