"""Data sets that are folders: found by names, and told from the pictures that trainers write."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import pytest

from postmortem.discover import find_runs
from postmortem.discover.datasets import are_sides, split_of
from postmortem.discover.names import file_kind
from postmortem.model import FoundRun

EVENTS = "events.out.tfevents.1700000000.host.77.0"


def fill(root: Path, *folders: str, count: int = 5, ending: str = "jpg") -> None:
    """Some files of one byte in each folder."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (root / folder / f"{index:04d}.{ending}").write_bytes(b"x")


def touch(root: Path, *names: str) -> None:
    """Files of one byte."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def sets(run: FoundRun) -> dict[str, int]:
    """Folders that were taken for data sets, and their bytes."""
    return {file.name: file.bytes for file in run.files if file.role == "manifest"}


FOUND: dict[str, tuple[list[str], str, dict[str, int]]] = {
    "splits": (["train/cat", "train/dog", "val/cat", "val/dog"], "jpg", {"flowers": 20}),
    "split without classes": (["train/cat", "train/dog", "test"], "png", {"flowers": 15}),
    "classes without splits": (["cat", "dog", "emu"], "jpg", {"flowers": 15}),
    "folder of its own name": (["training_set/training_set/cats", "training_set/training_set/dogs"], "jpg", {"flowers": 10}),
    "sounds": (["on", "off"], "wav", {"flowers": 10}),
    "texts in splits": (["train/pos", "train/neg", "test/pos", "test/neg"], "txt", {"flowers": 20}),
    "folders within classes": (["train/cat/2001", "train/cat/2002", "train/dog"], "jpg", {"flowers": 15}),
}


@pytest.mark.parametrize("name", FOUND)
def test_tree_in_a_data_folder(tmp_path: Path, name: str) -> None:
    """A tree of class folders beside runs is one input of each run, with the bytes of all its files, and a note tells it."""
    folders, ending, expected = FOUND[name]
    fill(tmp_path, *(f"p/data/flowers/{folder}" for folder in folders), ending=ending)
    touch(tmp_path, f"p/runs/exp1/{EVENTS}", "p/runs/exp1/a.pt", f"p/runs/exp2/{EVENTS}")
    for run in find_runs([tmp_path]):
        assert sets(run) == {f"../../data/{key}": value for key, value in expected.items()}
        assert any("data/flowers/ taken for a data set" in note for note in run.notes)
        assert not any(file.role == "other" for file in run.files)


@pytest.mark.parametrize("folder", ["train", "."])
def test_path_itself_is_a_tree(tmp_path: Path, folder: str) -> None:
    """A tree of pictures given as PATH is a data set, whatever it is called."""
    fill(tmp_path / "pets", f"{folder}/cat", f"{folder}/dog")
    (run,) = find_runs([tmp_path / "pets"])
    assert sets(run) == {"pets": 10} and run.files[0].path == tmp_path / "pets"


NOT_FOUND = {
    "samples by epoch": ["samples/epoch_1", "samples/epoch_2"],
    "pictures of a run by kind": ["images/real", "images/fake"],
    "pictures by split in a run": ["images/train/input", "images/train/output", "images/val/input", "images/val/output"],
    "predictions by class": ["predictions/train/cat", "predictions/train/dog"],
    "steps of a run": ["outputs/step_100", "outputs/step_200"],
    "plots": ["plots/loss", "plots/weights"],
    "heatmaps by class": ["gradcam/cat", "gradcam/dog"],
    "folders of no telling name": ["cat", "dog"],
    "images and masks": ["data/images", "data/masks"],
    "both sides in splits": ["data/train/images", "data/train/masks"],
    "two domains": ["data/trainA", "data/trainB"],
    "one class": ["data/train/cat"],
    "epochs in data": ["data/epoch_1", "data/epoch_2"],
    "recordings of one sequence each": ["data/frames/a", "data/frames/b"],
    "shown in a folder within data": ["data/outputs/a1", "data/outputs/b1"],
    "classes beside what is not sorted yet": ["data/cats", "data/dogs", "data/raw_images"],
}


def test_pictures_of_a_project_are_no_classes(tmp_path: Path) -> None:
    """Folders of shown pictures beside code, given as PATH, are no data set; neither are class folders beside folders of other things."""
    fill(tmp_path / "a", "debug_imagery", "generated_imagery")
    fill(tmp_path / "b", "cat", "dog")
    touch(tmp_path, f"a/{EVENTS}", "b/src/deep/train.py", f"b/log/{EVENTS}")
    assert [sets(run) for name in "ab" for run in find_runs([tmp_path / name])] == [{}, {}]


@pytest.mark.parametrize("name", NOT_FOUND)
def test_what_trainers_write_is_no_data_set(tmp_path: Path, name: str) -> None:
    """Pictures within a run, and folders in which programs show their results, are left aside as before."""
    fill(tmp_path, *(f"exp/{folder}" for folder in NOT_FOUND[name]), ending="png")
    touch(tmp_path, f"exp/{EVENTS}", "exp/a.pt")
    (run,) = find_runs([tmp_path])
    assert sets(run) == {} and sum(file.role == "other" for file in run.files) == 5 * len(NOT_FOUND[name])


def test_artifacts_within_are_never_hidden(tmp_path: Path) -> None:
    """A tree that holds a run's artifact is listed file by file."""
    fill(tmp_path, "data/train/cat", "data/train/dog")
    touch(tmp_path, f"data/train/dog/{EVENTS}")
    assert any(file.role == "events" for run in find_runs([tmp_path]) for file in run.files)


def test_table_within_a_tree_is_kept(tmp_path: Path) -> None:
    """A table of labels beside class folders stays a manifest of its own."""
    fill(tmp_path, "data/train/cat", "data/train/dog")
    touch(tmp_path, "data/labels.csv", "data/train/cat/.DS_Store", "data/train/cat/Thumbs.db")
    (run,) = find_runs([tmp_path])
    assert sets(run) == {"data": 12, "data/labels.csv": 1} and len(run.files) == 2


def test_links_are_data(tmp_path: Path) -> None:
    """A tree of links to pictures elsewhere is a tree."""
    fill(tmp_path / "store", "all", count=10)
    for index in range(10):
        folder = tmp_path / "set" / "train" / ("cat" if index % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.jpg").symlink_to(tmp_path / "store" / "all" / f"{index:04d}.jpg")
    (run,) = find_runs([tmp_path / "set"])
    assert sets(run) == {"set": 10}


SHARDS = {
    "series": (["train-000000.tar", "train-000001.tar", "val-000000.tar"], {"s": 3}),
    "splits in folders": (["train/00000.tar", "train/00001.tar", "val/00000.tar", "val/00001.tar"], {"s": 4}),
    "packed": (["a-0000-of-0002.tar.gz", "a-0001-of-0002.tar.gz"], {"s": 2}),
    "one archive": (["backup.tar"], {}),
    "one shard": (["a-000000.tar"], {}),
    "checkpoints": (["checkpoint-000001.tar", "checkpoint-000002.tar"], {}),
}


@pytest.mark.parametrize("name", SHARDS)
def test_shards(tmp_path: Path, name: str) -> None:
    """A series of numbered archives is one data set; one archive alone is none, and saved steps are none."""
    names, expected = SHARDS[name]
    touch(tmp_path, f"runs/a/{EVENTS}", *(f"s/{each}" for each in names))
    (run,) = find_runs([tmp_path])
    assert sets(run) == (expected if run.name == "." else {f"../../{key}": value for key, value in expected.items()})


def test_kaldi(tmp_path: Path) -> None:
    """Folders with `wav.scp` or with `text` and `utt2spk` are one data set of the folder that holds the splits."""
    touch(tmp_path, *(f"data/{split}/{name}" for split in ("train", "dev") for name in ("wav.scp", "text", "utt2spk")), "data/lang/L.fst")
    touch(tmp_path, f"exp/tri1/{EVENTS}")
    (run,) = find_runs([tmp_path])
    assert {file.name for file in run.files if file.role == "manifest"} == {"data"} and run.name == "."


def test_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and sizes are all that is looked at."""
    fill(tmp_path, "data/train/cat", "data/train/dog")
    touch(tmp_path, "shards/a-000000.tar", "shards/a-000001.tar", EVENTS)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert {name for run in find_runs([tmp_path]) for name in sets(run)} == {"data", "shards"}


def test_lists_by_name() -> None:
    """Texts that are called like lists may be lists, surely so among data; other texts are none."""
    kinds = {name: file_kind(name).role for name in ("train.txt", "val_list.txt", "filelist.txt", "a.lst", "README.txt", "train_log.txt")}
    assert kinds == {
        "train.txt": "manifest",
        "val_list.txt": "manifest",
        "filelist.txt": "manifest",
        "a.lst": "manifest",
        "README.txt": "other",
        "train_log.txt": "console",
    }
    assert file_kind("train.txt", in_data_folder=True).sure and not file_kind("train.txt").sure


def test_names_of_splits() -> None:
    """A folder's name tells a split where hardly another word stands beside it."""
    told = {name: split_of(name) for name in ("train", "Training_Set", "val_images", "test2", "valid-224x224", "train_aug", "testbed", "a")}
    assert told == {
        "train": "train",
        "Training_Set": "train",
        "val_images": "validation",
        "test2": "test",
        "valid-224x224": "",
        "train_aug": "",
        "testbed": "",
        "a": "",
    }


def test_sides_of_pairs() -> None:
    """`images` and `masks` are sides of pairs; an alphabet is one of classes."""
    assert are_sides(["images", "masks"]) and are_sides(["images", "masks", "notes"]) and not are_sides([chr(97 + n) for n in range(26)])
    assert not are_sides([])
