"""Hyper-parameters and texts of event files: tbparse reads them, from small files that hold these records alone.

tbparse takes a second to import and hides damage, so it is asked only where such records are, and sees only sound ones.
"""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from postmortem.model import Plain
from postmortem.read.events.records import frame
from postmortem.read.plain import flatten
from postmortem.read.words import word_set

_SETTINGS_WORDS = word_set(
    "args arguments argument config configs configuration cfg conf hparams hparam hyperparameters hyperparameter hyperparams hyper "
    "parameters params settings options opt opts flags"
)
_ROW = re.compile(r"^\s*\|([^|]*)\|([^|]*)\|\s*$")


def settings_of(hparams: Sequence[tuple[int, bytes]], texts: Sequence[tuple[int, bytes]]) -> tuple[dict[str, Plain], list[int], int]:
    """Hyper-parameters in these records (offset and payload of each).

    Returns:
        The hyper-parameters; offsets of hyper-parameter records that could not be decoded; how many texts hold none.
    """
    found: dict[str, Plain] = {}
    bad: list[int] = []
    for offset, payload in hparams:
        # One file a record: of several in one file tbparse keeps one.
        read = _read([payload], "hparams")
        if read is None:
            bad.append(offset)
        else:
            found.update((tag, _plain(value)) for tag, value in read)
    others = 0
    for tag, text in _texts([payload for _, payload in texts]):
        settings = text_settings(tag, text)
        found.update(settings)
        others += not settings
    return found, bad, others


def text_settings(tag: str, text: str) -> dict[str, Plain]:
    """Settings that are written as a text whose tag says so: JSON, or a Markdown table of two columns; empty for any other text.

    Hugging Face's Trainer writes its arguments as JSON (`args`, `model_config`), CleanRL a table (`hyperparameters`).
    """
    name = tag.removesuffix("/text_summary")
    if not _SETTINGS_WORDS & set(re.split(r"[^a-z]+", name.lower())):
        return {}
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return _table_settings(text)
    if not isinstance(parsed, dict):
        return {}
    return flatten({"model_config": parsed} if name == "model_config" else parsed)


def _table_settings(text: str) -> dict[str, Plain]:
    rows = [_ROW.match(line) for line in text.splitlines() if line.strip()]
    cells = [(row[1].strip(), row[2].strip()) for row in rows if row is not None]
    if len(cells) != len(rows) or len(cells) < 3 or set(cells[1][0] + cells[1][1]) - set("-: "):
        return {}
    return {name: _cell(value) for name, value in cells[2:] if name}


def _cell(text: str) -> Plain:
    """A cell as Python prints it."""
    known: dict[str, Plain] = {"True": True, "False": False, "None": None}
    if text in known:
        return known[text]
    try:
        return int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text)
    except ValueError:
        return text


def _texts(payloads: Sequence[bytes]) -> Iterable[tuple[str, str]]:
    """Tag and text of each record, read together, and one by one where one of them cannot be read."""
    if not payloads:
        return
    together = _read(payloads, "text")
    for read in [together] if together is not None else [_read([payload], "text") for payload in payloads]:
        yield from ((tag, str(value)) for tag, value in read or [("", "")])


def _read(payloads: Iterable[bytes], kind: Literal["hparams", "text"]) -> list[tuple[str, object]] | None:
    """Tags and values that tbparse finds in these records; None where it breaks on one."""
    from google.protobuf.message import DecodeError
    from tbparse import SummaryReader
    from tensorboard.compat.proto.event_pb2 import Event

    with tempfile.TemporaryDirectory(prefix="postmortem-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, to tbparse
        path = Path(folder) / "events.out.tfevents.0"
        version = Event(file_version="brain.Event:2").SerializeToString()
        path.write_bytes(b"".join(map(frame, (version, *payloads))))
        try:
            reader = SummaryReader(str(path), event_types={kind})
            table = reader.hparams if kind == "hparams" else reader.text
        except (AssertionError, AttributeError, DecodeError, KeyError, TypeError, ValueError):  # as it raises on what it did not expect
            return None
    return list(zip(map(str, table["tag"]), table["value"], strict=True)) if len(table) else []


def _plain(value: object) -> Plain:
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
