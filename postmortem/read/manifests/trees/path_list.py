"""Lists of paths, one a line: `path`, `path label`, `path,label`, `label path`, `path|text`, and the lists of mxnet and of Pascal VOC.

A text is taken for a list only where the lines of its first part are one; sentences are not.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from postmortem.discover.datasets import DATA_KINDS, are_sides, kind_of, split_of
from postmortem.model import FoundFile, LabelKind, Manifest, Problem, ReadOptions, Targets
from postmortem.read.manifests.companions import look
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.tables.columns import split_name
from postmortem.read.manifests.trees.keys import are_counters, compared, hashed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_LINES = 50_000_000
MOST_CLASSES = 1_000_000
_ENDINGS = (".txt", ".lst", ".list")
_LONGEST_LINE = 1 << 14
_MOST_BAD_SHARE = 0.01
"""Lines that are none of a list; more of them, and the file is no list."""
_FEWEST_BEFORE_CUT = 2
_KEPT_NAMES = 20_000
_MANY_CLASSES = 10_000
_CLASS_FILES = ("classes.txt", "class_names.txt", "labels.txt", "names.txt", "synset.txt", "categories.txt")
_ENDING = "|".join(sorted(set(DATA_KINDS) - {"txt"}))
_FORMS: dict[str, re.Pattern[bytes]] = {
    form: re.compile(pattern.replace("ENDING", _ENDING).encode(), re.IGNORECASE)
    for form, pattern in {
        "index\\tlabel\\tpath": r"\d+\t(?P<label>-?[\d.]+(?:\t-?[\d.eE+-]+)*)\t(?P<path>[^\t]+\.(?:ENDING))",
        "path|text": r"(?P<path>[^|]+\.(?:ENDING))\|(?P<text>.*)",
        "path label": r"(?P<path>[^\s,;|]+\.(?:ENDING))[ \t]+(?P<label>[^;|]+)",
        "path with spaces, label": r"(?P<path>[^,;|\t]+\.(?:ENDING))[ \t]+(?P<label>[^\s,;|]+)",
        "path,label": r"(?P<path>[^,;|]+?\.(?:ENDING)) *[,;\t] *(?P<label>[^|]+)",
        "folder frames label": r"(?P<path>[^\s,;|]*/[^\s,;|]+)[ \t]+\d+[ \t]+(?P<label>\d+)",
        "label path": r"(?P<label>-?\d+)[ \t,;]+(?P<path>[^,;|]+\.(?:ENDING))",
        "path": r"(?P<path>[^,;|]+\.(?:ENDING))",
    }.items()
}
_VOC = re.compile(rb"(?P<path>[\w.-]+) +(?P<label>-?1|0)")
_VECTOR = re.compile(rb"[-+.\deE]+(?:[ \t,;]+[-+.\deE]+)+")
_IDS = re.compile(rb"(?P<path>[\w.-]+)")


@dataclass(slots=True)
class _Found:
    """What the lines said so far."""

    counts: dict[str, int] = field(default_factory=dict)
    parents: dict[str, int] = field(default_factory=dict)
    keys: array[int] = field(default_factory=lambda: array("Q"))
    names: list[str] = field(default_factory=list)
    """Some paths, evenly spread in the end."""
    step: int = 1
    lines: int = 0
    bad: int = 0
    first_bad: int = 0
    unlabelled: int = 0
    vectors: int = 0
    """Lines with several values behind the path."""
    paired: int = 0
    """Lines with a second path behind the first."""
    runs: int = 0
    last: str | None = None
    too_many: bool = False
    full: bool = False
    last_is_bad: bool = False


def read_path_list(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Counts of a list of paths; None where the file is no such list.

    A `.txt` that was found by its name and is no list gives nothing, and no problem: `train.txt` is a text to learn from as often.
    """
    if not file.name.lower().endswith(_ENDINGS):
        return None
    form = _form(head, PurePosixPath(file.path.as_posix()).parent.parts)
    if not form:
        given = any(file.path == path for path in options.manifests)
        return None if given else ManifestData(None, (), ())
    found = _Found()
    pattern = {"VOC": _VOC, "ids": _IDS}.get(form) or _FORMS[form]
    try:
        with file.path.open("rb") as stream:
            for line in _lines(stream.readline):
                if found.lines + found.bad >= MOST_LINES:
                    found.full = True
                    break
                _take(found, pattern.fullmatch(line))
    except OSError as error:
        return ManifestData(None, (Problem(file.name, "unreadable", f"cannot be read: {error.strerror}"),), ())
    cut = found.bad and found.last_is_bad and not _ends_in_line_end(file)
    if not found.lines or found.bad - bool(cut) > _MOST_BAD_SHARE * (found.lines + found.bad):
        return None
    return _put_together(file, form, found)


def _form(head: bytes, folders: Sequence[str]) -> str:
    """Which form the lines of the file's first part have; empty where none."""
    if b"\0" in head or b'"' in head:
        return ""
    lines = [line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines()]
    if len(head) >= 1 << 16 or (len(lines) > _FEWEST_BEFORE_CUT and not head.endswith(b"\n")):
        lines.pop()  # it may be cut
    lines = [line for line in lines if line]
    if not lines:
        return ""
    for form, pattern in _FORMS.items():
        misses = [line for line in lines if not pattern.fullmatch(line)]
        # Lists are made by listing folders, and `.DS_Store` gets into them; a sentence has blanks.
        if len(misses) <= _MOST_BAD_SHARE * len(lines) and not any(b" " in line for line in misses):
            return form
    if "ImageSets" in folders:
        return "VOC" if all(map(_VOC.fullmatch, lines)) else "ids" if all(map(_IDS.fullmatch, lines)) else ""
    return ""


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines that hold something, of overlong ones the start."""
    first = True
    while line := read(_LONGEST_LINE):
        cut = line.removeprefix(b"\xef\xbb\xbf") if first else line
        first = False
        while not line.endswith(b"\n") and (line := read(_LONGEST_LINE)):
            pass
        if cut.strip():
            yield cut.strip()


def _ends_in_line_end(file: FoundFile) -> bool:
    with file.path.open("rb") as stream:
        stream.seek(-1, 2)
        return stream.read(1) in (b"\n", b"\r")


def _take(found: _Found, match: re.Match[bytes] | None) -> None:
    found.last_is_bad = match is None
    if match is None:
        found.bad += 1
        found.first_bad = found.first_bad or found.lines + found.bad
        return
    parts = match.groupdict()
    path = parts["path"].replace(b"\\", b"/").removeprefix(b"./")
    found.keys.append(hashed(path))
    if found.lines % found.step == 0:
        found.names.append(path.decode("utf-8", "surrogateescape"))
        if len(found.names) >= _KEPT_NAMES:
            found.names, found.step = found.names[::2], found.step * 2
    found.lines += 1
    if "text" in parts:
        found.unlabelled += not parts["text"].strip()
        return
    label = parts.get("label")
    if label is None:
        _add(found, found.parents, path.rpartition(b"/")[0].rpartition(b"/")[2])
    elif _VECTOR.fullmatch(label):
        found.vectors += 1
    elif label.rpartition(b".")[2].lower().decode("ascii", "replace") in DATA_KINDS:
        found.paired += 1
    else:
        _add(found, found.counts, label)


def _add(found: _Found, counts: dict[str, int], label: bytes) -> None:
    text = label.decode("utf-8", "backslashreplace")
    if text in counts:
        counts[text] += 1
    elif len(counts) < MOST_CLASSES:
        counts[text] = 1
    else:
        found.too_many = True
    found.runs += text != found.last
    found.last = text


# --- the whole list ---------------------------------------------------------------------------------------------------


def _put_together(file: FoundFile, form: str, found: _Found) -> ManifestData:
    notes = [f"taken for a list of {found.lines} paths ({form})"]
    problems = []
    if found.bad:
        detail = f"{found.bad} of {found.lines + found.bad} lines are none of the list, the first is line {found.first_bad}; left out"
        problems.append(Problem(file.name, "corrupt", detail))
    if found.full:
        problems.append(Problem(file.name, "unsupported", f"has more than {MOST_LINES} lines; those beyond are not counted"))
    column, counts, kind, said = _labels(found, form)
    notes.extend(said)
    targets = _targets(counts)
    classes: tuple[str, ...] = ()
    if targets is not None:
        counts, kind = {}, "targets"
        notes.append("labels are numbers, not classes")
    elif counts:
        counts, classes = _named(file, counts, notes)
    split = _split(file)
    keys = _keys(file, found)
    if keys is None:
        notes.append("paths are relative to the folder of one split: they cannot be compared with those of others")
    manifest = Manifest(
        source=file.name,
        rows=found.lines,
        label_column=column,
        split_column=None,
        key_column="path" if keys is not None else None,
        counts={split: dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))} if counts else {},
        missing_labels=found.unlabelled,
        duplicate_keys=compared({split: keys})[0] if keys is not None else None,
        shared_keys={},
        features={},
        order_runs=found.runs if counts else None,
        records={split: found.lines},
        targets=targets,
        format="path list",
        labels=kind,
        classes=classes,
        rejected=found.bad,
        files=look(found.names, file.path.parent) if form not in ("VOC", "ids") else None,
    )
    said_by = tuple(f"{file.name}: {note}" for note in notes)
    return ManifestData(manifest, tuple(problems), said_by, keys={split: keys} if keys is not None else None)


def _labels(found: _Found, form: str) -> tuple[str, dict[str, int], LabelKind, list[str]]:
    """Where labels come from, their counts and kind, and what should be said of them."""
    if form == "path|text":
        return "text", {}, "text", []
    if found.too_many:
        return "", {}, "", [f"more than {MOST_CLASSES} different labels: a key or a text, not classes"]
    if found.vectors or found.paired:
        what = "several values" if found.vectors else "a second path"
        return "", {}, "", [f"{found.vectors or found.paired} lines hold {what} behind the path, which are no classes"]
    if found.counts:
        recurring = (
            len(found.counts) <= found.lines / 2 if len(found.counts) > _MANY_CLASSES else found.lines < 100 or _recurs(found.counts)
        )
        if not recurring and sum(" " in label for label in found.counts) > len(found.counts) / 2:
            return "label", {}, "text", []
        if not recurring and not _are_numbers(found.counts):
            return "", {}, "", [f"{len(found.counts)} different labels in {found.lines} lines: a key or a text, not classes"]
        return "label", found.counts, "single", []
    parents = found.parents
    # The folder of a recording is its speaker as often.
    heard = sum(kind_of(name) == "audio" for name in found.names) * 2 > len(found.names)
    if heard or len(parents) < 2 or not _recurs(parents) or are_sides(parents) or any(map(split_of, parents)):
        return "", {}, "", []
    return "folder", parents, "single", [f"each path's folder is its class ({len(parents)} different)"]


def _recurs(counts: dict[str, int]) -> bool:
    return len(counts) < 0.9 * sum(counts.values())


def _are_numbers(counts: dict[str, int]) -> bool:
    return all(re.fullmatch(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", label) for label in counts)


def _targets(counts: dict[str, int]) -> Targets | None:
    """Labels that are numbers but not classes, by the rule for tables: many fractions, or very many integers."""
    import numpy as np

    if not counts or not _are_numbers(counts):
        return None
    values = np.array([float(label) for label in counts])
    times = np.array(list(counts.values()), dtype=np.float64)
    labelled, different = times.sum(), len(np.unique(values))
    fractions = bool((values != np.trunc(values)).any()) and different > min(20, labelled / 2)
    integers = different > 256 and different > labelled / 20
    if not np.isfinite(values).all() or not (fractions or integers):
        return None
    mean = float((values * times).sum() / labelled)
    deviation = float(np.sqrt((times * (values - mean) ** 2).sum() / labelled))
    return Targets(int(labelled), mean, deviation, float(values.min()), float(values.max()), different)


def _named(file: FoundFile, counts: dict[str, int], notes: list[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Counts by the names of classes, where a file of these lies beside the list and labels are their numbers."""
    numbers = [int(label) for label in counts if label.isdecimal() and len(label) < 9]
    if len(numbers) < len(counts):
        return counts, ()
    for name in _CLASS_FILES:
        path = file.path.parent / name
        try:
            if path == file.path or not path.is_file() or path.stat().st_size > 1 << 20:
                continue
            lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
        except OSError:
            continue
        names = [re.sub(r"^\d+[\s,:]+", "", line)[:256] for line in lines]
        if len(set(names)) == len(names) and max(numbers) < len(names):
            notes.append(f"labels are numbers of the {len(names)} classes in {name}")
            return {each: counts.get(str(index), 0) for index, each in enumerate(names)}, tuple(names)
    return counts, ()


def _split(file: FoundFile) -> str:
    path = PurePosixPath(file.name)
    return file.group or split_name(path.name.split(".")[0]) or split_name(path.parent.name)


def _keys(file: FoundFile, found: _Found) -> NDArray[np.uint64] | None:
    """Hashes of paths; None where they say nothing beside those of another list."""
    import numpy as np

    own = split_of(file.path.parent.name)
    stems = [PurePosixPath(name).stem for name in found.names[:2000]]
    if own and not any(name.startswith("/") for name in found.names[:20]) and are_counters(stems):
        return None
    return np.frombuffer(found.keys, dtype=np.uint64)
