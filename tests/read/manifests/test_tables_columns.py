"""Which columns of a table are taken for what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest
from postmortem.read.manifests.tables.columns import choose, plain, split_name

Write = Callable[..., FoundFile]


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


def test_blank_labels_are_counted_apart(write: Write) -> None:
    """Empty cells and NaN are missing labels; `NA` and `None` are what somebody calls a class."""
    manifest = whole(read_manifest(write("blank.csv", "id,label\n1,a\n2,\n3,NaN\n4,  \n5,NA\n6,None\n7,a\n")))
    assert manifest.counts == {"": {"a": 2, "NA": 1, "None": 1}}
    assert manifest.missing_labels == 3
    assert manifest.records == {"": 7}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "val", "test"), {"train", "validation", "test"}),
        (("Training", "DEV", " Test "), {"train", "validation", "test"}),
        (("tr", "valid", "tst"), {"train", "validation", "test"}),
        (("unlabeled", "train", "eval"), {"unlabeled", "train", "validation"}),
    ],
)
def test_splits_go_by_many_names(write: Write, words: tuple[str, ...], expected: set[str]) -> None:
    """Usual words for a split become one; others stay."""
    text = "id,label,subset\n" + "".join(f"{index},a,{words[index % 3]}\n" for index in range(9))
    assert set(whole(read_manifest(write("s.csv", text))).counts) == expected


def test_a_yes_or_no_column_is_a_split(write: Write) -> None:
    """`is_valid` names validation records."""
    text = "name,label,is_valid\n" + "".join(f"x{index},a,{index % 4 == 0}\n" for index in range(8))
    assert whole(read_manifest(write("fastai.csv", text))).records == {"train": 6, "validation": 2}


def test_content_names_columns_that_names_do_not(write: Write) -> None:
    """Without a header the repeated word is the label, the unique path the key."""
    read = read_manifest(write("bare.csv", "".join(f"img/{index}.png,{'ab'[index % 2]}\n" for index in range(40))))
    manifest = whole(read)
    assert manifest.counts == {"": {"a": 20, "b": 20}}
    assert manifest.key_column == "column 1"
    assert any("by its content" in note for note in read.notes)
    assert any("no header" in note for note in read.notes)


def test_a_headerless_table_of_numbers(write: Write) -> None:
    """Iris as it is published: four numbers and a name, no header."""
    manifest = whole(read_manifest(write("iris.data.csv", "5.1,3.5,1.4,0.2,Iris-setosa\n" * 50 + "5.9,3.0,5.1,1.8,Iris-virginica\n" * 50)))
    assert manifest.counts == {"": {"Iris-setosa": 50, "Iris-virginica": 50}}
    assert len(manifest.features) == 4
    assert manifest.duplicate_keys is None


def test_columns_numbered_like_pixels_are_a_header(write: Write) -> None:
    """`label,0,1,2` names columns; it is no record."""
    manifest = whole(read_manifest(write("pixels.csv", "label,0,1,2\n" + "7,0,128,255\n3,1,2,3\n" * 10)))
    assert manifest.counts == {"": {"3": 10, "7": 10}}
    assert set(manifest.features) == {"0", "1", "2"}


def test_a_key_taken_for_a_label_is_refused(write: Write) -> None:
    """A label column with a new value in every row holds no classes, and the problem lists the columns."""
    read = read_manifest(write("keys.csv", "label,width\n" + "".join(f"rec{index},1\n" for index in range(200))))
    assert read.manifest is None
    assert "200 different values in 200 rows" in read.problems[0].detail
    assert "'label', 'width'" in read.problems[0].detail


def test_a_better_candidate_is_taken_after_a_refused_one(write: Write) -> None:
    """Where `target` is a text, `category` is the label."""
    text = "target,category\n" + "".join(f"sentence number {index},{'ab'[index % 2]}\n" for index in range(200))
    assert whole(read_manifest(write("two.csv", text))).counts == {"": {"a": 100, "b": 100}}


def test_numbers_are_targets_not_classes(write: Write) -> None:
    """Fractional labels are regression targets: no counts, but their mean and deviation."""
    read = read_manifest(write("regression.csv", "x,target\n" + "".join(f"{index},{index / 7:.4f}\n" for index in range(50))))
    manifest = whole(read)
    assert manifest.counts == {}
    assert manifest.targets is not None
    assert (manifest.targets.mean, manifest.targets.deviation) == pytest.approx((3.5, 2.0616), rel=1e-3)
    assert manifest.records == {"": 50}
    assert any("regression targets" in note for note in read.notes)


def test_halves_of_few_kinds_are_classes(write: Write) -> None:
    """Grades 0, 0.5 and 1 are classes."""
    text = "id,label\n" + "".join(f"{index},{index % 3 / 2}\n" for index in range(90))
    assert whole(read_manifest(write("grades.csv", text))).counts == {"": {"0.0": 30, "0.5": 30, "1.0": 30}}


def test_attributes_of_files_are_no_features(write: Write) -> None:
    """Width and height beside an image's path are not what the model is fed."""
    text = "image,label,width,height\n" + "".join(f"{index}.jpg,{'ab'[index % 2]},640,480\n" for index in range(20))
    assert whole(read_manifest(write("images.csv", text))).features == {}


def test_cells_that_are_no_numbers_leave_the_feature_and_the_line(write: Write) -> None:
    """A word deep in a numeric column costs neither the line nor the mean of the rest; infinities stay out."""
    text = "label,x\n" + "".join(f"{'ab'[index % 2]},{index % 2}\n" for index in range(2000)) + "a,oops\na,inf\n"
    manifest = whole(read_manifest(write("words.csv", text)))
    assert manifest.rows == 2002
    assert manifest.features == {"x": pytest.approx((0.5, 0.5))}


def test_lists_are_never_labels() -> None:
    """A column of lists is left alone, whatever it is called."""
    assert choose(("labels", "kind"), [(None, "a"), (None, "b")] * 10, frozenset({0})).labels in ((), (1,))


@pytest.mark.parametrize(
    ("text", "split"),
    [("train", "train"), ("my_val_set", "validation"), ("train-00000-of-00002", "train"), ("train_test", ""), ("trainer", ""), ("", "")],
)
def test_split_of_a_name(text: str, split: str) -> None:
    """A split is a word of the name, and only one."""
    assert split_name(text) == split


@pytest.mark.parametrize("name", ["patientId", "Patient ID", "patient-id", "patient.id", " patient_id "])
def test_names_in_every_spelling(name: str) -> None:
    """Words of a column's name are told apart however they are put together."""
    assert plain(name) == "patient_id"


def test_a_sub_class_is_an_attribute() -> None:
    """`MSSubClass` of houses is no label; `bird class` is."""
    rows = [(str(row), str(20 + row % 5), "a") for row in range(30)]
    assert choose(("Id", "MSSubClass", "Zone"), rows, frozenset()).labels == ()
    assert choose(("Id", "bird class", "Zone"), rows, frozenset()).labels == (1,)
