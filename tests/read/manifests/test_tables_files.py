"""Tables of every format and encoding, damaged ones, and hostile ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest
from postmortem.read.manifests.tables.columns import is_training_log

Write = Callable[..., FoundFile]

ROWS = [(f"img/{index:03d}.png", "abc"[index % 3], "train" if index < 80 else "val") for index in range(100)]
TABLE = "path,label,split\n" + "".join(",".join(row) + "\n" for row in ROWS)
COUNTS = {"train": {"a": 27, "b": 27, "c": 26}, "validation": {"a": 7, "c": 7, "b": 6}}


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


def parquet(path: Path, question: str) -> FoundFile:
    """A Parquet file of the rows of a query."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({question}) TO '{path}' (FORMAT parquet)")
    return FoundFile(path, path.name, "manifest", path.stat().st_size)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.csv", TABLE.encode()),
        ("bom.csv", b"\xef\xbb\xbf" + TABLE.encode()),
        ("utf16.csv", TABLE.encode("utf-16")),
        ("utf16_big_endian.csv", b"\xfe\xff" + TABLE.encode("utf-16-be")),
        ("zipped.csv.gz", gzip.compress(TABLE.encode())),
        ("zipped_without_saying_so.csv", gzip.compress(TABLE.encode())),
        ("utf16.csv.gz", gzip.compress(TABLE.encode("utf-16"))),
        ("windows.csv", TABLE.replace("\n", "\r\n").encode()),
        ("old_mac.csv", TABLE.replace("\n", "\r").encode()),
        ("mixed_line_ends.csv", TABLE.replace("\n", "\r\n", 30).encode()),
        ("tabs.tsv", TABLE.replace(",", "\t").encode()),
        ("semicolons.csv", TABLE.replace(",", ";").encode()),
        ("no_last_line_end.csv", TABLE.rstrip("\n").encode()),
        ("quoted.csv", ('"path","label","split"\n' + "".join(f'"{a}","{b}","{c}"\n' for a, b, c in ROWS)).encode()),
        ("padded.csv", TABLE.replace("path,label,split", " path , label , split ").replace(",val", " , val ").encode()),
        ("comments.csv", b"# made by hand\n\n" + TABLE.encode()),
        ("lines.jsonl", "".join(json.dumps(dict(zip(("path", "label", "split"), row, strict=True))) + "\n" for row in ROWS).encode()),
        ("lines.ndjson.gz", gzip.compress("\n".join(json.dumps({"label": b, "split": c, "path": a}) for a, b, c in ROWS).encode())),
        ("[x*?].csv", TABLE.encode()),
        ("it's.csv", TABLE.encode()),
        ("split=train/données.csv", TABLE.encode()),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_same_counts_from_every_format(write: Write, name: str, data: bytes) -> None:
    """Format, encoding, line ends, separators and odd file names change nothing of what is counted."""
    manifest = whole(read_manifest(write(name, data)))
    assert manifest.counts == COUNTS
    assert list(manifest.counts["train"]) == ["a", "b", "c"]
    assert manifest.records == {"train": 80, "validation": 20}
    assert (manifest.label_column, manifest.split_column, manifest.key_column) == ("label", "split", "path")
    assert (manifest.rows, manifest.missing_labels, manifest.duplicate_keys, manifest.shared_keys) == (100, 0, 0, {})
    assert manifest.order_runs == 100


def test_parquet_with_numbers_and_lists(tmp_path: Path) -> None:
    """Integer labels stored as floats are integers, lists are no columns to count, numeric columns are features."""
    question = "SELECT i AS id, (i % 3)::DOUBLE AS label, [1, 2] AS embedding, i * 2.0 AS width_cm, {'a': 1} AS meta FROM range(90) t(i)"
    manifest = whole(read_manifest(parquet(tmp_path / "p.parquet", question)))
    assert manifest.counts == {"": {"0": 30, "1": 30, "2": 30}}
    assert manifest.features == {"width_cm": pytest.approx((89.0, 51.9583), rel=1e-4)}


def test_a_name_with_a_glob_in_it_means_itself(write: Write) -> None:
    """`a[1].csv` is read as that file and not as the `a1.csv` beside it."""
    write("a1.csv", "id,label\n1,wrong\n2,wrong\n")
    assert whole(read_manifest(write("a[1].csv", "id,label\n1,right\n2,right\n"))).counts == {"": {"right": 2}}


def test_latin_1_text_is_read(write: Write) -> None:
    """Bytes that are no UTF-8 are taken for Latin-1, even far into the file."""
    text = "id,label\n" + "".join(f"{index},cat\n" for index in range(60_000)) + "60000,grün\n"
    read = read_manifest(write("latin1.csv", text.encode("latin-1")))
    assert whole(read).counts == {"": {"cat": 60_000, "grün": 1}}
    assert any("LATIN-1" in note for note in read.notes)


def test_broken_characters_in_utf8_are_damage_not_another_encoding(write: Write) -> None:
    """One broken byte among valid UTF-8 costs its line, and the rest is still UTF-8."""
    text = "id,label\n" + "".join(f"{index},größe\n" for index in range(50))
    data = text.encode() + b"50,gr\xff\n"
    read = read_manifest(write("damaged_utf8.csv", data))
    assert read.manifest is not None
    assert read.manifest.counts == {"": {"größe": 50}}
    assert [problem.kind for problem in read.problems] == ["corrupt"]
    assert "line 52" in read.problems[0].detail


def test_labels_of_any_script(write: Write) -> None:
    """Labels are strangers' text: quotes, line breaks, emoji, right-to-left marks and markup stay as they are."""
    labels = [
        "<script>alert(1)</script>",
        'say "hi"',
        "two\nlines",
        "猫",
        "🐈‍⬛",
        "\u202eabc",
        "a'; DROP TABLE records; --",
        "NA",
        "null",
        "None",
    ]
    rows = "".join(f'{index},"{label.replace(chr(34), chr(34) * 2)}"\n' for index, label in enumerate(labels * 3))
    assert whole(read_manifest(write("hostile_labels.csv", "id,label\n" + rows))).counts == {"": dict.fromkeys(sorted(labels), 3)}


def test_hostile_column_names(write: Write) -> None:
    """Column names are never part of a statement."""
    names = ['a"; DROP TABLE records; --', "c0", "C0", "?", "", "label"]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    manifest = whole(
        read_manifest(write("hostile_columns.csv", header + "\n" + "".join(f"{i},2.5,{i},4,5,{'xy'[i % 2]}\n" for i in range(20))))
    )
    assert manifest.counts == {"": {"x": 10, "y": 10}}
    assert manifest.features['a"; DROP TABLE records; --'] == pytest.approx((9.5, 5.7663), rel=1e-4)


def test_json_keys_are_taken_literally(write: Write) -> None:
    """Keys with slashes, tildes, dots and quotes are no paths into the object."""
    lines = [json.dumps({"a/b~c": index * 1.5, "$.x": 2, 'q"': 3, "label": "xy"[index % 2]}) for index in range(10)]
    manifest = whole(read_manifest(write("keys.jsonl", "\n".join(lines))))
    assert manifest.counts == {"": {"x": 5, "y": 5}}
    assert manifest.features["a/b~c"][0] == pytest.approx(6.75)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12), min_size=1, max_size=30)
)
def test_json_labels_survive_whatever_they_are(tmp_path: Path, labels: list[str]) -> None:
    """Every label that is not blank is counted once, and every blank one as missing."""
    path = tmp_path / "any.jsonl"
    path.write_text("".join(json.dumps({"label": label}) + "\n" for label in labels), encoding="utf-8")
    read = read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size))
    manifest = read.manifest
    if manifest is None or not manifest.counts:
        return
    assert sum(manifest.counts[""].values()) + manifest.missing_labels == len(labels)
    assert all(any(label in given for given in labels) for label in manifest.counts[""])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz"]), st.booleans())
def test_garbage_is_a_value(tmp_path: Path, data: bytes, suffix: str, after_table: bool) -> None:
    """Whatever bytes a file holds, reading it raises nothing, and silence is never the answer."""
    path = tmp_path / f"garbage{suffix}"
    path.write_bytes((b"id,label\n1,a\n" if after_table else b"") + data)
    read = read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size))
    assert read.manifest is not None or read.problems or read.notes
    assert all(str(tmp_path) not in problem.detail for problem in read.problems)


def test_ragged_lines_are_counted_and_named(write: Write) -> None:
    """Lines with too few or too many cells are left out, and named by their number in the file, quoted line breaks counted."""
    read = read_manifest(write("ragged.csv", 'id,label\n1,a\n2,b\n3\n4,"x\ny"\n5,a,b\n6,a\n'))
    assert read.manifest is not None
    assert read.manifest.counts == {"": {"a": 2, "b": 1, "x\ny": 1}}
    (problem,) = read.problems
    assert problem.kind == "corrupt"
    assert problem.detail.startswith("2 of 6 records are broken and left out: line 4 (missing columns), line 7 (too many columns)")


def test_many_ragged_lines_are_counted_in_all(write: Write) -> None:
    """The count is of all broken lines, though only the first are named."""
    text = "id,label\n" + "".join(f"{index},a\n" if index % 3 else f"{index}\n" for index in range(3000))
    (problem,) = read_manifest(write("many_ragged.csv", text)).problems
    assert problem.detail.startswith("1000 of 3000 records are broken and left out: line 2 (")
    assert problem.detail.endswith("...")


def test_broken_json_lines_cost_only_themselves(write: Write) -> None:
    """Truncated objects, merge markers and bare arrays are counted; bare NaN and null are blank labels; blank lines are nothing."""
    sound = ['{"id":1,"label":"a"}', '{"id":2,"label":NaN}', '{"id":4,"label":"b"}', '{"id":5,"label":null}']
    text = "\n".join([*sound[:2], "", '{"id":3,"label":"b"', sound[2], "[1]", sound[3], "<<<<<<< HEAD", ""])
    read = read_manifest(write("broken.jsonl", text))
    assert read.manifest is not None
    assert read.manifest.counts == {"": {"a": 1, "b": 1}}
    assert (read.manifest.rows, read.manifest.missing_labels) == (4, 2)
    assert "3 of 7 records" in read.problems[0].detail
    assert "line 4 (no JSON object), line 6 (no JSON object), line 8 (no JSON object)" in read.problems[0].detail


def test_cut_gzip_gives_what_it_holds(write: Write) -> None:
    """Whole lines before the cut are counted, and the loss is said."""
    read = read_manifest(write("cut.csv.gz", gzip.compress(TABLE.encode())[:-30]))
    assert read.manifest is not None
    assert 0 < read.manifest.rows < 100
    (problem,) = read.problems
    assert problem.kind == "truncated"
    assert f"{read.manifest.rows} records could be read" in problem.detail


@pytest.mark.parametrize(
    ("name", "data", "kind", "words"),
    [
        ("empty.csv", b"", "corrupt", "empty"),
        ("blanks.csv", b"\n\n  \n", "corrupt", "blanks"),
        ("header_only.csv", b"id,label,split\n", "corrupt", "no record"),
        ("pointer.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "unsupported", "git-LFS"),
        ("binary.csv", b"\x00\x01\x02\xff" * 50, "unsupported", "binary"),
        ("array.json", b"[[1, 2]]", "unsupported", "JSON array"),
        ("no_objects.jsonl", b"hello\nworld\n", "corrupt", "JSON object"),
        ("cut_at_once.csv.gz", gzip.compress(TABLE.encode())[:12], "truncated", "nothing could be read"),
        ("text.parquet", b"label\na\n", "corrupt", "Parquet"),
        ("cut.parquet", b"PAR1" + b"x" * 100, "corrupt", "cannot be read"),
        ("no_labels.csv", b"id,width,height\n" + b"".join(b"%d,3,4\n" % i for i in range(30)), "unsupported", "'width', 'height'"),
        ("blank_labels.csv", b"id,label\n1,\n2,NaN\n", "unsupported", "empty throughout"),
    ],
    ids=lambda given: given if isinstance(given, str) and "." in given else "",
)
def test_what_is_no_manifest_is_a_problem(write: Write, name: str, data: bytes, kind: str, words: str) -> None:
    """Each fault comes back as one problem of the right kind that says what was seen."""
    read = read_manifest(write(name, data))
    assert read.manifest is None
    (problem,) = read.problems
    assert (problem.path, problem.kind) == (name, kind)
    assert words in problem.detail


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    """A file that vanished is a problem without the folder's path in it."""
    read = read_manifest(FoundFile(tmp_path / "gone.csv", "gone.csv", "manifest", 5))
    (problem,) = read.problems
    assert problem.kind == "unreadable"
    assert str(tmp_path) not in problem.detail


def test_a_training_log_is_no_manifest_and_no_fault(write: Write) -> None:
    """A table of steps and losses is remarked on, not complained about."""
    read = read_manifest(write("metrics.csv", "epoch,train_loss,val_acc\n1,2.0,0.1\n2,1.0,0.2\n"))
    assert (read.manifest, read.problems) == (None, ())
    assert "training log" in read.notes[0]
    assert not is_training_log(["path", "label", "split"])
