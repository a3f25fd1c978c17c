"""Plain counts and plain names of classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from postmortem.model import FoundFile
from postmortem.read.manifests.files import read_manifest

Write = Callable[[str, str], FoundFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and finds it."""

    def _write(name: str, text: str) -> FoundFile:
        path = tmp_path / name
        path.write_text(text)
        return FoundFile(path, name, "manifest", path.stat().st_size)

    return _write


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ({"cat": 5, "dog": 7}, {"": {"dog": 7, "cat": 5}}),
        ({"cat": 5.0, "dog": 0}, {"": {"cat": 5, "dog": 0}}),
        ({"train": {"cat": 5, "dog": 7}, "val": {"cat": 1, "dog": 2}}, {"train": {"dog": 7, "cat": 5}, "validation": {"dog": 2, "cat": 1}}),
        ({"cat": {"train": 5, "test": 1}, "dog": {"train": 7, "test": 2}}, {"train": {"dog": 7, "cat": 5}, "test": {"dog": 2, "cat": 1}}),
        ([5, 7], {"": {"1": 7, "0": 5}}),
        ([{"class": "cat", "count": 5}, {"class": "dog", "count": 7}], {"": {"dog": 7, "cat": 5}}),
        ({"cat": 5, "dog": 7, "total": 12}, {"": {"dog": 7, "cat": 5}}),
        ({"dataset": "x", "class_counts": {"cat": 5, "dog": 7}}, {"": {"dog": 7, "cat": 5}}),
    ],
)
def test_counts_of_every_shape(write: Write, value: object, counts: object) -> None:
    """Counts by class, by split and class either way round, by index, and as records are read as declared."""
    read = read_manifest(write("class_counts.json", json.dumps(value)))
    assert read.problems == ()
    assert read.manifest is not None
    assert read.manifest.counts == counts
    assert (read.manifest.declared, read.manifest.format) == (True, "class counts")


def test_counts_in_yaml(write: Write) -> None:
    """YAML does as well as JSON, and the split may stand in the name."""
    read = read_manifest(write("train_label_counts.yaml", "cat: 5\ndog: 7\n"))
    assert read.manifest is not None
    assert read.manifest.counts == {"train": {"dog": 7, "cat": 5}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cat": 5, "dog": -1}', "a number that counts nothing ('dog': -1)"),
        ('{"cat": 5.5, "dog": 1}', "a number that counts nothing ('cat': 5.5)"),
        ('{"cat": NaN, "dog": 1}', "a number that counts nothing"),
        ('{"cat": 0.25, "dog": 0.75}', "shares and no counts"),
        ('{"cat": "many", "dog": 1}', "neither classes with numbers"),
        ('{"cat": true}', "neither classes with numbers"),
        ("{}", "neither classes with numbers"),
        ('{"cat": 5', "is no JSON"),
    ],
)
def test_what_counts_nothing_is_refused_with_a_sentence(write: Write, text: str, said: str) -> None:
    """Fractions, negative numbers, texts and damage give no manifest, and a problem that says why."""
    read = read_manifest(write("class_counts.json", text))
    assert read.manifest is None
    assert said in read.problems[0].detail


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_indices.json", '{"cat": 0, "dog": 1}'),
        ("class_indices.json", '{"0": "cat", "1": "dog"}'),
        ("id2label.json", '{"0": "cat", "1": "dog"}'),
        ("class_names.json", '["cat", "dog"]'),
        ("labels.yaml", "- cat\n- dog\n"),
        ("classes.txt", "cat\ndog\n"),
        ("obj.names", "cat\r\ndog"),
    ],
)
def test_names_alone(write: Write, name: str, text: str) -> None:
    """Names in the order of their indices are classes, with no record and no count."""
    read = read_manifest(write(name, text))
    assert read.problems == ()
    assert read.manifest is not None
    assert (read.manifest.classes, read.manifest.counts, read.manifest.rows, read.manifest.declared) == (("cat", "dog"), {}, 0, True)


def test_a_list_of_paths_is_no_list_of_names(write: Write) -> None:
    """Lines that name files are left to another reader."""
    read = read_manifest(write("labels.txt", "a/1.jpg 0\na/2.jpg 1\n"))
    assert read.manifest is None or read.manifest.format != "class names"
