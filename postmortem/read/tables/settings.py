"""Reads settings files (hparams.yaml, args.yaml, config.json, ...) as flat hyper-parameters. Runs nothing that a file names."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Plain, Problem
from postmortem.read.plain import flatten_told
from postmortem.read.tables.settings_texts import overrides, settings_in_text
from postmortem.read.texts import read_text

if TYPE_CHECKING:
    import yaml

_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_LARGEST = 16 << 20
_LARGEST_SLOW = 512 << 10
"""Bytes of YAML, TOML and plain text: YAML is parsed at a thousandth of JSON's speed, 100 kB a second."""


def read_settings(file: FoundFile) -> tuple[dict[str, Plain], tuple[Problem, ...]]:
    """The settings with dotted keys, and what could not be read. Tags of foreign classes in YAML become the plain value below them."""
    if file.bytes > (_LARGEST if file.name.lower().endswith(".json") else _LARGEST_SLOW):
        return {}, (Problem(file.name, "unsupported", f"has {file.bytes} bytes, too many for a settings file"),)
    try:
        text, _ = read_text(file.path)
        if not text.strip():
            return {}, (Problem(file.name, "truncated", f"holds nothing ({file.bytes} bytes)"),)
        found = _parsed(text, file.name.lower())
    except OSError as error:
        return {}, (Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),)
    except (ValueError, RecursionError) as error:
        return {}, (Problem(file.name, "corrupt", f"is no valid settings file: {_first_line(error)}; all of it is lost"),)
    if isinstance(found, list):
        found = overrides(found) or found
    if found is None:
        return {}, ()  # a text that is not made of settings, or a document of comments alone
    if not isinstance(found, Mapping):
        return {}, (Problem(file.name, "unsupported", f"holds a {type(found).__name__}, not names with values"),)
    settings, whole = flatten_told(_without_wrapping(found))
    kept = {key: _number(value) for key, value in settings.items()}
    return kept, () if whole else (Problem(file.name, "unsupported", f"holds more items than are read; the first {len(kept)} values are"),)


def _parsed(text: str, name: str) -> object:
    """The content by the file's ending; None for a text without settings.

    Raises:
        ValueError: where it is damaged.
    """
    if name.endswith(".json"):
        return json.loads(text)
    if name.endswith(".toml"):
        return _from_toml(text)
    if name.endswith(".txt"):
        return json.loads(text) if text.lstrip().startswith("{") else settings_in_text(text)
    return _from_yaml(text)


def _from_toml(text: str) -> object:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _from_yaml(text: str) -> object:
    """The parsed document.

    Raises:
        ValueError: where it is no YAML.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader, to which no tag is an error: Lightning writes `!!python/object` for what it cannot dump."""

    def plain(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> object:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            items = loader.construct_sequence(node, deep=True)
            return _ordered(items) if "OrderedDict" in node.tag else items
        return str(node.value) or suffix

    Loader.add_multi_constructor("", plain)
    try:
        # A subclass of SafeLoader that makes plain values only.
        return yaml.load(text, Loader)
    except (yaml.YAMLError, TypeError, AttributeError) as error:  # unhashable keys, and dates that are none
        raise ValueError(_first_line(error)) from error


def _ordered(items: list[object]) -> object:
    """`!!python/object/apply:collections.OrderedDict - - - name` and its value, as Stable-Baselines3's zoo keeps its settings."""
    pairs: list[object] = items[0] if len(items) == 1 and isinstance(items[0], list) else items
    named = {pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)}
    return named if len(named) == len(pairs) else items


def _without_wrapping(found: Mapping[object, object]) -> dict[object, object]:
    """Settings of Weights & Biases stand as `lr: {desc: null, value: 0.1}`; here as `lr: 0.1`, and without what it keeps for itself."""
    own = ("_wandb", "wandb_version") if "_wandb" in found or "wandb_version" in found else ()
    return {
        key: value["value"] if isinstance(value, dict) and "value" in value and set(value) <= {"desc", "value"} else value
        for key, value in found.items()
        if key not in own
    }


def _number(value: Plain) -> Plain:
    """YAML 1.1 takes `1e-3` for a text; every trainer means the number."""
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
