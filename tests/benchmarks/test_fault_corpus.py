"""The fault corpus: its roster is sound, and one of its runs is made as it says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from faults import registry
from faults.making import is_made, make
from faults.nouns import half_of
from faults.roster import roster

from postmortem import rules

ENTRIES = roster()


def test_halves_share_no_seed_and_no_task() -> None:
    """What is reported on was not tuned on: seeds and tasks belong to one half."""
    seen = {half: [entry for entry in ENTRIES if entry.half == half] for half in ("tuning", "reporting")}
    for of in (lambda entry: entry.plan.seed, lambda entry: entry.task.name):
        assert not set(map(of, seen["tuning"])) & set(map(of, seen["reporting"]))
    assert len({entry.task.architecture for entry in ENTRIES}) >= 8


def test_names_are_unique_and_say_nothing() -> None:
    """Every run and twin has a name of its own, made of hexadecimal digits."""
    names = [entry.name for entry in ENTRIES] + [entry.twin for entry in ENTRIES if entry.cause]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{8}", name) for name in names)


def test_injected_causes_exist() -> None:
    """Every file of injections is named for a cause, and names causes that exist as consequences."""
    known = set(rules.causes())
    for cause, faults in registry.injections().items():
        assert cause in known
        assert len({fault.name for fault in faults}) == len(faults)
        for fault in faults:
            assert {*fault.accepted, *fault.also} <= known - {cause}, fault.name


def test_each_cause_has_its_runs_on_several_architectures() -> None:
    """At least eight faulty runs a cause, over at least two architectures in each half."""
    architectures = defaultdict(set)
    runs: dict[str, int] = defaultdict(int)
    for entry in ENTRIES:
        if entry.cause:
            architectures[entry.cause, entry.half].add(entry.task.architecture)
            runs[entry.cause] += 1
    assert min(runs.values()) >= 8, runs
    few = {key: found for key, found in architectures.items() if len(found) < 2}
    assert not few


def test_every_way_for_a_pair_or_a_policy_to_collapse_has_a_task_in_each_half() -> None:
    """Faults of trainings with loops of their own find a task that has what they want, in both halves."""
    for cause in ("gan-collapse", "policy-collapse"):
        for fault in registry.injections()[cause]:
            halves = {half_of(task.draw) for task in registry.tasks().values() if fault.wants <= task.tags and not fault.spares & task.tags}
            assert halves == {"tuning", "reporting"}, fault.name


@pytest.mark.slow
def test_a_run_is_made_as_it_says_and_once(tmp_path: Path) -> None:
    """A faulty run is proved beside its twin, leaves no word of its cause in its folder, and is not made again."""
    entry = next(each for each in ENTRIES if each.cause == "lr-too-high" and each.task.name == "digits-mlp")
    truth = make(entry, tmp_path)
    assert truth["proved"]
    assert json.loads((tmp_path / "truth" / f"{entry.name}.json").read_text(encoding="utf-8"))["cause"] == "lr-too-high"
    files = [path for name in (entry.name, entry.twin) for path in (tmp_path / "runs" / name).rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not [path for path in files if b"lr-too-high" in path.read_bytes()]
    assert is_made(entry, tmp_path)
