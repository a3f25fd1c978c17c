"""The one way through the program: discover -> read -> measure -> judge. Rendering is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem import rules
from postmortem.diagnose import Selection, judge
from postmortem.model import Page, ReadOptions
from postmortem.report import Report
from postmortem.version import VERSION

if TYPE_CHECKING:
    from postmortem.model import FoundRun, RunMeasurements, RunReport

Progress = Callable[[int, int, str], None]
"""Called with runs done, runs in all, and the name of the run that comes next."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for, beyond the paths."""

    read: ReadOptions = field(default_factory=ReadOptions)
    selection: Selection = field(default_factory=Selection)
    command: str = ""


def measure_paths(paths: Sequence[Path], options: Options, progress: Progress | None = None) -> tuple[RunMeasurements, ...]:
    """Everything that can be measured of the runs under these paths.

    Raises:
        discover.NoSuchPath, discover.NothingFound: where a path is not there, or holds nothing to analyze.
    """
    found = discovered(paths)
    measured: list[RunMeasurements] = []
    for index, run in enumerate(found):
        if progress is not None:
            progress(index, len(found), run.name)
        measured.extend(measured_trainings(run, options))
    return tuple(measured)


def discovered(paths: Sequence[Path], without: Collection[Path] = ()) -> tuple[FoundRun, ...]:
    """The runs under these paths, but for what lies in `without`; nothing is opened.

    Raises:
        discover.NoSuchPath, discover.NothingFound: where a path is not there, or holds nothing to analyze.
    """
    from postmortem.discover import find_runs

    return find_runs(paths, without)


def measured_trainings(found: FoundRun, options: Options) -> Iterator[RunMeasurements]:
    """The measurements of one discovered run; a folder with several trainings in it becomes several here, when its files are open."""
    from postmortem.measure.run import measure_run
    from postmortem.read.run import reading

    with reading(found, options.read) as opened:
        for data in opened:
            yield measure_run(data)


def judge_all(measured: Iterable[RunMeasurements], options: Options) -> Report:
    """The report of runs that were measured, now or earlier."""
    runs = tuple(judge(run, options.selection) for run in measured)
    return Report(version=VERSION, runs=runs, pages=pages(runs), command=options.command)


def pages(runs: Iterable[RunReport]) -> tuple[Page, ...]:
    """Docs of every check, and of every cause that is named in these runs, so that a report explains itself."""
    named = {cause.id for run in runs for cause in run.causes}
    checks = tuple(Page(check.id, "check", check.title, check.docs, tuple(check.thresholds.values())) for check in rules.checks().values())
    causes = tuple(Page(cause.id, "cause", cause.title, cause.docs) for cause in rules.causes().values() if cause.id in named)
    return checks + causes


def analyze(
    *paths: str | Path,
    manifest: str | Path | Sequence[str | Path] = (),
    num_classes: int | None = None,
    loss_tag: str | None = None,
    reg_tag: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    key_column: str | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Report:
    """Analyze the runs under some paths; each is a run, a folder of runs, or a file.

    Args:
        paths: at least one.
        manifest: dataset manifests that do not lie beside the run.
        num_classes: number of classes, where no manifest tells.
        loss_tag: tag of the training loss, where its name does not tell.
        reg_tag: tag of the regularization loss.
        label_column: column of the manifests that holds the label, where its name and content do not tell.
        split_column: column that names the split.
        key_column: column that tells records apart.
        select: ids of the only checks and causes to consider.
        ignore: ids of checks and causes to leave out.

    Raises:
        discover.NoSuchPath, discover.NothingFound: where a path is not there, or holds nothing to analyze.
    """
    manifests = (manifest,) if isinstance(manifest, str | Path) else tuple(manifest)
    options = Options(
        ReadOptions(tuple(Path(each) for each in manifests), num_classes, loss_tag, reg_tag, label_column, split_column, key_column),
        Selection(frozenset(select), frozenset(ignore)),
    )
    return judge_all(measure_paths([Path(path) for path in paths], options), options)
