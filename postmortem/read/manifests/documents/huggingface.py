"""Hugging Face's descriptions: `dataset_infos.json`, `dataset_info.json`, `dataset_dict.json`, and the front matter of a README."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import PurePosixPath

from postmortem.model import FoundFile, LabelKind, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.documents.descriptions import Feature, described
from postmortem.read.manifests.documents.small import NoDocument, inside, json_of, names_of, yaml_in

_FRONT_MATTER = re.compile(r"\A\s*---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
_MOST_README_BYTES = 4 << 20
_DEEPEST = 6
_MOST_FEATURES = 10_000
_LISTS = ("Sequence", "List", "LargeList")


def read_huggingface(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Declared records and classes; None where the file is no description as the `datasets` library writes it."""
    del options
    name = PurePosixPath(file.name).name.lower()
    if name == "readme.md":
        return _readme(file)
    if name not in ("dataset_info.json", "dataset_infos.json", "dataset_dict.json") or b'"shardLengths"' in head:
        return None
    try:
        document = json_of(file.path)
    except NoDocument as problem:
        return failed(file, "corrupt", f"{problem}; no class was read")
    if not isinstance(document, Mapping):
        return None
    if name == "dataset_dict.json":
        return _saved(file, document)
    configs = _configs(document)
    return None if configs is None else _of_configs(file, configs)


def _readme(file: FoundFile) -> ManifestData | None:
    try:
        with file.path.open("rb") as stream:
            text = stream.read(_MOST_README_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
        front = _FRONT_MATTER.match(text)
        document = yaml_in(front[1]) if front else None
    except (OSError, NoDocument):
        return None
    found = document.get("dataset_info") if isinstance(document, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    configs = {str(each.get("config_name", "default")): each for each in listed if isinstance(each, Mapping)}
    return _of_configs(file, configs) if configs else None


def _configs(document: Mapping[object, object]) -> dict[str, Mapping[object, object]] | None:
    """Name of a configuration -> its description."""
    if isinstance(document.get("features"), Mapping | list) or isinstance(document.get("splits"), Mapping):
        return {str(document.get("config_name") or "default"): document}
    found = {str(key): each for key, each in document.items() if isinstance(each, Mapping) and ("features" in each or "splits" in each)}
    return found or None


def _saved(file: FoundFile, document: Mapping[object, object]) -> ManifestData | None:
    """A saved dictionary of data sets: the descriptions lie in the folders of its splits."""
    names = document.get("splits")
    if not isinstance(names, list):
        return None
    for name in names:
        path = inside(file.path.parent, str(name), "dataset_info.json")
        if path is None or not path.is_file():
            continue
        try:
            found = json_of(path)
        except NoDocument as problem:
            return failed(file, "corrupt", f"{name}/dataset_info.json {problem}; no class was read")
        if isinstance(found, Mapping) and found.get("features"):
            read = _of_configs(file, {"default": found}, ("records lie in Arrow files, which are not read",))
            others = [inside(file.path.parent, str(each), "dataset_info.json") for each in names]
            return ManifestData(read.manifest, read.problems, read.notes, speaks_for=tuple(each for each in others if each is not None))
    return failed(file, "unreadable", f"names the splits {', '.join(map(str, names))[:120]}, and none of their descriptions is beside it")


def _of_configs(file: FoundFile, configs: Mapping[str, Mapping[object, object]], notes: tuple[str, ...] = ()) -> ManifestData:
    """The first configuration with classes, else the first; the others are told by name."""
    read = {name: list(islice(_features(config.get("features")), _MOST_FEATURES)) for name, config in configs.items()}
    chosen = next((name for name, features in read.items() if any(each.names for each in features)), next(iter(read)))
    if len(configs) > 1:
        others = [name for name in configs if name != chosen]
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        notes = (f"configuration {chosen!r} was taken; others are {', '.join(map(repr, others[:3]))}{more}", *notes)
    return described(file, "Hugging Face dataset", read[chosen], _splits(configs[chosen].get("splits")), notes)


def _splits(value: object) -> dict[str, int]:
    """Split -> declared records."""
    if isinstance(value, Mapping):
        items = [each if isinstance(each, Mapping) and "name" in each else {"name": key, **(each if isinstance(each, Mapping) else {})}
                 for key, each in value.items()]  # fmt: skip
    else:
        items = [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
    found: dict[str, int] = {}
    for item in items:
        count = item.get("num_examples")
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            found[str(item.get("name", ""))] = count
    return found


def _features(value: object, before: str = "", depth: int = 0) -> Iterator[Feature]:
    """Features of both spellings: a mapping with `_type` (JSON), and a list with `dtype` (YAML)."""
    if depth > _DEEPEST:
        yield Feature(before, "")  # so that what aliases of YAML stand for a million times is counted, and cut
        return
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _feature(f"{before}{name}", each, depth)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, Mapping) and "name" in each:
                yield from _feature(f"{before}{each['name']}", {key: part for key, part in each.items() if key != "name"}, depth)


def _feature(name: str, value: object, depth: int) -> Iterator[Feature]:
    inner = _items(value)
    if inner is not None:
        if (isinstance(inner, Mapping) and not _is_leaf(inner)) or isinstance(inner, list):
            for each in _features(inner, f"{name}.", depth + 1):
                yield Feature(each.name, "objects", each.names) if each.names else Feature(each.name, "")
        else:
            for each in _feature(name, inner, depth + 1):
                yield Feature(name, "multiple", each.names) if each.names else Feature(name, "")
        return
    if isinstance(value, Mapping) and "struct" in value:
        yield from _features(value["struct"], f"{name}.", depth + 1)
        return
    if isinstance(value, Mapping) and not _is_leaf(value):
        yield from _features(value, f"{name}.", depth + 1)
        return
    names = _class_names(value)
    yield Feature(name, "single", names) if names else Feature(name, _kind_of(value))


def _items(value: object) -> object:
    """What a list feature holds; None where the value is no list feature."""
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    if isinstance(value, Mapping):
        if value.get("_type") in _LISTS:
            return value.get("feature")
        return value.get("sequence", value.get("list"))
    return None


def _is_leaf(value: Mapping[object, object]) -> bool:
    return "_type" in value or "dtype" in value or "class_label" in value


def _class_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        return ()
    declared: object = value if value.get("_type") == "ClassLabel" else value.get("class_label")
    dtype = value.get("dtype")
    if declared is None and isinstance(dtype, Mapping):
        declared = dtype.get("class_label")
    if not isinstance(declared, Mapping):
        return ()
    count = declared.get("num_classes")
    names = names_of(declared.get("names"))
    return names if names is not None else tuple(map(str, range(count))) if isinstance(count, int) and 0 < count <= 1_000_000 else ()


def _kind_of(value: object) -> LabelKind:
    if isinstance(value, str):
        value = {"dtype": value}
    if not isinstance(value, Mapping):
        return ""
    dtype = value.get("dtype")
    if value.get("_type") in ("Translation", "TranslationVariableLanguages") or (isinstance(dtype, Mapping) and "translation" in dtype):
        return "text"
    if isinstance(dtype, str) and dtype.startswith("float"):
        return "targets"
    return "text" if dtype in ("string", "large_string") else ""
