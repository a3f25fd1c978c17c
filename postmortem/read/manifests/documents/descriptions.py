"""Descriptions that declare features and records and count no class: Hugging Face's and TensorFlow's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postmortem.model import FoundFile, LabelKind, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.tables.vocabulary import LABELS, SPLIT_ALIASES, plain

_TAGS = ("ner_tags", "pos_tags", "chunk_tags", "tags")
_TEXTS = ("text", "translation", "summary", "answer", "answers", "output", "response", "completion", "transcription", "sentence", "caption")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, as far as it may be a label."""

    name: str
    kind: LabelKind
    """Empty where it is none (an image, an identifier)."""
    names: tuple[str, ...] = ()


def label_of(features: Sequence[Feature]) -> Feature | None:
    """The feature that is most likely the label: declared classes first, then numbers and texts of a label's name."""
    order = {name: at for at, name in enumerate((*LABELS, *_TAGS))}

    def rank(feature: Feature) -> tuple[int, int]:
        kinds: tuple[LabelKind, ...] = ("single", "objects", "multiple")
        return (kinds.index(feature.kind), order.get(plain(feature.name.rpartition(".")[2]), len(order)))

    classes = sorted((each for each in features if each.names), key=rank)
    if classes:
        return classes[0]
    named = sorted((each for each in features if each.kind and plain(each.name) in order), key=lambda each: order[plain(each.name)])
    if named:
        return named[0]
    return next((each for each in features if each.kind == "text" and plain(each.name) in _TEXTS), None)


def described(
    file: FoundFile, form: str, features: Sequence[Feature], splits: Mapping[str, int], notes: Sequence[str] = ()
) -> ManifestData:
    """A manifest of declared records and classes; none of a description that tells neither."""
    label = label_of(features)
    records = {SPLIT_ALIASES.get(split.lower(), split): count for split, count in splits.items()}
    said = [*notes]
    if label is None and not records:
        return ManifestData(None, (), (f"{file.name}: {form} without a label and without numbers of records",))
    if label is not None and label.names:
        said.insert(0, f"{form}: label is {label.name!r} with {len(label.names)} declared classes; it counts no class")
    elif label is not None:
        what = {"targets": "numbers to predict", "text": "a text"}.get(label.kind, "declared without names of classes")
        said.insert(0, f"{form}: label is {label.name!r}, {what}")
    else:
        said.insert(0, f"{form}: no feature is a label by kind or name")
    if records:
        said.append(f"{sum(records.values())} records are declared, and were not counted")
    manifest = Manifest(
        source=file.name,
        rows=sum(records.values()),
        label_column=label.name if label is not None else "",
        split_column=None,
        key_column=None,
        counts={},
        missing_labels=0,
        duplicate_keys=None,
        shared_keys={},
        features={},
        records=records,
        format=form,
        labels=label.kind if label is not None else "",
        classes=label.names if label is not None else (),
        declared=True,
    )
    return ManifestData(manifest, (), tuple(f"{file.name}: {note}" for note in said))
