"""Reads what Weights & Biases leaves beside a run's history: the summary, and how the run was started.

`config.yaml` beside them is a settings file like others.
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise

import numpy as np

from postmortem.model import FoundFile, Plain, Problem, Series
from postmortem.read.plain import flatten, float_of, plain_value
from postmortem.read.tables.files import LogData
from postmortem.read.texts import read_text
from postmortem.read.trackers.single_values import values_told
from postmortem.read.words import counted

_OWN_KEYS = frozenset(("_step", "_runtime", "_timestamp"))


def read_wandb_summary(file: FoundFile) -> LogData:
    """The last value of each key: no curve, so that they are told in a note; those that are not finite become series of one point."""
    found, problem = _json_of(file)
    if problem is not None:
        return LogData(problems=(problem,))
    values = {
        key: float(value) if isinstance(value, str) else float_of(value)
        for key, value in flatten(_without_media(found)).items()
        if isinstance(value, int | float | str) and not isinstance(value, bool) and key not in _OWN_KEYS and _is_number(value)
    }
    step, wall = found.get("_step"), found.get("_timestamp")
    at = np.array([step if isinstance(step, int) and abs(step) < 2**62 else 0], dtype=np.int64)
    seconds = np.array([float_of(wall) if isinstance(wall, int | float) else math.nan], dtype=np.float64)
    series = tuple(
        Series(key, file.group, at, np.array([value]), seconds, file.name) for key, value in values.items() if not math.isfinite(value)
    )
    told = f"{file.name} holds {counted(len(values), 'last value')}, no curve: {values_told(list(values.items()))}"
    return LogData(series, notes=(told,) if values else ())


def _without_media(found: dict[str, object]) -> dict[object, object]:
    """The summary without images, tables and histograms, at any depth."""
    return {
        key: _without_media(value) if isinstance(value, dict) else value
        for key, value in found.items()
        if not (isinstance(value, dict) and "_type" in value) and not isinstance(value, list) and key != "_wandb"
    }


def _is_number(value: float | str) -> bool:
    return not isinstance(value, str) or value in ("NaN", "Infinity", "-Infinity")


def read_wandb_metadata(file: FoundFile) -> LogData:
    """How the run was started: its program, and the arguments of its command line as settings."""
    found, problem = _json_of(file)
    if problem is not None:
        return LogData(problems=(problem,))
    settings: dict[str, Plain] = {}
    given = found.get("args")
    words = [str(word) for word in given] if isinstance(given, list) else []
    for word, following in pairwise([*words, "--"]):
        match = re.fullmatch(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", word, re.DOTALL)
        if match:
            is_flag = match[2] is None and re.match(r"--?[A-Za-z]|--$", following)
            settings[f"args.{match[1]}"] = True if is_flag else plain_value(match[2] if match[2] is not None else following)
    for key in ("program", "gpu"):
        if isinstance(value := found.get(key), str):
            settings[f"wandb.{key}"] = value
    return LogData(hyperparameters=settings)


def _json_of(file: FoundFile) -> tuple[dict[str, object], Problem | None]:
    try:
        text, _ = read_text(file.path)
        found = json.loads(text) if text.strip() else {}
    except OSError as error:
        return {}, Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}")
    except (ValueError, RecursionError):
        return {}, Problem(file.name, "corrupt", "is no valid JSON; all of it is lost")
    if not isinstance(found, dict):
        return {}, Problem(file.name, "unsupported", f"holds a {type(found).__name__}, not names with values")
    return found, None
