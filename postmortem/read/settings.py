"""Reads settings files (hparams.yaml, args.yaml, config.json, ...) as flat hyper-parameters. Runs nothing that a file names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Plain, Problem
from postmortem.read.plain import flatten
from postmortem.read.texts import read_text

if TYPE_CHECKING:
    import yaml

_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_LARGEST = 16 << 20


def read_settings(file: FoundFile) -> tuple[dict[str, Plain], tuple[Problem, ...]]:
    """The settings with dotted keys, and what could not be read. Tags of foreign classes in YAML become the plain value below them."""
    if file.bytes > _LARGEST:
        return {}, (Problem(file.name, "unsupported", f"has {file.bytes} bytes, too many for a settings file"),)
    try:
        text, _ = read_text(file.path)
        if not text.strip():
            return {}, (Problem(file.name, "truncated", f"holds nothing ({file.bytes} bytes)"),)
        found = json.loads(text) if file.name.lower().endswith(".json") else _from_yaml(text)
    except OSError as error:
        return {}, (Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),)
    except (ValueError, RecursionError) as error:
        return {}, (Problem(file.name, "corrupt", f"is no valid settings file: {_first_line(error)}; all of it is lost"),)
    if not isinstance(found, dict):
        return {}, (Problem(file.name, "unsupported", f"holds a {type(found).__name__}, not names with values"),)
    return {key: _number(value) for key, value in flatten(_without_wrapping(found)).items()}, ()


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
            return loader.construct_sequence(node, deep=True)
        return str(node.value) or suffix

    Loader.add_multi_constructor("", plain)
    try:
        # A subclass of SafeLoader that makes plain values only.
        return yaml.load(text, Loader)
    except (yaml.YAMLError, TypeError, AttributeError) as error:  # unhashable keys, and dates that are none
        raise ValueError(_first_line(error)) from error


def _without_wrapping(found: Mapping[object, object]) -> dict[object, object]:
    """Settings of Weights & Biases stand as `lr: {desc: null, value: 0.1}`; here as `lr: 0.1`."""
    return {
        key: value["value"] if isinstance(value, dict) and "value" in value and set(value) <= {"desc", "value"} else value
        for key, value in found.items()
    }


def _number(value: Plain) -> Plain:
    """YAML 1.1 takes `1e-3` for a text; every trainer means the number."""
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
