"""What label columns hold: several classes, names beside numbers, targets, objects, texts; and what the user says of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.files import read_manifest
from postmortem.read.manifests.tables.labels import members, separator
from postmortem.read.manifests.tables.targets import are_targets

Write = Callable[..., FoundFile]


def read(file: FoundFile, options: ReadOptions = ReadOptions()) -> Manifest:  # noqa: B008  the options are frozen
    """The manifest of a file without any problem."""
    found = read_manifest(file, options)
    assert found.problems == ()
    assert found.manifest is not None
    return found.manifest


CELLS = ["cat", "dog", "cat{0}dog", "", "dog{0}bird", "bird", "cat"] * 4


@pytest.mark.parametrize("character", ["|", ";", ","])
def test_several_classes_in_a_cell(write: Write, character: str) -> None:
    """A record counts once for each class that its cell names, and a blank cell is a missing label."""
    rows = "".join(f'{index},"{cell.format(character)}"\n' for index, cell in enumerate(CELLS))
    manifest = read(write("several.csv", "id,labels\n" + rows))
    assert manifest.labels == "multiple"
    assert manifest.counts == {"": {"cat": 12, "dog": 12, "bird": 8}}
    assert (manifest.missing_labels, manifest.records, manifest.order_runs) == (4, {"": 28}, None)


def test_lists_of_classes_in_json_and_parquet(write: Write, tmp_path: Path) -> None:
    """Lists of names or numbers are several classes; an empty list carries none and is not missing."""
    lines = write("lists.jsonl", '{"id":1,"labels":["a","b"]}\n{"id":2,"labels":["a","a"]}\n{"id":3,"labels":[]}\n{"id":4,"labels":null}\n')
    manifest = read(lines)
    assert (manifest.labels, manifest.counts, manifest.missing_labels) == ("multiple", {"": {"a": 2, "b": 1}}, 1)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT i AS id, [i % 2, 7] AS labels FROM range(10) t(i)) TO '{tmp_path / 'p.parquet'}' (FORMAT parquet)"
        )
    path = tmp_path / "p.parquet"
    assert read(FoundFile(path, path.name, "manifest", path.stat().st_size)).counts == {"": {"7": 10, "0": 5, "1": 5}}


@pytest.mark.parametrize(
    "cells",
    [
        ["Paris, France", "Rome, Italy", "Lyon, France"] * 10,
        ["It was good, but long", "good", "bad", "Bad, and I mean it, really bad"] * 5,
        ["Iris-setosa", "Iris-virginica"] * 10,
        ["a,b"] * 10 + ["c"] * 10,
        [],
    ],
)
def test_text_with_commas_is_one_label(cells: list[str]) -> None:
    """Parts that never stand alone are no classes of their own."""
    assert separator(cells) == ""


@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        ('["a", "b", "a"]', "list", ("a", "b")),
        ("['a', 'b']", "list", ("a", "b")),
        ("[1.0, 2]", "list", ("1", "2")),
        ("[]", "list", ()),
        ("a| b ||a", "|", ("a", "b")),
        ("1\x1f0", "one-hot", ("y", "x")),
    ],
)
def test_members_of_a_cell(text: str, how: str, expected: tuple[str, ...]) -> None:
    """Each class once, in order, without quotes and blanks."""
    assert members(text, how, ("x", "y")) == expected


def test_columns_of_zeros_and_ones_beside_a_text(write: Write) -> None:
    """Three columns of 0 and 1 are classes; a record with several or none is counted so."""
    rows = "".join(f"{i},some words {i},{i % 2},{int(i % 3 == 0)},{int(i % 30 == 0)}\n" for i in range(60))
    found = read_manifest(write("toxic.csv", "id,comment_text,toxic,insult,threat\n" + rows))
    assert found.manifest is not None
    assert found.manifest.labels == "multiple"
    assert found.manifest.counts == {"": {"toxic": 30, "insult": 20, "threat": 2}}
    assert found.manifest.missing_labels == 0
    assert any("20 records carry none" in note for note in found.notes)


def test_columns_of_which_one_is_set_are_single_labels(write: Write) -> None:
    """Where each record has exactly one 1, the columns are one label."""
    rows = "".join(f"{i}.jpg,{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2)}\n" for i in range(30))
    manifest = read(write("plants.csv", "image,healthy,rust,scab\n" + rows))
    assert (manifest.labels, manifest.counts) == ("single", {"": {"healthy": 10, "rust": 10, "scab": 10}})
    assert manifest.order_runs == 30


def test_binary_attributes_beside_other_numbers_are_no_labels(write: Write) -> None:
    """Columns of 0 and 1 in a table of measurements stay features."""
    rows = "".join(f"p{i},{i * 1.5},{i % 2},{int(i % 3 == 0)},{int(i % 5 == 0)}\n" for i in range(60))
    found = read_manifest(write("patients.csv", "id,age,smoker,diabetic,treated\n" + rows))
    assert found.manifest is None
    assert "no column of labels" in found.problems[0].detail


def test_names_beside_numbers(write: Write) -> None:
    """Where numbers and names agree one to one, names are counted, and the numbers tell their order."""
    names = ("zebra", "ant", "bee")
    text = "image,label,label_name\n" + "".join(f"{i}.jpg,{i % 3},{names[i % 3]}\n" for i in range(31))
    manifest = read(write("named.csv", text))
    assert manifest.counts == {"": {"zebra": 11, "ant": 10, "bee": 10}}
    assert manifest.classes == names


def test_names_that_contradict_numbers_are_left_aside(write: Write) -> None:
    """One number with two names: the numbers are counted, and that is said."""
    text = "image,label,label_name\n" + "".join(f"{i}.jpg,{i % 3},{'abc'[i % 3] if i else 'x'}\n" for i in range(30))
    found = read_manifest(write("contradiction.csv", text))
    assert found.manifest is not None
    assert found.manifest.counts == {"": {"0": 10, "1": 10, "2": 10}}
    assert found.manifest.classes == ()
    assert any("do not agree one to one" in note for note in found.notes)


def test_floats_that_are_integers_are_one_class(write: Write) -> None:
    """`1` and `1.0` are one class, also where runs are counted."""
    manifest = read(write("floats.csv", "id,label\n" + "".join(f"{i},{'1' if i % 2 else '1.0'}\n" for i in range(10)) + "10,0\n"))
    assert manifest.counts == {"": {"1": 10, "0": 1}}
    assert manifest.order_runs == 2


def test_all_of_targets(write: Write) -> None:
    """Quartiles, far values, infinities and splits of a numeric target in closed form."""
    values = [index / 4 for index in range(101)]
    rows = "".join(f"{i},{value},{'train' if i < 60 else 'val'}\n" for i, value in enumerate(values))
    found = read_manifest(write("price.csv", "id,target,split\n" + rows + "101,inf,train\n102,nan,train\n103,1000.5,val\n104,,val\n"))
    assert found.manifest is not None
    targets = found.manifest.targets
    assert targets is not None
    finite = [*values, 1000.5]
    assert (targets.count, targets.different) == (102, 103)
    assert targets.mean == pytest.approx(statistics.fmean(finite))
    assert targets.deviation == pytest.approx(statistics.pstdev(finite))
    assert targets.quartiles == pytest.approx((6.3125, 12.625, 18.9375))
    assert (targets.far_out, targets.not_finite, targets.maximum) == (1, 2, 1000.5)
    train = values[:60]
    assert targets.splits["train"] == pytest.approx((60, statistics.fmean(train), statistics.pstdev(train)))
    assert found.manifest.missing_labels == 2
    assert found.manifest.labels == "targets"


@pytest.mark.parametrize(
    ("numbers", "labelled", "name", "expected"),
    [
        (range(1, 6), 5000, "rating", False),
        (range(80_000), 1_200_000, "landmark_id", False),
        (range(1000), 5000, "label", False),
        (range(0, 1_000_000, 997), 1500, "price", True),
        ([index / 2 for index in range(20)], 5000, "grade", False),
        ([index / 7 for index in range(50)], 60, "y", True),
        ([float("inf")], 10, "y", False),
    ],
)
def test_targets_are_told_from_classes(numbers: list[float], labelled: int, name: str, expected: bool) -> None:
    """Ratings, numbered classes and halves are classes; fractions and sparse large numbers are targets."""
    assert are_targets(list(numbers), labelled, name) is expected


def test_rows_that_are_objects(write: Write) -> None:
    """A table of boxes counts objects; repeated images are no duplicates, and one without a label is background."""
    rows = "a.jpg,1,2,3,4,cat\na.jpg,5,6,7,8,dog\nb.jpg,1,2,3,4,cat\nc.jpg,,,,,\n"
    manifest = read(write("boxes.csv", "filename,xmin,ymin,xmax,ymax,class\n" + rows))
    assert (manifest.labels, manifest.counts) == ("objects", {"": {"cat": 2, "dog": 1}})
    assert (manifest.records, manifest.background, manifest.missing_labels) == ({"": 3}, 1, 0)
    assert (manifest.duplicate_keys, manifest.conflicting_keys) == (None, None)


def test_transcripts_are_texts(write: Write) -> None:
    """A speech manifest has texts to produce, not classes; empty ones are missing, durations add up."""
    lines = "".join(f'{{"audio_filepath":"a/{i}.wav","duration":{i + 0.5},"text":"{"" if i == 3 else f"words {i}"}"}}\n' for i in range(20))
    manifest = read(write("train_manifest.json", lines))
    assert (manifest.format, manifest.labels, manifest.key_column) == ("NeMo manifest", "text", "audio_filepath")
    assert (manifest.missing_labels, manifest.counts, manifest.seconds) == (1, {}, 200.0)
    assert manifest.records == {"train": 20}


def test_commands_of_a_speech_manifest_are_classes(write: Write) -> None:
    """`command` beside recordings is a label; one record without a duration leaves the total unknown."""
    lines = "".join(f'{{"audio_filepath":"{i}.wav","duration":1,"command":"{"yes" if i % 2 else "no"}"}}\n' for i in range(20))
    manifest = read(write("m.jsonl", lines + '{"audio_filepath":"x.wav","command":"no"}\n'))
    assert (manifest.labels, manifest.counts, manifest.seconds) == ("single", {"": {"no": 11, "yes": 10}}, None)


def test_the_user_names_the_columns(write: Write) -> None:
    """Named columns go before all guesses, whatever their case; their key is compared."""
    text = "label,Truth,part,path,code\n" + "".join(
        f"{'ab'[i % 2]},{'xyz'[i % 3]},{'train' if i < 20 else 'val'},{i}.png,{i % 25}\n" for i in range(30)
    )
    manifest = read(write("named.csv", text), ReadOptions(label_column="truth", split_column="part", key_column="code"))
    assert (manifest.label_column, manifest.split_column, manifest.key_column) == ("Truth", "part", "code")
    assert manifest.counts["train"] == {"x": 7, "y": 7, "z": 6}
    assert manifest.shared_keys == {"train|validation": 5}


def test_a_named_column_that_is_not_there_is_said(write: Write) -> None:
    """The note lists the columns, and the rest is found as ever."""
    found = read_manifest(write("m.csv", "id,label\n1,a\n2,b\n"), ReadOptions(label_column="species"))
    assert found.manifest is not None
    assert found.manifest.label_column == "label"
    assert "m.csv: there is no column 'species'; its columns are 'id', 'label'" in found.notes
