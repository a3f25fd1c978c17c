"""Tables that are hard to read: stated results for odd encodings, widths, lengths and what is too much."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest, read_manifests
from postmortem.read.manifests.tables import keys, labels, sources

Write = Callable[..., FoundFile]

MANY = "".join(f"{index:06d}-{'x' * 40},{'ab'[index % 2]}\n" for index in range(20_000))


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


def test_line_ends_that_change_far_down(write: Write) -> None:
    """Windows lines behind a megabyte of others are read, as is a quoted line break of the other kind."""
    read = read_manifest(write("late.csv", "id,label\n" + MANY + 'y,"two\r\nlines"\r\nz,b\r\n'))
    assert whole(read).counts == {"": {"a": 10_000, "b": 10_001, "two\nlines": 1}}
    assert any("line ends" in note for note in read.notes)


def test_damage_far_down_in_compressed_data(write: Write) -> None:
    """A flipped bit breaks the checksum: the loss is said, and what came before is counted."""
    data = bytearray(gzip.compress(("id,label\n" + MANY).encode()))
    data[-6] ^= 1
    read = read_manifest(write("flipped.csv.gz", bytes(data)))
    assert read.manifest is not None
    assert 19_000 < read.manifest.rows <= 20_000
    assert read.problems[0].kind == "truncated"
    assert "CRC" in read.problems[0].detail


def test_null_bytes_are_part_of_a_label_or_make_a_file_binary(write: Write) -> None:
    """In the first part of a file they make it binary; far down they stay in the one cell that holds them."""
    assert read_manifest(write("null.csv", b"id,label\n1,a\x00\n")).problems[0].detail.startswith("binary data")
    assert whole(read_manifest(write("late.csv", f"id,label\n{MANY}z,b\0\n"))).counts[""]["b\0"] == 1


def test_a_table_of_20000_columns(write: Write) -> None:
    """The label and the first columns are looked at, and how many were left out is said."""
    header = ",".join(f"f{index}" for index in range(20_000)) + ",label\n"
    rows = "".join(",".join(["1"] * 20_000) + f",{'ab'[index % 2]}\n" for index in range(6))
    read = read_manifest(write("wide.csv", header + rows))
    assert whole(read).counts == {"": {"a": 3, "b": 3}}
    assert len(whole(read).features) == 2047
    assert "wide.csv: only 2048 of 20001 columns were looked at" in read.notes


def test_columns_of_one_name(write: Write) -> None:
    """The first of two columns of one name is meant."""
    assert whole(read_manifest(write("twice.csv", "id,label,label\n1,a,x\n2,b,y\n"))).counts == {"": {"a": 1, "b": 1}}


def test_very_long_cells(write: Write) -> None:
    """A text of a megabyte beside the label is read; a line beyond the bound is left out and named."""
    text = "id,label,text\n" + "".join(f'{i},{"ab"[i % 2]},"{"x" * 1_000_000}"\n' for i in range(4)) + f'9,a,"{"x" * (17 << 20)}"\n'
    read = read_manifest(write("long.csv", text))
    assert read.manifest is not None
    assert read.manifest.counts == {"": {"a": 2, "b": 2}}
    assert read.manifest.rejected == 1
    assert "line 6 (line size over maximum)" in read.problems[0].detail


@pytest.mark.parametrize("cell", ['he said "no"', '"No" he said', '"'])
def test_quotation_marks_in_a_table_of_tabs(write: Write, cell: str) -> None:
    """Tabs need no quoting: marks that quote no whole cell are text, and cost no line."""
    text = "sentence_id\tsentence\tlabel\n" + "".join(f"s{i}\t{cell if i % 5 else 'plain'}\t{'ab'[i % 2]}\n" for i in range(20))
    assert whole(read_manifest(write("quotes.tsv", text))).counts == {"": {"a": 10, "b": 10}}


def test_quoted_cells_between_tabs(write: Write) -> None:
    """Where marks quote whole cells, they are no text."""
    text = "id\tnote\tlabel\n" + "".join(f'{i}\t"a ""b"" c"\t"x y"\n' for i in range(5))
    assert whole(read_manifest(write("quoted.tsv", text))).counts == {"": {"x y": 5}}


def test_rejected_rows_are_in_the_manifest(write: Write) -> None:
    """Ragged lines are a number of the manifest too."""
    read = read_manifest(write("ragged.csv", "id,label\n1,a\n2\n3,b,c\n4,b\n"))
    assert read.manifest is not None
    assert (read.manifest.rows, read.manifest.rejected) == (2, 2)


@pytest.mark.parametrize("most", [1_000_000, 1000])
def test_a_key_taken_for_a_label_is_refused_with_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Too many different values are refused, counted or as a sketch tells them, without ever being listed."""
    monkeypatch.setattr(labels, "MOST_CLASSES", most)
    path = tmp_path / "keys.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT md5(i::VARCHAR) AS label, 'x' AS other FROM range(30_000) t(i)) TO '{path}' (FORMAT parquet)")
    read = read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size))
    assert read.manifest is None
    about = "" if most > 30_000 else "about "
    assert f"column 'label' holds {about}" in read.problems[0].detail
    number = int(read.problems[0].detail.split("holds ")[1].removeprefix("about ").split()[0])
    assert number == pytest.approx(30_000, rel=0.1)


def test_too_many_splits_are_no_splits(write: Write) -> None:
    """A column of folds that goes on and on is left aside, and that is said."""
    rows = "".join(f"{index},{'ab'[index % 2]},{0 if index < 1000 else index}\n" for index in range(1200))
    read = read_manifest(write("folds.csv", "id,label,fold\n" + rows))
    assert whole(read).split_column is None
    assert whole(read).counts == {"": {"a": 600, "b": 600}}
    assert any("201 different values, more than 60: no splits" in note for note in read.notes)


# --- keys, groups, several files --------------------------------------------------------------------------------------


def test_keys_are_sorted_in_passes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many keys are sorted in several ranges of their hashes, and nothing is lost between these."""
    monkeypatch.setattr(keys, "KEYS_AT_ONCE", 100)
    rows = "".join(f"{index % 900 * 2654435761:x},a,{'train' if index < 900 else 'val'}\n" for index in range(1000)) + "0,a,train\n"
    manifest = whole(read_manifest(write("passes.csv", "uuid,label,split\n" + rows)))
    assert (manifest.duplicate_keys, manifest.shared_keys) == (1, {"train|validation": 100})


def test_one_key_with_two_labels(write: Write) -> None:
    """Keys that stand with different labels are counted, blank labels contradict nothing, nor does `1` `1.0`."""
    rows = "u1,1,train\nu1,2,val\nu2,1,train\nu2,1.0,train\nu3,1,train\nu3,,train\nu4,2,train\nu4,1,train\n"
    manifest = whole(read_manifest(write("conflicts.csv", "uuid,label,split\n" + rows)))
    assert manifest.conflicting_keys == 2


def test_a_hash_goes_before_a_path(write: Write) -> None:
    """Where both stand there, equal contents under two names are found, and the choice is said."""
    rows = "".join(f"{index}.png,{index % 20:032x},a\n" for index in range(25))
    read = read_manifest(write("hashes.csv", "path,md5,label\n" + rows))
    assert whole(read).key_column == "md5"
    assert whole(read).duplicate_keys == 5
    assert any("the hash is the key" in note for note in read.notes)


def patients(rows: int, split_at: int, patients: int) -> str:
    """Lines of scans of patients; those of the last patients stand in both splits where `split_at` cuts through them."""
    lines = (f"s{i}.png,{'ab'[i % 2]},p{i * patients // rows},{'train' if i < split_at else 'test'}\n" for i in range(rows))
    return "image,label,patient_id,split\n" + "".join(lines)


def test_groups_in_two_splits(write: Write) -> None:
    """A patient whose scans stand in both splits is shared; with a cut between patients none is."""
    torn = whole(read_manifest(write("torn.csv", patients(100, 82, 20))))
    assert (torn.group_column, torn.shared_groups, torn.shared_keys) == ("patient_id", {"train|test": 1}, {})
    sound = whole(read_manifest(write("sound.csv", patients(100, 80, 20))))
    assert (sound.group_column, sound.shared_groups) == ("patient_id", {})


@pytest.mark.parametrize("number", [2, 100])
def test_what_recurs_too_much_or_never_is_no_group(write: Write, number: int) -> None:
    """Two kinds of record, or one for each record, are no groups."""
    assert whole(read_manifest(write("g.csv", patients(100, 82, number)))).group_column is None


def test_groups_across_files(write: Write) -> None:
    """`train.csv` and `test.csv` are compared by group and by label of equal keys."""
    lines = patients(100, 82, 20).splitlines()
    body = [",".join(line.split(",")[:3]) for line in lines]
    train = write("d/train.csv", "\n".join(body[:83]) + "\n")
    test = write("d/test.csv", "\n".join([body[0], *body[83:], "s0.png,b,p0"]) + "\n")
    (manifest,) = read_manifests([train, test]).manifests
    assert manifest.group_column == "patient_id"
    assert manifest.shared_groups == {"train|test": 2}
    assert (manifest.shared_keys, manifest.conflicting_keys) == ({"train|test": 1}, 1)
    assert manifest.labels == "single"


def test_folders_that_hive_names(tmp_path: Path) -> None:
    """`split=train/part-0.parquet` and its sisters are one data set of two splits."""
    files = []
    with duckdb.connect() as connection:
        for split, part in (("train", 0), ("train", 1), ("val", 0)):
            path = tmp_path / f"split={split}" / f"part-{part}.parquet"
            path.parent.mkdir(exist_ok=True)
            connection.execute(f"COPY (SELECT 'a' AS label, '{split}{part}' || i AS id FROM range(10) t(i)) TO '{path}' (FORMAT parquet)")
            files.append(FoundFile(path, f"split={split}/{path.name}", "manifest", path.stat().st_size))
    (manifest,) = read_manifests(files).manifests
    assert manifest.records == {"train": 20, "validation": 10}
    assert (manifest.format, manifest.duplicate_keys, manifest.shared_keys) == ("Parquet", 0, {})


@pytest.mark.parametrize("name", ["x' UNION SELECT 1 --.csv", "[a]*?.csv", 'a;b".csv', "{x,y}.csv", "%s$1.csv"])
def test_hostile_file_names(write: Write, name: str) -> None:
    """A name is a name, whatever stands in it, alone and where keys are compared across files."""
    text = "uuid,label\n" + "".join(f"{index},{'ab'[index % 2]}\n" for index in range(10))
    assert whole(read_manifest(write(name, text))).counts == {"": {"a": 5, "b": 5}}
    two = [write(f"{folder}/{name}", text) for folder in ("train", "val")]
    (manifest,) = read_manifests(two).manifests
    assert manifest.records == {"train": 10, "validation": 10}


def test_neither_pipes_nor_folders_are_opened(tmp_path: Path) -> None:
    """A pipe is no manifest, and is not waited for."""
    import os

    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    read = read_manifest(FoundFile(path, path.name, "manifest", 0))
    assert read.manifest is None
    assert read.problems[0].kind == "unreadable"


def test_extensions_are_neither_loaded_nor_known(write: Write) -> None:
    """Settings of the database are off and locked."""
    with sources.opened(write("m.csv", "id,label\n1,a\n").path) as (connection, _):
        wanted = ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access")
        rows = connection.execute(f"SELECT name, value FROM duckdb_settings() WHERE name IN {wanted}").fetchall()
        assert dict(rows) == dict.fromkeys(wanted, "false")
        for setting in wanted:
            with pytest.raises(duckdb.Error):
                connection.execute(f"SET {setting} = true")


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.csv.gz"])
@pytest.mark.parametrize("end", ["", "\n", "\n{}"])
def test_lines_beyond_the_buffer_are_told(write: Write, name: str, end: str) -> None:
    """A line longer than what the database holds at once, which it passes over in silence, is counted as broken."""
    ends = end.format("3,b\n" if ".csv" in name else '{"id": 3, "label": "b"}\n')
    text = "id,label\n1,a\n2," if ".csv" in name else '{"id": 1, "label": "a"}\n{"id": 2, "label": "'
    data = (text + "x" * (40 << 20) + ("" if ".csv" in name else '"}') + ends).encode()
    read = read_manifest(write(name, gzip.compress(data, 1) if name.endswith(".gz") else data))
    assert read.manifest is not None
    assert (read.manifest.rows, read.manifest.rejected) == (1 + ends.endswith("}\n") + ends.endswith("b\n"), 1)
    assert [problem.detail for problem in read.problems] == ["1 line is longer than 16 MiB: left out"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(write: Write, encoding: str) -> None:
    """The byte order is told by the empty halves of separators and line ends; other text in it stays whole."""
    manifest = whole(read_manifest(write("m.csv", ("id,label\n" + "".join(f"{i},{'犬猫'[i % 2]}\n" for i in range(40))).encode(encoding))))
    assert manifest.counts == {"": {"犬": 20, "猫": 20}}


def test_binary_data_are_no_utf_16(write: Write) -> None:
    """Numbers of 16 bits have empty halves too."""
    read = read_manifest(write("m.csv", b"".join(i.to_bytes(2, "little") for i in range(2000))))
    assert [problem.detail for problem in read.problems] == ["binary data, not a table of text"]


@pytest.mark.parametrize("separator", [";", ",", "|"])
def test_the_separator_that_excel_is_told(write: Write, separator: str) -> None:
    """A first line `sep=;` is no header."""
    text = f"sep={separator}\n" + "".join(f"{i}{separator}{c}\n" for i, c in [("id", "label"), ("1", "a"), ("2", "b")])
    assert whole(read_manifest(write("m.csv", text))).counts == {"": {"a": 1, "b": 1}}


@pytest.mark.parametrize(("start", "said"), [(b"PK\x03\x04\x00", "Excel"), (b"BZh9\x00", "bzip2"), (b"\xfd7zXZ\x00\x00", "xz")])
def test_packed_files_are_named(write: Write, start: bytes, said: str) -> None:
    """What was renamed to a table is told by its first bytes, with what to do."""
    (problem,) = read_manifest(write("m.csv", start + bytes(range(256)))).problems
    assert said in problem.detail


def test_letters_that_are_none(write: Write) -> None:
    """Japanese text that is read by bytes says that names may be wrong."""
    read = read_manifest(write("m.csv", "id,label\n1,猫\n2,猫\n3,犬\n".encode("shift-jis")))
    assert any("names may be shown wrongly" in note for note in read.notes)
    assert whole(read).rows == 3


def test_one_fraction_is_a_target(write: Write) -> None:
    """A column of one fraction is a constant to predict, no class."""
    manifest = whole(read_manifest(write("m.csv", "id,target\n" + "".join(f"{i},0.731\n" for i in range(30)))))
    assert manifest.targets is not None
    assert (manifest.labels, manifest.targets.deviation, manifest.counts) == ("targets", 0.0, {})


def test_a_table_of_more_columns_than_are_read(write: Write) -> None:
    """A hundred thousand columns are refused, rather than read for minutes."""
    text = ",".join(f"f{index}" for index in range(100_000)) + ",label\n" + "1," * 100_000 + "a\n"
    (problem,) = read_manifest(write("wide.csv", text)).problems
    assert problem.kind == "unsupported"
    assert problem.detail.startswith("more than 25000 columns")


def test_headers_in_the_middle(write: Write) -> None:
    """Files that were joined with their headers are told; their rows are no class that anybody meant."""
    text = "id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(10))
    (problem,) = read_manifest(write("m.csv", text + text.replace("\n", "x\n").replace("labelx", "label"))).problems
    assert problem.detail == "1 record repeats the header, and 'label' is counted as a class"


def test_two_columns_of_one_name(write: Write) -> None:
    """Which of them holds the label is said."""
    read = read_manifest(write("m.csv", "id,label,label\n" + "".join(f"{i},{'ab'[i % 2]},c\n" for i in range(10))))
    assert whole(read).counts == {"": {"a": 5, "b": 5}}
    assert "m.csv: 2 columns are called 'label'; the first is taken" in read.notes
