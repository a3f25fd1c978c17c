"""The model's head beside the manifest's classes: its width, the numbers that labels have, and its bias beside the class shares.

A trained bias hardly tells of the shares: over 30 trainings on unbalanced digits it correlated with their logarithm at -0.1 to 0.8, and
what it gained in training at -0.8 (begun at the logarithm) to 0.9. What it was set to does: a bias of ln p has slope 1, in the right order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from postmortem.measure.data_sets import main_manifest, split_counts
from postmortem.measure.layers import Layer
from postmortem.measure.smooth import Floats, ratio
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import View, at_step, view_of
from postmortem.model import Checkpoint, Manifest, Measurement, Missing, counted

NAMES = ("classes.head_fit", "classes.label_span", "head.bias_prior")
LEAST_CLASSES = 4
"""Fewer classes have no order that a correlation could tell."""
MOST_CLASSES = 1_000_000
"""More labels than this are names of records, and no bias is so long."""
Found = Measurement | Missing


def measure_heads(table: TensorTable, checkpoints: Sequence[Checkpoint], manifests: Sequence[Manifest]) -> Iterator[Found]:
    """`classes.head_fit`, `classes.label_span` and `head.bias_prior`."""
    manifest = main_manifest(manifests)
    training = {} if manifest is None else split_counts(manifest, "train")
    if manifest is None or not any(training.values()):
        for name in NAMES:
            yield Missing(name, "no manifest tells the classes", "manifest")
        return
    if len(training) > MOST_CLASSES:
        for name in NAMES:
            yield Missing(name, f"{counted(len(training), 'label is no class', 'labels are no classes')} of a head", "", applies=False)
        return
    yield label_span(manifest)
    if not table.rows:
        for name in (NAMES[0], NAMES[2]):
            yield Missing(name, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    heads = [layer for layer in view.matrices if layer.is_head]
    yield _fit(heads, manifest, training)
    yield _bias(view, heads, manifest, training)


def expected_widths(manifest: Manifest, classes: int) -> dict[int, str]:
    """Widths that a head for these classes may have -> what each stands for; the plainest reading of a width wins."""
    declared, placeholders = len(manifest.classes), len(manifest.placeholders)
    widths = {classes: f"{classes} classes with training records"}
    if declared:
        widths.setdefault(declared, f"{declared} declared classes")
    for count, what in ((classes, "classes"), (declared, "declared classes")):
        if count and placeholders:
            widths.setdefault(count + placeholders, f"{count} {what} and {placeholders} placeholders")
        if count:
            widths.setdefault(count + 1, f"{count} {what} and one to spare")
    if 2 in (classes, declared) and manifest.labels != "multiple":
        widths.setdefault(1, "one unit for two classes")
    return widths


def _fit(heads: Sequence[Layer], manifest: Manifest, training: Mapping[str, int]) -> Found:
    """Rows by which the best of the heads misses the nearest width that the classes allow; the text says what fits."""
    if not heads:
        return Missing(NAMES[0], "the checkpoint holds no weight matrix", "checkpoint")
    widths = expected_widths(manifest, sum(records > 0 for records in training.values()))
    widths = {**widths, len(training): f"{counted(len(training), 'class', 'classes')}"}
    # Of several heads the last one counts where it fits as well as another.
    best = min(reversed(heads), key=lambda layer: min(abs(layer.fan_out - width) for width in widths))
    nearest = min(widths, key=lambda width: abs(best.fan_out - width))
    items = {layer.name: float(layer.fan_out) for layer in heads}
    text = f"{best.name} has {counted(best.fan_out, 'row')}, for {widths[nearest]}" if best.fan_out == nearest else ""
    basis = f"{len(heads)} heads beside the classes of {manifest.source}: {', '.join(widths.values())}"
    return Measurement(NAMES[0], float(abs(best.fan_out - nearest)), "rows", basis, items=items, text=text)


def label_span(manifest: Manifest) -> Found:
    """The largest label where all are whole numbers; a word (`names`) where they are not."""
    labels = {label for counts in manifest.counts.values() for label, records in counts.items() if records > 0}
    numbers = [int(label) for label in labels if _is_whole(label)]
    basis = f"{len(labels)} labels of {manifest.source}"
    if not labels:
        return Missing(NAMES[1], f"{manifest.source} has no label with a record", "manifest")
    if len(numbers) < len(labels) or manifest.classes:
        return Measurement(NAMES[1], math.nan, "", basis, text="names")
    items = {"lowest": float(min(numbers)), "highest": float(max(numbers)), "classes": float(len(set(numbers)))}
    return Measurement(NAMES[1], float(max(numbers)), "label", basis, items=items)


def _is_whole(label: str) -> bool:
    digits = label.strip().removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) <= 9


def class_order(manifest: Manifest, labels: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Classes in the order of a head's units, and how sure that is: `declared`, `numbers`, or `alphabet` as folders are numbered."""
    if manifest.classes:
        return manifest.classes, "declared"
    if all(_is_whole(label) for label in labels):
        ordered = tuple(sorted(labels, key=int))
        numbers = [int(label) for label in ordered]
        if numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
            return ordered, "numbers"
    return tuple(sorted(labels)), "alphabet"


def _bias(view: View, heads: Sequence[Layer], manifest: Manifest, training: Mapping[str, int]) -> Found:
    """Correlation of the earliest bias that was set with ln p, classes in order.

    Items: `slope` of the bias on ln p; `sorted_error`, the deviation of the sorted bias from the sorted ln p (their means taken out),
    over that of ln p: near 0 where the bias is ln p in whatever order; `spread`, the bias's deviation over that of ln p; `last`, the
    correlation in the last checkpoint; `classes`. The text says how the order was found.
    """
    name = NAMES[2]
    order, how = class_order(manifest, tuple(training))
    fitting = [layer for layer in heads if layer.fan_out == len(order) and layer.bias]
    if not fitting:
        return Missing(name, f"no head with a bias has one unit for each of {counted(len(order), 'class', 'classes')}", "checkpoint")
    present = np.array([training.get(label, 0) > 0 for label in order])
    if int(present.sum()) < LEAST_CLASSES:
        told = f"{counted(int(present.sum()), 'class', 'classes')} with training records are too few for an order"
        return Missing(name, told, "", applies=False)
    counts = np.array([training[label] for label in order if training.get(label, 0) > 0], dtype=np.float64)
    prior = np.log(counts / counts.sum())
    if float(np.ptp(prior)) < 1e-9:
        return Missing(name, "all classes have as many training records", "", applies=False)
    rows = [row for row in view.sound_rows if fitting[-1].bias in row.tensors]
    found = [
        (row, values[present]) for row in rows[:1] + rows[-1:] if (values := _read(view, row, fitting[-1].bias, len(order))) is not None
    ]
    if not found:
        return Missing(name, "no checkpoint holds a finite bias of the head", "checkpoint")
    row, bias = found[0]
    centred, wanted = bias - bias.mean(), prior - prior.mean()
    deviation = float(np.sqrt(np.mean(wanted**2)))
    items = {
        "slope": float(centred @ wanted / (wanted @ wanted)),
        "sorted_error": float(np.sqrt(np.mean((np.sort(centred) - np.sort(wanted)) ** 2))) / deviation,
        "spread": float(np.sqrt(np.mean(centred**2))) / deviation,
        "last": correlation(found[-1][1], prior),
        "classes": float(bias.size),
    }
    basis = f"{fitting[-1].bias} at {at_step(row)} beside ln p of {counted(bias.size, 'class', 'classes')} of {manifest.source}"
    return Measurement(name, correlation(bias, prior), "correlation", basis, row.step, items, how)


def _read(view: View, row: CheckpointRow, bias: str, length: int) -> Floats | None:
    """The bias vector; None where it is not there, not as long as the head is wide, or not finite."""
    checkpoint = view.checkpoints.get(row.source)
    tensor = None if checkpoint is None else checkpoint.tensors.get(bias)
    if tensor is None or tensor.shape != (length,):
        return None
    values: Floats = np.asarray(tensor.read(0, length), dtype=np.float64)
    return values if bool(np.isfinite(values).all()) else None


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's; 0 where either is constant."""
    a, b = one - one.mean(), other - other.mean()
    return ratio(float(a @ b), float(np.sqrt((a @ a) * (b @ b)))) if a.any() and b.any() else 0.0
