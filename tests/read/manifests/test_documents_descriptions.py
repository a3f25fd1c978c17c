"""Descriptions of data sets: Hugging Face's, TensorFlow's, Croissant, and the names that they give to a table's numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest, read_manifests

Write = Callable[[str, object], FoundFile]

CLASSES = {"num_classes": 2, "names": ["cat", "dog"], "id": None, "_type": "ClassLabel"}
IMAGE = {"decode": True, "id": None, "_type": "Image"}
SPLITS = {"train": {"name": "train", "num_bytes": 5, "num_examples": 80}, "test": {"name": "test", "num_bytes": 5, "num_examples": 20}}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and finds it; a text stays as it is, all else becomes JSON."""

    def _write(name: str, data: object) -> FoundFile:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return FoundFile(path, name, "manifest", path.stat().st_size)

    return _write


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


# --- Hugging Face -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
def test_declared_classes_and_records(write: Write, old: bool) -> None:
    """Both generations of descriptions give names of classes and declared records, and count nothing."""
    info = {"features": {"image": IMAGE, "label": CLASSES}, "splits": SPLITS}
    read = read_manifest(write("dataset_infos.json", {"plain": info}) if old else write("dataset_info.json", info))
    manifest = whole(read)
    assert (manifest.classes, manifest.records, manifest.counts) == (("cat", "dog"), {"train": 80, "test": 20}, {})
    assert (manifest.declared, manifest.labels, manifest.label_column) == (True, "single", "label")
    assert any("counts no class" in note for note in read.notes)


@pytest.mark.parametrize(
    ("features", "kind", "classes"),
    [
        ({"text": {"dtype": "string", "_type": "Value"}, "tags": {"feature": CLASSES, "length": -1, "_type": "Sequence"}}, "multiple", 2),
        ({"tags": {"feature": CLASSES, "_type": "List"}}, "multiple", 2),
        ({"tags": [CLASSES]}, "multiple", 2),
        (
            {"objects": {"feature": {"bbox": {"dtype": "float32", "_type": "Value"}, "category": CLASSES}, "_type": "Sequence"}},
            "objects",
            2,
        ),
        ({"image": IMAGE, "label": {"dtype": "float32", "_type": "Value"}}, "targets", 0),
        ({"translation": {"languages": ["de", "en"], "_type": "Translation"}}, "text", 0),
        ({"meta": {"kind": CLASSES}, "image": IMAGE}, "single", 2),
        ({"label": {"num_classes": 2, "names": None, "_type": "ClassLabel"}}, "single", 2),
        ({"fine_label": {**CLASSES, "names": ["a", "b", "c"]}, "label": CLASSES}, "single", 2),
    ],
)
def test_kinds_of_labels(write: Write, features: Mapping[str, object], kind: str, classes: int) -> None:
    """Single, several and nested classes, numbers and texts are told apart."""
    manifest = whole(read_manifest(write("dataset_info.json", {"features": features, "splits": SPLITS})))
    assert (manifest.labels, len(manifest.classes)) == (kind, classes)


def test_front_matter_of_a_readme(write: Write) -> None:
    """The YAML block of a README says the same in another spelling."""
    text = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': cat
          '1': dog
  splits:
  - name: train
    num_bytes: 5
    num_examples: 80
---
# A data set
"""
    manifest = whole(read_manifest(write("README.md", text)))
    assert (manifest.classes, manifest.records) == (("cat", "dog"), {"train": 80})


def test_aliases_that_stand_for_billions_are_cut(write: Write) -> None:
    """A front matter of a few lines that stands for 10^12 features is read in no time."""
    lines = ["a: &a0 {x: {dtype: int8}}"]
    names = ", ".join(f"k{at}: *a{{0}}" for at in range(100))
    lines += [f"b{level}: &a{level} {{{names.replace('{0}', str(level - 1))}}}" for level in range(1, 7)]
    text = "---\n" + "\n".join(lines) + "\ndataset_info:\n  features: *a6\n---\n"
    read = read_manifest(write("README.md", text))
    assert read.manifest is None


def test_a_saved_dictionary_of_data_sets(write: Write) -> None:
    """The descriptions of the splits' folders are read with `dataset_dict.json`, and records in Arrow files are said to be unread."""
    file = write("dataset_dict.json", {"splits": ["train", "test"]})
    parts = [write(f"{split}/dataset_info.json", {"features": {"label": CLASSES}, "splits": SPLITS}) for split in ("train", "test")]
    read = read_manifests([file, *parts])
    (manifest,) = read.manifests
    assert (manifest.source, manifest.classes) == ("dataset_dict.json", ("cat", "dog"))
    assert any("Arrow" in note for note in read.notes)


def test_several_configurations_are_told(write: Write) -> None:
    """Of several configurations the one with classes is taken, and the others are named."""
    read = read_manifest(
        write("dataset_infos.json", {"raw": {"features": {"image": IMAGE}}, "plain": {"features": {"label": CLASSES}, "splits": SPLITS}})
    )
    assert whole(read).classes == ("cat", "dog")
    assert any("'plain' was taken; others are 'raw'" in note for note in read.notes)


# --- TensorFlow -------------------------------------------------------------------------------------------------------


def tfds(write: Write) -> FoundFile:
    """A description as a built data set has it."""
    write("label.labels.txt", "cat\ndog\n")
    label = {"pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel", "classLabel": {"numClasses": "2"}}
    write("features.json", {"featuresDict": {"features": {"image": {"image": {}}, "label": label}}})
    splits = [{"name": "train", "shardLengths": ["40", "40"], "numBytes": "9"}, {"name": "test", "shardLengths": ["20"], "numBytes": "9"}]
    return write("dataset_info.json", {"name": "tiny", "splits": splits, "version": "1.0.0"})


def test_shard_lengths_are_records(write: Write) -> None:
    """Lengths of shards, written as texts, add up to the records of a split; names come from the file beside it."""
    manifest = whole(read_manifest(tfds(write)))
    assert (manifest.records, manifest.classes, manifest.format) == ({"train": 80, "test": 20}, ("cat", "dog"), "TensorFlow dataset")


def test_names_without_features(write: Write) -> None:
    """The names' file alone is enough, and so is a number of classes alone."""
    file = tfds(write)
    (file.path.parent / "features.json").unlink()
    assert whole(read_manifest(file)).classes == ("cat", "dog")


def test_a_number_of_classes_without_names(write: Write) -> None:
    """Where no file gives names, classes are numbered."""
    file = tfds(write)
    (file.path.parent / "label.labels.txt").unlink()
    assert whole(read_manifest(file)).classes == ("0", "1")


# --- names for tables -------------------------------------------------------------------------------------------------


def test_declared_names_name_a_tables_numbers(write: Write) -> None:
    """A table whose labels are indices of the classes that a description beside it declares is counted by name."""
    description = write("dataset_info.json", {"features": {"label": CLASSES}, "splits": SPLITS})
    table = write("data/all.csv", "path,label,split\n" + "".join(f"{at}.png,{at % 2},train\n" for at in range(30)))
    read = read_manifests([description, table])
    (manifest,) = read.manifests
    assert manifest.counts == {"train": {"cat": 15, "dog": 15}}
    assert manifest.classes == ("cat", "dog")
    assert any("named by dataset_info.json" in note for note in read.notes)


def test_numbers_beyond_the_declared_classes_are_not_named(write: Write) -> None:
    """Labels that are no indices of the classes keep their numbers, and the description stays beside them."""
    description = write("class_indices.json", {"cat": 0, "dog": 1})
    table = write("all.csv", "path,label\n" + "".join(f"{at}.png,{at % 3}\n" for at in range(30)))
    manifests = read_manifests([description, table]).manifests
    assert [manifest.counts for manifest in manifests] == [{}, {"": {"0": 10, "1": 10, "2": 10}}]


# --- Croissant --------------------------------------------------------------------------------------------------------


def croissant(version: str, url: str = "data/records.csv") -> dict[str, Any]:
    """One table with a label, as a version of the format writes it."""
    if version == "0.8":
        fields = [
            {"@type": "ml:Field", "name": "path", "dataType": "sc:Text", "source": "#{records.csv/path}"},
            {"@type": "ml:Field", "name": "kind", "dataType": ["sc:Text", "ml:Label"], "source": "#{records.csv/animal}"},
        ]
        return {
            "@context": {"ml": "http://mlcommons.org/schema/"},
            "distribution": [{"@type": "sc:FileObject", "name": "records.csv", "contentUrl": url, "encodingFormat": "text/csv"}],
            "recordSet": [{"@type": "ml:RecordSet", "name": "default", "field": fields}],
        }
    source = {"fileObject": {"@id": "records"}}
    fields = [
        {"@id": "default/path", "dataType": "sc:Text", "source": {**source, "extract": {"column": "path"}}},
        {
            "@id": "default/kind",
            "dataType": ["sc:Text", "cr:Label"],
            "source": {**source, "extract": {"column": "animal"}},
            "references": {"field": {"@id": "kinds/name"}},
        },
    ]
    return {
        "@context": {"cr": "http://mlcommons.org/croissant/"},
        "conformsTo": f"http://mlcommons.org/croissant/{version}",
        "distribution": [{"@type": "cr:FileObject", "@id": "records", "contentUrl": url, "encodingFormat": "text/csv"}],
        "recordSet": [
            {
                "@id": "kinds",
                "dataType": "sc:Enumeration",
                "field": [{"@id": "kinds/name"}],
                "data": [{"kinds/name": name} for name in ("cat", "dog", "bird")],
            },
            {"@id": "default", "field": fields},
        ],
    }


RECORDS = "path,animal,label\n" + "".join(f"{at}.png,{('cat', 'dog')[at % 2]},{at}\n" for at in range(30))


@pytest.mark.parametrize("version", ["0.8", "1.0", "1.1"])
def test_croissant_is_followed_to_its_table(write: Write, version: str) -> None:
    """The table beside the description is counted by the field that is a label, and is no manifest of its own."""
    table = write("data/records.csv", RECORDS.replace(",label", ",weight"))
    read = read_manifests([write("croissant.json", croissant(version)), table])
    (manifest,) = read.manifests
    assert (manifest.source, manifest.format, manifest.label_column, manifest.rows) == ("croissant.json", "Croissant", "animal", 30)
    assert {name: manifest.counts[""][name] for name in ("cat", "dog")} == {"cat": 15, "dog": 15}
    assert manifest.classes == (() if version == "0.8" else ("cat", "dog", "bird"))
    assert manifest.counts[""].get("bird") == (None if version == "0.8" else 0)


def test_croissant_without_its_table_says_which_file_it_needs(write: Write) -> None:
    """Where the records are elsewhere, the problem names the file, and declared classes stay."""
    read = read_manifest(write("croissant.json", croissant("1.0", "https://example.org/data/records.csv")))
    assert "https://example.org/data/records.csv" in read.problems[0].detail
    assert read.manifest is not None
    assert (read.manifest.classes, read.manifest.counts, read.manifest.declared) == (("cat", "dog", "bird"), {}, True)


@pytest.mark.parametrize("url", ["../secret.csv", "/etc/passwd", "data/../../secret.csv", "file:///etc/passwd"])
def test_croissant_leads_to_no_file_elsewhere(write: Write, url: str) -> None:
    """A path out of the description's own folder is not followed."""
    write("secret.csv", RECORDS)
    read = read_manifest(write("set/croissant.json", croissant("1.0", url)))
    assert "not beside it" in read.problems[0].detail


def test_croissant_with_a_set_of_files(write: Write) -> None:
    """Files of a pattern are the splits of one set."""
    document = croissant("1.0")
    document["distribution"] = [{"@type": "cr:FileSet", "@id": "records", "includes": "tables/*.csv", "encodingFormat": "text/csv"}]
    records = RECORDS.replace(",label", ",weight")
    files = [write("croissant.json", document), write("tables/train.csv", records), write("tables/test.csv", records)]
    (manifest,) = read_manifests(files).manifests
    assert manifest.records == {"test": 30, "train": 30}


@pytest.mark.parametrize("name", ["croissant.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"splits": 3}', '{"features": 3, "recordSet": 3, "@context": 3}', "[" * 5000, '{"a": {}}']
)
def test_damaged_descriptions_raise_nothing(write: Write, name: str, text: str) -> None:
    """Empty, cut and strange documents give no manifest and no error."""
    assert read_manifest(write(name, text)).manifest is None
