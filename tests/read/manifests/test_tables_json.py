"""JSON that holds tables: arrays, wrapped arrays, columns, splits; and augmented manifests of SageMaker Ground Truth."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest, read_manifests

Write = Callable[..., FoundFile]
RECORDS = [{"path": f"{index}.png", "label": "abc"[index % 3]} for index in range(30)]


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(RECORDS).encode(),
        json.dumps(RECORDS, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(RECORDS).encode(),
        gzip.compress(json.dumps(RECORDS).encode()),
        json.dumps(RECORDS).encode("utf-16"),
        json.dumps({"version": 1, "info": {"by": "x"}, "data": RECORDS}, indent=1).encode(),
        json.dumps({"path": [each["path"] for each in RECORDS], "label": [each["label"] for each in RECORDS]}).encode(),
        "\n".join(map(json.dumps, RECORDS)).encode(),
    ],
    ids=["array", "indented", "bom", "gzip", "utf16", "wrapped", "columns", "lines"],
)
def test_every_layout_of_records(write: Write, data: bytes) -> None:
    """An array, a wrapped one, lists of cells and lines say the same."""
    manifest = whole(read_manifest(write("records.json", data)))
    assert manifest.counts == {"": {"a": 10, "b": 10, "c": 10}}
    assert (manifest.key_column, manifest.duplicate_keys, manifest.order_runs) == ("path", 0, 30)
    assert manifest.format in ("JSON", "JSON lines")


def test_lists_named_after_splits(write: Write) -> None:
    """`{"train": [...], "val": [...]}` is one data set of two splits."""
    found = read_manifest(write("dataset.json", json.dumps({"train": RECORDS[:20], "val": [*RECORDS[20:], RECORDS[0]], "note": "x"})))
    manifest = whole(found)
    assert manifest.records == {"train": 20, "validation": 11}
    assert manifest.shared_keys == {"train|validation": 1}
    assert any("taken for splits" in note for note in found.notes)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b'{"a": 1, "b": {"c": 2}}', "unsupported", "no known layout, members 'a', 'b'"),
        (b'{"data": [{"label": "a"}, {"label"', "corrupt", "no sound JSON"),
        (b"[1, 2, 3]", "unsupported", "something else than objects"),
        (b'[{"label": "a"}, {"lab', "corrupt", "cannot be read as a table"),
        (b"[" * 100_000, "corrupt", "cannot be read"),
        (b'{"data":' * 50_000, "corrupt", "no sound JSON"),
    ],
)
def test_json_that_holds_no_table(write: Write, data: bytes, kind: str, words: str) -> None:
    """What it holds instead, or where it is damaged, is said."""
    read = read_manifest(write("some.json", data))
    assert read.manifest is None
    assert read.problems[0].kind == kind
    assert words in read.problems[0].detail


def test_a_broken_line_far_down_costs_only_itself(write: Write) -> None:
    """The fast reader refuses the file, and the slow one names the line; Latin-1 far down is read as such."""
    lines = "".join(f'{{"id":"{index}-{"x" * 40}","label":"{"ab"[index % 2]}"}}\n' for index in range(20_000))
    read = read_manifest(write("late.jsonl", lines + '{"id":1,"lab\n{"id":"y","label":"b"}\n'))
    assert read.manifest is not None
    assert (read.manifest.rows, read.manifest.rejected) == (20_001, 1)
    assert "1 of 20002 records" in read.problems[0].detail
    assert "line 20001 (no JSON object)" in read.problems[0].detail
    latin = read_manifest(write("latin.jsonl", lines.encode() + '{"id":"y","label":"grün"}\n'.encode("latin-1")))
    assert whole(latin).counts[""]["grün"] == 1


def test_long_lines_of_nested_lists_take_little_memory(write: Write) -> None:
    """Lines of a megabyte with hundreds of numbers and lists beside the label are read within the database's limit."""
    line = {f"n{index}": index / 7 for index in range(700)} | {f"k{index}": [[0.123456789] * 40] * 20 for index in range(100)}
    text = "".join(json.dumps({"label": "ab"[index % 2], **line}) + "\n" for index in range(4))
    assert len(text) > 3_000_000
    manifest = whole(read_manifest(write("nested.jsonl", text)))
    assert manifest.counts == {"": {"a": 2, "b": 2}}
    assert manifest.features["n7"] == (1.0, 0.0)


def test_names_that_differ_in_case_only(write: Write) -> None:
    """`Label` and `label` are two names; so is an empty one."""
    manifest = whole(read_manifest(write("case.jsonl", '{"label":"a","Label":"x","":1}\n{"label":"b","Label":"x","":2}\n')))
    assert manifest.counts == {"": {"a": 1, "b": 1}}


# --- SageMaker Ground Truth -------------------------------------------------------------------------------------------


def line(name: str, value: object, **beside: object) -> str:
    """A line of an augmented manifest."""
    return (
        json.dumps({"source-ref": f"s3://bucket/{name}", "job": value, "job-metadata": {"job-name": "labeling-job/job", **beside}}) + "\n"
    )


def test_classification_by_names(write: Write) -> None:
    """Names of classes are counted; failures and lines without the attribute are unlabelled; conflicts are told."""
    text = line("1.jpg", 1, **{"class-name": "dog"}) + line("2.jpg", 0, **{"class-name": "cat"}) + line("2.jpg", 1, **{"class-name": "dog"})
    text += line("3.jpg", 0, **{"class-name": "cat", "failure-reason": "no consensus"}) + '{"source-ref":"s3://bucket/4.jpg"}\n{"sour\n'
    read = read_manifest(write("train/output.manifest", text))
    manifest = read.manifest
    assert manifest is not None
    assert (manifest.format, manifest.labels, manifest.label_column) == ("SageMaker Ground Truth", "single", "job")
    assert manifest.counts == {"train": {"dog": 2, "cat": 1}}
    assert manifest.classes == ("cat", "dog")
    assert (manifest.rows, manifest.missing_labels, manifest.duplicate_keys, manifest.conflicting_keys) == (5, 2, 1, 1)
    assert (manifest.order_runs, manifest.rejected) == (3, 1)
    assert "line 6 (no JSON object)" in read.problems[0].detail


def test_several_classes_of_a_record(write: Write) -> None:
    """A list of numbers is several classes, by the map beside it."""
    beside = {"class-map": {"0": "cat", "2": "dog"}}
    manifest = whole(read_manifest(write("m.manifest", line("1", [0, 2], **beside) + line("2", [2, 2], **beside))))
    assert (manifest.labels, manifest.counts, manifest.classes) == ("multiple", {"": {"dog": 2, "cat": 1}}, ())


def test_objects_of_a_record(write: Write) -> None:
    """Annotations are objects; an image without any is background."""
    beside = {"class-map": {"0": "cat", "1": "dog"}, "type": "groundtruth/object-detection"}
    boxes = {"annotations": [{"class_id": 0, "left": 1}, {"class_id": 0}, {"class_id": 1}], "image_size": [{"width": 9}]}
    text = line("1", boxes, **beside) + line("2", {"annotations": []}, type="groundtruth/object-detection")
    manifest = whole(read_manifest(write("m.manifest", text)))
    assert (manifest.labels, manifest.counts, manifest.background) == ("objects", {"": {"cat": 2, "dog": 1}}, 1)
    assert (manifest.records, manifest.missing_labels, manifest.classes) == ({"": 2}, 0, ("cat", "dog"))


def test_the_newest_attribute_of_a_chain_counts(write: Write) -> None:
    """A chained job appends its own attribute; the other one is left aside, and that is said."""
    text = json.dumps(
        {
            "source": "text",
            "a": 0,
            "a-metadata": {"class-name": "old", "type": "t"},
            "b": 0,
            "b-metadata": {"class-name": "new", "type": "t"},
        }
    )
    read = read_manifest(write("m.manifest", text))
    assert whole(read).counts == {"": {"new": 1}}
    assert any("left aside: 'a'" in note for note in read.notes)


def test_an_input_manifest_has_no_labels(write: Write) -> None:
    """Lines of nothing but sources are a table without labels, said so once."""
    file = write("input.manifest", '{"source-ref":"s3://b/1"}\n{"source-ref":"s3://b/2"}\n')
    read = read_manifests([file], ReadOptions(manifests=(file.path,)))
    assert read.manifests == ()
    assert len(read.problems) == 1
