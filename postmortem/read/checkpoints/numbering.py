"""Bare numbers in names that turn out to be steps: where the optimizer counted the same until it was started anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postmortem.model import Checkpoint
from postmortem.read.checkpoints.steps import step_in_name

OPTIMIZERS = "the optimizer's step"
NUMBERS = "number in the file name, which is the optimizer's step in others"
_AGREE = 2


def renumbered(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Take steps from names where those of at least two files are the optimizer's count and those of the others are above it.

    A bare number may be an epoch, so that the optimizer's count comes first. Where an optimizer was started anew in the middle of a run its
    count tells of that only beside the number that the script went on with.
    """
    numbers = [_number(one) for one in checkpoints]
    judged = [(one.step, number) for one, number in zip(checkpoints, numbers, strict=True) if number]
    counts = [(step, number) for step, number in judged if step is not None]
    agree = sum(step == number for step, number in counts)
    if agree < _AGREE or agree == len(counts) or any(step > number for step, number in counts):
        return list(checkpoints)
    return [
        replace(one, step=number, step_basis=NUMBERS) if number is not None else one
        for one, number in zip(checkpoints, numbers, strict=True)
    ]


def _number(checkpoint: Checkpoint) -> int | None:
    """The bare number in the name of a checkpoint whose step came from its optimizer."""
    if checkpoint.step_basis != OPTIMIZERS:
        return None
    named = step_in_name(checkpoint.source)
    return None if named.told else named.step
