"""The HTML report: that it is complete, that it shows itself to nobody else, and that hostile names stay text in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from postmortem.log_next import ADVICE
from postmortem.model import (
    Argument,
    Artifacts,
    CountPlot,
    Curve,
    DepthPlot,
    Exhibit,
    Heatmap,
    InputFile,
    LinePlot,
    Mark,
    Page,
    Problem,
    Report,
    RunReport,
    Table,
)
from postmortem.render.embedded import embeddable
from postmortem.render.html import TemplatesMissingError, render_html, templates_folder
from postmortem.render.json import parse_report

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}\u202egnp\x1b[31m\x00\ud800 &amp; <!--"
VOID = frozenset({"meta", "input", "img", "br", "link"})
BUDGET_BYTES = 250_000


class Parsed(HTMLParser):
    """Elements, ids, links and text of a page; fails where elements do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element that closes itself, as those of SVG do."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Closes the innermost element, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Notes text with the element that it stands in."""
        self.texts.append((self.open[-1] if self.open else "", data))

    def named(self, tag: str) -> list[dict[str, str]]:
        """Attributes of all elements of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        """All text that a reader sees, with single spaces."""
        return " ".join(" ".join(text for tag, text in self.texts if tag not in ("script", "style")).split())

    def inside(self, tag: str) -> list[str]:
        """Text of every element of this name that holds nothing else."""
        return [text for name, text in self.texts if name == tag]


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_verdict_says_what_failed_why_how_sure_and_what_to_do(rich_report: Report) -> None:
    """The first screen holds verdict, cause, probability, fix with its numbers, and the experiment."""
    page = render_html(rich_report)
    verdict = Parsed(page[page.index('<section class="verdict') : page.index('<nav class="contents"')]).text()
    for said in (
        "Failed",
        "runs/exp-17",
        "Learning rate too low",
        "The median update is 4.1e-7",
        "95 %",
        "very likely",
        "from 1e-6 to about 2e-3",
        "Repeat the first 200 steps",
        "1 problem while reading",
    ):
        assert said in verdict, said


def test_sections_stand_in_the_order_of_reading(rich_report: Report) -> None:
    """Verdict, causes, other findings, checklist, figures, passed, not checked, inputs."""
    sections = Parsed(render_html(rich_report)).named("section")
    assert [section["id"] for section in sections] == [
        "verdict",
        "causes",
        "other",
        "checklist",
        "loss",
        "layers",
        "data",
        "passed",
        "unlooked",
        "inputs",
    ]


def test_the_first_cause_is_open_and_what_it_brings_about_stands_within_it(rich_report: Report) -> None:
    """A consequence is nested under its root, with its rank kept."""
    page = render_html(rich_report)
    causes = [element for element in Parsed(page).named("details") if "cause" in element.get("class", "").split()]
    assert [(cause["id"], "open" in cause) for cause in causes] == [("cause-1", True), ("cause-2", False), ("cause-3", False)]
    first = page[page.index('id="cause-1"') : page.index('id="cause-3"')]
    assert 'id="cause-2"' in first
    assert "Brings about" in first


def test_evidence_shows_value_threshold_source_step_layers_figure_and_when_it_is_wrong(rich_report: Report) -> None:
    """Everything that a doubter would ask stands beside the check."""
    page = render_html(rich_report)
    first = Parsed(page[page.index('<div class="check fail"') : page.index('<div class="check fail"', page.index("small-updates"))])
    text = first.text()
    for said in (
        "4.1e-7 per step",
        "1e-5 per step",
        "two decades below CS231n's 1e-3",
        "step 100",
        "encoder.block0.linear.weight",
        "3 more",
    ):
        assert said in text, said
    assert "Late in a schedule the ratio goes to zero as it should." in text
    assert "slow fine-tuning fails" in text
    assert {"href": "#figure-update-ratio"} in first.named("a")


def test_the_strongest_arguments_stand_and_the_others_are_folded(rich_run: RunReport) -> None:
    """Five on either side are shown, the strongest first, wherever they stand in the report; what is folded is counted."""
    weights = (0.5, 3.0, 1.0, 2.5, 2.0, 1.5, 0.9)
    arguments = tuple(Argument(("a",), f"reason {weight}", weight) for weight in weights)
    cause = replace(rich_run.causes[0], arguments=(*arguments, Argument(("b",), "it is not", -1.0)))
    page = render_html(Report("1", (replace(rich_run, causes=(cause,)),)))
    card = page[page.index('id="cause-1"') :]
    assert "2 more arguments" in card
    shown, folded = card.split("2 more arguments", 1)
    assert re.findall(r"Reason ([\d.]+)\.", shown) == ["3.0", "2.5", "2.0", "1.5", "1.0"]
    assert re.findall(r"Reason ([\d.]+)\.", folded)[:2] == ["0.9", "0.5"]
    assert "It is not." in shown


def test_a_check_that_speaks_for_a_cause_is_not_shown_against_it(rich_run: RunReport) -> None:
    """Where an argument of several checks speaks against it, the argument says so; the check stands among the evidence alone."""
    first = rich_run.causes[0]
    both = replace(first, against=(*first.evidence[:1], *first.against))
    plain, doubled = (render_html(Report("1", (replace(rich_run, causes=(cause,)),))) for cause in (first, both))
    shown = doubled[doubled.index("What speaks against it") :]
    assert shown[: shown.index("</ul>")] == plain[plain.index("What speaks against it") :][: shown.index("</ul>")]


def test_evidence_of_several_causes_stands_in_full_once(rich_report: Report) -> None:
    """Under later causes one line leads to it."""
    page = render_html(rich_report)
    assert page.count('id="check-flat-loss"') == 1
    assert page.index('id="check-flat-loss"') < page.index('id="cause-2"')
    assert page.count('<a href="#check-flat-loss">in full above</a>') == 2


def test_every_link_leads_to_an_id_of_the_page(several_report: Report) -> None:
    """No link is dead, and no id stands twice, with several runs too."""
    parsed = Parsed(render_html(several_report))
    ids = Counter(attributes["id"] for _, attributes in parsed.elements if "id" in attributes)
    assert [id for id, count in ids.items() if count > 1] == []
    for attributes in parsed.named("a") + parsed.named("use"):
        assert attributes["href"].removeprefix("#") in ids
    for _, attributes in parsed.elements:
        for id in attributes.get("aria-labelledby", "").split():
            assert id in ids


def test_the_checklist_answers_all_items_and_says_what_to_log(rich_report: Report) -> None:
    """All 19 items stand there with a word for their status; advice comes with its code."""
    page = render_html(rich_report)
    parsed = Parsed(page[page.index('id="checklist"') - 9 : page.index('<section id="loss"')])
    text = parsed.text()
    for item in rich_report.runs[0].checklist:
        assert item.title in text
    assert "19 items:" in text
    assert ADVICE["gradient-norm"].what in text
    assert ADVICE["gradient-norm"].code.split("\n")[0] in text


def test_what_was_not_looked_at_never_stands_among_what_passed(rich_report: Report) -> None:
    """A check that could not be made is listed as such, with its reason."""
    page = render_html(rich_report)
    passed = page[page.index('<section id="passed"') : page.index('<section id="unlooked"')]
    unlooked = page[page.index('<section id="unlooked"') : page.index('<section id="inputs"')]
    assert "Gradient norm bursts" not in passed
    assert "No gradient norm was logged." in unlooked
    assert "Makes possible: Gradient norm bursts" in Parsed(unlooked).text()


def test_a_reason_that_stops_many_checks_names_six_and_folds_the_others(rich_report: Report) -> None:
    """Fourteen still stand in one line; of more, all are in the page."""
    run = rich_report.runs[0]
    stopped = next(outcome for outcome in run.checks if outcome.status == "not-checked")
    for count, folded in ((14, 0), (15, 9)):
        many = tuple(replace(stopped, id=f"check-{number}", title=f"Check number {number}") for number in range(count))
        others = tuple(outcome for outcome in run.checks if outcome.finding.reason != stopped.finding.reason)
        page = render_html(replace(rich_report, runs=(replace(run, checks=(*others, *many)),)))
        unlooked = page[page.index('<section id="unlooked"') : page.index('<section id="inputs"')]
        assert all(f"Check number {number}" in unlooked for number in range(count))
        assert unlooked.count('<details class="inline">') == bool(folded)
        assert (f"and {folded} more" in unlooked) is bool(folded)


def test_facts_leave_out_what_there_is_none_of(rich_report: Report) -> None:
    """A folder of one log has no "0 checkpoints" to read past."""
    run = replace(rich_report.runs[0], artifacts=Artifacts(logs=1, scalars=2, bytes=300), problems=())
    page = render_html(replace(rich_report, runs=(run,)))
    facts = page[page.index('<p class="facts">') :]
    assert Parsed(facts[: facts.index("</p>") + 4]).text() == "1 log with 2 scalars \N{MIDDLE DOT} 300 bytes"


def test_inputs_name_files_problems_notes_and_the_command(rich_report: Report) -> None:
    """Another engineer can see what was read, and run it again."""
    page = render_html(rich_report)
    text = Parsed(page[page.index('<section id="inputs"') : page.index("</article>")]).text()
    for said in (
        "events.out.tfevents.1",
        "200 kB",
        "3 of 6 tensors are lost",
        "Steps come from file names.",
        "postmortem analyze runs/exp-17",
    ):
        assert said in text, said


def test_a_healthy_run_says_on_what_grounds_and_what_was_not_judged(sound_run: RunReport) -> None:
    """No cause is shown; the proof and the gap are."""
    page = render_html(Report("1", (sound_run,)))
    verdict = Parsed(page[page.index('<section class="verdict') : page.index('<nav class="contents"')]).text()
    assert "No fault found" in verdict
    assert "On what grounds The loss fell by 93 %." in verdict
    assert ADVICE["gradient-norm"].what in verdict
    assert 'class="ring"' not in page


def test_several_runs_come_with_an_overview(several_report: Report) -> None:
    """One row a run with verdict, cause, probability, picture of the loss and size, before the sections."""
    page = render_html(several_report)
    overview = page[page.index('<section class="overview"') : page.index("<article")]
    text = Parsed(overview).text()
    assert "3 runs 1 failed 1 unreadable 1 healthy" in text
    assert "exp-17 failed Learning rate too low 95 %" in text
    assert overview.count('class="spark"') == 2
    assert page.count("<article") == 3
    assert {"href": "#run-2-run"} in Parsed(overview).named("a")


@pytest.mark.parametrize("runs", [0, 1])
def test_empty_reports_are_pages_too(unreadable_run: RunReport, runs: int) -> None:
    """No run at all, and one of which nothing was read: a page each, with the problem on it."""
    page = render_html(Report("1", (unreadable_run,) * runs))
    assert ("neither a zip archive nor a pickle" in Parsed(page).text()) == bool(runs)


def test_an_alarm_that_no_cause_rests_on_is_shown(rich_run: RunReport) -> None:
    """A suspect run without a cause shows its failed checks in full."""
    suspect = replace(rich_run, verdict="suspect", causes=(), headline="Loss does not fall: it does not.")
    text = Parsed(render_html(Report("1", (suspect,)))).text()
    assert "Loss does not fall It does not." in " ".join(text.split())
    assert "no single cause explains them" in text
    assert text.count("flat-loss") == 1


# --- figures ----------------------------------------------------------------------------------------------------------


def test_curves_carry_their_look_as_attributes(rich_report: Report) -> None:
    """Where style sheets are blocked, every line has a colour, no fill, and a dash pattern that tells it from the others."""
    parsed = Parsed(render_html(rich_report))
    curves = [
        path
        for path in parsed.named("path")
        if path.get("class", "").startswith("curve") and path.get("d", "").startswith("M") and "H26" not in path["d"]
    ]
    assert len(curves) == 3
    assert all(path["fill"] == "none" and path["stroke"].startswith("#") for path in curves)
    assert len({path.get("stroke-dasharray", "") for path in curves}) == 3


def test_annotations_are_drawn_numbered_and_listed(rich_report: Report) -> None:
    """Levels carry their name; the others a number that the list explains; what is off the chart is only listed."""
    page = render_html(rich_report)
    figure = page[page.index('id="figure-loss"') : page.index("</figure>")]
    assert figure.count('<g class="flag">') == 3
    assert figure.count("chance level 2.303") == 2
    text = Parsed(figure[figure.index('<ol class="marks">') : figure.index("</ol>") + 5]).text()
    assert "far away (off the chart: 1e6)" in text
    assert "1 steady at 2.3 for 78 % of the run steps 100 to 560" in text
    assert "A cross at the upper edge stands where a value is NaN or infinite." in figure
    assert "of 60,612" in figure


def test_tables_keep_names_and_numbers_as_text(rich_report: Report) -> None:
    """NaN and infinity are words, gaps are dashes, and columns of numbers stand under headings of numbers."""
    page = render_html(rich_report)
    start = page.index("<table", page.index('id="figure-tensors"'))
    table = Parsed(page[start : page.index("</table>", start) + 8])
    assert "bn.num_batches_tracked scalar NaN infinity \N{EN DASH}" in table.text()
    assert [head.get("class", "") for head in table.named("th")[:5]] == ["", "", "number", "number", "number"]


def test_class_weights_can_be_pasted(rich_report: Report) -> None:
    """Lines of code stand in the page as they are."""
    parsed = Parsed(render_html(rich_report))
    assert 'labels = ["cat", "dog", "axolotl"]\nweights = torch.tensor([0.61, 0.744, 58.7])' in parsed.inside("code")


def test_exhibits_without_data_do_no_harm(rich_run: RunReport) -> None:
    """Empty plots and tables, and curves of nothing but NaN, are drawn as empty axes."""
    nothing: tuple[Exhibit, ...] = (
        LinePlot("a", "loss", "A", "", "", ()),
        LinePlot("b", "loss", "B", "", "", (Curve("c", "train", (), (), 0), Curve("d", "train", (5,), (float("nan"),), 1)), log=True),
        DepthPlot("c", "layers", "C", "", "", (), {}),
        Heatmap("d", "layers", "D", "", "", (), (), ()),
        CountPlot("e", "data", "E", "", (), {}),
        Table("f", "data", "F", "", (), ()),
    )
    parsed = Parsed(render_html(Report("1", (replace(rich_run, exhibits=nothing),))))
    assert len(parsed.named("figure")) == 6


def test_figures_say_where_the_script_finds_their_data(several_report: Report) -> None:
    """Run and exhibit number of each figure lead to the exhibit of that title in the embedded JSON."""
    page = render_html(several_report)
    document = json.loads(_embedded(page))
    titles = iter(re.findall(r'<h4 id="[^"]*-title">([^<]*)</h4>', page))
    for figure in Parsed(page).named("figure"):
        exhibit = document["runs"][int(figure["data-run"])]["exhibits"][int(figure["data-exhibit"])]
        assert exhibit["title"] == next(titles)


# --- closed to the outside, and to what is inside ---------------------------------------------------------------------


def _embedded(page: str) -> str:
    found = re.search(r'<script type="application/json" id="postmortem-report">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_policy_comes_first_and_allows_the_one_script_and_the_one_style(rich_report: Report) -> None:
    """Hashes are those of the very text between the tags; nothing else is allowed."""
    page = render_html(rich_report)
    parsed = Parsed(page)
    assert [name for name, _ in parsed.elements][:3] == ["html", "head", "meta"]
    policy = parsed.named("meta")[0]
    assert policy["http-equiv"] == "Content-Security-Policy"
    script = page[page.rindex("<script>") + 8 : page.rindex("</script>")]
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    allowed = f"script-src '{_digest(script)}'; style-src '{_digest(style)}'"
    assert policy["content"] == (f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'")
    assert page.count("<script") == 2
    assert page.count("<style") == 1
    assert {"name": "referrer", "content": "no-referrer"} in parsed.named("meta")


def test_nothing_is_loaded_and_nothing_is_inline(several_report: Report) -> None:
    """No style attribute, no handler, no address, no element that fetches."""
    page = render_html(several_report)
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    for tag, attributes in Parsed(page).elements:
        assert tag not in {"img", "link", "iframe", "object", "embed", "form", "base", "image"}
        assert not {name for name in attributes if name == "style" or name.startswith("on") or name in ("src", "action")}


def _poisoned(run: RunReport) -> RunReport:
    """The run with the hostile text wherever a text of the run can stand."""
    names = (HOSTILE, "fc.weight")
    hostile: tuple[Exhibit, ...] = (
        LinePlot(
            HOSTILE,
            "loss",
            HOSTILE,
            HOSTILE,
            HOSTILE,
            (Curve(HOSTILE, "train", (0, 1), (1.0, 2.0), 2),),
            (),
            HOSTILE,
            (Mark("level", HOSTILE, value=1.5), Mark("step", HOSTILE, 1)),
        ),
        DepthPlot("depth", "layers", HOSTILE, HOSTILE, HOSTILE, names, {HOSTILE: (1.0, 2.0)}, {HOSTILE: 1.5}),
        Heatmap("heat", "layers", HOSTILE, HOSTILE, HOSTILE, names, names, ((1.0, 2.0), (3.0, 4.0)), {HOSTILE: 1.0}),
        CountPlot("counts", "data", HOSTILE, HOSTILE, names, {HOSTILE: (1, 2)}),
        Table("table", "data", HOSTILE, HOSTILE, names, ((HOSTILE, 1.0),), HOSTILE),
    )
    causes = tuple(replace(cause, title=HOSTILE, summary=HOSTILE, where=names, fix=HOSTILE, confirm=HOSTILE) for cause in run.causes)
    checks = tuple(
        replace(outcome, title=HOSTILE, finding=replace(outcome.finding, reason=HOSTILE, where=names, unit=HOSTILE))
        for outcome in run.checks
    )
    items = tuple(replace(item, title=HOSTILE, reason=HOSTILE) for item in run.checklist)
    return replace(
        run,
        name=HOSTILE,
        path=HOSTILE,
        headline=f"{HOSTILE}. {HOSTILE}",
        causes=causes,
        checks=checks,
        checklist=items,
        exhibits=hostile,
        problems=(Problem(HOSTILE, "corrupt", HOSTILE),),
        inputs=(InputFile(HOSTILE, "events", 1, HOSTILE),),
        notes=(HOSTILE,),
    )


def test_hostile_names_stay_text_everywhere(rich_run: RunReport, unreadable_run: RunReport) -> None:
    """Markup in any text of a run makes no element, and ends no script; template syntax is not run."""
    poisoned = _poisoned(rich_run)
    report = Report("1", (poisoned, unreadable_run), (Page("small-updates", "check", HOSTILE, {HOSTILE: HOSTILE}),), HOSTILE)
    page = render_html(report)
    parsed = Parsed(page)
    assert parsed.named("img") == []
    assert len(parsed.named("script")) == 2
    assert "{{ 7*7 }}" in parsed.text()
    # Where a reader sees it, and in the title.
    assert parsed.text().count("onerror=alert(1)") > 60
    for _, attributes in parsed.elements:
        assert not {name for name in attributes if name.startswith("on")}


def test_unseen_characters_are_written_out(rich_run: RunReport) -> None:
    """Control characters, lone surrogates and marks that reorder text are shown as escapes, so that no name can lie."""
    page = render_html(Report("1", (_poisoned(rich_run),)))
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page) is None
    assert "\\u202egnp\\x1b[31m\\x00\\ud800" in Parsed(page).text()
    page.encode()


def test_the_embedded_result_can_be_read_back(rich_run: RunReport) -> None:
    """Rendering a page's own JSON gives the same page, hostile names included."""
    report = Report("1", (_poisoned(rich_run),), command=HOSTILE)
    page = render_html(report)
    assert "<" not in _embedded(page)
    back = parse_report(page)
    assert back.runs[0].exhibits[0].title == HOSTILE
    assert render_html(back) == page


def test_a_saved_page_renders_to_the_same_page(several_report: Report) -> None:
    """Values that JSON has no number for come back as what they were, in curves and in tables."""
    page = render_html(several_report)
    assert render_html(parse_report(page)) == page


def test_docs_are_read_back_from_the_page_that_shows_them(rich_report: Report) -> None:
    """The JSON has none; headings and paragraphs come back with their title, and a hostile text as the text that it was."""
    docs = {'When <it> is "wrong"': "First & foremost\nhere.\n\nSecond, at 5 %, <b>bold</b>."}
    page = render_html(replace(rich_report, pages=(Page("small-updates", "check", "Updates too small for the weights", docs),)))
    assert json.loads(_embedded(page))["pages"] == []
    (back,) = parse_report(page).pages
    assert (back.id, back.kind, back.title) == ("small-updates", "check", "Updates too small for the weights")
    assert back.sections == {'When <it> is "wrong"': "First & foremost here.\n\nSecond, at 5\u00a0%, <b>bold</b>."}


def test_embedded_json_cannot_end_its_element() -> None:
    """`<` is written as an escape that JSON reads as the same character."""
    text = json.dumps("</script><!--")
    assert "<" not in embeddable(text)
    assert json.loads(embeddable(text)) == "</script><!--"


def test_the_same_report_gives_the_same_bytes(several_report: Report) -> None:
    """No clock and no random id is in the page."""
    assert render_html(several_report) == render_html(several_report)


def test_a_circle_of_explanations_does_not_hang(rich_run: RunReport) -> None:
    """Causes that explain each other, as only a stranger's report can say, are each shown once."""
    first, second, third = rich_run.causes
    circle = (replace(first, explained_by=second.id), replace(second, explained_by=first.id), replace(third, explained_by="unheard-of"))
    parsed = Parsed(render_html(Report("1", (replace(rich_run, causes=circle),))))
    ids = [element["id"] for element in parsed.named("details") if "cause" in element.get("class", "").split()]
    assert sorted(ids) == ["cause-1", "cause-2", "cause-3"]


# --- weight -----------------------------------------------------------------------------------------------------------


def test_a_normal_run_stays_within_its_budget(rich_report: Report) -> None:
    """Style, script, figures and the embedded result together stay below 250 KB."""
    assert len(render_html(rich_report).encode()) <= BUDGET_BYTES


def test_docs_of_checks_that_raised_no_alarm_are_left_out(rich_report: Report) -> None:
    """They would be a third of the page, and nothing on it shows them."""
    quiet = Page("dead-units", "check", "Dead units", {"When it is wrong": "sparse embeddings"})
    page = render_html(replace(rich_report, pages=(*rich_report.pages, quiet)))
    assert "sparse embeddings" not in page
    assert "Frozen weights do not move either." in page


def test_templates_are_found_in_the_package_or_beside_it(tmp_path: Path) -> None:
    """A wheel holds them in the package, a checkout beside it; elsewhere the error says where they were looked for."""
    package = tmp_path / "postmortem"
    with pytest.raises(TemplatesMissingError, match="templates"):
        templates_folder(package)
    for folder in (tmp_path / "templates", package / "templates"):
        folder.mkdir(parents=True)
        (folder / "report.html.j2").touch()
        assert templates_folder(package) == folder
