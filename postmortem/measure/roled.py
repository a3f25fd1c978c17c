"""What a series was taken for: the value that the rules by words, by neighbours and by numbers hand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from postmortem.model import Series

Role: TypeAlias = Literal[
    "training-loss",
    "validation-loss",
    "data-loss",
    "regularization",
    "part-of-loss",
    "learning-rate",
    "gradient-norm",
    "accuracy",
    "metric",
    "return",
    "entropy",
    "loss-scale",
    "epoch",
    "throughput",
    "other",
]
ROLES: tuple[str, ...] = get_args(Role)

LOSS_ROLES: tuple[Role, ...] = ("training-loss", "validation-loss", "data-loss", "part-of-loss", "regularization")
LEAST_POINTS = 8
"""Fewer common points prove nothing about two series."""
MOST_COMPARED = 60
"""Of more losses than this in a run none is compared with the others: they are the losses of tasks or layers."""

NAMED = "named by an option"
"""`Roled.why` of a series that the user chose with --loss-tag or --reg-tag: it wins over every other."""

UNKNOWN = "no word that is known"
"""`Roled.why` of a series of which the words say nothing: only then may its numbers give it a role that no word names."""


@dataclass(frozen=True, slots=True, eq=False)
class Roled:
    """One series and what it was taken for."""

    series: Series
    role: Role
    split: str
    """`train`, `validation`, `test`, or empty where nothing says."""
    why: str
    """One clause: which words of the tag, which neighbours, or which of its numbers decided."""


def side_of(split: str) -> str:
    """The side of the run that a split lies on: what has no split is of the training."""
    return split if split in ("validation", "test") else "train"
