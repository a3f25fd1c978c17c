"""What was found and read of a run: files, series, histograms, checkpoints, manifests, text logs, damage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from postmortem.model.manifests import Manifest
from postmortem.model.words import Algorithm, FileRole, IncidentKind, Plain, ProblemKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    label_column: str | None = None
    split_column: str | None = None
    key_column: str | None = None
