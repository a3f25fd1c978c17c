"""A scan of an archive: what it writes, what it keeps, and what it passes over."""

from __future__ import annotations

import gc
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from postmortem.analysis import Options, measured_trainings
from postmortem.archive import scan as scanning
from postmortem.archive.slugs import page_name
from postmortem.cli import EXIT_CLEAR, EXIT_FOUND, EXIT_INTERRUPTED, EXIT_UNREAD, EXIT_USAGE, main
from postmortem.model import FoundRun, RunMeasurements, RunReport
from postmortem.render.fleet_json import parse_fleet


@pytest.fixture
def archive(tmp_path: Path, failed_run: Path) -> Path:
    """Three runs: one failed, one that is too short to tell, and one of a single damaged file."""
    folder = tmp_path / "archive"
    shutil.copytree(failed_run, folder / "sweep" / "Exp 7")
    _short(folder / "sweep" / "exp8")
    _broken(folder / "cut")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two runs that are read in no time: one too short to tell, one whose log is damaged."""
    folder = tmp_path / "small"
    _short(folder / "sweep" / "exp8")
    (folder / "cut").mkdir()
    (folder / "cut" / "metrics.jsonl").write_bytes(b"{" * 50)
    return folder


def _short(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(
        "step,train_loss\n" + "".join(f"{step},{2.3 - 0.01 * step}\n" for step in range(5)), encoding="utf-8"
    )


def _broken(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "step_000100.pt").write_bytes(b"PK\x03\x04 and then nothing that could be read")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _scan(*arguments: Path | str) -> int:
    return main(["scan", *map(str, arguments)])


def test_runs_that_failed_get_a_page_and_all_get_a_row(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The failed and the unreadable run have pages of readable names that the index links to; the tally goes to standard output."""
    out = tmp_path / "made" / "here"
    assert _scan(archive, "-o", out) == EXIT_FOUND
    said = capsys.readouterr()
    assert said.out.startswith("1 of 3 runs failed: 1 failed, 1 unreadable, 1 inconclusive\n")
    assert said.err == f"postmortem: wrote {out}/index.html\n"
    rows = {row.name: row for row in parse_fleet((out / "index.json").read_text(encoding="utf-8"))}
    assert {name: row.verdict for name, row in rows.items()} == {
        "cut": "unreadable",
        "sweep/Exp 7": "failed",
        "sweep/exp8": "inconclusive",
    }
    failed = rows["sweep/Exp 7"]
    assert re.fullmatch(r"runs/sweep-exp-7-[0-9a-f]{10}\.html", failed.page)
    assert rows["cut"].page == "runs/cut.html"
    assert rows["sweep/exp8"].page == ""
    assert failed.cause
    assert failed.title in said.out
    assert failed.probability is not None
    assert not failed.headline.startswith(failed.title)
    assert failed.spark.startswith("M")
    assert failed.parameters > 0
    assert failed.checkpoints > 0
    assert failed.bytes == sum(path.stat().st_size for path in (archive / "sweep" / "Exp 7").rglob("*") if path.is_file())
    assert rows["cut"].problems == 1
    assert {name for name in _files(out) if name.startswith("runs/")} == {failed.page, "runs/cut.html"}
    index = (out / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'<a href="(runs/[^"]+)"', index)) == {failed.page, "runs/cut.html"}
    assert failed.title in (out / failed.page).read_text(encoding="utf-8")


@pytest.mark.parametrize(("reports", "pages"), [("all", {"runs/cut.html", "runs/sweep--exp8.html"}), ("none", set[str]())])
def test_reports_says_which_runs_get_a_page(small: Path, tmp_path: Path, reports: str, pages: set[str]) -> None:
    """`--reports all` writes a page for every run, `none` for no run; the rows say so."""
    out = tmp_path / "out"
    _scan(small, "-o", out, "--reports", reports)
    assert {name for name in _files(out) if name.startswith("runs/")} == pages
    assert {row.page for row in parse_fleet((out / "index.json").read_text(encoding="utf-8"))} - {""} == pages


def test_exit_codes_are_those_of_analyze(small: Path, tmp_path: Path) -> None:
    """Nothing failed but a file could not be read: 3; without the damaged run: 0; a check that is none, and nothing to scan: 2."""
    assert _scan(small, "-o", tmp_path / "a") == EXIT_UNREAD
    assert _scan(small / "sweep", "-o", tmp_path / "b", "--fail-on", "suspect") == EXIT_CLEAR
    assert _scan(small, "-o", tmp_path / "c", "--ignore", "no-such-check") == EXIT_USAGE
    (tmp_path / "empty").mkdir()
    assert _scan(tmp_path / "empty", "-o", tmp_path / "d") == EXIT_USAGE
    assert _scan(tmp_path / "nowhere", "-o", tmp_path / "d") == EXIT_USAGE
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "d").exists()


def test_ignored_checks_are_ignored(archive: Path, tmp_path: Path) -> None:
    """`--ignore` of the cause that led changes what the row says; `--fail-on never` gives no 1."""
    before, after = tmp_path / "before", tmp_path / "after"
    _scan(archive, "-o", before)
    lead = next(row.cause for row in parse_fleet((before / "index.json").read_text(encoding="utf-8")) if row.cause)
    assert _scan(archive, "-o", after, "--ignore", lead, "--fail-on", "never") == EXIT_UNREAD
    assert lead not in {row.cause for row in parse_fleet((after / "index.json").read_text(encoding="utf-8"))}


def test_a_run_that_breaks_the_analysis_is_a_row_and_not_the_end(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error stands in the row in words, the trainings before it in the same folder are kept, and the other runs are analyzed."""

    def breaking(found: FoundRun, options: Options) -> Iterator[RunMeasurements]:
        yield from measured_trainings(found, options)
        if found.name == "sweep/exp8":
            raise KeyError("no <such> thing")

    monkeypatch.setattr(scanning, "measured_trainings", breaking)
    out = tmp_path / "out"
    assert _scan(small, "-o", out) == EXIT_UNREAD
    rows = parse_fleet((out / "index.json").read_text(encoding="utf-8")).rows
    assert [(row.name, row.verdict) for row in rows] == [
        ("cut", "unreadable"),
        ("sweep/exp8", "inconclusive"),
        ("sweep/exp8", "unreadable"),
    ]
    broken = rows[-1]
    assert broken.headline == "The analysis broke on this run: KeyError: 'no <such> thing'."
    assert (broken.problems, broken.page) == (1, "")
    assert broken.bytes == (small / "sweep" / "exp8" / "metrics.csv").stat().st_size
    assert "KeyError: &#39;no &lt;such&gt; thing&#39;" in (out / "index.html").read_text(encoding="utf-8")
    assert "2 unreadable" in capsys.readouterr().out


def test_nothing_of_a_run_is_kept_but_its_row(small: Path, tmp_path: Path) -> None:
    """When the next run begins, no measurements and no report of the one before are in memory."""
    kept: list[int] = []

    def counting(done: int, total: int, name: str) -> None:
        gc.collect()
        kept.append(sum(type(each) in (RunMeasurements, RunReport) for each in gc.get_objects()) - before)

    gc.collect()
    before = sum(type(each) in (RunMeasurements, RunReport) for each in gc.get_objects())
    fleet = scanning.scan([small], tmp_path / "out", Options(), "all", counting)
    assert kept == [0, 0]
    assert len(fleet.rows) == 2


@pytest.mark.parametrize("inside", ["", "sweep", "report", "sweep/exp8"])
def test_a_scan_does_not_find_what_it_wrote(small: Path, inside: str) -> None:
    """Wherever in the archive the pages lie, the archive itself included, a second scan gives the same bytes."""
    out = small / inside
    first = _scan(small, "-o", out, "--reports", "all")
    written = _files(small)
    assert len(parse_fleet(written[(Path(inside) / "index.json").as_posix()].decode()).rows) == 2
    assert _scan(small, "-o", out, "--reports", "all") == first
    assert _files(small) == written


def test_later_scans_replace_their_own_files_and_no_others(small: Path, tmp_path: Path) -> None:
    """A page of a run that is gone goes with it; notes, pictures and pages of others in the same folders stay as they were."""
    out = tmp_path / "out"
    _scan(small, "-o", out, "--reports", "all")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    (out / "runs" / "mine.html").write_text("<title>not a report</title>", encoding="utf-8")
    (out / "runs" / "exp9.html").write_text("<title>exp9</title>", encoding="utf-8")
    shutil.rmtree(small / "cut")
    _short(small / "exp9")
    _scan(small, "-o", out, "--reports", "all")
    digest = page_name("exp9", {"exp9.html"})
    assert set(_files(out)) == {
        "index.html",
        "index.json",
        "notes.txt",
        "runs/mine.html",
        "runs/exp9.html",
        f"runs/{digest}",
        "runs/sweep--exp8.html",
    }
    assert (out / "runs" / "exp9.html").read_text(encoding="utf-8") == "<title>exp9</title>"


@pytest.mark.parametrize("file", ["out", "out/runs", "out/index.html", "out/index.json"])
def test_a_folder_with_something_in_the_way_is_refused(small: Path, tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file for the folder, and an index that no scan wrote, end the scan with 2 before anything is read, and are left alone."""
    standing = tmp_path / file
    standing.parent.mkdir(exist_ok=True)
    standing.write_text("<title>mine</title>", encoding="utf-8")
    assert _scan(small, "-o", tmp_path / "out") == EXIT_USAGE
    assert f"{standing}" in capsys.readouterr().err
    assert standing.read_text(encoding="utf-8") == "<title>mine</title>"
    assert not (tmp_path / "out" / "index.html").exists() or file == "out/index.html"


def test_a_folder_that_cannot_be_made_is_refused(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below a file no folder can be made: 2, and the message names it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert _scan(small, "-o", tmp_path / "file" / "out") == EXIT_USAGE
    assert f"cannot make {tmp_path}/file/out/runs: " in capsys.readouterr().err


def test_runs_of_the_same_name_in_two_archives_have_two_pages(tmp_path: Path) -> None:
    """Pages and rows are told apart by the paths as they were given."""
    for name in ("a", "b"):
        _short(tmp_path / name / "exp1")
    _scan(tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", "--reports", "all")
    rows = parse_fleet((tmp_path / "out" / "index.json").read_text(encoding="utf-8")).rows
    assert len({row.page for row in rows}) == 2
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for row in rows:
        assert (tmp_path / "out" / row.page).is_file()
        assert f'<a href="{row.page}">{row.path}</a>' in page


def test_an_archive_that_is_one_run_has_a_page_named_after_it(small: Path, tmp_path: Path) -> None:
    """The run's name is `.` then; its page is called like its folder."""
    _scan(small / "cut", "-o", tmp_path / "out")
    (row,) = parse_fleet((tmp_path / "out" / "index.json").read_text(encoding="utf-8"))
    assert (row.name, row.page) == (".", "runs/cut.html")


def test_the_page_can_be_made_again_from_its_rows(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`render index.json` gives the page that the scan wrote, and the text that it printed; formats of one run's report are refused."""
    out = tmp_path / "out"
    _scan(small, "-o", out)
    printed = capsys.readouterr().out
    assert main(["render", str(out / "index.json"), "-o", str(tmp_path / "again.html")]) == EXIT_CLEAR
    assert (tmp_path / "again.html").read_bytes() == (out / "index.html").read_bytes()
    assert capsys.readouterr().out == printed
    assert main(["render", str(out / "index.json"), "--format", "sarif"]) == EXIT_USAGE
    assert "holds the rows of a scan, which can be text or html, not sarif" in capsys.readouterr().err


def test_every_training_of_a_folder_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    """Two trainings in one folder, and two of the same name as trackers allow them, do not overwrite each other's page."""

    def doubled(found: FoundRun, options: Options) -> Iterator[RunMeasurements]:
        yield from measured_trainings(found, options)
        yield from measured_trainings(found, options)

    monkeypatch.setattr(scanning, "measured_trainings", doubled)
    _scan(small, "-o", tmp_path / "out", "--reports", "all")
    rows = parse_fleet((tmp_path / "out" / "index.json").read_text(encoding="utf-8")).rows
    assert len({row.page for row in rows}) == 4
    assert all((tmp_path / "out" / row.page).is_file() for row in rows)


NAMES = (
    "exp7",
    "Exp7",
    "EXP7",
    "sweep/exp7",
    "sweep-exp7",
    "sweep--exp7",
    "sweep/exp-7",
    "sweep/exp7#1",
    "sweep/exp7/1",
    "../up",
    "..",
    "a" * 300,
    "a" * 301,
    "con",
    "aux.log",
    "com1/x",
    "-dash",
    "dash-",
    ".hidden",
    "dot.",
    "\N{CJK UNIFIED IDEOGRAPH-5C42}",
    "\N{CJK UNIFIED IDEOGRAPH-6743}",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe",
    "<img src=x>",
    "a\nb",
    "half \ud800 pair",
)


def test_names_of_pages_are_safe_and_their_own() -> None:
    """Whatever a run is called, its page's name is small letters, digits, dots, dashes and underscores, short, and no other run's."""
    pages = [page_name(name) for name in NAMES]
    assert len(set(pages)) == len(NAMES)
    for page in pages:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]*\.html", page), page
        assert len(page) <= 100
        assert page.partition(".")[0] not in ("con", "aux", "com1")
    assert pages[0] == "exp7.html"
    assert page_name("sweep/exp7") == "sweep--exp7.html"
    assert page_name("caf\N{LATIN SMALL LETTER E WITH ACUTE}").startswith("cafe-")
    assert page_name("\N{CJK UNIFIED IDEOGRAPH-5C42}").startswith("run-")


def test_rows_carry_the_version_of_their_schema(small: Path, tmp_path: Path) -> None:
    """The rows are one JSON document that begins with its version, a row a line."""
    _scan(small, "-o", tmp_path / "out")
    text = (tmp_path / "out" / "index.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert (document["fleet_version"], document["tool"]["name"]) == ("1", "postmortem")
    assert document["command"].startswith("postmortem scan ")
    assert text.count("\n") == len(document["runs"]) + 2


def test_an_interrupted_scan_keeps_what_it_has_done(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of all runs lists those that were analyzed and says how many were not; made again from its rows it says so, too."""
    analyzed = scanning.scan_run

    def interrupted(found: FoundRun, task: scanning.Task) -> object:
        if found.name != "cut":
            raise KeyboardInterrupt
        return analyzed(found, task)

    monkeypatch.setattr(scanning, "scan_run", interrupted)
    output = tmp_path / "out"
    assert _scan(small, "-o", output) == EXIT_INTERRUPTED
    fleet = parse_fleet((output / "index.json").read_text(encoding="utf-8"))
    assert ([row.name for row in fleet], fleet.missing) == (["cut"], 1)
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "The scan was interrupted: 1 run of 2 was not analyzed." in page
    assert (output / fleet.rows[0].page).is_file()
    monkeypatch.undo()
    assert _scan(small, "-o", output) == EXIT_UNREAD
    assert "The scan was interrupted" not in (output / "index.html").read_text(encoding="utf-8")
