"""Small documents as plain values, and the places that they name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from postmortem.model import FoundFile, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed

LARGEST_BYTES = 32 << 20
"""Descriptions are small; a larger file is none."""


class NoDocument(Exception):  # noqa: N818  reads as the sentence that it is
    """The file is no JSON or YAML that can be read."""


def json_of(path: Path) -> object:
    """The value of a JSON file.

    Raises:
        NoDocument: it is too large, damaged, or nested too deeply.
    """
    try:
        return json.loads(_text(path), strict=False)
    except (ValueError, RecursionError) as error:
        raise NoDocument(f"is no JSON: {str(error)[:120]}") from error


def yaml_of(path: Path) -> object:
    """The value of a YAML file, by the loader that makes plain values only.

    Raises:
        NoDocument: it is too large, damaged, or asks for objects.
    """
    return yaml_in(_text(path))


def yaml_in(text: str) -> object:
    """The same for a text."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NoDocument(f"is no YAML: {str(error).splitlines()[0][:120] if str(error) else type(error).__name__}") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise NoDocument(f"cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_BYTES:
        raise NoDocument(f"is larger than {LARGEST_BYTES >> 20} MiB")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace")


def read_other(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Nothing, for a YAML file that no other reader knows; a problem where the user names it. None for everything else."""
    if not file.name.lower().endswith((".yaml", ".yml")):
        return None
    detail = "is no description of a data set that is known here: it holds neither objects, classes nor counts"
    return failed(file, "unsupported", detail) if file.path in options.manifests else ManifestData(None, (), ())


def names_of(value: object) -> tuple[str, ...] | None:
    """Names of classes in the order of their indices: a list, or a mapping from index to name; None where it is neither."""
    if isinstance(value, list) and value and all(isinstance(each, str | int | float) for each in value):
        return tuple(str(each).strip() for each in value)
    if isinstance(value, Mapping) and value:
        try:
            pairs = sorted((int(key), str(name).strip()) for key, name in value.items() if isinstance(name, str | int | float))
        except (TypeError, ValueError):
            return None
        if len(pairs) != len(value) or pairs[0][0] < 0 or pairs[-1][0] > 10 * len(pairs) + 1000:
            return None
        # An index that is left out is a class without a name.
        by_index = dict(pairs)
        return tuple(by_index.get(at, str(at)) for at in range(pairs[-1][0] + 1))
    return None


def inside(root: Path, *parts: str) -> Path | None:
    """The path of parts below a folder; None where it would lead out of it."""
    base = os.path.normpath(root.absolute())
    path = os.path.normpath(os.path.join(base, *parts))  # noqa: PTH118  an absolute part replaces what stands before it, and is refused
    return Path(path) if path == base or path.startswith(base.rstrip(os.sep) + os.sep) else None
