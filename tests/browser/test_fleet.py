"""The page of all runs in a real browser: filters, the address, sorting, and the rules that every page keeps."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import JENKINS_POLICY, Look, Opener, serving

from postmortem.model import Fleet, FleetRow
from postmortem.render.fleet import render_fleet

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAPER = 718
"""Pixels of text width that A4 with margins of one centimetre has."""
SENTENCE = "The median update is 0.34 of the weight's norm per step; above 0.1 weights are overwritten, and that is where it ends."
SPARK = "M2 3l29 5.5 29 -5.5 29 5.5 29 5.5"
LR = FleetRow(
    "sweep/exp1",
    "runs/sweep/exp1",
    "failed",
    SENTENCE,
    "lr-too-high",
    "Learning rate too high",
    0.995,
    25,
    "fc1.weight",
    SPARK,
    4624,
    5,
    355_000,
)
RELU = replace(LR, cause="dead-relus", title="Dead ReLU units", headline="100% of the units of 2.weight had no gradient.")
ROWS = (
    replace(LR, page="runs/sweep--exp1.html"),
    replace(LR, name="sweep/exp2", probability=0.805, first_step=100, parameters=900),
    replace(RELU, name="sweep/exp10", probability=0.9, first_step=3, parameters=12_345),
    replace(RELU, name="other", verdict="suspect", probability=0.7, first_step=None),
    FleetRow("cut", "runs/cut", "unreadable", "Nothing could be read: 1 file damaged.", bytes=400, problems=1),
    FleetRow(
        "fine", "runs/fine", "healthy", "The run looks healthy: the loss fell by 98.1% of its start.", spark=SPARK, parameters=10, bytes=9
    ),
)
HOSTILE = (
    "layer." * 60 + "weight",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\N{ARABIC LETTER TAH}\N{ARABIC LETTER BEH}\N{ARABIC LETTER QAF}/exp",
    "\N{CJK UNIFIED IDEOGRAPH-5C42}\N{CJK UNIFIED IDEOGRAPH-6743}" * 60,
    "bell\x07and\x1b[31mred\u202eturned",
)


@pytest.fixture(scope="module")
def fleet_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of six runs of four verdicts and two causes; one of them has a page of its own."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "index.html").write_text(render_fleet(Fleet("1", ROWS, "postmortem scan runs -o out")), encoding="utf-8")
    (folder / "runs").mkdir()
    (folder / "runs" / "sweep--exp1.html").write_text("<title>exp1</title>", encoding="utf-8")
    return folder / "index.html"


@pytest.fixture
def page(opened: Opener, fleet_page: Path) -> Page:
    """The page, opened on a wide screen."""
    return opened(fleet_page, Look(width=1440)).page


def shown(page: Page) -> list[str]:
    """Names of the runs that the table shows, in its order."""
    names: list[str] = page.evaluate(
        "[...document.querySelectorAll('tbody th')].filter((name) => name.checkVisibility()).map((name) => name.innerText)"
    )
    return names


def status(page: Page) -> str:
    """The line that a screen reader hears when the filter changes."""
    return page.get_by_role("status").inner_text()


def test_words_filter_names_causes_and_sentences(page: Page) -> None:
    """All words must be there, in any case and any cell; the number of runs that are shown is announced."""
    assert status(page) == "6 runs, the worst first"
    for words, names in (
        ("SWEEP", ["sweep/exp1", "sweep/exp10", "sweep/exp2"]),
        ("relu", ["sweep/exp10", "other"]),
        ("could not", ["cut"]),
        ("could nothing", ["cut"]),
        ("gradient sweep", ["sweep/exp10"]),
    ):
        page.get_by_role("searchbox").fill(words)
        assert shown(page) == names, words
        assert status(page) == f"showing {len(names)} of 6 runs"


def test_chips_and_causes_filter_together(page: Page) -> None:
    """Verdicts add up, and the cause, from the list or the counts above, cuts them down; pressed buttons say so."""
    failed, unreadable = (page.locator(f".chips [data-verdict={verdict}]") for verdict in ("failed", "unreadable"))
    unreadable.click()
    assert shown(page) == ["cut"]
    failed.click()
    assert shown(page) == ["sweep/exp1", "sweep/exp10", "sweep/exp2", "cut"]
    assert failed.get_attribute("aria-pressed") == "true"
    cause = page.get_by_role("button", name="Dead ReLU units")
    cause.click()
    assert shown(page) == ["sweep/exp10"]
    assert cause.get_attribute("aria-pressed") == "true"
    assert page.get_by_role("combobox").input_value() == "dead-relus"
    failed.click()
    unreadable.click()
    assert shown(page) == ["sweep/exp10", "other"]
    cause.click()
    assert status(page) == "6 runs, the worst first"
    page.get_by_role("combobox").select_option("none")
    assert shown(page) == ["cut", "fine"]


def test_an_empty_result_says_so_and_offers_the_way_back(page: Page) -> None:
    """Where no run fits there is a sentence in place of the table, and its button shows all runs again."""
    page.get_by_role("searchbox").fill("no such run")
    assert page.locator(".nothing").is_visible()
    assert not page.locator("table").is_visible()
    page.get_by_role("button", name="Show all runs").click()
    assert len(shown(page)) == 6
    assert not page.locator(".nothing").is_visible()
    assert page.locator(".filters .reset").is_disabled()
    assert page.evaluate("document.activeElement.type") == "search"


def test_the_address_holds_the_filter(opened: Opener, fleet_page: Path, page: Page) -> None:
    """A filtered view opened by its address is the same view, signs in the words included."""
    page.locator(".chips [data-verdict=failed]").click()
    page.get_by_role("combobox").select_option("lr-too-high")
    page.get_by_role("searchbox").fill("exp2 weight's & 0.34%")
    page.get_by_role("searchbox").fill("exp2 0.34 &")
    address: str = page.evaluate("location.href")
    assert address.endswith("#verdict=failed&cause=lr-too-high&text=exp2%200.34%20%26")
    page.get_by_role("searchbox").fill("exp2 weight's 0.34")
    other = opened(page.evaluate("location.href"), Look()).page
    assert shown(other) == ["sweep/exp2"]
    assert other.get_by_role("searchbox").input_value() == "exp2 weight's 0.34"
    assert other.get_by_role("combobox").input_value() == "lr-too-high"
    assert other.locator(".chips [data-verdict=failed]").get_attribute("aria-pressed") == "true"


def test_back_takes_a_filter_back(page: Page) -> None:
    """Each choice is one step of the browser's history, and a search is one however many letters it has."""
    page.locator(".chips [data-verdict=failed]").click()
    page.get_by_role("searchbox").press_sequentially("exp1")
    assert shown(page) == ["sweep/exp1", "sweep/exp10"]
    page.go_back()
    page.wait_for_function("document.querySelector('input').value === ''")
    assert shown(page) == ["sweep/exp1", "sweep/exp10", "sweep/exp2"]
    page.go_back()
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 0")
    assert len(shown(page)) == 6
    page.go_forward()
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 1")
    assert len(shown(page)) == 3


@pytest.mark.parametrize(
    "address",
    ["#main", "#verdict=splendid", "#cause=__proto__", "#=&&", "#text=%E0%A4%A", "#sort=1", "#sort=99,ascending", "#sort=4,ascending"],
)
def test_an_address_that_means_nothing_filters_nothing(opened: Opener, fleet_page: Path, address: str) -> None:
    """A place on the page, unknown words and broken escapes leave the page whole, or say what they are taken for."""
    visit = opened(f"{fleet_page.as_uri()}{address}", Look())
    assert len(shown(visit.page)) == (0 if "text" in address else 6)
    assert visit.complaints == []


def test_the_skip_link_keeps_the_filter(page: Page) -> None:
    """Following a link to a place on the page does not take the filter back."""
    page.locator(".chips [data-verdict=unreadable]").click()
    page.evaluate("location.hash = 'main'")
    page.wait_for_function("location.hash === '#main'")
    assert shown(page) == ["cut"]


def test_columns_sort_and_filters_stay(page: Page) -> None:
    """Numbers start with the largest, names in natural order, verdicts with the worst; runs that are filtered out stay out."""
    page.get_by_role("columnheader", name="Parameters").get_by_role("button").click()
    assert shown(page) == ["sweep/exp10", "sweep/exp1", "other", "sweep/exp2", "fine", "cut"]
    page.get_by_role("columnheader", name="Run").get_by_role("button").click()
    assert shown(page) == ["cut", "fine", "other", "sweep/exp1", "sweep/exp2", "sweep/exp10"]
    page.get_by_role("columnheader", name="Verdict").get_by_role("button").click()
    assert shown(page)[-2:] == ["cut", "fine"]
    page.get_by_role("columnheader", name="Sure").get_by_role("button").click()
    page.get_by_role("searchbox").fill("sweep")
    assert shown(page) == ["sweep/exp1", "sweep/exp10", "sweep/exp2"]
    page.get_by_role("columnheader", name="First step").get_by_role("button").click()
    assert shown(page) == ["sweep/exp2", "sweep/exp1", "sweep/exp10"]


def test_the_order_stands_in_the_address_and_above_the_table(opened: Opener, fleet_page: Path, page: Page) -> None:
    """Opened by its address the page is sorted alike; Reset, and Back, restore the page's own order and what is said of it."""
    said = page.locator(".runs-head .shown")
    assert said.inner_text() == "6 runs, the worst first"
    page.get_by_role("columnheader", name="Run").get_by_role("button").click()
    order = ["cut", "fine", "other", "sweep/exp1", "sweep/exp2", "sweep/exp10"]
    assert (shown(page), said.inner_text()) == (order, "6 runs, by run")
    address: str = page.evaluate("location.href")
    assert address.endswith("#sort=0,ascending")
    other = opened(address, Look()).page
    assert shown(other) == order
    other.get_by_role("button", name="Reset").click()
    assert (shown(other)[0], other.locator(".runs-head .shown").inner_text()) == ("sweep/exp1", "6 runs, the worst first")
    page.get_by_role("searchbox").fill("sweep")
    assert said.inner_text() == "showing 3 of 6 runs, by run"
    page.go_back()
    page.go_back()
    assert (shown(page)[0], said.inner_text()) == ("sweep/exp1", "6 runs, the worst first")


def test_texts_are_one_line_until_asked_for(page: Page) -> None:
    """A row is one line high; whole sentences, and names, are a click away."""
    row = page.locator("tbody tr").first
    box = row.bounding_box()
    assert box is not None
    assert box["height"] < 36
    cell = page.locator("tbody tr td:nth-child(5)").first
    cut = "(cell) => cell.firstElementChild.scrollHeight > cell.firstElementChild.clientHeight"
    assert cell.evaluate(cut)
    page.get_by_role("checkbox", name="Whole texts").check()
    assert not cell.evaluate(cut)
    assert cell.inner_text() == SENTENCE


def test_what_was_seen_takes_the_room_of_two_numbers_in_a_narrower_window(opened: Opener, fleet_page: Path) -> None:
    """Two lines of the sentence, a quarter of the table wide, stand where they would; with whole texts all columns are there."""
    page = opened(fleet_page, Look(width=1100)).page
    cell, table = (page.locator(found).first.bounding_box() for found in ("tbody tr td:nth-child(5)", ".runs table"))
    assert cell is not None
    assert table is not None
    assert cell["width"] > table["width"] / 4
    heads = [page.get_by_role("columnheader", name=name) for name in ("Parameters", "Size")]
    assert [head.is_visible() for head in heads] == [False, False]
    page.get_by_role("checkbox", name="Whole texts").check()
    assert [head.is_visible() for head in heads] == [True, True]


def test_a_run_leads_to_its_page_and_back_to_the_filter(page: Page) -> None:
    """The link opens the run's own page beside this one; Back shows the same filtered view."""
    page.get_by_role("searchbox").fill("exp1")
    page.get_by_role("link", name="sweep/exp1", exact=True).click()
    page.wait_for_function("document.title === 'exp1'")
    page.go_back()
    page.wait_for_function("document.querySelector('input')?.value === 'exp1'")
    assert shown(page) == ["sweep/exp1", "sweep/exp10"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opened: Opener, fleet_page: Path, scheme: str) -> None:
    """All of axe-core's rules hold, with every kind of button pressed and with an empty result."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(fleet_page, Look(scheme="dark" if scheme == "dark" else "light", width=1440)).page
    found = Axe().run(page)
    assert found.response["passes"]
    assert found.violations_count == 0, found.generate_report()
    for chip in page.locator(".chips button").all():
        chip.click()
    page.locator(".cause-counts button").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("searchbox").fill("no such run")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_scrolls_sideways_at_360_pixels(opened: Opener, tmp_path: Path, scripts: bool) -> None:
    """The page is as wide as the screen, with the longest names, and every control is on it."""
    path = tmp_path / "index.html"
    path.write_text(render_fleet(Fleet("1", (*ROWS, *(replace(LR, name=name) for name in HOSTILE)))), encoding="utf-8")
    page = opened(path, Look(width=360, height=740, scripts=scripts)).page
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    outside = page.evaluate(
        """() => [...document.querySelectorAll(".filters *, .verdict *")].filter((part) => part.checkVisibility()
            && !part.closest(".hidden-text") && part.getBoundingClientRect().right > 360).map((part) => part.outerHTML.slice(0, 120))"""
    )
    assert outside == []


@pytest.mark.parametrize("width", [641, 900, 1240, 1400, 1440, 1500, 1920])
def test_no_width_scrolls_the_page_sideways(opened: Opener, tmp_path: Path, width: int) -> None:
    """On no screen is the page wider than it, problems and long names in the table."""
    path = tmp_path / "index.html"
    long = "Gradients vanish on the way to early layers"
    rows = (*ROWS, *(replace(LR, name=name, title=long, cause="v", bytes=10**12, parameters=10**11, problems=3) for name in HOSTILE))
    path.write_text(render_fleet(Fleet("1", rows)), encoding="utf-8")
    page = opened(path, Look(width=width)).page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_role("checkbox").check()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_hostile_names_stay_text(opened: Opener, tmp_path: Path) -> None:
    """Markup in names, sentences and causes runs nothing and shows as it is; what is unseen is written out."""
    path = tmp_path / "index.html"
    rows = tuple(replace(LR, name=name, headline=name, cause=name, title=name) for name in HOSTILE)
    path.write_text(render_fleet(Fleet("1", rows, HOSTILE[1])), encoding="utf-8")
    visit = opened(path, Look(width=1440))
    page = visit.page
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert set(shown(page)) == {*HOSTILE[:5], "bell\\x07and\\x1b[31mred\\u202eturned"}
    page.get_by_role("combobox").select_option(HOSTILE[2])
    assert shown(page) == [HOSTILE[2]]
    assert len(visit.requests) == 1
    assert visit.complaints == []
    assert visit.violations() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Opener, fleet_page: Path, scheme: str) -> None:
    """After a use of everything, the page itself is the only request, and neither console nor policy has a complaint."""
    visit = opened(fleet_page, Look(scheme="dark" if scheme == "dark" else "light"))
    for button in visit.page.locator("button:visible:enabled").all():
        button.click()
    visit.page.wait_for_load_state("networkidle")
    assert visit.requests == [fleet_page.as_uri()]
    assert visit.complaints == []
    assert visit.violations() == []


def _shows_all(page: Page) -> None:
    assert page.locator("h1").inner_text() == "3 of 6 runs failed"
    assert shown(page) == ["sweep/exp1", "sweep/exp10", "sweep/exp2", "other", "cut", "fine"]
    text = page.locator("main").inner_text()
    for row in ROWS:
        assert row.headline.replace("%", "\u00a0%") in text
        assert row.title in text
    assert "3 failed" in text
    assert page.locator(".cause-counts li").count() == 2
    for picture in page.locator("svg.spark, .tally-bar, .cause-counts svg").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 0
        assert box["height"] > 0
    # Controls that would do nothing are not shown.
    assert page.locator("button:visible, input:visible, select:visible").count() == 0


def test_with_scripts_off_everything_is_shown(opened: Opener, fleet_page: Path) -> None:
    """Every run with its whole sentence and picture, every cause with its count, and no control."""
    _shows_all(opened(fleet_page, Look(scripts=False)).page)


def test_under_the_header_of_jenkins_everything_is_shown(opened: Opener, fleet_page: Path) -> None:
    """The same where the server's policy blocks the page's script and style sheet."""
    with serving(fleet_page.parent, {"Content-Security-Policy": JENKINS_POLICY}, []) as server:
        page = opened(f"{server}/index.html", Look()).page
        assert page.locator(".card").first.evaluate("(card) => getComputedStyle(card).borderTopWidth") == "0px"
        _shows_all(page)


def test_on_paper_nothing_is_cut(opened: Opener, fleet_page: Path) -> None:
    """Whole texts of all runs are printed within the width of a page, light colours in the dark too, without the controls."""
    from pypdf import PdfReader

    page = opened(fleet_page, Look(scheme="dark", width=PAPER, height=1045)).page
    margin: Any = dict.fromkeys(("top", "right", "bottom", "left"), "1cm")
    printed = PdfReader(io.BytesIO(page.pdf(format="A4", margin=margin, print_background=True)))
    text = " ".join(" ".join(sheet.extract_text() for sheet in printed.pages).split())
    for row in ROWS:
        assert row.verdict in text
        assert row.title in text
    assert "Whole texts" not in text
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == PAPER
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = page.evaluate(
        "[...document.querySelectorAll('.runs, .runs td')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length"
    )
    assert cut == 0
    # Columns of words are wide enough for words: none is a stack of letters.
    widths: list[float] = page.evaluate("[...document.querySelectorAll('.runs thead th')].map((head) => head.getClientRects()[0].width)")
    assert min(widths) >= 24


def test_the_keyboard_reaches_every_control(page: Page) -> None:
    """Tab visits every control and link that can be used, and each shows that it is there."""
    reached = 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    while page.evaluate("document.activeElement !== document.body") and reached < 100:
        reached += 1
        outlined = page.evaluate(
            """() => ["", "::after"].some((part) => {
                const style = getComputedStyle(document.activeElement, part || null);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
            })"""
        )
        assert outlined, page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
    wanted: int = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, select, [tabindex='0']")].filter(
            (element) => element.checkVisibility() && !element.disabled).length"""
    )
    assert reached == wanted


def test_five_thousand_runs_are_filtered_at_once(opened: Opener, tmp_path: Path) -> None:
    """A page of 5,000 runs opens, filters and sorts; what is shown is right."""
    rows = tuple(replace(LR if index % 2 else ROWS[-1], name=f"team/sweep-{index:05d}") for index in range(5000))
    path = tmp_path / "index.html"
    path.write_text(render_fleet(Fleet("1", rows)), encoding="utf-8")
    page = opened(path, Look(width=1440)).page
    page.get_by_role("searchbox").fill("sweep-0012")
    assert status(page) == "showing 10 of 5000 runs"
    page.get_by_role("columnheader", name="Run").get_by_role("button").click()
    assert shown(page) == [f"team/sweep-{index:05d}" for index in range(120, 130)]
