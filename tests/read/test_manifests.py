"""Manifests of every format and encoding, damaged ones, and hostile ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData, ManifestsData
from postmortem.read.manifests.files import read_manifest, read_manifests
from postmortem.read.manifests.merge import mergeable, merged
from postmortem.read.manifests.tables import relation, sources
from postmortem.read.manifests.tables.columns import choose, is_training_log, split_name

Write = Callable[..., FoundFile]

ROWS = [(f"img/{index:03d}.png", "abc"[index % 3], "train" if index < 80 else "val") for index in range(100)]
TABLE = "path,label,split\n" + "".join(",".join(row) + "\n" for row in ROWS)
COUNTS = {"train": {"a": 27, "b": 27, "c": 26}, "validation": {"a": 7, "c": 7, "b": 6}}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and finds it."""

    def _write(name: str, data: str | bytes, group: str = "") -> FoundFile:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return FoundFile(path, name, "manifest", path.stat().st_size, group)

    return _write


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


# --- formats and encodings --------------------------------------------------------------------------------------------


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


# --- damage -----------------------------------------------------------------------------------------------------------


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


# --- columns ----------------------------------------------------------------------------------------------------------


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


# --- order, keys and files --------------------------------------------------------------------------------------------


def test_runs_keep_the_order_of_a_file_read_in_parallel(write: Write) -> None:
    """Runs are counted in row order over many blocks: sorted halves have two, blank labels interrupt nothing."""
    text = "id,label\n" + "".join(
        f"{index:08d}-{'x' * 40},{'' if index % 1000 == 7 else 'ab'[index >= 60_000]}\n" for index in range(120_000)
    )
    assert whole(read_manifest(write("sorted.csv", text))).order_runs == 2


def test_duplicate_and_shared_keys(write: Write) -> None:
    """Repeats count within a split, sharing between splits; a blank key is no key."""
    rows = [
        ("u1", "train"),
        ("u1", "train"),
        ("u2", "train"),
        ("u2", "val"),
        ("u3", "val"),
        ("u3", "val"),
        ("u1", "test"),
        ("", "train"),
        ("", "val"),
    ]
    manifest = whole(read_manifest(write("keys.csv", "uuid,label,split\n" + "".join(f"{key},a,{split}\n" for key, split in rows))))
    assert manifest.duplicate_keys == 2
    assert manifest.shared_keys == {"train|validation": 1, "train|test": 1}


def test_running_numbers_of_each_split_are_no_leak(write: Write) -> None:
    """Numbers that start anew in each split, with labels that do not agree, are not keys."""
    train = "".join(f"{index},{'abc'[index % 3]},train\n" for index in range(60))
    val = "".join(f"{index},{'abc'[(index * 5 + index // 4) % 3]},val\n" for index in range(20))
    read = read_manifest(write("numbers.csv", "id,label,split\n" + train + val))
    manifest = whole(read)
    assert (manifest.key_column, manifest.shared_keys, manifest.duplicate_keys) == (None, {}, None)
    assert any("running number" in note for note in read.notes)


def test_first_records_copied_into_validation_are_a_leak(write: Write) -> None:
    """Numbers from 0 on whose labels agree between splits, and change along the way, are the same records."""
    labels = ["abc"[(index * 5 + index // 4) % 3] for index in range(60)]
    train = "".join(f"{index},{labels[index]},train\n" for index in range(60))
    val = "".join(f"{index},{labels[index]},val\n" for index in range(20))
    assert whole(read_manifest(write("leak.csv", "id,label,split\n" + train + val))).shared_keys == {"train|validation": 20}


def test_a_few_first_records_in_validation_are_a_leak(write: Write) -> None:
    """Shared numbers from 0 on are no counters where validation has many others, whatever the labels say."""
    train = "".join(f"img/{index:03d}.png,cat,train\n" for index in range(300))
    val = "".join(f"img/{index:03d}.png,cat,val\n" for index in (*range(5), *range(300, 400)))
    assert whole(read_manifest(write("few.csv", "path,label,split\n" + train + val))).shared_keys == {"train|validation": 5}


def test_folders_that_count_their_files_anew_are_no_leak(write: Write) -> None:
    """`cat/001.png` in both splits, labels following the folder, are names that start anew and not shared files."""
    rows = [(f"{label}/{index:03d}.png", label, split) for split, n in (("train", 30), ("val", 10)) for label in "ab" for index in range(n)]
    manifest = whole(read_manifest(write("folders.csv", "file,label,split\n" + "".join(",".join(row) + "\n" for row in rows))))
    assert manifest.shared_keys == {}
    assert manifest.key_column is None


def test_splits_without_labels_still_tell_of_leaks(write: Write) -> None:
    """A table of hashes and splits is no class count, but its shared keys are known."""
    text = (
        "sha256,split\n"
        + "".join(f"{index:064x},train\n" for index in range(50))
        + "".join(f"{index:064x},test\n" for index in range(17, 60, 3))
    )
    read = read_manifest(write("hashes.csv", text))
    assert read.manifest is not None
    assert read.manifest.counts == {}
    assert read.manifest.shared_keys == {"train|test": 11}
    assert [problem.kind for problem in read.problems] == ["unsupported"]


def one_file_a_split(write: Write, train_keys: range, val_keys: range) -> ManifestsData:
    """What two files of one data set say together."""
    lines = {index: f"{index * 7919:08x},{'ab'[index * 5 % 7 % 2]}\n" for index in (*train_keys, *val_keys)}
    train = write("data/train.csv", "hash,label\n" + "".join(lines[index] for index in train_keys))
    val = write("data/val.csv", "hash,label\n" + "".join(lines[index] for index in val_keys))
    return read_manifests([train, val])


def test_one_file_a_split_is_one_manifest(write: Write) -> None:
    """`train.csv` and `val.csv` are joined, and keys compared across the files."""
    read = one_file_a_split(write, range(100), range(95, 120))
    (manifest,) = read.manifests
    assert manifest.source == "data/train.csv + data/val.csv"
    assert manifest.records == {"train": 100, "validation": 25}
    assert manifest.shared_keys == {"train|validation": 5}
    assert read.problems == ()


def test_disjoint_files_share_nothing(write: Write) -> None:
    """Where no key recurs, none is shared."""
    (manifest,) = one_file_a_split(write, range(100), range(100, 120)).manifests
    assert (manifest.shared_keys, manifest.duplicate_keys) == ({}, 0)


def test_keys_that_were_not_compared_are_no_keys(write: Write) -> None:
    """Joining counts alone leaves no key column, so that nothing reads as free of leaks."""
    parts = [whole(read_manifest(write(f"{name}.csv", "hash,label\nff,a\nfe,b\n"))) for name in ("train", "val")]
    (manifest,) = map(merged, mergeable(parts))
    assert (manifest.key_column, manifest.duplicate_keys, manifest.shared_keys) == (None, None, {})


def test_numbers_that_start_anew_in_each_file_are_no_keys(write: Write) -> None:
    """Row numbers of two files do not make their records the same, nor prove that they differ."""
    files = [
        write(f"{name}.csv", "id,label\n" + "".join(f"{index},{'ab'[index * factor % 5 % 2]}\n" for index in range(rows)))
        for name, rows, factor in (("train", 60, 3), ("val", 20, 4))
    ]
    read = read_manifests(files)
    assert read.manifests[0].key_column is None
    assert any("running number" in note for note in read.notes)


def test_group_of_the_folder_names_the_split(write: Write) -> None:
    """A file in a folder of validation data is of that split, and joins its sibling."""
    train = write("train/metadata.csv", "file_name,label\na.png,x\nb.png,y\n", "train")
    held_out = write("validation/metadata.csv", "file_name,label\nc.png,x\n", "validation")
    (manifest,) = map(merged, mergeable([whole(read_manifest(train)), whole(read_manifest(held_out))]))
    assert manifest.counts == {"train": {"x": 1, "y": 1}, "validation": {"x": 1}}


def test_shards_of_one_split_are_added(tmp_path: Path) -> None:
    """`train-00000-of-00002.parquet` and its sister are one split; feature statistics are those of all rows."""
    files = [
        parquet(tmp_path / f"train-0000{part}-of-00002.parquet", f"SELECT 'a' AS label, (i + {part * 10})::DOUBLE AS x FROM range(10) t(i)")
        for part in range(2)
    ]
    (manifest,) = read_manifests(files).manifests
    assert manifest.counts == {"train": {"a": 20}}
    assert manifest.features["x"] == pytest.approx((9.5, 5.76628), rel=1e-5)


def test_different_tables_stay_apart(write: Write) -> None:
    """Two manifests with other columns or both of the same split are not one."""
    first = whole(read_manifest(write("train.csv", "id,label\n1,a\n2,b\n")))
    other = whole(read_manifest(write("val.csv", "id,species\n1,a\n2,b\n")))
    again = whole(read_manifest(write("train_old.csv", "id,label\n1,a\n2,b\n")))
    assert len(mergeable([first, other])) == 2
    assert len(mergeable([first, again])) == 2


def test_the_same_file_twice_counts_once(write: Write) -> None:
    """A manifest that lies in the run and is named by the user is one manifest."""
    file = write("m.csv", TABLE)
    (manifest,) = read_manifests([file, FoundFile(file.path, "given.csv", "manifest", file.bytes)]).manifests
    assert manifest.rows == 100


# --- the database -----------------------------------------------------------------------------------------------------


def test_the_database_opens_nothing_else(write: Write, tmp_path: Path) -> None:
    """Neither files elsewhere, nor extensions, nor a change of its own settings."""
    file = write("inside/m.csv", TABLE)
    write("outside.csv", TABLE)
    with sources.opened(file.path) as (connection, _):
        for statement in (
            f"SELECT * FROM read_csv('{tmp_path / 'outside.csv'}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "ATTACH '/tmp/x.db' AS x",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside.csv"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A memory limit of 150 MB is enough for two million records with a key each: what does not fit is spilled."""
    path = tmp_path / "large.csv"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT md5(i::VARCHAR) AS hash, i % 50 AS label, CASE WHEN i % 10 < 8 THEN 'train' ELSE 'val' END AS split"
            f" FROM range(2_000_000) t(i)) TO '{path}' (HEADER)"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relation, "MEMORY_LIMIT", "150MB")
        manifest = whole(read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size)))
    assert manifest.records == {"train": 1_600_000, "validation": 400_000}
    assert manifest.duplicate_keys == 0


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
