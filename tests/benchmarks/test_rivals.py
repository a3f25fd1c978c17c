"""The comparison with other tools: what they are credited with, how runs are handed to them, how answers are counted. No tool is needed."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rival_tools.adapters import TOOLS, adapter
from rival_tools.asking import AskingError, Worker
from rival_tools.findings import Answer, Finding, answer, finding, no_answer, ranked
from rival_tools.hand_over import hand_over
from rival_tools.handed import Handed
from rival_tools.mapping import markdown
from rival_tools.scoring import Score, read_answers, score, together, write_answers
from run import Book
from safetensors.numpy import load_file

import postmortem
from postmortem import rules

ROOT = Path(__file__).resolve().parent.parent.parent
RIVALS = ROOT / "benchmarks" / "rivals"
CAUSES = {*rules.causes(), "gan-collapse", "policy-collapse"}


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("tool", TOOLS)
def test_credit_is_given_for_causes_that_there_are(tool: str) -> None:
    """Each cause in an adapter's table is one of postmortem's, and none stands twice with one finding."""
    credit: Mapping[str, tuple[str, ...]] = adapter(tool).CREDIT
    for id_, causes in credit.items():
        assert set(causes) <= CAUSES, id_
        assert len(set(causes)) == len(causes), id_
    assert any(credit.values())


def test_sentences_of_runmedic_speak_of_causes_that_there_are() -> None:
    """What its likely causes are taken for are causes of postmortem's too."""
    assert {cause for causes in adapter("runmedic").SAID.values() for cause in causes} <= CAUSES


def test_every_adapter_is_listed() -> None:
    """A file in the folder of adapters is a tool that is asked."""
    files = {path.stem for path in (RIVALS / "rival_tools" / "adapters").glob("*.py")} - {"__init__"}
    assert files == set(TOOLS)


def test_versions_are_pinned() -> None:
    """Every line of the requirements names one version, the tools are among them, and torch is the one of the constraints."""
    text = (RIVALS / "requirements.txt").read_text(encoding="utf-8")
    pins = _pins(RIVALS / "requirements.txt")
    assert len(pins) == sum(bool(line) and not line.startswith("#") for line in text.splitlines())
    assert set(TOOLS) <= set(pins)
    assert pins["torch"] == _pins(ROOT / "constraints.txt")["torch"]
    assert not [name for name in pins if name.startswith(("nvidia", "triton", "cuda"))]


def test_a_finding_names_what_was_said_before_what_its_id_stands_for() -> None:
    """A cause in the tool's own sentence comes first, and stands once."""
    assert finding("flat", "warning", {"flat": ("lr-too-low", "label-noise")}, ["label-noise"]).causes == ("label-noise", "lr-too-low")


def test_a_finding_that_the_table_lacks_is_a_defect() -> None:
    """An id that nobody has looked at does not pass as one without credit."""
    with pytest.raises(KeyError):
        finding("new", "warning", {"flat": ()})


def test_an_answer_keeps_the_order_of_findings() -> None:
    """Causes come finding by finding, each once; advice is credited and raises no alarm; a warning said twice is two alarms."""
    said = [
        Finding("tip", "advice", ("lr-schedule", "lr-too-high")),
        Finding("spike", "warning", ("loss-spike", "lr-too-high")),
        Finding("slow", "warning", ()),
        Finding("spike", "warning", ("loss-spike", "lr-too-high")),
    ]
    assert answer(said) == Answer(
        alarms=3,
        causes=("lr-schedule", "lr-too-high", "loss-spike"),
        groups=(("lr-schedule", "lr-too-high"), ("loss-spike", "lr-too-high")),
        messages=("tip", "spike", "slow"),
    )
    assert [one.id for one in ranked(said)] == ["spike", "slow", "spike", "tip"]


def _answer(*groups: tuple[str, ...], alarms: int = 1) -> Answer:
    return Answer(alarms, tuple(dict.fromkeys(cause for group in groups for cause in group)), groups, ())


TRUTHS = {"a": ["lr-too-high"], "b": ["label-noise", "overfitting"], "c": ["dead-relus"], "h": [], "i": []}
ONE = {
    "a": _answer(("lr-too-high", "loss-spike")),
    "b": _answer(("lr-too-high", "overfitting"), ("label-noise",)),
    "c": no_answer("crashed"),
    "h": _answer(alarms=0),
    "i": _answer(("overfitting",), alarms=2),
}
OTHER = {
    "a": _answer(("loss-spike",), ("lr-too-high",)),
    "c": _answer(("dead-relus",)),
    "h": _answer(("lr-schedule",)),
    "unknown": _answer(),
}


def test_scores_count_what_they_say() -> None:
    """First, somewhere in the first finding, anywhere; an alarmed healthy run once; a crash as no answer; unknown runs not at all."""
    assert score(ONE, TRUTHS) == Score(faulty=3, first=1, first_finding=2, anywhere=2, healthy=2, alarmed=1, errors=1)
    assert score(OTHER, TRUTHS) == Score(faulty=2, first=1, first_finding=1, anywhere=2, healthy=1, alarmed=1, errors=0)


def test_together_they_are_right_where_one_of_them_is() -> None:
    """The best of all tools run by run, and the worst in false alarms and in answers that are missing."""
    both = together({"one": ONE, "other": OTHER}, TRUTHS)
    assert both == Score(faulty=3, first=2, first_finding=3, anywhere=3, healthy=2, alarmed=2, errors=1)


def test_answers_are_kept(tmp_path: Path) -> None:
    """What was written is read again, and a file that is not there holds nothing."""
    file = tmp_path / "tool.json"
    assert read_answers(file) == {}
    write_answers(file, ONE)
    assert read_answers(file) == ONE
    assert list(json.loads(file.read_text(encoding="utf-8"))["a"]) == ["alarms", "causes", "groups", "messages", "error"]


def test_a_run_is_asked_of_a_tool_once(tmp_path: Path) -> None:
    """A tool that has answered is not asked again after an interruption, be the answer an error; the others are."""
    Book(tmp_path, ["one", "other"]).enter("a", {"one": no_answer("crashed")})
    again = Book(tmp_path, ["one", "other"])
    assert again.open("a") == ["other"]
    assert again.open("b") == ["one", "other"]
    assert again.answers["one"]["a"].error == "crashed"


def test_the_mapping_is_shown_whole() -> None:
    """Each finding of each tool has a line in the table, and so has what stands for nothing."""
    table = markdown()
    for tool in TOOLS:
        for id_, causes in adapter(tool).CREDIT.items():
            assert f"| {tool} | {id_} | {', '.join(f'`{cause}`' for cause in causes) or 'nothing'} |\n" in table


def test_all_points_are_handed_over(sample_runs: Path, tmp_path: Path) -> None:
    """The table has each point of the losses, exactly, under the names that the tools know."""
    handed = hand_over(sample_runs / "quartz", tmp_path)
    table = postmortem.scalars(sample_runs / "quartz", extra_columns=["file_name"])
    rows = _rows(handed.table)
    assert list(rows[0])[:4] == ["step", "train_loss", "val_loss", "lr"]
    losses = table[table["tag"] == "epoch_loss"]
    for column, folder in (("train_loss", "train"), ("val_loss", "validation")):
        logged = losses[losses["file_name"].str.contains(f"/{folder}/")]
        assert [(int(row["step"]), float(row[column])) for row in rows] == list(zip(logged["step"], logged["value"], strict=True))
    assert Handed.load(tmp_path) == handed


def test_a_resumed_run_goes_back_only_in_the_order_of_writing(sample_runs: Path, tmp_path: Path) -> None:
    """The step at which a run was taken up again stands twice in the order of writing, first with the value that was written first."""
    handed = hand_over(sample_runs / "clover", tmp_path)
    clean, written = ([int(row["step"]) for row in _rows(path)] for path in (handed.table, handed.as_written))
    assert clean == sorted(set(clean))
    assert sorted(set(written)) == clean
    backwards = [at for at, (one, two) in enumerate(pairwise(written)) if two < one]
    assert len(backwards) == 1
    assert written[backwards[0] + 1] == 300
    old, new = (row["train_loss"] for row in _rows(handed.as_written) if row["step"] == "300")
    assert old != new
    assert [row["train_loss"] for row in _rows(handed.table) if row["step"] == "300"] == [new]


def test_first_and_last_weights_are_handed_over(sample_runs: Path, tmp_path: Path) -> None:
    """Two files of plain tensors in float32, whatever they were kept in, the last with the values of the last checkpoint."""
    handed = hand_over(sample_runs / "moss", tmp_path)
    assert [Path(path).name for path in handed.weights] == ["first.safetensors", "last.safetensors"]
    tensors = load_file(handed.weights[-1])
    assert {str(values.dtype) for values in tensors.values()} == {"float32"}
    # Kept in bfloat16: the lower half of every float32 is zero.
    assert all(not (np.ascontiguousarray(values).view(np.uint32) & 0xFFFF).any() for values in tensors.values())
    assert len(handed.checkpoint_files) == len(list((sample_runs / "moss").rglob("*.safetensors")))


def test_a_crash_is_told_and_the_next_run_is_asked(sample_runs: Path, tmp_path: Path) -> None:
    """What a process died of is told in its last words, one that takes too long is ended, and either is started again."""
    empty, into = tmp_path / "empty", tmp_path / "into"
    empty.mkdir()
    into.mkdir()
    environment = {"PYTHONPATH": str(ROOT)}
    with Worker(Path(sys.executable), "hand-over", environment) as worker:
        with pytest.raises(AskingError, match="nothing to analyze"):
            worker.ask({"run": str(empty), "into": str(into)}, 60)
        with pytest.raises(AskingError, match="no answer within 0 s"):
            worker.ask({"run": str(sample_runs / "opal"), "into": str(into)}, 0)
        assert worker.ask({"run": str(sample_runs / "opal"), "into": str(into)}, 60) == {}
    assert Handed.load(into).table
