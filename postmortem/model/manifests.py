"""What a dataset manifest says of records, labels and splits, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LabelKind = Literal["", "single", "multiple", "objects", "targets", "text"]
"""What labels a record has: none known; one class; several classes; objects of classes; numbers to predict; a text to produce."""


@dataclass(frozen=True, slots=True)
class Targets:
    """A numeric target of all records that have a finite one."""

    count: int
    mean: float
    deviation: float
    """Population standard deviation."""
    minimum: float
    maximum: float
    different: int
    """Different values, exact or as a sketch estimates them."""
    quartiles: tuple[float, float, float] | None = None
    far_out: int | None = None
    """Values more than three times the interquartile range beyond the outer quartiles (Tukey 1977, `far out`)."""
    not_finite: int = 0
    """Cells that hold NaN or an infinity; they are in no other number here."""
    splits: Mapping[str, tuple[int, float, float]] = field(default_factory=dict)
    """Split -> (count, mean, deviation)."""


@dataclass(frozen=True, slots=True)
class FilesSeen:
    """The files that a manifest names, as far as they were looked for on this machine."""

    looked: int
    """How many names were looked up; a manifest may name more."""
    found: int
    empty: int
    """Those of the found ones with 0 bytes."""
    examples: tuple[str, ...] = ()
    """Names of a few that are missing or empty, as the manifest writes them."""


@dataclass(frozen=True, slots=True)
class ImageSample:
    """Statistics of a few images that a manifest names. Numbers are shares of the brightest value that can be stored."""

    looked: int
    mean: tuple[float, ...]
    """One a channel: red, green, blue, or grey alone. Means over images of each image's mean."""
    deviation: tuple[float, ...]
    """One a channel, over all pixels."""
    unreadable: tuple[str, ...] = ()
    """Names of those that are no image or are cut short."""
    identical: int = 0
    """Images beyond the first of each group of equal bytes."""
    split: str = ""
    """The split that they come from."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset manifest says of records, labels and splits."""

    source: str
    """File or folder, as reports show it."""
    rows: int
    """Records of all splits."""
    label_column: str
    """Column, field or place that the labels come from; empty where there are none."""
    split_column: str | None
    key_column: str | None
    counts: Mapping[str, Mapping[str, int]]
    """Split (empty string where there is none) -> label -> records (or objects, or labels: see `labels`)."""
    missing_labels: int
    """Records without a label. Of detection sets, images without an object are `background` instead."""
    duplicate_keys: int | None
    """Rows beyond the first of each key within one split; None where no key column was found."""
    shared_keys: Mapping[str, int]
    """`train|validation` -> keys in both splits."""
    features: Mapping[str, tuple[float, float]]
    """Numeric column -> (mean, standard deviation), for columns that are neither label, split nor key."""
    order_runs: int | None = None
    """Runs of equal labels in row order; None where it was not counted, or where order means nothing (a tree of folders)."""
    records: Mapping[str, int] = field(default_factory=dict)
    """Split -> records, unlabelled ones included."""
    targets: Targets | None = None
    """A numeric target, where labels are no classes; then `counts` is empty."""
    format: str = "table"
    """`CSV`, `Parquet`, `COCO`, `YOLO`, `image folder`, ...: as the format is called."""
    labels: LabelKind = ""
    classes: tuple[str, ...] = ()
    """Declared names of classes in the order of their indices; empty where nothing declares them."""
    placeholders: tuple[str, ...] = ()
    """Declared classes that are none (Roboflow's category 0, a background class): they are in neither `classes` nor `counts`."""
    background: int = 0
    """Records that hold no object, in a detection set."""
    conflicting_keys: int | None = None
    """Keys that stand with different labels in different rows; None where that was not looked at."""
    group_column: str | None = None
    """Column of a patient, speaker, scene or the like, whose records belong together."""
    shared_groups: Mapping[str, int] = field(default_factory=dict)
    """`train|validation` -> groups in both splits."""
    declared: bool = False
    """Whether the numbers are what a description declares, and nothing was counted."""
    rejected: int = 0
    """Rows that were left out because they are broken."""
    seconds: float | None = None
    """Total duration of a speech or video set, where every record gives its own."""
    names_files: bool | None = None
    """Whether a column of it names files; None where its format does not tell."""
    files: FilesSeen | None = None
    images: ImageSample | None = None
    named_alike: Mapping[str, int] = field(default_factory=dict)
    """`train|validation` -> names of files in both splits of which nothing tells whether they are of one record; not in `shared_keys`."""
    given: bool = False
    """Whether the user named it (`--manifest`), rather than that it was found beside the run."""
