"""Roles of tags and families of runs over whole runs, as trainers, tutorials and single scripts write them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.family import measure_family
from postmortem.measure.roles import ROLES, assign
from postmortem.model import ReadOptions, RunData, Series

HERE = Path(__file__).resolve().parent
POINTS = 60


class TaggedRun(NamedTuple):
    """A run's tags and what they should be taken for."""

    name: str
    family: str
    """`*` where any will do."""
    roles: dict[tuple[str, str], tuple[str, ...]]
    """(tag, group) -> the roles that are right."""


def table(name: str) -> tuple[TaggedRun, ...]:
    """The runs of one file of cases; its first lines say how it is written."""
    runs: list[TaggedRun] = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            trainer, _, family = line[3:].partition(" | ")
            runs.append(TaggedRun(trainer, family, {}))
        elif line and not line.startswith("#"):
            role, _, tags = line.partition(": ")
            for written in tags.split(" ; "):
                tag, _, group = written.strip().partition("@@")
                runs[-1].roles[tag, group] = tuple(role.split("|"))
    return tuple(runs)


KNOWN = table("role_cases.txt")
HELD_BACK = table("role_cases_held_back.txt")


def values_of(role: str, tag: str) -> NDArray[np.float64]:
    """Values such as a series of that role has: the rules may look at them too."""
    return np.asarray(_drawn(role, tag), dtype=np.float64)


def _drawn(role: str, tag: str) -> NDArray[np.floating]:
    rng = np.random.default_rng(zlib.crc32(tag.encode()))
    progress = np.linspace(0, 1, POINTS)
    noise = rng.normal(0, 0.02, POINTS)
    if role in ("training-loss", "validation-loss", "data-loss", "part-of-loss"):
        return 0.3 + 2 * np.exp(-(2 + rng.random()) * progress) + noise
    if role == "learning-rate":
        return 1e-3 * (1 - 0.9 * progress)
    if role == "epoch":
        return np.arange(POINTS) // 10.0
    if role in ("accuracy", "metric"):
        return np.clip(0.9 - 0.7 * np.exp(-3 * progress) + noise, 0, 1)
    if role == "return":
        return 200 * progress - 50 + 10 * noise
    if role == "loss-scale":
        return np.full(POINTS, 65536.0)
    return 5.0 + rng.normal(0, 1, POINTS)


def run_of(case: TaggedRun) -> RunData:
    """The run, with a curve for each tag."""
    steps = np.arange(POINTS)
    series = tuple(
        Series(tag, group, steps, values_of(roles[0], tag), np.full(POINTS, np.nan), "events") for (tag, group), roles in case.roles.items()
    )
    return RunData(".", ".", (), series, (), {}, (), (), (), (), ReadOptions())


def wrong_roles(case: TaggedRun) -> list[str]:
    """The tags of a run that were taken for something else."""
    return [
        f"{case.name}: {one.series.tag} is {one.role} ({one.why}), not {' or '.join(case.roles[one.series.tag, one.series.group])}"
        for one in assign(run_of(case).series, ReadOptions())
        if one.role not in case.roles[one.series.tag, one.series.group]
    ]


def family_of(case: TaggedRun) -> str:
    """The family that the run was taken for."""
    run = run_of(case)
    (found,) = measure_family(run, assign(run.series, ReadOptions()))
    return found.text


def test_the_table_is_large_and_its_roles_exist() -> None:
    """At least 250 tags are told apart in whole runs, a third of the runs held back."""
    roles = [role for case in (*KNOWN, *HELD_BACK) for allowed in case.roles.values() for role in allowed]
    assert set(roles) <= set(ROLES)
    assert sum(len(case.roles) for case in (*KNOWN, *HELD_BACK)) >= 250
    assert 3 * len(HELD_BACK) >= len(KNOWN) + len(HELD_BACK)


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.name)
def test_every_tag_of_a_known_trainer_is_told(case: TaggedRun) -> None:
    """Every tag of the run has its role."""
    assert wrong_roles(case) == []


def test_tags_held_back_are_told() -> None:
    """Of the tags of runs that no rule was made with, at least 95 in 100 are told right."""
    wrong = [line for case in HELD_BACK for line in wrong_roles(case)]
    assert len(wrong) <= 0.05 * sum(len(case.roles) for case in HELD_BACK), "\n".join(wrong)


@pytest.mark.parametrize("case", [case for case in KNOWN if case.family != "*"], ids=lambda case: case.name)
def test_family_of_a_known_trainer(case: TaggedRun) -> None:
    """The run's family is told by its tags, or stays unknown."""
    assert family_of(case) == case.family


def test_families_held_back_are_told() -> None:
    """Of the runs held back whose family is known, at least nine in ten are told."""
    cases = [case for case in HELD_BACK if case.family != "*"]
    assert sum(family_of(case) == case.family for case in cases) >= 0.9 * len(cases)
