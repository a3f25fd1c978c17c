"""Folders as Kaldi lays data out."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest


def folder(path: Path, speakers: str, texts: bool = True, first: int = 0) -> Path:
    """Utterances of one second each, by these speakers."""
    path.mkdir(parents=True)
    ids = [f"{speaker}-{first + index:04d}" for index, speaker in enumerate(sorted(speakers))]
    (path / "wav.scp").write_text("".join(f"{each} /corpus/{each}.wav\n" for each in ids))
    (path / "utt2spk").write_text("".join(f"{each} {each[0]}\n" for each in ids))
    (path / "utt2dur").write_text("".join(f"{each} 1.5\n" for each in ids))
    if texts:
        (path / "text").write_text("".join(f"{each} HELLO WORLD\n" for each in ids))
    return path


def read(path: Path) -> ManifestData:
    """What the readers say of a folder."""
    return read_manifest(FoundFile(path, path.name, "manifest", 0), ReadOptions())


def whole(path: Path) -> Manifest:
    """The manifest without any problem."""
    found = read(path)
    assert found.problems == () and found.manifest is not None
    return found.manifest


def test_utterances_by_split(tmp_path: Path) -> None:
    """Each folder is the split that its name says; texts, speakers and durations come from their files."""
    folder(tmp_path / "data/train_clean_100", "aabbcc")
    folder(tmp_path / "data/dev_clean", "dd")
    folder(tmp_path / "data/dev_other", "ee")
    folder(tmp_path / "data/test", "fg")
    manifest = whole(tmp_path / "data")
    assert manifest.records == {"train": 6, "validation": 4, "test": 2}
    assert (manifest.labels, manifest.counts, manifest.missing_labels, manifest.format) == ("text", {}, 0, "Kaldi")
    assert (manifest.group_column, manifest.shared_groups, manifest.seconds) == ("speaker", {}, 18.0)
    assert (manifest.duplicate_keys, manifest.shared_keys) == (0, {})


def test_speakers_and_utterances_in_two_splits(tmp_path: Path) -> None:
    """The same utterance in two splits is a shared key, the same speaker a shared group."""
    folder(tmp_path / "data/train", "aabb")
    folder(tmp_path / "data/dev", "ac", first=0)
    manifest = whole(tmp_path / "data")
    assert manifest.shared_keys == {"train|validation": 1} and manifest.shared_groups == {"train|validation": 1}


def test_copies_of_a_split_do_not_count_twice(tmp_path: Path) -> None:
    """A folder with the utterances of another of its split is a copy that a recipe wrote, left aside and told."""
    folder(tmp_path / "data/train", "aabb")
    folder(tmp_path / "data/train_hires", "aabb")
    found = read(tmp_path / "data")
    assert found.manifest is not None and found.manifest.records == {"train": 4}
    assert any("data/train_hires: left aside" in note for note in found.notes)


def test_gaps(tmp_path: Path) -> None:
    """Utterances without text, empty texts, utterances without audio and files out of order are told."""
    path = folder(tmp_path / "train", "aabbcc")
    (path / "text").write_text("a-0000 HI\na-0001\nb-0002 HO\nc-0004 HU\nb-0003 HE\nx-9 WHO\n")
    (path / "wav.scp").write_text("a-0000 x.wav\na-0001 y.wav\n")
    found = read(path)
    said = "\n".join(found.notes)
    assert found.manifest is not None and (found.manifest.rows, found.manifest.missing_labels) == (6, 2)
    assert "1 texts are empty" in said and "1 utterances have no text" in said and "4 utterances have no audio" in said
    assert "'text' not sorted in byte order" in said and "1 texts are of utterances that utt2spk lacks" in said


def test_segments(tmp_path: Path) -> None:
    """Utterances may be pieces of recordings, and last as long as these say."""
    path = folder(tmp_path / "train", "aab")
    (path / "utt2dur").unlink()
    (path / "wav.scp").write_text("rec1 sph2pipe -f wav rec1.sph |\n")
    (path / "segments").write_text("a-0000 rec1 0.0 2.5\na-0001 rec1 2.5 4.0\nb-0002 rec2 1.0 2.0\n")
    found = read(path)
    assert found.manifest is not None and found.manifest.seconds == 5.0
    assert any("1 utterances have no audio" in note for note in found.notes)


def test_twice_the_same_utterance(tmp_path: Path) -> None:
    """An utterance that stands twice in a split is a duplicate."""
    path = folder(tmp_path / "train", "aab")
    (path / "utt2spk").write_text("a-0000 a\na-0000 a\nb-0002 b\n")
    assert whole(path).duplicate_keys == 1


def test_without_text(tmp_path: Path) -> None:
    """A folder without `text` has no label, rather than missing ones."""
    manifest = whole(folder(tmp_path / "eval", "ab", texts=False))
    assert (manifest.labels, manifest.label_column, manifest.missing_labels, manifest.records) == ("", "", 0, {"validation": 2})


@pytest.mark.parametrize("bad", ["a-0000 nan\n", "a-0000\n", "a-0000 -1\n"], ids=("nan", "none", "negative"))
def test_durations_that_are_none(tmp_path: Path, bad: str) -> None:
    """Where one duration is none, there is no total."""
    path = folder(tmp_path / "train", "ab")
    (path / "utt2dur").write_text(bad + "b-0001 2\n")
    assert whole(path).seconds is None


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """Lines of any bytes are ids; an overlong line costs no memory and is one line."""
    path = folder(tmp_path / "train", "ab")
    (path / "text").write_bytes(b"a-0000 \xff\xfe\nb-0001 " + b"x" * 3_000_000 + b"\n\n")
    assert whole(path).missing_labels == 0
