"""Closed sets of words that the nouns are made of."""

from __future__ import annotations

from typing import Literal, TypeAlias

SCHEMA_VERSION = "1"

Status: TypeAlias = Literal["fail", "warn", "pass", "not-checked", "not-applicable"]
Detail: TypeAlias = Literal["full", "brief", "row"]
"""How much of a run a report holds: all; no figures, and of the checks those with an alarm or named by a cause; the verdict only."""
Verdict: TypeAlias = Literal["failed", "suspect", "healthy", "inconclusive", "unreadable"]
ProblemKind: TypeAlias = Literal["truncated", "corrupt", "unsafe-pickle", "unsupported", "unreadable"]
FileRole: TypeAlias = Literal["events", "checkpoint", "checkpoint-index", "manifest", "log", "console", "config", "other"]
Plain: TypeAlias = str | int | float | bool | None
Algorithm: TypeAlias = Literal[
    "adam", "adamw", "nadam", "radam", "adamax", "prodigy", "dadapt-adam", "ademamix", "lamb", "adafactor", "lion", "sophia", "muon",
    "sgd", "rmsprop", "adagrad", "adadelta", "rprop", "asgd", "unknown",
]  # fmt: skip

IncidentKind: TypeAlias = Literal[
    "traceback", "device-out-of-memory", "host-out-of-memory", "shared-memory-full", "disk-full", "labels-out-of-range", "device-fault",
    "collective-timeout", "crash", "shape-mismatch", "missing-file", "time-limit", "preempted", "node-failure", "cancelled",
    "stopped-by-hand", "terminated", "killed", "child-failed", "exit-code", "nan", "overflow", "finished", "early-stopped",
]  # fmt: skip
"""What a line of a text log tells. The last two are good ends; `nan` and `overflow` end nothing by themselves."""

ALARMS: tuple[Status, ...] = ("fail", "warn")
WORST_FIRST: tuple[Verdict, ...] = ("failed", "suspect", "unreadable", "inconclusive", "healthy")
"""The order in which a reader of many runs wants them."""
