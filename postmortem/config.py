"""The configuration file: the options of `analyze` and `diagnose` under the names that they have on the command line, in TOML.

num-classes = 10
ignore = ["little-data"]
fail-on = "suspect"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FAIL_ON = ("failed", "suspect", "never")


class ConfigError(Exception):
    """The configuration file cannot be used; the message says where and why."""


def fill_up(arguments: argparse.Namespace, file: Path) -> None:
    """Set every option that the command line left open from the file. Paths in it are relative to the file's folder.

    Raises:
        ConfigError: where the file cannot be read, or holds something that is no option.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    for key, value in settings.items():
        name = key.replace("-", "_")
        parsed = _parsed(key, value, file)
        if getattr(arguments, name, None) is None:
            setattr(arguments, name, parsed)


def _parsed(key: str, value: object, file: Path) -> object:
    words = [value] if isinstance(value, str) else value
    listed = isinstance(words, list) and all(isinstance(word, str) for word in words)
    if key in ("select", "ignore") and isinstance(words, list) and listed:
        return tuple(words)
    if key == "manifest" and isinstance(words, list) and listed:
        return [file.parent / word for word in words]
    if key == "num-classes" and isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if key in ("loss-tag", "reg-tag", "label-column", "split-column", "key-column") and isinstance(value, str):
        return value
    if key == "fail-on" and value in FAIL_ON:
        return value
    known = "select, ignore, manifest, label-column, split-column, key-column, num-classes, loss-tag, reg-tag and fail-on"
    raise ConfigError(f"{file}: {key} = {value!r} is no option, or not of its kind; known are {known}")
