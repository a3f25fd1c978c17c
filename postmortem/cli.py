"""The command `postmortem`. The only module that prints and exits; what is heavy is imported by the function that needs it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from postmortem.opening import OPEN_HELP, open_page
from postmortem.progress import progress_bar
from postmortem.version import VERSION

if TYPE_CHECKING:
    from postmortem.analysis import Options
    from postmortem.model import Fleet, Report, Verdict

EXIT_CLEAR = 0
EXIT_FOUND = 1
EXIT_USAGE = 2
EXIT_UNREAD = 3
EXIT_INTERRUPTED = 130

FORMATS = ("text", "html", "json", "markdown", "sarif")
DEFAULT_HTML = Path("postmortem.html")
LEVELS = {"failed": ("failed",), "suspect": ("failed", "suspect"), "never": ()}


class UsageError(Exception):
    """The command cannot be run as asked; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code.

    Args:
        arguments: what stands behind the command's name; the process's own arguments by default.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(typed)
        options.command_line = shlex.join(["postmortem", *typed])
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except UsageError as error:
        _complain(str(error))
        return EXIT_USAGE
    except KeyboardInterrupt:
        _complain("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has closed it (`| head`): not our failure, and there is nobody left to tell.
        sys.stderr.close()
        return EXIT_CLEAR


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="postmortem", description="Tells from the files that a training run left behind why it failed.")
    parser.add_argument("--version", action="version", version=f"postmortem {VERSION}")
    commands = parser.add_subparsers(dest="name", metavar="COMMAND", required=True, parser_class=_Parser)

    analyze = commands.add_parser("analyze", help="analyze runs and report likely causes of failure")
    analyze.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a run, a folder of runs, or single files")
    analyze.add_argument(
        "--manifest",
        action="append",
        type=Path,
        metavar="FILE",
        help="dataset manifest (file, folder or glob), wherever it lies",
    )
    analyze.add_argument("--label-column", metavar="NAME", help="column of manifests that holds the label")
    analyze.add_argument("--split-column", metavar="NAME", help="column of manifests that names the split")
    analyze.add_argument("--key-column", metavar="NAME", help="column of manifests that tells records apart")
    analyze.add_argument("--num-classes", type=_positive, metavar="N", help="number of classes, where no manifest tells")
    analyze.add_argument("--loss-tag", metavar="TAG", help="tag of the training loss")
    analyze.add_argument("--reg-tag", metavar="TAG", help="tag of the regularization loss")
    analyze.add_argument("--save-measurements", type=Path, metavar="FILE", help="keep the measurements for `postmortem diagnose`")
    _add_judging(analyze)
    _add_output(analyze)
    analyze.add_argument("--open", action="store_true", help=OPEN_HELP)
    analyze.set_defaults(run=_analyze)

    scan = commands.add_parser("scan", help="analyze all runs of an archive; writes a page of all runs and one of each")
    scan.add_argument("paths", nargs="+", type=Path, metavar="ARCHIVE", help="a folder of runs, or a run")
    scan.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="write index.html, index.json and runs/ here")
    scan.add_argument(
        "--reports",
        choices=("failed", "all", "none"),
        default="failed",
        help="runs that get a page (default: failed, and suspect or unreadable)",
    )
    _add_judging(scan)
    scan.set_defaults(run=_scan)

    diagnose = commands.add_parser("diagnose", help="judge saved measurements again, without touching a checkpoint")
    diagnose.add_argument("file", type=Path, metavar="FILE", help="what `analyze --save-measurements` wrote")
    _add_judging(diagnose)
    _add_output(diagnose)
    diagnose.set_defaults(run=_diagnose)

    render = commands.add_parser("render", help="render a saved JSON result or HTML report in another format")
    render.add_argument("file", type=Path, metavar="FILE")
    _add_output(render)
    render.add_argument("--open", action="store_true", help=OPEN_HELP)
    render.set_defaults(run=_render)

    explain = commands.add_parser("explain", help="the page of a check, a cause or a checklist item")
    explain.add_argument("id", metavar="ID")
    explain.set_defaults(run=_explain)

    listing = commands.add_parser("list", help="list checks, causes, checklist items or formats")
    listing.add_argument("kind", choices=(kinds := ("checks", "causes", "checklist", "formats")), metavar=f"{{{','.join(kinds)}}}")
    listing.set_defaults(run=_list)
    return parser


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", type=_ids, metavar="ID,...", help="only these checks and causes")
    parser.add_argument("--ignore", type=_ids, metavar="ID,...", help="all but these checks and causes")
    parser.add_argument("--fail-on", choices=tuple(LEVELS), help="lowest verdict that gives exit code 1 (default: failed)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with these options; the command line wins")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the HTML report here")
    parser.add_argument(
        "--format",
        action="append",
        type=_format,
        metavar="FMT[:FILE]",
        help=f"{', '.join(FORMATS)}; FILE - is standard output, the default",
    )


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of classes")
    return int(text)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _format(text: str) -> tuple[str, Path | None]:
    name, _, file = text.partition(":")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"{name!r} is not a format; choose from {', '.join(FORMATS)}")
    return name, None if file in ("", "-") else Path(file)


# --- commands ---------------------------------------------------------------------------------------------------------


def _analyze(arguments: argparse.Namespace) -> int:
    from postmortem.analysis import judge_all, measure_paths
    from postmortem.discover import NoSuchPath, NothingFound
    from postmortem.unmatched import addresses, idle_folders, unmatched_options

    options = _options(arguments)
    _check_destinations(arguments)
    if remote := addresses(arguments.paths):
        raise UsageError(f"{remote[0]} is an address: only local files are read, copy or mount them first")
    try:
        with progress_bar() as progress:
            measured = measure_paths(arguments.paths, options, progress)
    except (NoSuchPath, NothingFound) as error:
        raise UsageError(str(error)) from error
    for message in (*unmatched_options(measured, options.read), *idle_folders(arguments.paths, measured)):
        _say(f"warning: {message}")
    if arguments.save_measurements is not None:
        from postmortem.render.json import dump_measurements

        _write(arguments.save_measurements, dump_measurements(measured, VERSION))
    return _deliver(judge_all(measured, options), arguments)


def _scan(arguments: argparse.Namespace) -> int:
    from postmortem.archive.folder import INDEX_PAGE, RefusedFolderError
    from postmortem.archive.scan import scan
    from postmortem.discover import NoSuchPath, NothingFound
    from postmortem.render.fleet import fleet_text

    options = _options(arguments)
    try:
        with progress_bar() as progress:
            fleet = scan(arguments.paths, arguments.output, options, arguments.reports, progress)
    except (NoSuchPath, NothingFound, RefusedFolderError) as error:
        raise UsageError(str(error)) from error
    sys.stdout.write(fleet_text(fleet))
    _say(f"wrote {arguments.output / INDEX_PAGE}")
    return _exit_code([row.verdict for row in fleet], any(row.problems for row in fleet), arguments)


def _diagnose(arguments: argparse.Namespace) -> int:
    from postmortem.analysis import judge_all
    from postmortem.render.json import NotAReportError, parse_measurements

    options = _options(arguments)
    _check_destinations(arguments)
    try:
        measured = parse_measurements(_read_text(arguments.file))
    except NotAReportError as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    return _deliver(judge_all(measured, options), arguments)


def _render(arguments: argparse.Namespace) -> int:
    from postmortem.model import Fleet
    from postmortem.render.fleet_json import is_fleet, is_fleet_page, parse_fleet
    from postmortem.render.json import NotAReportError, parse_report

    _check_destinations(arguments)
    text = _read_text(arguments.file)
    report: Report | Fleet
    try:
        if is_fleet_page(text):
            raise NotAReportError("this is the page of a scan; render the index.json beside it")
        report = parse_fleet(text) if is_fleet(text) else parse_report(text)
    except NotAReportError as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    if isinstance(report, Fleet) and (other := {name for name, _ in _wanted(arguments)} - {"text", "html"}):
        raise UsageError(f"{arguments.file} holds the rows of a scan, which can be text or html, not {', '.join(sorted(other))}")
    _emit(report, arguments)
    return EXIT_CLEAR


def _explain(arguments: argparse.Namespace) -> int:
    from postmortem.pages import NoSuchPageError, page

    try:
        sys.stdout.write(page(arguments.id))
    except NoSuchPageError as error:
        raise UsageError(str(error)) from error
    return EXIT_CLEAR


def _list(arguments: argparse.Namespace) -> int:
    from postmortem import rules
    from postmortem.checklist import ITEMS

    rows: dict[str, str]
    if arguments.kind == "checks":
        rows = {check.id: check.title for check in rules.checks().values()}
    elif arguments.kind == "causes":
        rows = {cause.id: cause.title for cause in rules.causes().values()}
    elif arguments.kind == "checklist":
        rows = ITEMS
    else:
        rows = dict.fromkeys(FORMATS, "")
    width = max(map(len, rows))
    sys.stdout.write("".join(f"{id:<{width}}  {title}".rstrip() + "\n" for id, title in rows.items()))
    return EXIT_CLEAR


# --- options ----------------------------------------------------------------------------------------------------------


def _options(arguments: argparse.Namespace) -> Options:
    """The options of the command line, filled up from the configuration file, every id checked."""
    from postmortem import rules
    from postmortem.analysis import Options
    from postmortem.diagnose import Selection
    from postmortem.model import ReadOptions

    if arguments.config is not None:
        from postmortem.config import ConfigError, fill_up

        try:
            fill_up(arguments, arguments.config)
        except ConfigError as error:
            raise UsageError(str(error)) from error
    known = {*rules.checks(), *rules.causes()}
    for id in (*(arguments.select or ()), *(arguments.ignore or ())):
        if id not in known:
            raise UsageError(f"no check and no cause is called {id!r}; `postmortem list checks` and `postmortem list causes` name them")
    read = ReadOptions(
        manifests=_manifests(getattr(arguments, "manifest", None) or ()),
        num_classes=getattr(arguments, "num_classes", None),
        loss_tag=getattr(arguments, "loss_tag", None),
        reg_tag=getattr(arguments, "reg_tag", None),
        label_column=getattr(arguments, "label_column", None),
        split_column=getattr(arguments, "split_column", None),
        key_column=getattr(arguments, "key_column", None),
    )
    return Options(read, Selection(frozenset(arguments.select or ()), frozenset(arguments.ignore or ())), arguments.command_line)


def _manifests(given: Sequence[Path]) -> tuple[Path, ...]:
    """The files and folders that were named, globs among them expanded: a shell does not expand what stands in a configuration file."""
    found: list[Path] = []
    for path in given:
        matches = [path] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not matches:
            raise UsageError(f"no such manifest: {path}")
        # A pipe or a device would be waited for without end.
        if strange := [each for each in matches if not each.is_file() and not each.is_dir()]:
            raise UsageError(f"neither a file nor a folder: {strange[0]}")
        found.extend(matches)
    return tuple(dict.fromkeys(found))


# --- output -----------------------------------------------------------------------------------------------------------


def _deliver(report: Report, arguments: argparse.Namespace) -> int:
    _emit(report, arguments)
    return _exit_code([run.verdict for run in report.runs], any(run.problems for run in report.runs), arguments)


def _exit_code(verdicts: Sequence[Verdict], problems: bool, arguments: argparse.Namespace) -> int:
    if any(verdict in LEVELS[arguments.fail_on or "failed"] for verdict in verdicts):
        return EXIT_FOUND
    return EXIT_UNREAD if problems else EXIT_CLEAR


def _emit(report: Report | Fleet, arguments: argparse.Namespace) -> None:
    from postmortem.render.formats import rendered

    for name, file in _wanted(arguments):
        if file is None:
            sys.stdout.write(rendered(report, name, colour=sys.stdout.isatty()))
        else:
            _write(file, rendered(report, name))
            _say(f"wrote {file}")
    if (page := _page_to_open(arguments)) is not None and not open_page(page):
        _say(f"no browser could be opened; the report is {page}")


def _page_to_open(arguments: argparse.Namespace) -> Path | None:
    """The HTML file that `--open` shows; None where it was not asked for."""
    asked = getattr(arguments, "open", False)
    page = next((file for name, file in _wanted(arguments) if name == "html" and file is not None), None)
    if asked and page is None:
        raise UsageError("--open shows an HTML file, and none is written: add -o FILE or --format html:FILE")
    return page if asked else None


def _wanted(arguments: argparse.Namespace) -> list[tuple[str, Path | None]]:
    """Format and destination of each output; without any option, text to the terminal and an HTML file."""
    wanted: list[tuple[str, Path | None]] = list(arguments.format or ())
    if arguments.output is not None:
        wanted.append(("html", arguments.output))
        if not arguments.format:
            wanted.insert(0, ("text", None))
    return wanted or [("text", None), ("html", DEFAULT_HTML)]


def _check_destinations(arguments: argparse.Namespace) -> None:
    """Say that a file cannot be written, or that there is none to open, before hours of reading, not after."""
    _page_to_open(arguments)
    files = [file for _, file in _wanted(arguments) if file is not None]
    if len(printed := [name for name, file in _wanted(arguments) if file is None]) > 1:
        raise UsageError(f"{' and '.join(printed)} cannot both go to standard output: give one a file, as in --format {printed[0]}:FILE")
    if getattr(arguments, "save_measurements", None) is not None:
        files.append(arguments.save_measurements)
    for file in files:
        if file.is_dir():
            raise UsageError(f"cannot write {file}: it is a folder")
        if not file.absolute().parent.is_dir():
            raise UsageError(f"cannot write {file}: there is no folder {file.parent}")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not text") from error


def _say(message: str) -> None:
    sys.stderr.write(f"postmortem: {message}\n")


def _complain(message: str) -> None:
    sys.stderr.write(f"postmortem: error: {message}\n")
