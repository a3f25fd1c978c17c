"""Order of records, keys, groups, several files, and the database that they are compared in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData, ManifestsData
from postmortem.read.manifests.files import read_manifest, read_manifests
from postmortem.read.manifests.merge import mergeable, merged
from postmortem.read.manifests.tables import relation, sources

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
