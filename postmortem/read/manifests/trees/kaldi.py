"""Folders as Kaldi lays data out: `wav.scp`, `text`, `utt2spk` and others, one folder a split."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.discover.datasets import KALDI_FILES
from postmortem.discover.names import SPLITS, words
from postmortem.model import FoundFile, Manifest, Problem, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.trees.keys import compared, hashed, ordered
from postmortem.read.manifests.trees.listing import printable, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_LINES = 20_000_000
"""Of one file; lines beyond are not counted."""
_LONGEST_LINE = 1 << 20
_MOST_FOLDERS = 200
_IDS = ("utt2spk", "segments", "text", "wav.scp")
"""Files that list the utterances, the surest first; `wav.scp` lists recordings where there are `segments`."""


@dataclass(slots=True, eq=False)
class _Folder:
    """What one folder says."""

    name: str
    split: str
    ids: NDArray[np.uint64]
    """Hash of each utterance's id."""
    spoken: int | None
    """Utterances with a text; None where there is no `text`."""
    without_audio: int | None
    speakers: frozenset[int] | None
    seconds: float | None
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Lines:
    """One file: ids and what follows them."""

    ids: array[int] = field(default_factory=lambda: array("Q"))
    empty: int = 0
    """Ids with nothing behind them."""
    unsorted: bool = False
    full: bool = False


def read_kaldi(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Utterances by split, their texts, speakers and durations; None where the path is no folder of this layout."""
    if not file.path.is_dir():
        return None
    try:
        folders = _folders(file.path)
    except OSError:
        return None
    if not folders:
        return None
    read: list[_Folder] = []
    problems: list[Problem] = []
    for path in folders[:_MOST_FOLDERS]:
        shown = file.name if path == file.path else f"{file.name}/{printable(path.name)}"
        try:
            read.append(_read(path, shown, len(folders) > 1 or path != file.path, file.group))
        except OSError as error:
            problems.append(Problem(shown, "unreadable", f"cannot be read: {error.strerror or error}; its utterances are not counted"))
    kept, notes = _without_copies([each for each in read if len(each.ids)])
    problems.extend(problem for each in kept for problem in each.problems)
    if not kept:
        return ManifestData(None, tuple(problems), ()) if problems else None
    notes.extend(note for each in kept for note in each.notes)
    return ManifestData(_manifest(file, kept), tuple(problems), (f"{file.name}: taken for data as Kaldi lays them out", *notes))


def _folders(root: Path) -> list[Path]:
    """The folder itself, or those right below that hold utterances."""
    if _is_data(root):
        return [root]
    return [each for each in sorted(root.iterdir()) if each.is_dir() and _is_data(each)]


def _is_data(folder: Path) -> bool:
    held = {name for name in KALDI_FILES if (folder / name).is_file()}
    return ("wav.scp" in held and len(held) > 1) or {"text", "utt2spk"} <= held


def _split(name: str) -> str:
    """`train` of `train_clean_100`, also where another word stands beside it."""
    found = {SPLITS[word] for word in words(name) if word in SPLITS}
    return found.pop() if len(found) == 1 else printable(name)


# --- one folder -------------------------------------------------------------------------------------------------------


def _read(path: Path, shown: str, several: bool, group: str) -> _Folder:
    import numpy as np

    files = {name: _ids(path / name) for name in (*_IDS, "utt2dur") if (path / name).is_file()}
    listing = next(name for name in _IDS if name in files)
    ids = np.frombuffer(files[listing].ids, dtype=np.uint64)
    known = np.unique(ids)
    notes = [f"{shown}: {len(ids)} utterances in {listing}"]
    problems = [
        Problem(f"{shown}/{name}", "unsupported", f"has more than {MOST_LINES} lines; those beyond are not counted")
        for name, lines in files.items()
        if lines.full
    ]
    unsorted = [name for name, lines in files.items() if lines.unsorted]
    if unsorted:
        notes.append(f"{shown}: {quoted(unsorted)} not sorted in byte order, as Kaldi demands")
    spoken = without_audio = None
    if "text" in files:
        texts = np.unique(np.frombuffer(files["text"].ids, dtype=np.uint64))
        spoken = max(0, int(np.isin(ids, texts).sum()) - files["text"].empty)
        if files["text"].empty:
            notes.append(f"{shown}: {files['text'].empty} texts are empty")
        if len(ids) > (both := int(np.isin(ids, texts).sum())):
            notes.append(f"{shown}: {len(ids) - both} utterances have no text")
        if strange := len(texts) - int(np.isin(texts, known).sum()):
            notes.append(f"{shown}: {strange} texts are of utterances that {listing} lacks")
    if "wav.scp" in files:
        without_audio = _without_audio(path, files, ids)
        if without_audio:
            notes.append(f"{shown}: {without_audio} utterances have no audio")
    speakers = frozenset(_seconds(path / "utt2spk")) if "utt2spk" in files else None
    return _Folder(
        shown,
        _split(path.name) if several else group or (_split(path.name) if set(words(path.name)) & set(SPLITS) else ""),
        ids,
        spoken,
        without_audio,
        speakers,
        _duration(path, files, known),
        notes,
        problems,
    )


def _lines(path: Path) -> Iterator[bytes]:
    """Lines without what ends them; of overlong ones the start."""
    with path.open("rb") as stream:
        while line := stream.readline(_LONGEST_LINE):
            cut = line
            while not line.endswith(b"\n") and (line := stream.readline(_LONGEST_LINE)):
                pass
            if cut.strip():
                yield cut.strip()


def _ids(path: Path) -> _Lines:
    found = _Lines()
    last = b""
    for line in _lines(path):
        if len(found.ids) >= MOST_LINES:
            found.full = True
            break
        name, _, rest = line.partition(b"\t" if b"\t" in line and b" " not in line.partition(b"\t")[0] else b" ")
        found.ids.append(hashed(name))
        found.empty += not rest.strip()
        found.unsorted = found.unsorted or name < last
        last = name
    return found


def _seconds(path: Path) -> Iterator[int]:
    """Hash of the second word of each line."""
    for line in _lines(path):
        parts = line.split(None, 2)
        if len(parts) > 1:
            yield hashed(parts[1])


def _without_audio(path: Path, files: dict[str, _Lines], ids: NDArray[np.uint64]) -> int:
    import numpy as np

    recordings = np.frombuffer(files["wav.scp"].ids, dtype=np.uint64)
    if "segments" not in files:
        return int((~np.isin(ids, recordings)).sum())
    own = np.fromiter(_seconds(path / "segments"), dtype=np.uint64)
    cut = np.frombuffer(files["segments"].ids, dtype=np.uint64)
    heard = cut[: len(own)][np.isin(own, recordings)] if len(own) == len(cut) else cut
    return int((~np.isin(ids, heard)).sum())


def _duration(path: Path, files: dict[str, _Lines], known: NDArray[np.uint64]) -> float | None:
    """Seconds of all utterances, where each has its own."""
    name = "utt2dur" if "utt2dur" in files else "segments" if "segments" in files else ""
    if not name or len(files[name].ids) < len(known):
        return None
    total = 0.0
    for line in _lines(path / name):
        parts = line.split()
        try:
            span = float(parts[1]) if name == "utt2dur" else float(parts[3]) - float(parts[2])
        except (ValueError, IndexError):
            return None
        if not math.isfinite(span) or span < 0:
            return None
        total += span
    return total


# --- all folders ------------------------------------------------------------------------------------------------------


def _without_copies(folders: Sequence[_Folder]) -> tuple[list[_Folder], list[str]]:
    """The folders of each split that share no utterance: recipes write the same data out again (`train_hires`, `train_sp`)."""
    import numpy as np

    kept: list[_Folder] = []
    notes: list[str] = []
    # The folder that is called like the split and no more comes first, then the largest.
    for each in sorted(folders, key=lambda one: (len(words(one.name.rpartition("/")[2])), -len(one.ids), one.name)):
        others = [one for one in kept if one.split == each.split]
        if any(len(np.intersect1d(one.ids, each.ids)) for one in others):
            notes.append(f"{each.name}: left aside, its utterances are in {quoted([one.name for one in others])} too")
        else:
            kept.append(each)
    return sorted(kept, key=lambda one: one.name), notes


def _manifest(file: FoundFile, folders: Sequence[_Folder]) -> Manifest:
    import numpy as np

    splits = ordered({each.split for each in folders})
    of_split = {split: [each for each in folders if each.split == split] for split in splits}
    records = {split: sum(len(each.ids) for each in parts) for split, parts in of_split.items()}
    duplicates, shared = compared({split: np.concatenate([each.ids for each in parts]) for split, parts in of_split.items()})
    grouped = all(each.speakers is not None for each in folders)
    speakers = {split: frozenset().union(*(each.speakers or () for each in parts)) for split, parts in of_split.items()}
    texts = [each for each in folders if each.spoken is not None]
    durations = [each.seconds for each in folders]
    return Manifest(
        source=file.name,
        rows=sum(records.values()),
        label_column="text" if texts else "",
        split_column=None if splits == [""] else "folder",
        key_column="utterance",
        counts={},
        missing_labels=sum(len(each.ids) - (each.spoken or 0) for each in texts),
        duplicate_keys=duplicates,
        shared_keys=shared,
        features={},
        records=records,
        format="Kaldi",
        labels="text" if texts else "",
        group_column="speaker" if grouped else None,
        shared_groups={
            f"{one}|{two}": both
            for index, one in enumerate(splits)
            for two in splits[index + 1 :]
            if grouped and (both := len(speakers[one] & speakers[two]))
        },
        seconds=math.fsum(each for each in durations if each is not None) if None not in durations else None,
    )
