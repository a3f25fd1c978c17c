"""TensorFlow Datasets: `dataset_info.json` with shard lengths, `features.json` and `label.labels.txt` beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from postmortem.model import FoundFile, LabelKind, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.documents.descriptions import Feature, described
from postmortem.read.manifests.documents.small import NoDocument, json_of

_DEEPEST = 6
_MOST_NAMES = 1_000_000
_FLOATS = ("float32", "float64", "float16", "bfloat16")


def read_tfds(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Declared records by split, and classes; None where the file is no description of a built data set."""
    del head, options
    if PurePosixPath(file.name).name.lower() != "dataset_info.json":
        return None
    try:
        document = json_of(file.path)
    except NoDocument as problem:
        return failed(file, "corrupt", f"{problem}; no record was read")
    splits = document.get("splits") if isinstance(document, Mapping) else None
    if not isinstance(splits, list) or not any(isinstance(each, Mapping) and "shardLengths" in each for each in splits):
        return None
    records = {str(each.get("name")): length for each in splits if isinstance(each, Mapping) and (length := _length(each)) is not None}
    folder = file.path.parent
    features: list[Feature] = []
    notes: list[str] = []
    try:
        found = json_of(folder / "features.json") if (folder / "features.json").is_file() else None
    except NoDocument as problem:
        found = None
        notes.append(f"features.json beside it {problem}")
    if isinstance(found, Mapping):
        features = list(_features(found, "", folder))
    else:
        features = [Feature(name, "single", names) for name in ("label", "labels") if (names := _names(folder, name))]
    return described(file, "TensorFlow dataset", features, records, notes)


def _length(split: Mapping[object, object]) -> int | None:
    """Records of all shards; the numbers are written as texts."""
    lengths = split.get("shardLengths")
    if not isinstance(lengths, list):
        return None
    try:
        total = sum(int(each) for each in lengths)
    except (TypeError, ValueError):
        return None
    return total if total >= 0 else None


def _features(value: Mapping[object, object], name: str, folder: Path, depth: int = 0) -> Iterator[Feature]:
    if depth > _DEEPEST:
        return
    nested = value.get("featuresDict")
    inner = nested.get("features") if isinstance(nested, Mapping) else None
    if isinstance(inner, Mapping):
        for key, each in inner.items():
            if isinstance(each, Mapping):
                yield from _features(each, f"{name}.{key}" if name else str(key), folder, depth + 1)
        return
    sequence = value.get("sequence")
    items = sequence.get("feature") if isinstance(sequence, Mapping) else None
    if isinstance(items, Mapping):
        for each in _features(items, name, folder, depth + 1):
            kind: LabelKind = "objects" if each.name != name else "multiple"
            yield Feature(each.name, kind if each.names else "", each.names)
        return
    declared = value.get("classLabel")
    if isinstance(declared, Mapping):
        names = _names(folder, name)
        if not names and str(declared.get("numClasses", "")).isdecimal():
            names = tuple(map(str, range(min(int(str(declared["numClasses"])), _MOST_NAMES))))
        yield Feature(name, "single", names)
        return
    tensor = value.get("tensor")
    is_number = isinstance(tensor, Mapping) and tensor.get("dtype") in _FLOATS and not tensor.get("shape")
    yield Feature(name, "text" if "text" in value or "translation" in value else "targets" if is_number else "")


def _names(folder: Path, feature: str) -> tuple[str, ...]:
    """Names of classes from the text file of a feature: `objects.label` has `objects-label.labels.txt`."""
    path = folder / f"{feature.replace('.', '-').replace('/', '-')}.labels.txt"
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return tuple(line.strip() for line, _ in zip(stream, range(_MOST_NAMES), strict=False) if line.strip())
    except OSError:
        return ()
