"""Scalars as trainers write them: event files, tables, lines of JSON, text."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util.tensor_util import make_tensor_proto

from faults.nouns import Point, Trained
from faults.writing.histograms import histogram
from faults.writing.tags import tag_of
from postmortem.read.events.records import frame

FIRST_SECOND = 1_700_000_000
SECONDS_PER_STEP = 0.05
SECONDS_BETWEEN_SESSIONS = 5400

Rows = list[tuple[int, dict[str, float]]]


def write_scalars(trained: Trained, folder: Path) -> None:
    """Write what was logged, as the run's style says."""
    if trained.style.logs != "none":
        WRITERS[trained.style.logs](trained, folder)


def chosen(trained: Trained, points: Iterable[Point]) -> Rows:
    """Step, and tag -> value of the roles that the style logs."""
    style = trained.style
    kept = [
        (point.step, {tag_of(style.tags, role): point.values[role] for role in style.roles if role in point.values}) for point in points
    ]
    return [(step, values) for step, values in kept if values]


def _sessions(trained: Trained) -> list[list[Point]]:
    numbers = sorted({point.session for point in trained.points})
    return [[point for point in trained.points if point.session == number] for number in numbers]


def _histograms(trained: Trained, points: Iterable[Point]) -> dict[int, list[Summary.Value]]:
    """Step -> histograms logged at it."""
    found: dict[int, list[Summary.Value]] = {}
    for point in points:
        for role, values in point.histograms.items():
            made = histogram(values)
            if made is not None:
                found.setdefault(point.step, []).append(Summary.Value(tag=tag_of(trained.style.tags, role), histo=made))
    return found


def _events(
    rows: Rows, folder: Path, session: int, as_tensors: bool = False, histograms: Mapping[int, list[Summary.Value]] | None = None
) -> None:
    start = FIRST_SECOND + session * SECONDS_BETWEEN_SESSIONS
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"events.out.tfevents.{start}.host.{4021 + session}.0").open("wb") as stream:
        stream.write(frame(Event(wall_time=start, file_version="brain.Event:2").SerializeToString()))
        for step, values in rows:
            entries = [_scalar(tag, value, as_tensors) for tag, value in values.items()]
            for entry in entries + (histograms or {}).get(step, []):
                event = Event(wall_time=start + SECONDS_PER_STEP * step, step=step, summary=Summary(value=[entry]))
                stream.write(frame(event.SerializeToString()))


def _scalar(tag: str, value: float, as_tensor: bool) -> Summary.Value:
    if not as_tensor:
        return Summary.Value(tag=tag, simple_value=value)
    entry = Summary.Value(tag=tag, tensor=make_tensor_proto(value, dtype="float32"))
    entry.metadata.plugin_data.plugin_name = "scalars"
    return entry


def tensorboard(trained: Trained, folder: Path) -> None:
    """`tb/events.out.tfevents...`, one file a session."""
    for session, points in enumerate(_sessions(trained)):
        _events(chosen(trained, points), folder / "tb", session, histograms=_histograms(trained, points))


def tensors(trained: Trained, folder: Path) -> None:
    """The same with scalars as one-element tensors, as TensorFlow 2 writes them."""
    for session, points in enumerate(_sessions(trained)):
        _events(chosen(trained, points), folder / "logs", session, as_tensors=True, histograms=_histograms(trained, points))


def tensorboard_split(trained: Trained, folder: Path) -> None:
    """`fit/train` and `fit/validation` with `epoch_loss` in both, as Keras writes them, a point an epoch."""
    names = {"loss": "epoch_loss", "accuracy": "epoch_accuracy", "lr": "epoch_learning_rate"}
    shown = {"validation_loss": "epoch_loss", "validation_accuracy": "epoch_accuracy"}
    train = [(epoch, {names[role]: values[role] for role in names if role in values}) for epoch, values in _epochs(trained)]
    other = [(epoch, {shown[role]: values[role] for role in shown if role in values}) for epoch, values in _epochs(trained)]
    _events(train, folder / "fit" / "train", 0, as_tensors=True)
    _events(other, folder / "fit" / "validation", 0, as_tensors=True)


def _epochs(trained: Trained) -> Rows:
    """One row a validation: training scalars are means since the last one, the rest is as it was; the index counts epochs."""
    rows: Rows = []
    since: list[Mapping[str, float]] = []
    roles = set(trained.style.roles)
    for point in trained.points:
        # Keras' callbacks know nothing of single layers.
        since.append({role: value for role, value in point.values.items() if "@" not in role})
        if "validation_loss" in point.values and point.step:
            kept = dict.fromkeys(role for values in since for role in values if role in roles)
            of_role = {role: [values[role] for values in since if role in values] for role in kept}
            last = {role for role in kept if "validation" in role or role == "lr"}
            rows.append((len(rows), {role: of[-1] if role in last else sum(of) / len(of) for role, of in of_role.items()}))
            since = []
    return rows


def lightning_csv(trained: Trained, folder: Path) -> None:
    """`lightning_logs/version_0/metrics.csv`: one row for each call of the logger, blanks for what it did not log."""
    rows = [(step, values) for points in _sessions(trained) for step, values in chosen(trained, points)]
    tags = list(dict.fromkeys(tag for _, values in rows for tag in values))
    target = folder / "lightning_logs" / "version_0" / "metrics.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("epoch", "step", *tags))
        for step, values in rows:
            writer.writerow((step // _steps_per_epoch(trained), step, *(repr(values[tag]) if tag in values else "" for tag in tags)))


def keras_csv(trained: Trained, folder: Path) -> None:
    """`training.log` of Keras' CSVLogger: an epoch a row."""
    rows = _epochs(trained)
    names = {"validation_loss": "val_loss", "validation_accuracy": "val_accuracy", "lr": "learning_rate"}
    roles = sorted({role for _, values in rows for role in values})
    with (folder / "training.log").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("epoch", *(names.get(role, role) for role in roles)))
        for epoch, values in rows:
            writer.writerow((epoch, *(repr(values[role]) if role in values else "" for role in roles)))


def jsonl(trained: Trained, folder: Path) -> None:
    """`metrics.jsonl`: an object a point, with `step`; what is not finite stands as Python's json writes it."""
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as stream:
        for points in _sessions(trained):
            for step, values in chosen(trained, points):
                stream.write(json.dumps({"step": step, **values}) + "\n")


def console(trained: Trained, folder: Path) -> None:
    """`train.log`: what a script prints, and where the style wants it what the gradient scaler says of the steps that it skips."""
    lines = []
    for point in sorted(trained.points, key=lambda each: each.session):
        if trained.style.tells_skips:
            lines += [_skip_told(trained, scale) for _, scale in point.skipped]
        for step, values in chosen(trained, (point,)):
            shown = " ".join(f"{tag.replace('/', '_')}={value:.6g}" for tag, value in values.items())
            lines.append(f"step {step}/{trained.plan.planned_steps or trained.plan.steps} {shown}")
    (folder / "train.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _skip_told(trained: Trained, scale: float) -> str:
    """What Apex or DeepSpeed print of a skipped step, `scale` being the one that they set then."""
    if trained.plan.seed % 2:
        return f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {scale}"
    return f"[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: {scale * 2:g}, reducing to {scale:g}"


def trainer_state(trained: Trained, folder: Path) -> None:
    """`trainer_state.json` of transformers' Trainer; steps that skipped NaN are logged as the string it writes."""
    last = max((point.step for point in trained.points), default=0)
    state = state_at(trained, min(trained.plan.steps, last))
    (folder / "trainer_state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def state_at(trained: Trained, stop: int) -> dict[str, object]:
    """The Trainer's state after `stop` steps."""
    names = {"loss": "loss", "gradient_norm": "grad_norm", "lr": "learning_rate"}
    others = {"validation_loss": "eval_loss", "validation_accuracy": "eval_accuracy"}
    per_epoch = _steps_per_epoch(trained)
    log: list[dict[str, float]] = []
    for point in trained.points:
        if point.step > stop:
            continue
        at = {"epoch": round(point.step / per_epoch, 3), "step": point.step}
        for kept in (names, others):
            values = {
                kept[role]: point.values[role] for role in kept if role in point.values and role in (*trained.style.roles, "gradient_norm")
            }
            if values:
                log.append({**values, **at})
    planned = trained.plan.planned_steps or trained.plan.steps
    return {
        "epoch": round(stop / per_epoch, 3),
        "global_step": stop,
        "max_steps": planned,
        "num_train_epochs": max(1, math.ceil(planned / per_epoch)),
        "logging_steps": max(1, trained.plan.steps // trained.style.points),
        "log_history": log,
    }


def _steps_per_epoch(trained: Trained) -> int:
    return max(1, trained.data.train // trained.plan.batch_size)


WRITERS: Mapping[str, Callable[[Trained, Path], None]] = {
    "tensorboard": tensorboard,
    "tensors": tensors,
    "tensorboard-split": tensorboard_split,
    "lightning-csv": lightning_csv,
    "keras-csv": keras_csv,
    "jsonl": jsonl,
    "console": console,
    "trainer-state": trainer_state,
}
