"""Text, Markdown, JSON and SARIF of one made-up report, hostile names included."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources
from typing import cast

import jsonschema
import pytest

from postmortem import model
from postmortem.checklist import ITEMS
from postmortem.model import (
    Argument,
    Artifacts,
    ChecklistItem,
    Curve,
    DepthPlot,
    Finding,
    Heatmap,
    InputFile,
    LinePlot,
    Mark,
    Measurement,
    Missing,
    Onset,
    Outcome,
    Page,
    Problem,
    ProblemKind,
    RankedCause,
    RunMeasurements,
    RunReport,
    Table,
    TagRole,
    Threshold,
)
from postmortem.render.briefs import amount, next_steps, wanted
from postmortem.render.json import NotAReportError, dump_measurements, parse_measurements, parse_report, render_json
from postmortem.render.markdown import MAX_LINES, render_markdown
from postmortem.render.sarif import render_sarif
from postmortem.render.text import render_text

HOSTILE = "</script><b>\x1b[31m|`x`\u202egnp.exe"
LIMIT = Threshold(1e-5, "per step", "an article", "less", "more")
CAUSE = RankedCause(
    id="lr-too-low",
    title="Learning rate too low",
    probability=0.93,
    summary=f"The median update of {HOSTILE} is 4e-7.",
    first_step=100,
    where=(HOSTILE, "fc2.weight"),
    evidence=("small-updates",),
    against=("flat-loss",),
    fix="Raise it.",
    confirm="Try it.",
    arguments=(Argument(("small-updates",), "updates are small", 3.0),),
)
RUN = RunReport(
    name="a",
    path="runs/a",
    verdict="failed",
    headline="Learning rate too low.",
    causes=(CAUSE, replace(CAUSE, id="underfitting", title="Underfitting", explained_by="lr-too-low")),
    checks=(
        Outcome(
            "small-updates",
            "Small",
            "updates",
            Finding("fail", "3.9e-7 per step", 4e-7, LIMIT, "per step", 100, ("x",)),
            ("update-ratio",),
            "u",
        ),
        Outcome("flat-loss", "Flat", "loss", Finding("pass", "it fell", math.nan), (), "loss"),
        Outcome("silent-units", "Silent", "units", Finding("not-checked", "no state"), (), "", ("optimizer-state",)),
    ),
    checklist=tuple(ChecklistItem(id, title, "not-checked", (), "no artifact") for id, title in ITEMS.items()),
    artifacts=Artifacts(1, 20, 2, 100, 1, 12345),
    problems=(Problem(f"{HOSTILE}.pt", "truncated", "cut at byte 10"),),
    onset=Onset(100, "small-updates", HOSTILE),
    exhibits=(
        LinePlot(
            "loss",
            "loss",
            "Loss",
            "c",
            "nats",
            (Curve("l", "train", (1, 2, 3), (1.0, math.nan, math.inf), 3),),
            marks=(Mark("level", "m"),),
        ),
        DepthPlot("d", "layers", "D", "c", "ratio", ("a",), {"step 0": (-math.inf,)}, {"He": 2.0}),
        Heatmap("h", "layers", "H", "c", "ratio", ("a",), ("0",), ((math.nan,),)),
        Table("t", "data", "T", "c", ("a", "b"), (("x", 1.5), ("y", None))),
    ),
    inputs=(InputFile("x.pt", "checkpoint", 10, "step 100"),),
    notes=("took x for a checkpoint",),
)
REPORT = model.Report(
    "0.0.0", (RUN,), (Page("small-updates", "check", "Small", {"What to do": "Raise."}, (LIMIT,)),), "postmortem analyze runs/a"
)


def schema() -> dict[str, object]:
    """The JSON Schema that the package ships."""
    found: dict[str, object] = json.loads(resources.files("postmortem").joinpath("render/report.schema.json").read_text(encoding="utf-8"))
    return found


def test_json_follows_the_schema() -> None:
    """The document is valid against the shipped schema, and holds no token that JSON does not have."""
    document = json.loads(render_json(REPORT), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_schema_can_fail() -> None:
    """The schema rejects an unknown kind of problem, an unknown cause, and causes of a healthy run."""
    validator = jsonschema.Draft202012Validator(schema())
    for wrong in (
        replace(RUN, problems=(Problem("x", cast(ProblemKind, "odd"), "y"),)),
        replace(RUN, causes=(replace(CAUSE, id="bad-luck"),)),
        replace(RUN, verdict="healthy"),
    ):
        assert not validator.is_valid(json.loads(render_json(replace(REPORT, runs=(wrong,)))))


def test_json_has_the_names_of_the_contract() -> None:
    """The stable names are there, with null where a number is none."""
    run = json.loads(render_json(REPORT))["runs"][0]
    assert run["checks"][1]["value"] is None
    assert run["checks"][0]["threshold"] == 1e-5
    assert list(run["causes"][0])[:9] == ["id", "probability", "summary", "first_step", "where", "evidence", "against", "fix", "confirm"]
    assert run["artifacts"] == {
        "event_files": 1,
        "scalars": 20,
        "checkpoints": 2,
        "parameters": 100,
        "manifests": 1,
        "bytes": 12345,
        "logs": 0,
    }


def test_report_survives_json() -> None:
    """A report that was saved and read back renders to the same bytes, non-finite values included."""
    again = parse_report(render_json(REPORT))
    assert render_json(again) == render_json(REPORT)
    curve = again.runs[0].exhibits[0]
    assert isinstance(curve, LinePlot)
    assert math.isnan(curve.curves[0].values[1])
    assert curve.curves[0].values[2] == math.inf


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "{}", '{"schema_version": "9", "tool": {}, "runs": []}', '{"schema_version": "1", "runs": 3}', "null"]
)
def test_what_is_no_report_is_refused_with_a_reason(text: str) -> None:
    """Text that is no result raises one kind of error, with words."""
    with pytest.raises(NotAReportError, match=r"\w+ \w+"):
        parse_report(text)
    with pytest.raises(NotAReportError, match=r"\w+ \w+"):
        parse_measurements(text)


def test_measurements_survive_saving() -> None:
    """Saved measurements come back equal, non-finite numbers included."""
    run = RunMeasurements(
        "a",
        "runs/a",
        (
            Measurement("x.y", math.inf, "ratio", "made up", 3, {"fc": 1.0, "fd": 2.5}),
            Measurement("run.family", 0.0, "", "tags", text="gan"),
        ),
        (Missing("z", "none", "checkpoint"),),
        RUN.exhibits[1:2],
        RUN.artifacts,
        RUN.inputs,
        RUN.problems,
        RUN.notes,
    )
    assert parse_measurements(dump_measurements((run,), "0")) == (run,)


def test_text_shows_verdict_cause_evidence_and_problems() -> None:
    """The terminal's text has the verdict, the cause with its probability, the evidence, fix, checklist and problems."""
    text = render_text(REPORT)
    for part in (
        "FAILED",
        "runs/a",
        "Learning rate too low (very likely, 93%)",
        "1. Raise it.",
        "Cheapest experiment: Try it.",
        "[x] small-updates: 3.9e-7 per step",
        "Underfitting (very likely, 93%, brought about by lr-too-low)",
        "None of its 19 items could be checked.",
        "truncated",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_text_tells_nothing_twice() -> None:
    """What the summary says stands neither under the evidence nor in the checklist again, which names the quiet items only."""
    seen = replace(RUN.checks[0], finding=replace(RUN.checks[0].finding, reason="the loss fell by 2%"))
    items = (ChecklistItem("update-ratio", "Is the ratio right?", "fail", ("small-updates",), "the loss fell by 2%; 3 more checks failed"),)
    quiet = (
        ChecklistItem("dead-relus", "Do they fire?", "pass", (), "all do"),
        ChecklistItem("init-deep", "Deep?", "not-checked", (), "no"),
    )
    run = replace(RUN, causes=(replace(CAUSE, summary="The loss fell by 2%."),), checks=(seen, *RUN.checks[1:]), checklist=(*items, *quiet))
    text = render_text(replace(REPORT, runs=(run,)))
    assert text.lower().count("the loss fell by 2%") == 1
    assert "[x] Is the ratio right? See above." in text
    assert "[+] 1 passed: dead-relus" in text and "[?] 1 not checked: init-deep" in text and "all do" not in text


def test_many_runs_begin_with_a_table_and_stay_short() -> None:
    """The worst stand first; a few of them are told of in three lines, many in the table alone, however many there are."""
    healthy = replace(RUN, name="fine", verdict="healthy", causes=(), headline="The run looks healthy.")
    few = render_text(replace(REPORT, runs=(healthy, *(replace(RUN, name=f"bad{index}") for index in range(4)))))
    lines = few.splitlines()
    assert lines[0] == "5 runs: 4 failed, 1 healthy"
    assert [line.split()[0] for line in lines[3:8]] == ["bad0", "bad1", "bad2", "bad3", "fine"]
    assert few.count("Next: Raise it.") == 4 and "small-updates" not in few and "looks healthy" not in few
    both = render_text(replace(REPORT, runs=(healthy, RUN)))
    assert both.index("FAILED  runs/a") < both.index("HEALTHY  runs/a")
    many = render_text(replace(REPORT, runs=(*(replace(RUN, name=f"bad{index}") for index in range(27)), healthy)))
    assert len(many.splitlines()) < 40 and "Next:" not in many


def test_the_longest_name_leaves_room_for_verdict_and_cause() -> None:
    """A name is cut before anything that a reader needs is."""
    runs = tuple(replace(RUN, name=name) for name in ("short", "x" * 300, "\u5b9f\u9a13" * 60, "other"))
    lines = render_text(replace(REPORT, runs=runs)).splitlines()
    assert len(lines[2]) < 100 and lines[2].split() == ["run", "verdict", "most", "likely", "cause", "sure"]
    for line in lines[3:7]:
        assert "FAILED" in line and "Learning rate too low" in line and "93%" in line


def test_alarms_are_told_where_no_cause_is_likely() -> None:
    """A warning of a healthy run stands in every output, failed checks before warned ones."""
    warned = replace(RUN.checks[0], id="a-warning", finding=replace(RUN.checks[0].finding, status="warn", reason="it wavers"))
    run = replace(RUN, verdict="healthy", headline="The run looks healthy.", causes=(), checks=(warned, *RUN.checks))
    text, markdown = render_text(replace(REPORT, runs=(run,))), render_markdown(replace(REPORT, runs=(run,)))
    assert text.index("What was seen") < text.index("[x] small-updates: 3.9e-7 per step") < text.index("[!] a-warning: it wavers")
    assert markdown.index("| `small-updates` |") < markdown.index("| `a-warning` |")
    assert "What was seen" not in render_text(REPORT)


def test_what_cannot_be_judged_says_what_to_log() -> None:
    """A run without a likely cause names what would show whether it learned; of an unreadable one there is nothing to log."""
    checks = (replace(RUN.checks[1], finding=Finding("not-checked", "no loss"), vital=True, log_next=("training-loss",)), RUN.checks[2])
    run = replace(RUN, verdict="inconclusive", causes=(), checks=checks, onset=None)
    for text in (render_text(replace(REPORT, runs=(run,))), render_markdown(replace(REPORT, runs=(run,)))):
        assert "What to log next time" in text and "1. Log the training loss from the first step on." in text
        assert "What to do next" not in text
    assert "What to log" not in render_text(replace(REPORT, runs=(replace(run, verdict="unreadable"),)))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.34, "per step", "0.34 per step"),
        (0.5, "share", "50%"),
        (16.3, "ratio", "16.3\N{MULTIPLICATION SIGN}"),
        (2.3, "loss", "2.3"),
        (1, "files", "1 file"),
        (1.0, "classes", "1 class"),
        (2.0, "classes", "2 classes"),
        (None, "share", "-"),
        (math.nan, "share", "-"),
    ],
)
def test_amounts_carry_their_unit(value: float | None, unit: str, shown: str) -> None:
    """Shares as per cent, ratios with a sign, one file and two files, a dash where nothing was measured."""
    assert amount(value, unit) == shown


def test_strangers_cannot_drive_the_terminal() -> None:
    """Control characters and direction marks in names come out as visible escapes, with and without colour."""
    assert "\x1b" not in render_text(REPORT)
    assert "\u202e" not in render_text(REPORT)
    assert "\x1b[31m|" not in render_text(REPORT, colour=True)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR switches colour off even on a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in render_text(REPORT, colour=True)
    assert "\x1b[1;31m" not in render_text(REPORT, colour=True)


def test_markdown_is_short_and_inert() -> None:
    """At most sixty lines; strangers' names cannot become markup, and a pipe does not break the table."""
    text = render_markdown(REPORT)
    assert len(text.splitlines()) <= MAX_LINES
    assert "</script>" not in text
    assert "\\|\\`x\\`" in text
    for part in (
        "## FAILED: runs/a",
        "**Learning rate too low** (very likely, 93%, `lr-too-low`)",
        "1. Raise it.",
        "**Cheapest experiment:** Try it.",
    ):
        assert part in text
    assert "| `small-updates` | 4e-7 per step | 1e-5 per step | 3.9e-7 per step. |" in text
    many = render_markdown(replace(REPORT, runs=(RUN,) * 200))
    assert len(many.splitlines()) <= MAX_LINES
    assert "and " in many.splitlines()[-1]


def test_tables_of_many_runs_name_no_lead() -> None:
    """A cause of 0.05 stands in the table of no format; one of 0.15 does."""
    title = RUN.causes[0].title
    for probability, told in ((0.05, False), (0.15, True)):
        runs = tuple(replace(RUN, name=str(at), headline="", causes=(replace(RUN.causes[0], probability=probability),)) for at in range(20))
        several = replace(REPORT, runs=runs)
        # The terminal tells of the worst runs below its table: that ends at the first empty line.
        tables = render_markdown(several), render_text(several).split("\n\n")[1]
        assert [title in table for table in tables] == [told, told], probability


def test_sarif_levels_follow_how_sure_a_cause_is() -> None:
    """Likely causes are errors, possible ones warnings, leads notes."""
    for probability, level in ((0.5, "error"), (0.15, "warning"), (0.05, "note")):
        run = replace(RUN, causes=(replace(RUN.causes[0], probability=probability),))
        found = json.loads(render_sarif(replace(REPORT, runs=(run,))))["runs"][0]["results"]
        assert found[0]["level"] == level


def test_sarif_names_causes_places_and_problems() -> None:
    """Causes are results with layers as logical locations; problems are notes on files."""
    run = json.loads(render_sarif(REPORT))["runs"][0]
    cause, _, problem = run["results"]
    assert (cause["ruleId"], cause["level"]) == ("lr-too-low", "error")
    assert cause["locations"][0]["logicalLocations"][1]["name"] == "fc2.weight"
    assert (problem["ruleId"], problem["level"]) == ("problem/truncated", "note")
    assert problem["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("runs/a/")
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {"lr-too-low", "underfitting", "problem/truncated"}


def test_every_output_is_the_same_twice() -> None:
    """The same report gives the same bytes."""
    for render in (render_json, render_text, render_markdown, render_sarif):
        assert render(REPORT) == render(REPORT)


def test_advice_is_ranked_by_the_checks_it_helps_and_other_kinds_of_run_stand_last() -> None:
    """Of a run with a common loss and no agent's numbers, no short report advises to log returns, however many checks miss them."""
    missed = Finding("not-checked", "not logged")
    lost = [replace(RUN.checks[1], id=f"a{index}", family="policy", finding=missed, vital=True, log_next=("return",)) for index in range(3)]
    flat = replace(RUN.checks[1], id="b", family="loss", finding=missed, log_next=("accuracy", "manifest"))
    more = replace(flat, id="c", log_next=("manifest",))
    loss = TagRole("train/loss", "", "training-loss", "train", "word", 60, 0, 60)
    run = replace(RUN, verdict="inconclusive", causes=(), checks=(*lost, flat, more), tags=(loss,))
    assert list(wanted(run)) == ["manifest", "accuracy", "return"]
    assert not any("return" in step for step in next_steps(run))
    agent = replace(lost[0], id="d", finding=Finding("pass", "it rose"), log_next=())
    assert next(iter(wanted(replace(run, checks=(*run.checks, agent))))) == "return"
    assert next(iter(wanted(replace(run, tags=())))) == "return"
