"""A closed set of shapes that a renderer can draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


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
    lower: bool = False
    """Whether a level belongs to the second set of curves."""


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
