"""Every noun that two stages of the program share. Standard library only.

The stages hand these values on in one direction: `FoundRun` (discover) -> `RunData` (read) -> `Measurement` and `Missing`
(measure) -> `Finding` and `Outcome` (check) -> `RankedCause` (diagnose) -> `Report` (render). None of them holds a decision that
belongs to a later stage. Classes that hold arrays compare by identity, because arrays do not compare to one truth value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA_VERSION = "1"

Status: TypeAlias = Literal["fail", "warn", "pass", "not-checked", "not-applicable"]
Verdict: TypeAlias = Literal["failed", "suspect", "healthy", "inconclusive", "unreadable"]
ProblemKind: TypeAlias = Literal["truncated", "corrupt", "unsafe-pickle", "unsupported", "unreadable"]
FileRole: TypeAlias = Literal["events", "checkpoint", "checkpoint-index", "manifest", "log", "console", "config", "other"]
Plain: TypeAlias = str | int | float | bool | None
Algorithm: TypeAlias = Literal[
    "adam", "adamw", "nadam", "radam", "adamax", "prodigy", "dadapt-adam", "ademamix", "lamb", "adafactor", "lion", "sophia", "muon",
    "sgd", "rmsprop", "adagrad", "adadelta", "rprop", "asgd", "unknown",
]  # fmt: skip

IncidentKind: TypeAlias = Literal[
    "traceback", "device-out-of-memory", "host-out-of-memory", "shared-memory-full", "disk-full", "labels-out-of-range", "device-fault",
    "collective-timeout", "crash", "shape-mismatch", "missing-file", "time-limit", "preempted", "node-failure", "cancelled",
    "stopped-by-hand", "terminated", "killed", "child-failed", "exit-code", "nan", "overflow", "finished", "early-stopped",
]  # fmt: skip
"""What a line of a text log tells. The last two are good ends; `nan` and `overflow` end nothing by themselves."""

ALARMS: tuple[Status, ...] = ("fail", "warn")


# --- discover ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a run, as its name and size tell; nothing has been opened."""

    path: Path
    """Where it can be opened."""
    name: str
    """Path relative to the run's folder, with forward slashes: what reports show."""
    role: FileRole
    bytes: int
    group: str = ""
    """`train`, `validation`, `test` or empty: the split that the file's folder speaks for."""


@dataclass(frozen=True, slots=True)
class FoundRun:
    """One training, as the layout of its folder tells."""

    name: str
    """Path relative to the PATH given; `.` for PATH itself; `#1`, `#2` behind it where one folder holds several."""
    path: Path
    files: tuple[FoundFile, ...]
    notes: tuple[str, ...] = ()
    """What was taken for what, one sentence each."""


# --- read -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """Damage as a value: what could not be read, where, and what was lost."""

    path: str
    """As reports show it: relative to the run's folder, with forward slashes."""
    kind: ProblemKind
    detail: str
    """One sentence: what was seen, where in the file, and what was lost (records, bytes, tensors)."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One scalar by step. NaN and Inf are data and stay in. Steps never decrease."""

    tag: str
    group: str
    """`train`, `validation`, `test` or empty, from the folder or file that it came from."""
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    wall_seconds: NDArray[np.float64]
    """Unix time of each point; NaN where the source has none."""
    source: str
    """File that it was read from, as reports show it."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One histogram tag by step; each step has its own buckets."""

    tag: str
    group: str
    steps: tuple[int, ...]
    limits: tuple[NDArray[np.float64], ...]
    """Upper limit of each bucket, ascending, one array a step."""
    counts: tuple[NDArray[np.float64], ...]
    """Values in each bucket, one array a step, as long as `limits`."""
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Resume:
    """A place at which a run was taken up again: a later file goes on from within what earlier ones hold."""

    source: str
    """The later file, as reports show it."""
    first_step: int
    """Its first step: from here on its points count."""
    replaced: tuple[Series, ...]
    """What earlier files hold from that step on, a series a tag and file."""


@dataclass(frozen=True, slots=True)
class LoggedImages:
    """Images that a run logged under one tag. Numbers are shares of the brightest pixel that can be stored."""

    tag: str
    group: str
    source: str
    images: int
    looked: int
    """How many of them the numbers come from."""
    mean: float
    low: float
    high: float


class Tensor(Protocol):
    """One stored tensor that is read a piece at a time. Opening one reads no data."""

    @property
    def name(self) -> str:
        """Key in the checkpoint, prefixes of wrappers removed."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Logical shape; empty for a scalar."""
        ...

    @property
    def dtype(self) -> str:
        """As stored, in torch's names: `float32`, `bfloat16`, `float16`, `float8_e4m3fn`, `int64`, ..."""
        ...

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the row-major flattened tensor.

        Looks at nothing but memory, mapped or held: forked processes call it too. float64, float32, float16 and integers keep their
        dtype; bfloat16 and 8-bit floats come widened to float32
        (exactly). A view of mapped memory where that is possible: do not write to it.
        """
        ...

    def stored(self, start: int, stop: int) -> NDArray[Any]:
        """The same elements as they lie in the file: bfloat16 and 8-bit floats as unsigned codes."""
        ...

    def widen(self, stored: NDArray[Any], out: NDArray[np.float32]) -> NDArray[Any]:
        """What `read` gives, from what `stored` gave; in `out`, of the same length, where a copy must be made."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Optimizer:
    """State of one optimizer, its entries joined to the parameters' names."""

    name: str
    """Where it stood in the file (`optimizer`, `optimizer_states.0`, `opt_G`)."""
    algorithm: Algorithm
    groups: tuple[Mapping[str, Plain | tuple[float, ...]], ...]
    """Plain hyper-parameters of each param_group: lr, betas, eps, weight_decay, momentum, ..."""
    group_of: Mapping[str, int]
    """Parameter name -> index into `groups`, for every parameter that the optimizer lists."""
    slots: Mapping[str, Mapping[str, Tensor]]
    """Parameter name -> slot (`exp_avg`, `exp_avg_sq`, `momentum_buffer`, ...) -> tensor."""
    steps: Mapping[str, int]
    """Parameter name -> updates that it has had, where the state counts them."""
    matched: str
    """How entries were joined to names (`by position`, `by name`), or why they could not be; then names are `#0`, `#1`."""
    algorithm_basis: str = ""
    """What gave the algorithm away, or why it is not known; one clause."""


@dataclass(frozen=True, slots=True, eq=False)
class Replica:
    """The same checkpoint as another rank of the job wrote it: what should be equal on all ranks."""

    rank: str
    """`rank 3`."""
    source: str
    """File, as reports show it."""
    tensors: Mapping[str, Tensor]
    """Under the checkpoint's names and in its shapes. Of tensor-parallel ranks only what is not cut into parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """One saved state of a run: a file, or several shards that make one."""

    source: str
    """File (or index of shards), as reports show it."""
    step: int | None
    step_basis: str
    """Where the step came from: `global_step in the file`, `the optimizer's step`, `file name`, ..., or `unknown`."""
    epoch: int | None
    tensors: Mapping[str, Tensor]
    """In depth order. Buffers (running statistics) included. Several nets: names carry the net's key in front (`G.fc.weight`)."""
    order: str
    """How depth order was found, one clause."""
    optimizers: tuple[Optimizer, ...]
    values: Mapping[str, Plain]
    """Plain numbers and strings found beside the tensors, dotted (`scheduler.last_epoch`, `scaler.scale`, `hyper_parameters.lr`)."""
    bytes: int
    replicas: tuple[Replica, ...] = ()
    """What other ranks hold of it. `tensors` are those of rank 0, or put together from all ranks where each holds a part."""
    averages: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Key or file of a moving average of the weights -> its tensors, under the names that the model gives them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset manifest says of records, labels and splits."""

    source: str
    rows: int
    label_column: str
    split_column: str | None
    key_column: str | None
    counts: Mapping[str, Mapping[str, int]]
    """Split (empty string where there is none) -> label -> records."""
    missing_labels: int
    duplicate_keys: int | None
    """Rows beyond the first of each key within one split; None where no key column was found."""
    shared_keys: Mapping[str, int]
    """`train|validation` -> keys in both splits."""
    features: Mapping[str, tuple[float, float]]
    """Numeric column -> (mean, standard deviation), for columns that are neither label, split nor key."""
    order_runs: int | None = None
    """Runs of equal labels in row order; None where it was not counted."""
    records: Mapping[str, int] = field(default_factory=dict)
    """Split -> records, unlabelled ones included."""
    targets: tuple[float, float] | None = None
    """(mean, standard deviation) of a numeric target, where labels are no classes; then `counts` is empty."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What one line of a text log (or several alike) tells of the job; whether it ended the job is for a measure to judge."""

    kind: IncidentKind
    line: int
    """Line number, from 1, of the last time that it was said."""
    text: str
    """That line without control codes, secrets masked, at most 300 characters; of a traceback the exception and its message."""
    frame: str = ""
    """Of a traceback, the innermost frame outside of installed packages: `train.py, line 12, in main`."""
    rank: int | None = None
    count: int = 1
    first_line: int = 0
    """Line number of the first time."""
    uncaught: bool = False
    """Whether it is a traceback from the main script's top level: the process died of it."""
    buffered: bool = False
    """Whether what follows may be older than it: output to a file is held back, and errors are not."""
    loud: bool = True
    """False for a mention that alone proves nothing: part of a message that a program may print and go on."""
    progress_after: int = 0
    """Lines of training progress (step, epoch, loss) after the last time."""
    losses_after: int = 0
    """Those of them that name an epoch or a loss."""
    bytes_after: int = 0
    """Bytes from the end of the last time to the end of the file."""


@dataclass(frozen=True, slots=True)
class Console:
    """A text log of a job: what the terminal or the scheduler would have shown."""

    source: str
    lines: int
    bytes: int
    incidents: tuple[Incident, ...]
    """In the order of the lines at which they were last said; only those of the last start."""
    starts: int = 1
    """How often the log was begun: it is appended to where a job is started again."""
    progress: int = 0
    """Lines of training progress among those near the end."""
    last_line: str = ""
    """The last line that holds anything."""
    bytes_skipped: int = 0
    """Bytes in the middle of a very large file that were not looked at."""
    lines_skipped: int = 0
    """Lines in its middle that were passed over, because too many differ from all others."""


@dataclass(frozen=True, slots=True, eq=False)
class RunData:
    """All that could be read of one run. Files stay mapped for as long as the value lives."""

    name: str
    path: str
    files: tuple[FoundFile, ...]
    series: tuple[Series, ...]
    histograms: tuple[Histogram, ...]
    hyperparameters: Mapping[str, Plain]
    checkpoints: tuple[Checkpoint, ...]
    """In order of step (then natural order of name)."""
    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    options: ReadOptions
    event_files: int = 0
    images: tuple[LoggedImages, ...] = ()
    resumes: tuple[Resume, ...] = ()
    consoles: tuple[Console, ...] = ()
    """In natural order of name."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user said about the inputs."""

    manifests: tuple[Path, ...] = ()
    num_classes: int | None = None
    loss_tag: str | None = None
    reg_tag: str | None = None


# --- measure ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named number with its unit and basis. Knows no threshold."""

    name: str
    """Dotted noun: `loss.first`, `updates.ratio`."""
    value: float
    unit: str
    """`nats`, `share`, `ratio`, `steps`, `records`, `classes`, ...; empty for a pure count."""
    basis: str
    """Which files, tags, steps and how many: what a doubter would ask."""
    first_step: int | None = None
    items: Mapping[str, float] = field(default_factory=dict)
    """By label, in a meaningful order: layers by depth, classes by count, tags."""
    text: str = ""
    """For a measurement that is a word rather than a number (`run.family`); then `value` is NaN."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that could not be measured, and why."""

    name: str
    reason: str
    """One clause: which artifact is missing or too short."""
    log_next: str
    """Key of `log_next.ADVICE`: what to log so that it can be measured next time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one check or cause may see: only the measurements that it declared."""

    values: Mapping[str, Measurement]
    declared: frozenset[str]

    def __getitem__(self, name: str) -> Measurement:
        self._guard(name)
        return self.values[name]

    def get(self, name: str) -> Measurement | None:
        """The measurement, or None where it could not be made."""
        self._guard(name)
        return self.values.get(name)

    def number(self, name: str) -> float | None:
        """The measurement's value, or None where it could not be made."""
        found = self.get(name)
        return None if found is None else found.value

    def text(self, name: str) -> str:
        """The measurement's word, or the empty string where it could not be made."""
        found = self.get(name)
        return "" if found is None else found.text

    def _guard(self, name: str) -> None:
        if name not in self.declared:
            raise LookupError(f"{name} is read but stands in neither NEEDS nor USES")


# --- check ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a judgement rests on, and why it is that number."""

    value: float
    unit: str
    source: str
    """Article, paper, or the project's own measurement."""
    half: str
    """What happens at half the number."""
    double: str
    """What happens at twice the number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw."""

    status: Status
    reason: str
    """One sentence: what was seen, the number, the line. No advice."""
    value: float | None = None
    threshold: Threshold | None = None
    unit: str = ""
    first_step: int | None = None
    where: tuple[str, ...] = ()
    """Layer or tag names, worst first."""


@dataclass(frozen=True, slots=True)
class Example:
    """Measurements for which the author of a check knows the answer."""

    name: str
    given: tuple[Measurement, ...]
    expect: Status


@dataclass(frozen=True, slots=True)
class Check:
    """One symptom, as its file declares it."""

    id: str
    title: str
    family: str
    docs: Mapping[str, str]
    """Heading -> text, in the order of the file."""
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    checklist: tuple[str, ...]
    figure: str
    """Id of the exhibit that shows it, or empty."""
    vital: bool
    """Whether a pass is proof that the run learned: without one, no run is called healthy."""
    applies: Callable[[Measured], str]
    """Empty where the check applies, else the reason why it does not."""
    judge: Callable[[Measured], Finding]
    thresholds: Mapping[str, Threshold]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check's finding in one run, with what a reader of the report needs beside it."""

    id: str
    title: str
    family: str
    finding: Finding
    checklist: tuple[str, ...]
    figure: str
    log_next: tuple[str, ...] = ()
    """Keys of `log_next.ADVICE`."""
    error: str = ""
    """Where the check itself broke: type and message. The status is then `not-checked`."""
    vital: bool = False

    @property
    def status(self) -> Status:
        """The finding's status."""
        return self.finding.status

    @property
    def alarmed(self) -> bool:
        """Whether it failed or warned."""
        return self.finding.status in ALARMS


# --- diagnose ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one state of some checks says about a cause.

    It counts when every check in `alarm` failed or warned and every check in `passed` passed. A check that warned counts half.
    """

    log_odds: float
    """In nats; above 0 speaks for the cause, below 0 against it."""
    says: str
    """One clause that finishes "...because"."""
    alarm: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What a cause may look at when it words its summary and fix."""

    outcomes: Mapping[str, Outcome]
    measured: Measured

    def said(self, *checks: str, otherwise: str) -> str:
        """What the first two of these checks that raised an alarm saw, as one sentence; `otherwise` where none did."""
        reasons = [self.outcomes[id].finding.reason for id in checks if id in self.outcomes and self.outcomes[id].alarmed][:2]
        if not reasons:
            return otherwise
        text = "; and ".join(reason.rstrip(".") for reason in reasons)
        return f"{text[0].upper()}{text[1:]}."

    def where(self, *checks: str) -> tuple[str, ...]:
        """The places named by the first of these checks that raised an alarm and named any."""
        for check in checks:
            outcome = self.outcomes.get(check)
            if outcome is not None and outcome.alarmed and outcome.finding.where:
                return outcome.finding.where
        return ()

    def number(self, name: str) -> float | None:
        """A measured value that the cause declared in USES, or None where it could not be made."""
        return self.measured.number(name)


@dataclass(frozen=True, slots=True)
class CauseExample:
    """Outcomes for which the author of a cause knows the answer."""

    name: str
    expect: Literal["likely", "unlikely"]
    """`likely`: at least 0.5; `unlikely`: below 0.5."""
    fail: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One root cause, as its file declares it."""

    id: str
    title: str
    docs: Mapping[str, str]
    prior: float
    """Probability before anything was looked at."""
    evidence: tuple[Evidence, ...]
    explains: tuple[str, ...]
    """Ids of causes that this one brings about."""
    uses: tuple[str, ...]
    summary: Callable[[Case], str]
    fix: Callable[[Case], str]
    confirm: Callable[[Case], str]
    examples: tuple[CauseExample, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """One piece of evidence that counted, for or against."""

    checks: tuple[str, ...]
    says: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class RankedCause:
    """A cause in one run."""

    id: str
    title: str
    probability: float
    summary: str
    first_step: int | None
    where: tuple[str, ...]
    evidence: tuple[str, ...]
    against: tuple[str, ...]
    fix: str
    confirm: str
    arguments: tuple[Argument, ...] = ()
    explained_by: str = ""
    """Id of the cause that brings this one about; empty for a root."""


# --- exhibits: a closed set of shapes that a renderer can draw --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """One line. Thinned points keep every NaN, Inf and extremum."""

    label: str
    role: str
    """`train`, `validation`, `data`, `regularization`, `learning-rate`, `gradient-norm`, `other`."""
    steps: Sequence[int]
    values: Sequence[float]
    points: int
    """How many there were before thinning."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation on a line plot."""

    kind: Literal["level", "span", "step", "point"]
    """`level`: horizontal line at `value`; `span`: shaded from `step` to `step_end`; `step`: vertical line; `point`: a dot."""
    label: str
    step: int | None = None
    step_end: int | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Curves over steps, with annotations and, on the same axis beneath, a second set of curves."""

    id: str
    section: Literal["loss", "layers", "data"]
    title: str
    caption: str
    unit: str
    curves: tuple[Curve, ...]
    lower: tuple[Curve, ...] = ()
    lower_unit: str = ""
    marks: tuple[Mark, ...] = ()
    log: bool = False
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True, slots=True)
class DepthPlot:
    """One or more values per layer, in depth order."""

    id: str
    section: Literal["loss", "layers", "data"]
    title: str
    caption: str
    unit: str
    layers: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]
    """Label (`step 0`, `step 600`) -> one value per layer."""
    references: Mapping[str, float] = field(default_factory=dict)
    """Label (`He`) -> level."""
    log: bool = True
    kind: Literal["depth"] = "depth"


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A value per row and column; NaN where there is none."""

    id: str
    section: Literal["loss", "layers", "data"]
    title: str
    caption: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    references: Mapping[str, float] = field(default_factory=dict)
    log: bool = True
    kind: Literal["heatmap"] = "heatmap"


@dataclass(frozen=True, slots=True)
class CountPlot:
    """Counts by label, one bar a split."""

    id: str
    section: Literal["loss", "layers", "data"]
    title: str
    caption: str
    labels: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    """Split -> one count per label."""
    kind: Literal["counts"] = "counts"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; numbers stay numbers so that a reader can sort."""

    id: str
    section: Literal["loss", "layers", "data"]
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]
    code: str = ""
    """Lines of Python that a reader can paste, made of the table's numbers; empty where there are none."""
    kind: Literal["table"] = "table"


Exhibit: TypeAlias = LinePlot | DepthPlot | Heatmap | CountPlot | Table


# --- report -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of the debugging checklist, answered."""

    id: str
    title: str
    status: Status
    checks: tuple[str, ...]
    reason: str
    """What answers it, in one sentence."""
    log_next: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What a run left behind, counted."""

    event_files: int = 0
    scalars: int = 0
    checkpoints: int = 0
    parameters: int = 0
    manifests: int = 0
    bytes: int = 0
    logs: int = 0
    """Tables, JSON logs, runs of trackers and text logs."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a run, as the report's list of inputs shows it."""

    name: str
    role: FileRole
    bytes: int
    note: str = ""
    """What was taken from it: `3 tags, steps 0 to 600`, `step 400, 12 tensors`."""


@dataclass(frozen=True, slots=True)
class TagRole:
    """What one scalar tag was taken for."""

    tag: str
    group: str
    """`train`, `validation`, `test` or empty: the split that its folder or file speaks for."""
    role: str
    """`training-loss`, `validation-loss`, `part-of-loss`, `learning-rate`, `accuracy`, ...: one of `measure.roles.ROLES`."""
    split: str
    """`train`, `validation`, `test`, or empty where neither the tag nor its group says."""
    why: str
    """One clause: which words, neighbours or numbers decided."""
    points: int
    first_step: int | None
    last_step: int | None
    main: bool = False
    """Whether it stands for the run wherever a check asks for its role."""


@dataclass(frozen=True, slots=True)
class RunMeasurements:
    """All that the judging stages need of one run: it can be saved, and judged again without touching a file."""

    name: str
    path: str
    measurements: tuple[Measurement, ...]
    missing: tuple[Missing, ...]
    exhibits: tuple[Exhibit, ...]
    artifacts: Artifacts
    inputs: tuple[InputFile, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    tags: tuple[TagRole, ...] = ()


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, judged."""

    name: str
    path: str
    verdict: Verdict
    headline: str
    """The verdict in one sentence, with the grounds for it."""
    causes: tuple[RankedCause, ...]
    checks: tuple[Outcome, ...]
    checklist: tuple[ChecklistItem, ...]
    artifacts: Artifacts
    problems: tuple[Problem, ...]
    exhibits: tuple[Exhibit, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    notes: tuple[str, ...] = ()
    tags: tuple[TagRole, ...] = ()
    """What each scalar tag was taken for, by role; those that stand for the run come first."""


@dataclass(frozen=True, slots=True)
class Page:
    """The documentation of a check or cause, carried in the report so that it can be read without the program."""

    id: str
    kind: Literal["check", "cause"]
    title: str
    sections: Mapping[str, str]
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one analysis: what every output format is a function of."""

    version: str
    runs: tuple[RunReport, ...]
    pages: tuple[Page, ...] = ()
    command: str = ""
    """The command line that made it, as typed."""

    def __iter__(self) -> Iterator[RunReport]:
        return iter(self.runs)
