"""Croissant (MLCommons, versions 0.8 to 1.1): label and classes as declared, counts from the tables that lie beside the description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from postmortem.model import FoundFile, Manifest, Problem, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.documents.small import NoDocument, inside, json_of
from postmortem.read.manifests.merge import merged
from postmortem.read.manifests.tables.files import read_table
from postmortem.read.manifests.tables.vocabulary import KEYS, LABELS, SPLIT_ALIASES, SPLITS, plain, split_name

_VOCABULARY = re.compile(rb'mlcommons\.org/croissant|"(cr|ml):[A-Z]|"recordSet"')
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".json", ".csv.gz", ".tsv.gz", ".jsonl.gz")
_MOST_FILES = 200
"""Files of one set that are read."""
_MOST_LISTED = 100_000
_REFERENCE = re.compile(r"#\{([^/}]+)(?:/([^}]+))?\}")


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a record set."""

    name: str
    column: str
    source: str
    """Identifier of the file or set of files that it comes from; empty where it comes from none."""
    is_label: bool
    refers_to: str
    """Identifier of the record set that enumerates its values; empty where none does."""


def read_croissant(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """What the tables say that a Croissant description names; None where the file is none."""
    if not file.name.lower().endswith(".json") or (b'"@context"' not in head and b'"recordSet"' not in head):
        return None
    if not _VOCABULARY.search(head) and b'"distribution"' not in head:
        return None
    try:
        document = json_of(file.path)
    except NoDocument as problem:
        return failed(file, "corrupt", f"{problem}; no table was looked for") if _VOCABULARY.search(head) else None
    if not isinstance(document, Mapping) or not ("recordSet" in document or "croissant" in str(document.get("conformsTo"))):
        return None
    files = {_id(each): each for each in _listed(document.get("distribution"))}
    sets = {_id(each): each for each in _listed(document.get("recordSet"))}
    fields = {name: [_field(each) for each in _listed(one.get("field"))] for name, one in sets.items()}
    chosen = _chosen(fields)
    if chosen is None:
        return ManifestData(None, (), (f"{file.name}: Croissant, whose record sets name no file that records come from",))
    label = _by_role(fields[chosen], LABELS, by_type=True)
    classes = _enumerated(sets, label.refers_to) if label is not None else ()
    source = label.source if label is not None and label.source else next(each.source for each in fields[chosen] if each.source)
    found, needed = _tables(file.path.parent, files, source)
    wanted = _options(options, label, _by_role(fields[chosen], SPLITS), _by_role(fields[chosen], KEYS))
    said = (
        f"{file.name}: Croissant: record set {chosen!r}, label {label.column!r}"
        if label
        else f"{file.name}: Croissant: no field is a label"
    )
    if not found:
        return _unfollowed(file, label, classes, needed, said)
    return _followed(file, found, wanted, classes, said)


def _followed(file: FoundFile, found: list[Path], wanted: ReadOptions, classes: tuple[str, ...], said: str) -> ManifestData:
    folder = file.path.parent
    before = PurePosixPath(file.name).parent
    parts: list[ManifestData] = []
    for path in found[:_MOST_FILES]:
        below = path.relative_to(folder.absolute()) if path.is_absolute() and not folder.is_absolute() else path.relative_to(folder)
        name = (before / PurePosixPath(*below.parts)).as_posix()
        group = split_name(path.name.split(".")[0]) or split_name(path.parent.name)
        parts.append(read_table(FoundFile(path, name, "manifest", path.stat().st_size, group), wanted))
    manifests = [part.manifest for part in parts if part.manifest is not None]
    problems = [problem for part in parts for problem in part.problems]
    notes = [said, *(note for part in parts for note in part.notes)]
    if len(found) > _MOST_FILES:
        problems.append(Problem(file.name, "unsupported", f"names {len(found)} files; the first {_MOST_FILES} were read"))
    alike = [each for each in manifests if each.label_column == manifests[0].label_column]
    if len(alike) < len(manifests):
        notes.append(f"{file.name}: {len(manifests) - len(alike)} of its tables have other labels than the first, and were left aside")
    if not alike:
        return ManifestData(None, tuple(problems), tuple(notes), speaks_for=tuple(found))
    joined = replace(
        merged(alike), source=file.name, format="Croissant", labels=alike[0].labels or ("targets" if alike[0].targets else "single")
    )
    if classes:
        joined = _with_classes(joined, classes)
    return ManifestData(joined, tuple(problems), tuple(notes), speaks_for=tuple(found))


def _with_classes(manifest: Manifest, classes: tuple[str, ...]) -> Manifest:
    """The manifest with declared classes: those without a record are there with 0."""
    labels = {label for counts in manifest.counts.values() for label in counts}
    if not labels or not labels <= set(classes):
        return manifest
    counts = {split: {**numbers, **{name: 0 for name in classes if name not in numbers}} for split, numbers in manifest.counts.items()}
    return replace(manifest, counts=counts, classes=classes)


def _unfollowed(file: FoundFile, label: _Field | None, classes: tuple[str, ...], needed: str, said: str) -> ManifestData:
    problem = Problem(file.name, "unreadable", f"its records lie in {needed}, which is not beside it; classes could not be counted")
    manifest = None
    if classes and label is not None:
        manifest = Manifest(
            source=file.name,
            rows=0,
            label_column=label.column,
            split_column=None,
            key_column=None,
            counts={},
            missing_labels=0,
            duplicate_keys=None,
            shared_keys={},
            features={},
            format="Croissant",
            labels="single",
            classes=classes,
            declared=True,
        )
    return ManifestData(manifest, (problem,), (said,))


def _listed(value: object) -> list[Mapping[str, object]]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values[:_MOST_LISTED] if isinstance(each, Mapping)]


def _id(value: Mapping[str, object]) -> str:
    return str(value.get("@id") or value.get("name") or "")


def _words(value: object) -> list[str]:
    return [
        str(each.get("@id", "")) if isinstance(each, Mapping) else str(each) for each in (value if isinstance(value, list) else [value])
    ]


def _reference(value: object) -> str:
    """The identifier that a reference holds, whichever version wrote it."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, Mapping):
        return str(value.get("@id") or "")
    if isinstance(value, str):
        match = _REFERENCE.fullmatch(value)
        return match[1] if match else value
    return ""


def _field(value: Mapping[str, object]) -> _Field:
    name = str(value.get("name") or _id(value)).rpartition("/")[2]
    source = value.get("source")
    column, where = name, ""
    if isinstance(source, str):  # `#{table.csv/column}`, before version 1.0
        match = _REFERENCE.fullmatch(source)
        where, column = (match[1], match[2] or name) if match else (source, name)
    elif isinstance(source, Mapping):
        where = next(
            (found for key in ("fileObject", "fileSet", "distribution", "recordSet", "@id") if (found := _reference(source.get(key)))), ""
        )
        extract = source.get("extract")
        if isinstance(extract, Mapping) and isinstance(extract.get("column"), str):
            column = str(extract["column"])
        elif not isinstance(extract, Mapping) or not extract.get("jsonPath"):
            where = where if extract is None else ""  # a property of the file itself, or its whole content
    refers = value.get("references")
    target = ""
    if isinstance(refers, Mapping):
        target = next((found for key in ("field", "recordSet", "@id") if (found := _reference(refers.get(key)))), "")
    elif isinstance(refers, str):
        target = _reference(refers)
    types = _words(value.get("dataType"))
    return _Field(name, column, where, any(each.rpartition(":")[2].rpartition("/")[2] == "Label" for each in types), target)


def _chosen(fields: Mapping[str, list[_Field]]) -> str | None:
    """The record set with a label, else the first that comes from a file."""
    from_files = [name for name, each in fields.items() if any(field.source for field in each)]
    labelled = [name for name in from_files if _by_role(fields[name], LABELS, by_type=True) is not None]
    return next(iter([*labelled, *from_files]), None)


def _by_role(fields: list[_Field], names: tuple[str, ...], by_type: bool = False) -> _Field | None:
    if by_type:
        typed = next((field for field in fields if field.is_label), None)
        if typed is not None:
            return typed
    by_name = {plain(field.name): field for field in reversed(fields)} | {plain(field.column): field for field in reversed(fields)}
    return next((by_name[name] for name in names if name in by_name and by_name[name].source), None)


def _enumerated(sets: Mapping[str, Mapping[str, object]], reference: str) -> tuple[str, ...]:
    """Names that a record set holds itself, where a label refers to it; none where it names splits."""
    target = sets.get(reference) or sets.get(reference.partition("/")[0])
    if target is None:
        return ()
    rows = _listed(target.get("data"))
    names: list[str] = []
    for row in rows:
        cells = {key.rpartition("/")[2]: value for key, value in row.items()}
        value = next((cells[key] for key in ("name", "label", "class", "value") if isinstance(cells.get(key), str)), None)
        value = value if value is not None else next((each for each in cells.values() if isinstance(each, str)), None)
        if not isinstance(value, str):
            return ()
        names.append(value)
    return () if all(name.lower() in SPLIT_ALIASES for name in names) else tuple(dict.fromkeys(names))


def _tables(folder: Path, files: Mapping[str, Mapping[str, object]], source: str) -> tuple[list[Path], str]:
    """The tables of a source that lie below the description's folder, and what is needed where none does."""
    entry = files.get(source)
    if entry is None:
        return [], repr(source)
    includes = entry.get("includes")
    if includes is None:
        url = str(entry.get("contentUrl") or entry.get("name") or source)
        return _one(folder, url, str(entry.get("name") or "")), repr(url[:200])
    patterns = [each for each in _words(includes) if each]
    found = [path for pattern in patterns for path in _matching(folder, pattern)]
    return sorted(set(found)), f"files {', '.join(map(repr, patterns))[:200]}"


def _one(folder: Path, url: str, name: str) -> list[Path]:
    """The file of an address: below the folder as it is written, or beside the description by its last part."""
    is_remote = "://" in url
    candidates = [url.partition("?")[0].rpartition("/")[2], name] if is_remote else [url, url.rpartition("/")[2], name]
    for each in candidates:
        path = inside(folder, each) if each and each.lower().endswith(_TABLES) else None
        if path is not None and path.is_file():
            return [path]
    return []


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Tables below the folder that a pattern fits; a leading `**` or folder that is not there is not searched for elsewhere."""
    parts = PurePosixPath(pattern).parts
    if not parts or ".." in parts or PurePosixPath(pattern).is_absolute():
        return
    try:
        for path, _ in zip(folder.glob(pattern), range(_MOST_LISTED), strict=False):
            if path.name.lower().endswith(_TABLES) and path.is_file():
                yield path
    except (OSError, ValueError, NotImplementedError):
        return


def _options(options: ReadOptions, label: _Field | None, split: _Field | None, key: _Field | None) -> ReadOptions:
    """What the user said, and where they said nothing, the columns of the fields."""
    return replace(
        options,
        label_column=options.label_column or (label.column if label is not None else None),
        split_column=options.split_column or (split.column if split is not None else None),
        key_column=options.key_column or (key.column if key is not None else None),
    )
