"""Takes JSON documents apart that hold curves: rows in a list, lists by name as Keras keeps its history, the state of a trainer.

Of a document that is damaged or cut, the rows and lists that stand whole in it are read all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from postmortem.read.plain import flatten
from postmortem.read.tables.json_lines import COUNTERS, Builder, lines_table, number_in_json, parsed_line, short_settings
from postmortem.read.tables.rows import Column, Table, close
from postmortem.read.tables.shapes import by_class, names_curve
from postmortem.read.words import counted

_ROW_LISTS = ("log_history", "history", "logs", "log", "metrics", "results", "epochs", "steps", "records", "data")
"""Keys under which a document keeps its rows."""
_SUMS_UP = frozenset(("train_runtime", "train_samples_per_second"))
"""Marks the last row of Hugging Face's Trainer: means over the whole training, no point of a curve."""
TRAINER_END = "trainer_state.json: end"
"""Setting that tells of the end of a training by Hugging Face's Trainer, one of `TRAINER_ENDS`; no file of settings has such a name."""
TRAINER_ENDS = ("finished", "early-stopped", "on the way")
_NUMBER = re.compile(r"(?P<counter>|epoch|step|iteration)[ _-]?(?P<number>\d{1,12})", re.IGNORECASE)
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_FLAT_LIST = re.compile(r'"([^"\\]{1,200})"\s*:\s*\[([^\[\]{}"]*)(\]?)')


def json_table(text: str) -> Table:
    """Rows as a list or as lines of JSON, the `log_history` of a trainer's state, or lists by name as Keras keeps its history."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return _damaged(text)
    return _document(parsed)


def _document(parsed: object) -> Table:
    if isinstance(parsed, list):
        return _rows_table(parsed)
    if not isinstance(parsed, dict):
        table = Table(kind="summary")
        table.notes.append("holds one value, no curve")
        return table
    if isinstance(parsed.get("log_history"), list):
        return _trainer_state(parsed)
    # Rows that Weights & Biases or a script keeps below a key; what stands beside them are settings.
    for key in _ROW_LISTS:
        rows = parsed.get(key)
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            table = _rows_table(rows)
            table.hyperparameters.update(short_settings({name: value for name, value in parsed.items() if name != key}))
            return table
    numbered = _numbered_rows(parsed)
    if numbered:
        return _rows_table(numbered)
    curves = dict(_lists(parsed))
    if not curves and COUNTERS & set(parsed) and not any(isinstance(value, dict) for value in parsed.values()):
        return _rows_table([parsed])  # lines of JSON, only one yet
    if not curves:
        table = Table(kind="summary")
        table.notes.append("holds single values, no curve")
        return table
    return _history(curves)


def _numbered_rows(parsed: Mapping[object, object]) -> list[dict[object, object]]:
    """The rows of a document that holds one under each epoch's number (`{"1": {...}, "2": {...}}`, `{"epoch_1": {...}}`); else none."""
    found: list[dict[object, object]] = []
    for key, value in parsed.items():
        match = _NUMBER.fullmatch(key) if isinstance(key, str) else None
        if match is None or not isinstance(value, dict):
            return []
        # Scores by class are numbered as well; they hold no loss.
        if not match["counter"] and not any("loss" in str(name).lower() for name in value):
            return []
        found.append({match["counter"].lower() or "epoch": int(match["number"]), **value})
    return found


def _trainer_state(parsed: Mapping[object, object]) -> Table:
    """The state of Hugging Face's Trainer: its history, and as settings its plans (steps, epochs, batch size) and what it sums up."""
    rows = parsed["log_history"]
    assert isinstance(rows, list)
    points = [row for row in rows if not (isinstance(row, dict) and _SUMS_UP & set(row))]
    table = _rows_table(points)
    table.kind = "trainer state"
    table.hyperparameters.update(
        {key: value for key, value in flatten(parsed).items() if not key.startswith(("log_history", "stateful_callbacks"))}
    )
    for row in rows:
        if isinstance(row, dict) and _SUMS_UP & set(row):
            table.hyperparameters.update({key: value for key, value in flatten(row).items() if key.startswith(("train_", "total_flos"))})
    table.hyperparameters[TRAINER_END] = _end_of_trainer(parsed, finished=len(points) < len(rows))
    return table


def _end_of_trainer(parsed: Mapping[object, object], finished: bool) -> str:
    """What the Trainer's state says of the end of training, one of `TRAINER_ENDS`.

    The state is written with every checkpoint, and once more when all is done, then with a last row that sums up. A callback that ran
    out of patience tells of it in the state of the checkpoint that was written then.
    """
    if _out_of_patience(parsed.get("stateful_callbacks")):
        return "early-stopped"
    return "finished" if finished else "on the way"


def _out_of_patience(callbacks: object) -> bool:
    stopping = callbacks.get("EarlyStoppingCallback") if isinstance(callbacks, dict) else None
    # Several callbacks of one kind stand in a list.
    for one in stopping if isinstance(stopping, list) else [stopping]:
        known = flatten(one) if isinstance(one, dict) else {}
        patience, counter = known.get("args.early_stopping_patience"), known.get("attributes.early_stopping_patience_counter")
        if isinstance(patience, int | float) and isinstance(counter, int | float) and 0 < patience <= counter:
            return True
    return False


def _rows_table(rows: Iterable[object]) -> Table:
    builder = Builder()
    for row in rows:
        builder.add(row)
    return builder.finish()


def _lists(parsed: Mapping[object, object], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, list[object]]]:
    """Lists of plain values with their names joined by slashes; `history` around them and pandas' numbered mappings are undone."""
    for key, value in parsed.items():
        name = f"{prefix}{key}"
        if isinstance(value, list):
            if len(value) > 0 and not any(isinstance(item, dict | list) for item in value):
                yield name, value
        elif isinstance(value, dict) and value and depth < 4:
            if all(isinstance(inner, str) and inner.isdecimal() and len(inner) <= 18 for inner in value) and not any(
                isinstance(item, dict | list) for item in value.values()
            ):
                # As pandas writes a frame: column -> row -> value.
                yield name, [item for _, item in sorted(value.items(), key=lambda entry: int(entry[0]))]
            else:
                yield from _lists(value, prefix if key in ("history", "params") else f"{name}/", depth + 1)


def _history(curves: Mapping[str, list[object]]) -> Table:
    """Lists by name: one point an epoch."""
    columns: dict[str, Column] = {}
    lengths = {len(values) for name, values in curves.items() if names_curve(name)}
    if not lengths:
        table = Table(kind="summary")
        table.notes.append("holds lists, none of them by a name that curves have")
        return table
    for name, values in curves.items():
        # Settings (`layers: [64, 64]`) and scores by class stand beside curves, and have another length.
        if len(values) not in lengths or by_class(name):
            continue
        column = columns[name] = Column()
        rows: list[int] = []
        numbers: list[float] = []
        for row, value in enumerate(values):
            number = number_in_json(value)
            if number is not None:
                rows.append(row)
                numbers.append(number)
            elif value is not None:
                column.words[row] = str(value)
                column.first_word = column.first_word or f"value {row + 1}"
        column.add(np.array(rows, dtype=np.int64), np.array(numbers, dtype=np.float64))
    table = Table(rows=max(lengths), kind="history")
    close(table, columns)
    return table


# --- damaged documents ------------------------------------------------------------------------------------------------


def _damaged(text: str) -> Table:
    """What stands whole in a document that is no JSON: lines, else flat rows, else flat lists."""
    lines = text.splitlines(keepends=True)
    table = lines_table(lines)
    if table.rows and table.rows >= len(lines) // 2:
        return table
    found = [(match.start(), parsed_line(match[0])) for match in _FLAT_OBJECT.finditer(text)]
    rows = [row for _, row in found if isinstance(row, dict) and (COUNTERS & set(row))]
    if rows:
        bad = [start for start, row in found if not isinstance(row, dict)]
        sound = _rows_table(row for row in rows if not _SUMS_UP & set(row))
        sound.kind = "trainer state" if '"log_history"' in text else ""
        cut = not text.rstrip().endswith(("}", "]"))
        where = f" (the first at line {text.count(chr(10), 0, bad[0]) + 1})" if bad else ""
        lost = f"{counted(len(bad), 'row')}{where}" if bad else "what stands outside of its rows"
        if cut:
            sound.problems.append(("truncated", f"ends within line {len(lines)}: what follows is lost; {counted(sound.rows, 'row')} read"))
        if bad or not cut:
            sound.problems.append(("corrupt", f"is damaged: {lost} lost; {counted(sound.rows, 'row')} read"))
        return sound
    curves = {
        match[1]: parsed_line(f"[{match[2].rpartition(',')[0] if not match[3] else match[2]}]") for match in _FLAT_LIST.finditer(text)
    }
    sound_curves = {name: values for name, values in curves.items() if isinstance(values, list) and values}
    if sound_curves:
        history = _history(sound_curves)
        lost_lists = len(curves) - len(sound_curves)
        kind = "truncated" if not text.rstrip().endswith("}") else "corrupt"
        end = f"ends within line {len(lines)}" if kind == "truncated" else "is damaged"
        history.problems.append(
            ("truncated" if kind == "truncated" else "corrupt", f"{end}: {counted(lost_lists, 'list')} lost; {len(sound_curves)} read")
        )
        return history
    return table
