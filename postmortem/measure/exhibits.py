"""What a report can draw of a run: curves with what was found on them, layers, classes. Data only; drawing is the renderers' work.

An exhibit is there where its data are there, and absent otherwise. Numbers are rounded to seven digits, which is what float32 holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure import curve_exhibits, data_exhibits, layer_exhibits, logged_layer_exhibits, pace
from postmortem.measure.data_table import data_sets
from postmortem.measure.roles import Roled
from postmortem.measure.table import TensorTable
from postmortem.measure.view import view_of
from postmortem.model import Exhibit, Measurement, RunData


def build(run: RunData, roled: Sequence[Roled], table: TensorTable | None, measurements: Mapping[str, Measurement]) -> tuple[Exhibit, ...]:
    """All exhibits of one run, in the order in which a report shows them.

    Args:
        run: for its manifests and checkpoints.
        roled: its scalars with their roles.
        table: the pass over its checkpoints; None or empty where it has none.
        measurements: by name; what stands as annotations on the curves, and shares of dead units.
    """
    return tuple(_exhibits(run, roled, table, measurements))


def _exhibits(
    run: RunData, roled: Sequence[Roled], table: TensorTable | None, measurements: Mapping[str, Measurement]
) -> Iterator[Exhibit]:
    view = view_of(table, run.checkpoints) if table is not None and table.rows else None
    yield from curve_exhibits.build(roled, view, measurements)
    yield from pace.exhibit(run, roled, measurements.get("pace.longest_gap_seconds"), measurements.get("pace.gap_to_usual"))
    of_layers = list(layer_exhibits.build(view, table.order, measurements)) if view is not None and table is not None else []
    yield from logged_layer_exhibits.build(run.series, run.histograms, {exhibit.id for exhibit in of_layers})
    yield from of_layers
    yield from data_sets(run.manifests)
    yield from data_exhibits.build(run.manifests)
