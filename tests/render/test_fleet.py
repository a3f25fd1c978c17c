"""The page of all runs of a scan: what it says, that it stays small, and that hostile names stay text in it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from postmortem.model import Fleet, FleetRow, Verdict
from postmortem.render import fleet as fleet_module
from postmortem.render.fleet import DETAILS, fleet_text, render_fleet, view_fleet
from postmortem.render.fleet_json import dump_fleet, is_fleet, parse_fleet
from postmortem.render.html import templates_folder
from postmortem.render.json import NotAReportError

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}\u202egnp\x1b[31m\x00\ud800 &amp; <!--"
LARGEST_BYTES = 2_000_000

FAILED = FleetRow(
    name="sweep/exp7",
    path="runs/sweep/exp7",
    verdict="failed",
    headline="The median update is 0.34 of the weight's norm per step.",
    cause="lr-too-high",
    title="Learning rate too high",
    probability=0.8,
    first_step=25,
    place="fc1.weight",
    spark="M2 3l29 5.5 29 5.5 29 5.5 29 5.5",
    parameters=4624,
    checkpoints=5,
    bytes=355_000,
    page="runs/sweep--exp7.html",
)
HEALTHY = FleetRow("fine", "runs/fine", "healthy", "The run looks healthy: the loss fell by 98.1% of its start.", checkpoints=2, bytes=1000)


def fleet(*rows: FleetRow) -> Fleet:
    """A scan of these rows."""
    return Fleet("1.2", rows, "postmortem scan runs -o out")


def rows_of(page: str) -> list[str]:
    """The text of each row of the page's table, cells parted by bars."""
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert body is not None
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", body.group(1), re.DOTALL)]
    return ["|".join(re.sub(r"<[^>]*>", "", cell).strip() for cell in row) for row in cells]


def many(count: int, name: str = "team/sweep-{:05d}/seed-1", headline: str = FAILED.headline) -> Fleet:
    """As many rows, every third of them failed, with pictures of an ordinary size."""
    spark = "M2 3l" + " ".join(f"1.{index % 9} .{index % 7}" for index in range(110))
    return fleet(
        *(
            replace(
                FAILED if index % 3 == 0 else HEALTHY,
                name=name.format(index),
                headline=headline,
                spark=spark,
                page=f"runs/team--sweep-{index:05d}--seed-1.html" if index % 3 == 0 else "",
            )
            for index in range(count)
        )
    )


def test_rows_stand_worst_first_then_by_probability() -> None:
    """Failed before suspect, unreadable, inconclusive and healthy; of one verdict the surest first; the rest as found."""
    verdicts: tuple[Verdict, ...] = ("healthy", "inconclusive", "unreadable", "suspect", "failed")
    rows = [replace(HEALTHY, name=f"{verdict} {letter}", verdict=verdict) for letter in "ab" for verdict in verdicts]
    rows.append(replace(FAILED, name="failed surest", probability=0.9))
    rows.append(replace(FAILED, name="failed sure", probability=0.8))
    shown = [row.split("|")[0] for row in rows_of(render_fleet(fleet(*rows)))]
    assert shown == [
        "failed surest",
        "failed sure",
        *(f"{verdict} {letter}" for verdict in reversed(verdicts) for letter in "ab"),
    ]


def test_a_row_shows_every_number_with_its_unit() -> None:
    """Name with a link to the page, verdict, cause, how sure, what was seen, first step, parameters, size and problems."""
    page = render_fleet(fleet(FAILED, replace(HEALTHY, problems=3)))
    assert rows_of(page) == [
        "sweep/exp7|failed|Learning rate too high|80 %|The median update is 0.34 of the weight&#39;s norm per step.||25|4624|355 kB|",
        "fine|healthy|||The run looks healthy: the loss fell by 98.1\u00a0% of its start.||||1 kB|3",
    ]
    assert '<a href="runs/sweep--exp7.html">sweep/exp7</a>' in page
    assert f'd="{FAILED.spark}"' in page
    assert "2 runs, 7 checkpoints, 356 kB; 3 problems with files of 1 run" in page
    assert "postmortem scan runs -o out" in page


def test_without_problems_the_page_says_that_there_were_none() -> None:
    """A column that would be empty is left out, and said in words."""
    page = render_fleet(fleet(FAILED))
    assert "no problem with any file" in page
    assert ">Problems<" not in page


def test_causes_are_counted_most_frequent_first() -> None:
    """One row a cause with its count and its share of all runs; runs without a cause can be filtered too."""
    other = replace(FAILED, cause="dead-relus", title="Dead ReLU units")
    rows = (other, FAILED, replace(FAILED, name="b"), HEALTHY)
    view = view_fleet(fleet(*rows))
    assert [(cause.id, cause.count, cause.share) for cause in view.causes] == [("lr-too-high", 2, 0.5), ("dead-relus", 1, 0.25)]
    assert view.uncaused == 1
    assert fleet_text(fleet(*rows)) == "3 of 4 runs failed: 3 failed, 1 healthy\n  2  Learning rate too high\n  1  Dead ReLU units\n"
    page = render_fleet(fleet(*rows))
    assert re.findall(r'<option value="(.*?)">(.*?)</option>', page) == [
        ("", "any"),
        ("lr-too-high", "Learning rate too high"),
        ("dead-relus", "Dead ReLU units"),
        ("none", "none named"),
    ]


@pytest.mark.parametrize(
    ("verdicts", "title"),
    [
        ((), "No runs"),
        (("failed",), "One run, failed"),
        (("failed", "failed"), "All 2 runs failed"),
        (("failed", "healthy"), "1 of 2 runs failed"),
        (("suspect", "healthy"), "1 of 2 runs is suspect"),
        (("suspect", "suspect", "healthy"), "2 of 3 runs are suspect"),
        (("unreadable", "healthy"), "1 of 2 runs could not be read"),
        (("inconclusive", "healthy"), "1 of 2 runs is inconclusive"),
        (("healthy", "healthy"), "All 2 runs look healthy"),
    ],
)
def test_the_title_says_the_worst(verdicts: tuple[Verdict, ...], title: str) -> None:
    """The heading and the title of the window are the scan in a few words, for one run, for all alike, and for none."""
    page = render_fleet(fleet(*(replace(HEALTHY, verdict=verdict) for verdict in verdicts)))
    assert f"<title>{title} (postmortem)</title>" in page
    assert f'id="fleet-title">{title}</h1>' in page
    assert ("There was nothing to analyze." in page) == (not verdicts)
    assert ("No run&#39;s verdict names a cause." in page or "No run's verdict names a cause." in page) == bool(verdicts)


def test_hostile_names_stay_text() -> None:
    """Names, causes, sentences and commands of strangers are escaped, and what they hide is written out."""
    row = replace(FAILED, name=HOSTILE, path=HOSTILE, headline=HOSTILE, title=HOSTILE, cause=HOSTILE, place=HOSTILE)
    hostile = Fleet(HOSTILE, (row, replace(row, verdict="healthy")), HOSTILE)
    page = render_fleet(hostile)
    assert "<img" not in page
    assert page.count("</script>") == 1
    for unseen in ("\u202e", "\x1b", "\x00", "\ud800"):
        assert unseen not in page
    page.encode("utf-8")
    assert "\\u202egnp\\x1b[31m\\x00\\ud800 &amp;amp;" in page
    assert "\x1b" not in fleet_text(hostile)


def test_the_policy_comes_first_and_names_the_only_script_and_style() -> None:
    """Nothing but this script and this style sheet may act; no element carries a style or a handler of its own."""
    page = render_fleet(fleet(FAILED, HEALTHY))
    head = page.split("<head>")[1].lstrip()
    assert head.startswith('<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; ')
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} &#39;sha256-{digest.replace('+', '&#43;')}&#39;" in page or f"{directive} &#39;sha256-{digest}&#39;" in page
    markup = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\sstyle=|\son[a-z]+=|https?:|src=", markup)


def test_the_same_rows_give_the_same_bytes() -> None:
    """Rendering twice, and rendering what was saved and read back, gives one page."""
    one = fleet(FAILED, HEALTHY)
    assert render_fleet(one) == render_fleet(one) == render_fleet(parse_fleet(dump_fleet(one)))


def test_a_few_hundred_runs_are_shown_in_full() -> None:
    """All pictures and whole sentences of 500 runs fit, and nothing is said of leaving out."""
    page = render_fleet(many(500))
    assert page.count('class="spark"') == 500
    assert "index.json beside this page has every run in full" not in page
    assert len(page.encode()) < LARGEST_BYTES


def test_five_thousand_runs_stay_below_two_megabytes_and_say_what_is_left_out() -> None:
    """Every run is listed; the pictures are left out and long sentences cut, and the page says both."""
    page = render_fleet(many(5000, headline="What was seen stands in one sentence of ordinary length. " * 4))
    assert len(page.encode()) < LARGEST_BYTES
    assert len(rows_of(page)) == 5000
    assert 'class="spark"' not in page
    assert "To keep the page small, pictures of the loss are left out and sentences cut after 80 letters." in page
    assert "What was seen stands in one sentence of ordinary length. What was seen stands i\u2026</td>" in page
    assert "The file index.json beside this page has every run in full." in page


@pytest.mark.parametrize("pictures", [True, False])
def test_the_largest_rows_take_no_more_than_was_reckoned(pictures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of many digits, escapes and the longest words leave the page below its room: what is reckoned is an upper bound."""
    large = FleetRow(
        "n" * 9 + '"<', "p", "inconclusive", "it's", "c", "T & T", 0.98761, 10**12, "", "M2 3", 10**15, 9, 10**15, 99_999, "runs/x.html"
    )
    monkeypatch.setattr(fleet_module, "DETAILS", tuple(detail for detail in DETAILS if detail.pictures == pictures))
    monkeypatch.setattr(fleet_module, "ROOM_BYTES", 200_000)
    page = render_fleet(fleet(*(large for _ in range(2000))))
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert 100_000 < len(body.encode()) <= 200_000


def test_pictures_go_first() -> None:
    """Where it is enough to leave the pictures out, sentences stay whole."""
    page = render_fleet(many(3000))
    assert len(page.encode()) < LARGEST_BYTES
    assert "To keep the page small, pictures of the loss are left out." in page
    assert page.count("0.34 of the weight&#39;s norm per step.</td>") == 3000


@pytest.mark.parametrize(("count", "name"), [(30_000, "team/sweep-{:05d}"), (6_000, "{:05d}" + "<" * 4000)])
def test_beyond_what_fits_the_worst_are_listed(count: int, name: str) -> None:
    """No number of runs and no length of names makes the page larger; it says how many runs it lists, and counts all of them."""
    page = render_fleet(many(count, name))
    assert len(page.encode()) < LARGEST_BYTES
    said = re.search(r"Only the worst ([\d,]+) of ([\d,]+) runs are listed here\.", page)
    assert said is not None
    assert int(said[2].replace(",", "")) == count
    assert len(rows_of(page)) == int(said[1].replace(",", "")) > 1000
    assert f"{count // 3:,} of {count:,} runs failed" in page.replace("2000 of 6000", "2,000 of 6,000")
    failed = [row.split("|")[1] == "failed" for row in rows_of(page)]
    assert failed == sorted(failed, reverse=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "not JSON",
        '{"fleet_version":"99","tool":{},"runs":[]}',
        '{"fleet_version":"1","tool":{"version":"1"},"runs":[{"name":"a"}]}',
        '{"fleet_version":"1","tool":{"version":"1"},"runs":[{"name":"a","path":"a","verdict":"splendid","headline":""}]}',
        '{"fleet_version":"1","tool":{"version":"1"},"runs":[{"name":"a","path":"a","verdict":"failed","headline":"","bytes":"many"}]}',
        '{"fleet_version":"1","runs":3}',
    ],
)
def test_what_is_no_scan_is_refused(text: str) -> None:
    """Text that is no JSON, of another version, or without what a row needs raises the error that the command knows."""
    with pytest.raises(NotAReportError):
        parse_fleet(text)


@pytest.mark.parametrize("page", ["javascript:alert(1)", "https://elsewhere/x.html", "../x.html", "runs/../x.html", "runs/x.html\n", "/x"])
def test_links_lead_to_pages_of_the_scan_alone(page: str) -> None:
    """An address in rows that somebody wrote by hand is no link on the page."""
    assert parse_fleet(dump_fleet(fleet(replace(FAILED, page=page)))).rows[0].page == ""


def test_rows_are_known_by_their_beginning() -> None:
    """What a scan wrote is told from a report of runs."""
    assert is_fleet(dump_fleet(fleet(FAILED)))
    assert not is_fleet('{"schema_version":"1"}')


def test_both_pages_sort_by_the_same_script() -> None:
    """The part that sorts tables is one file, which names what the other parts call."""
    folder = templates_folder()
    assert "const sortable =" in (folder / "tables.js").read_text(encoding="utf-8")
    for name in ("report.js", "fleet.js"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "sortable(part)" in text or "sortable(one(" in text
        assert "aria-sort" not in text


def test_the_page_says_why_a_name_leads_nowhere() -> None:
    """Where no healthy run has a page, how to get one; where each has, or all failed, nothing."""
    told = "--reports all makes one for each"
    assert told in render_fleet(fleet(FAILED, replace(HEALTHY, page="")))
    assert told not in render_fleet(fleet(FAILED, replace(HEALTHY, page="runs/fine.html")))
    assert told not in render_fleet(fleet(FAILED))
