"""What single lines of a text log say: how jobs die, how they end well, and what training progress looks like.

The words are those that PyTorch, TensorFlow, JAX, the usual trainers, shells, kernels and schedulers (Slurm, LSF, PBS, Kubernetes) print.
Every pattern is linear: no repetition within a repetition. A line counts as `loud` where its form alone proves that something died or
ended (a scheduler's own message); a mere mention, which a program may print and go on, does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from postmortem.model import IncidentKind

_NEEDLES = (
    "traceback (most",
    "error",
    "killed",
    "out of memory",
    "oom",
    "cancelled",
    "term_",
    "signal",
    "sigterm",
    "watchdog caught",
    "nccl",
    "assert",
    "fault",
    "dumped",
    "no space left",
    "quota exceeded",
    "xid",
    "overflow",
    "exit",
    "terminate",
    "nan",
    "finite",
    "complete",
    "finished",
    "done",
    "stopp",
    "invalid loss",
    "state",
    "train_runtime",
)
NEEDLES = tuple(each.encode() for each in _NEEDLES)
"""A line that says anything of the below holds one of these, in lower case and without figures, dots, hyphens and plus signs."""

TEMPLATE = bytes.maketrans(bytes(range(65, 91)) + b"\r\x08", bytes(range(97, 123)) + b"\n\n")
DROPPED = b"0123456789.-+"
"""Lines that are equal after `translate(TEMPLATE, DROPPED)` say the same with other numbers."""

_PREFIX = re.compile(
    r"(?:(?:\[rank ?\d+\]:?|rank ?\d+:|\[\d+\](?:<std\w+>)?:|\(\w{1,40} pid=\d+[^)]{0,60}\)|\d{1,4}: |std(?:err|out)(?: F|\s?[|:])|"
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]{0,10}Z?\]?|\[?\d\d:\d\d:\d\d\]?) ?)+",
    re.IGNORECASE,
)
_RANK = re.compile(r"\[rank ?(\d+)\]|\brank[ =:]{0,2}(\d+)\b|^(\d{1,4}): |\[(\d+)\]<std", re.IGNORECASE)


class Said(NamedTuple):
    """What a line tells."""

    kind: IncidentKind
    loud: bool


def bare(text: str) -> str:
    """The line without the time and the rank that a launcher put before it."""
    found = _PREFIX.match(text)
    return text[found.end() :] if found else text


def rank_of(text: str) -> int | None:
    """The rank that a line names at its head, or None."""
    found = _RANK.search(text[:80])
    return int(next(group for group in found.groups() if group)) if found else None


# --- exceptions -------------------------------------------------------------------------------------------------------

_DEVICE_MEMORY = (
    r"(?:CUDA|HIP|MPS backend|XPU) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|"
    r"CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|OOM when allocating|RESOURCE_EXHAUSTED|ResourceExhaustedError|"
    r"torch(?:\.cuda)?\.OutOfMemoryError"
)
_LABELS = r"Assertion `?(?:t >= 0 && t < n_classes|cur_target >= 0 && cur_target < n_classes)|\bTarget -?\d+ is out of bounds"
_NAN = (
    r"returned nan values|\bloss(?: value)? (?:is|was|became|has become|turned|are|of|=) ?(?:nan|infinite or nan|not finite|non-?finite)\b|"
    r"\b(?:nan|non-?finite) (?:loss|gradients?) (?:was |were )?(?:detected|encountered|found|at|in)\b|"
    r"\b(?:detected|encountered|found|got) (?:a )?(?:nan|non-?finite|nan/inf|nan or inf) (?:in |value in |values in )?(?:the )?"
    r"(?:loss|grad)|\b(?:input|output|prediction|logits|tensor)s? (?:x |y )?(?:contains?|contain|had) (?:nan|infinite or nan)|"
    r"\binvalid loss, terminating training|FloatingPointError|found invalid values:|contains either `inf`, `nan` or element|"
    r"loss scale already at minimum|minimum loss scale reached"
)
_EXCEPTION_WORDS: tuple[tuple[IncidentKind, str], ...] = (
    ("stopped-by-hand", r"^KeyboardInterrupt\b"),
    ("device-out-of-memory", _DEVICE_MEMORY),
    ("shared-memory-full", r"killed by signal: Bus error|insufficient shared memory|unable to (?:open|write|allocate) shared memory"),
    (
        "disk-full",
        # The latter two are torch.save's: it could not write on, or found less in the file than it had written.
        r"No space left on device|Disk quota exceeded|QuotaExceeded|PytorchStreamWriter failed writing file|unexpected pos \d+ vs \d",
    ),
    (
        "host-out-of-memory",
        r"^(?:\w+\.)*_?(?:Array)?MemoryError\b|Unable to allocate .{1,60} for an array|can't allocate memory|Cannot allocate memory|"
        r"not enough memory: you tried|killed by signal: Killed|OutOfMemoryError",
    ),
    ("labels-out-of-range", _LABELS),
    ("traceback", r"no kernel image|invalid device ordinal|driver version is insufficient|No CUDA GPUs|NVIDIA driver"),
    ("nan", _NAN),
    (
        "collective-timeout",
        r"NCCL error|ncclInternalError|ncclSystemError|ncclRemoteError|ncclUnhandledCudaError|DistBackendError|"
        r"Watchdog caught|Timed out waiting|DistStoreError|Connection closed by peer",
    ),
    (
        "device-fault",
        r"device-side assert|illegal memory access|unspecified launch failure|uncorrectable ECC|CUDA error|cuDNN error|CUDNN_STATUS_|"
        r"CUBLAS_STATUS_|CUDA_ERROR_|misaligned address|cudaError",
    ),
    (
        "shape-mismatch",
        r"shapes cannot be multiplied|size mismatch|shape mismatch|must match the size of tensor|expected input batch_size|"
        r"is invalid for input of size|Given groups=|Sizes of tensors must match|could not be broadcast|Incompatible shapes|"
        r"doesn't match the broadcast shape|Expected input batch_size|stack expects each tensor to be equal size",
    ),
    ("missing-file", r"^(?:\w+\.)*(?:FileNotFoundError|NotADirectoryError)\b|No such file or directory"),
    ("terminated", r"got signal: 15|SignalException|SIGTERM"),
    ("killed", r"SIGKILL|exitcode:? -9|got signal: 9"),
    ("child-failed", r"ChildFailedError|CalledProcessError|ProcessExitedException"),
)
_EXCEPTIONS = tuple((kind, re.compile(pattern, re.IGNORECASE if kind == "nan" else 0)) for kind, pattern in _EXCEPTION_WORDS)


def exception_kind(text: str) -> IncidentKind:
    """What an exception (`Type: message`) that ended a traceback is about."""
    return next((kind for kind, pattern in _EXCEPTIONS if pattern.search(text)), "traceback")


# --- single lines -----------------------------------------------------------------------------------------------------

_LINE_WORDS: tuple[tuple[IncidentKind, bool, str], ...] = (
    ("time-limit", True, r"CANCELLED.{0,40} DUE TO TIME LIMIT|^TERM_RUNLIMIT\b|job killed: walltime"),
    ("time-limit", True, r"^\s{0,8}State\s{0,8}: TIMEOUT\b"),
    ("preempted", True, r"CANCELLED.{0,40} DUE TO PREEMPTION|^\s{0,8}State\s{0,8}: PREEMPTED\b|^TERM_PREEMPT\b"),
    ("node-failure", True, r"CANCELLED.{0,40} DUE TO NODE FAIL|^\s{0,8}State\s{0,8}: NODE_FAIL\b"),
    ("cancelled", True, r"\*\*\* (?:JOB|STEP) .{1,120} CANCELLED|^\s{0,8}State\s{0,8}: CANCELLED\b|^TERM_OWNER\b"),
    ("host-out-of-memory", True, r"^slurmstepd.{0,60}(?:oom[-_]kill|memory limit)|\btask \d+: Out Of Memory|\bOOMKilled\b"),
    ("host-out-of-memory", True, r"\bOut of memory: Kill(?:ed)? process|^TERM_MEMLIMIT\b|^\s{0,8}State\s{0,8}: OUT_OF_MEMORY\b"),
    ("host-out-of-memory", True, r"^oom-kill:|\binvoked oom-killer|^Detected \d+ oom[-_]kill event"),
    ("host-out-of-memory", False, r"DataLoader worker \(pid.{1,40}\) is killed by signal: Killed|DefaultCPUAllocator: .{0,40}memory"),
    ("shared-memory-full", False, r"DataLoader worker \(pid.{1,40}\) is killed by signal: Bus error"),
    (
        "shared-memory-full",
        True,
        r"^(?:\S{1,20} )?Unexpected bus error encountered in worker\b",
    ),  # the exception that follows gives no reason
    ("killed", True, r"^Killed$|: line \d+:\s+\d+ Killed\b|\btask \d+: Killed\b|exitcode\s{0,4}:? -9\b|<Signals\.SIGKILL"),
    ("killed", True, r"(?i)\bexit(?:ed with)?(?: exit)? ?(?:code|status)[ :=(]{1,3}137\b|exited on signal 9\b"),
    ("terminated", True, r"^Terminated$|\btask \d+: Terminated\b|: line \d+:\s+\d+ Terminated\b|exitcode\s{0,4}:? -15\b"),
    ("terminated", True, r"Received (?:Signals\.SIGTERM|SIGTERM|15) death signal|\bgot signal: 15\b|^(?:\w+ )?Received SIGTERM\b"),
    ("terminated", True, r"(?i)\bexit(?:ed with)?(?: exit)? ?(?:code|status)[ :=(]{1,3}143\b"),
    ("labels-out-of-range", True, _LABELS),
    ("device-fault", True, r"\bNVRM: Xid\b|uncorrectable (?:double bit )?ECC error|GPU has fallen off the bus"),
    ("device-fault", True, r"\.cu:\d+: .{1,300}Assertion .{1,200} failed"),
    ("device-fault", False, r"device-side assert triggered|illegal memory access was encountered|unspecified launch failure"),
    ("collective-timeout", True, r"Watchdog caught collective operation timeout|Some NCCL operations have failed or timed out"),
    ("collective-timeout", False, r"\bncclInternalError\b|\bncclSystemError\b|NCCL error in:"),
    ("crash", True, r"^(?:.{0,80}: line \d+:\s+\d+ )?Segmentation fault\b|^(?:.{0,80}: line \d+:\s+\d+ )?Bus error\b"),
    ("crash", True, r"\(core dumped\)|^Fatal Python error: |^terminate called after throwing|\*\*\* Process received signal \*\*\*"),
    ("crash", True, r"exited on signal \d|\btask \d+: (?:Segmentation fault|Aborted|Bus error)"),
    ("traceback", False, r"^(?:Syntax|Indentation|Tab)Error: "),  # of the script itself: it comes without a traceback
    ("device-out-of-memory", False, _DEVICE_MEMORY),
    ("disk-full", False, r"No space left on device|Disk quota exceeded"),
    ("child-failed", True, r"\.errors\.ChildFailedError\b|^\s{0,8}exitcode\s{1,4}: -?\d+ \(pid"),
    ("exit-code", True, r"\btask(?:s)? [\d,-]{1,40}: Exited with exit code [1-9]|^Exited with exit code [1-9]"),
    ("exit-code", True, r"^Process finished with exit code [1-9]|returned a non-zero exit code"),
    ("exit-code", True, r"^\s{0,8}State\s{0,8}: FAILED\b|\bfailed \(exitcode: [1-9]"),
    (
        "overflow",
        False,
        r"(?i)gradient overflow|\boverflow!? ?(?:detected\.? ?)?skipping|skipping step.{0,40}loss scal|overflow! rank \d",
    ),
    ("early-stopped", False, r"(?i)^(?:.{0,60}\W)?(?:early[ -]stopp(?:ing|ed)(?: (?:at|after|triggered|now)\b|[.!]{0,3}$))"),
    ("early-stopped", False, r"(?i)\bepoch \d+: early stopping|signaling trainer to stop|stopping training early as no improvement"),
    ("early-stopped", False, r"(?i)\bstopping early\b(?! (?:if|when))|\btriggered early stop|\bearly stop(?:ping)? (?:is )?triggered"),
    ("finished", False, r"`?Trainer\.fit`? stopped: `?max_"),
    (
        "finished",
        False,
        r"(?i)\btraining (?:is |has |was |phase |run |process )?(?:been )?(?:completed?|finished|done)\b(?! (?:\d|in \d+%))",
    ),
    ("finished", False, r"(?i)\btraining (?:completed?|finished) in \d|\bfinished training\b|\bdone training\b|\bcompleted training\b"),
    ("finished", False, r"(?i)^['\"{ ]{0,4}train_runtime\b|^\s{0,8}State\s{0,8}: COMPLETED\b|^Successfully completed\.$"),
    ("finished", False, r"^Process finished with exit code 0$"),
    ("finished", False, r"(?i)\b\d+ epochs completed in \d"),
)
_LINES = tuple((kind, loud, re.compile(pattern)) for kind, loud, pattern in _LINE_WORDS)
_NAN_LINE = re.compile(_NAN, re.IGNORECASE)
_NAN_PRINTED = re.compile(r"(?<![\w/-])(?:train(?:ing)?[ _/])?loss['\"]?\s{0,2}[:=]\s{0,2}['\"]?nan\b", re.IGNORECASE)
"""The training loss in a line of progress; of validation it may be without data."""
_NO_NAN = re.compile(r"\b(?:no|not|without|if|when|whether|0|check|skip|until|unless|in case)\b.{0,40}$", re.IGNORECASE)
_WENT_ON = re.compile(
    r"\bwarn(?:ing)?\b|retry|skipp|ignor|\bcaught\b|recover|fall(?:ing|s)? ?back|will try|attempt|handled|continu|\bif\b|\bwhen\b|"
    r"avoid|prevent",
    re.IGNORECASE,
)
_AND_WENT_ON = re.compile(
    r"retry|skipp|ignored|falling back|reducing batch|reduced batch|batch size (?:to|of) \d|\btrying\b|continuing", re.IGNORECASE
)
_STOPS = re.compile(r"stopp|terminat|abort|exiting|halt", re.IGNORECASE)
_HELPERS = re.compile(r"\b(?:tensorboard|nvidia-smi|dcgmi|jupyter|sleep|tail|watch|ssh|rsync|top|htop|vmstat|dstat|mlflow|visdom)\b")
"""Programs that a job's script starts in the background and ends itself."""
_ONLY_PLANS = re.compile(r"\b(?:will|to be|when|if|until|before|after|once|not|n't|never|left|eta)\b", re.IGNORECASE)


def said(text: str) -> Said | None:
    """What a cleaned line tells of the job's fate; None for a line of another kind."""
    line = bare(text)
    for kind, loud, pattern in _LINES:
        found = pattern.search(line)
        if found is None:
            continue
        before = line[: found.start()]
        if kind in ("killed", "terminated") and _HELPERS.search(line):
            return None
        if kind in ("finished", "early-stopped"):
            return None if _ONLY_PLANS.search(before[-30:]) else Said(kind, loud)
        if not loud and kind != "overflow" and (_WENT_ON.search(before) or _AND_WENT_ON.search(line, found.end())):
            return None
        return Said(kind, loud)
    found = _NAN_LINE.search(line)
    if found is not None and not _NO_NAN.search(line[: found.start()]):
        return Said("nan", bool(_STOPS.search(line)))
    found = _NAN_PRINTED.search(line)
    return Said("nan", False) if found is not None and not _WENT_ON.search(line) else None


# --- progress ---------------------------------------------------------------------------------------------------------

_LOSS = re.compile(r"loss\w{0,20}['\"]?\]?\s{0,4}[:=(| ]\s{0,8}[-+]?(?:\d|\.\d|nan|inf)|\bepochs?\b[\s:=#\[(/'\"|-]{0,6}\d", re.IGNORECASE)
_PROGRESS = re.compile(
    r"\b(?:global[_ ]?steps?|steps?|iters?|iterations?|updates?|batch(?:es)?|episodes?|timesteps?|ep)\b[\s:=#\[(/'\"|-]{0,6}\d|"
    r"\b(?:it/s|s/it|steps?/s|samples/s)|\d%\|",
    re.IGNORECASE,
)
_NO_PROGRESS = re.compile(r"\s{0,20}(?:wandb:|slurmstepd|srun:|File \")")


_EPOCH_OF = re.compile(r"\bepochs?\b[\s:=#\[(]{0,6}(\d{1,6})\s?(?:/|of)\s?(\d{1,6})\b", re.IGNORECASE)
_COUNT_OF = re.compile(r"(?<![\d/.-])(\d{1,9})\s?/\s?(\d{1,9})(?![\d/.-])|(?<![\d.])(\d{1,3})%\|")
_OF_AN_EPOCH = re.compile(r"\b(?:steps?|iters?|iterations?|batch(?:es)?|eta)\b", re.IGNORECASE)
_LOSS_VALUE = re.compile(r"loss\w{0,20}['\"]?\]?\s{0,4}[:=(| ]\s{0,8}[-+]?(?:\d|\.\d)", re.IGNORECASE)


def reached_end(lines: Sequence[tuple[bytes, str]]) -> bool:
    """Whether lines of training progress end with the last of all epochs, and with that epoch's end: `(kind, text)`, the newest last.

    The newest names a loss, and each count in it is at its number (`100/100`); one without a count stands once in the last epoch, as a
    line about the whole epoch does. A single epoch tells nothing: what numbers it may never have run.
    """
    epochs = [_EPOCH_OF.search(text) for _, text in lines]
    begun = [(index, int(found[1]), int(found[2])) for index, found in enumerate(epochs) if found is not None]
    if not begun or not 2 <= begun[-1][1] == begun[-1][2] or not _LOSS_VALUE.search(lines[-1][1]):
        return False
    kind, text = lines[-1]
    counts = _COUNT_OF.findall(_EPOCH_OF.sub(" ", text))
    if counts:
        return all(int(percent) == 100 if percent else int(done) == int(whole) for done, whole, percent in counts)
    if _OF_AN_EPOCH.search(text):
        return False
    first = next(index for index, done, _ in begun if done == begun[-1][1])
    return sum(each == kind for each, _ in lines[first:]) == 1


def progress_of(text: str) -> int:
    """2 for a line that names an epoch or a loss, 1 for other training progress (a step, a progress bar), else 0."""
    if _NO_PROGRESS.match(text):
        return 0
    return 2 if _LOSS.search(text) else 1 if _PROGRESS.search(text) else 0
