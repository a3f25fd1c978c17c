"""Plain counts of classes (`class_counts.json`), and plain names of classes (`class_indices.json`, `classes.txt`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.documents.small import NoDocument, json_of, names_of, yaml_of
from postmortem.read.manifests.tables.columns import SPLIT_ALIASES, plain, split_name

_COUNT_STEMS = re.compile(
    r"(.+_)?(class|label|category)_(counts?|distribution|frequenc(y|ies)|histogram|stats|statistics)(_.+)?|(counts?|samples)_(by|per)_(class|label)"
)
_NAME_STEMS = re.compile(
    r"(.+_)?(class_(indices|index|names|to_idx|to_index|map|mapping)|classes|labels?|label_(names|map|mapping)|label2id|id2label|idx_to_class|"
    r"idx2label|categories)"
)
_TEXTS = frozenset(("classes.txt", "labels.txt", "class_names.txt", "label.labels.txt", "obj.names", "coco.names", "names.txt"))
_NAMES = ("class", "name", "label", "category", "class_name")
_COUNTS = ("count", "counts", "n", "num", "total", "images", "samples", "instances", "value", "frequency")
_WRAPPINGS = ("counts", "class_counts", "label_counts", "distribution", "class_distribution", "classes", "labels", "per_class")
_TOTALS = ("total", "sum", "all", "num_classes", "total_images", "total_samples")
_MOST_NAMES = 100_000
_LONGEST_NAME = 200
_PATH = re.compile(r"/|\.(jpe?g|png|bmp|tiff?|webp|wav|flac|txt|npy)(\s|$)", re.IGNORECASE)


def read_class_counts(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Counts that a file declares: by class, by split and class, or by index; None where its name does not say that it holds counts."""
    del head, options
    if not _COUNT_STEMS.fullmatch(_stem(file)):
        return None
    found = _value(file)
    if found is None or isinstance(found, ManifestData):
        return found
    by_split = _by_split(_unwrapped(found), split_name(PurePosixPath(file.name).stem))
    if by_split is None:
        return failed(file, "unsupported", "holds neither classes with numbers nor splits with classes and numbers")
    notes: list[str] = []
    counts: dict[str, dict[str, int]] = {}
    for split, numbers in by_split.items():
        numbers = _without_total(numbers, notes)
        wrong = next((f"{name!r}: {value!r}" for name, value in numbers.items() if not _is_count(value)), None)
        if wrong is not None:
            shares = all(isinstance(value, float) and 0 <= value <= 1 for value in numbers.values())
            what = "holds shares and no counts" if shares else "holds a number that counts nothing"
            return failed(file, "unsupported", f"{what} ({wrong[:100]}); classes cannot be counted")
        counts[split] = {name: int(value) for name, value in sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))}
    records = {split: sum(numbers.values()) for split, numbers in counts.items()}
    notes.insert(
        0, f"counts as they are declared: {sum(records.values())} records in {len(counts)} {'split' if len(counts) == 1 else 'splits'}"
    )
    names = tuple(dict.fromkeys(name for numbers in by_split.values() for name in _without_total(numbers, [])))
    return ManifestData(_declared(file, "class counts", names, counts, records), (), tuple(f"{file.name}: {note}" for note in notes))


def read_class_names(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Names of classes alone; None where the file is something else."""
    del head, options
    if PurePosixPath(file.name.lower()).name in _TEXTS:
        names = _names_in_text(file)
    elif _NAME_STEMS.fullmatch(_stem(file)):
        found = _value(file)
        names = None if isinstance(found, ManifestData) else _names(found)
    else:
        return None
    if names is None:
        return None
    note = f"{file.name}: names of {len(names)} classes and no counts"
    return ManifestData(_declared(file, "class names", names, {}, {}), (), (note,))


def _declared(
    file: FoundFile, form: str, names: tuple[str, ...], counts: Mapping[str, Mapping[str, int]], records: Mapping[str, int]
) -> Manifest:
    return Manifest(
        source=file.name,
        rows=sum(records.values()),
        label_column="",
        split_column=None,
        key_column=None,
        counts=counts,
        missing_labels=0,
        duplicate_keys=None,
        shared_keys={},
        features={},
        records=records,
        format=form,
        labels="single",
        classes=names,
        declared=True,
    )


def _stem(file: FoundFile) -> str:
    name = PurePosixPath(file.name)
    return plain(name.stem) if name.suffix.lower() in (".json", ".yaml", ".yml") else ""


def _value(file: FoundFile) -> object:
    """The document; None where a JSON file holds several (lines of a table), a problem where it is damaged."""
    try:
        return json_of(file.path) if file.name.lower().endswith(".json") else yaml_of(file.path)
    except NoDocument as problem:
        if "Extra data" in str(problem):
            return None
        return failed(file, "corrupt", f"{problem}; no count was read")


def _unwrapped(value: object) -> object:
    if isinstance(value, Mapping) and not all(isinstance(each, Mapping) for each in value.values()):
        inner = [value[key] for key in _WRAPPINGS if isinstance(value.get(key), Mapping | list)]
        return inner[0] if inner else value
    return value


def _by_split(value: object, named: str) -> dict[str, dict[str, int | float]] | None:
    """Split -> class -> number; None where the value has no such shape."""
    flat = _flat(value)
    if flat is not None:
        return {named: flat}
    if not isinstance(value, Mapping) or not value:
        return None
    parts = {str(key): _flat(each) for key, each in value.items()}
    whole = {key: part for key, part in parts.items() if part is not None}
    if len(whole) != len(parts):
        return None
    if all(name.lower() in SPLIT_ALIASES for part in whole.values() for name in part):
        turned: dict[str, dict[str, int | float]] = {}
        for name, part in whole.items():
            for split, number in part.items():
                turned.setdefault(SPLIT_ALIASES[split.lower()], {})[name] = number
        return turned
    return {SPLIT_ALIASES.get(key.lower(), key): part for key, part in whole.items()}


def _flat(value: object) -> dict[str, int | float] | None:
    """Class -> number of one mapping or list."""
    if isinstance(value, list) and value and all(map(_is_number, value)):
        return {str(index): number for index, number in enumerate(value)}
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        pairs = [(_first(each, _NAMES), _first(each, _COUNTS)) for each in value]
        if all(name is not None and _is_number(number) for name, number in pairs):
            return {str(name): number for name, number in pairs if isinstance(number, int | float)}
    if isinstance(value, Mapping) and value and all(map(_is_number, value.values())):
        return {str(key): number for key, number in value.items()}
    return None


def _first(record: Mapping[object, object], names: tuple[str, ...]) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: int | float) -> bool:
    return 0 <= value < 2**53 and float(value).is_integer()


def _without_total(numbers: Mapping[str, int | float], notes: list[str]) -> dict[str, int | float]:
    """The classes without an entry that is the sum of all others, or their number."""
    for key in numbers:
        rest = {name: number for name, number in numbers.items() if name != key}
        if plain(key) in _TOTALS and rest and numbers[key] in (sum(rest.values()), len(rest)):
            notes.append(f"{key!r} is taken for a total, not for a class")
            return _without_total(rest, notes)
    return dict(numbers)


def _names(value: object) -> tuple[str, ...] | None:
    """Names of a list, of index -> name, or of name -> index."""
    if isinstance(value, Mapping) and value and all(isinstance(each, int) for each in value.values()):
        indices = sorted(value.values())
        if indices in (list(range(len(indices))), list(range(1, len(indices) + 1))):
            return tuple(str(name) for name, _ in sorted(value.items(), key=lambda pair: pair[1]))
        return None
    names = names_of(value)
    return names if names is not None and all(len(name) <= _LONGEST_NAME for name in names) else None


def _names_in_text(file: FoundFile) -> tuple[str, ...] | None:
    """One name a line; None where lines name files, are long, or stand several times."""
    try:
        with file.path.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = [line.strip() for line, _ in zip(stream, range(_MOST_NAMES + 1), strict=False)]
    except OSError:
        return None
    names = tuple(filter(None, lines))
    unlike = any(len(name) > _LONGEST_NAME or _PATH.search(name) for name in names)
    return None if not names or unlike or len(lines) > _MOST_NAMES or len(set(names)) < len(names) else names
