"""Decides which folders of a tree are parts of one run and which are runs of their own.

The tree is worked through from its leaves. Each folder hands up at most one open cluster (its name says that it is a part of something:
`tb`, `weights`, `train`, `checkpoint-500`), the closed clusters below it, which are runs, and tables and settings that no cluster claimed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TypeAlias

from postmortem.discover.folders import Entry, Folder, shown
from postmortem.discover.names import (
    ORBAX_METADATA,
    alike,
    is_database,
    is_log_folder,
    is_metric_folder,
    is_side_writer,
    is_split,
    is_stamp,
    part_of_run,
    writer_process,
)
from postmortem.discover.stores import STORE_NAMES, Store, stamp_of

Parts: TypeAlias = tuple[str, ...]
"""Folder names from the root down."""

_EVENT_TIME = re.compile(r"tfevents\.(\d{9,10})\.")
_SAME_START_SECONDS = 36 * 3600.0
"""Farther apart than this, two logs are of two trainings: 14 hours of time zones, and a job that waited or went on the next day."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Artifacts that belong to one run."""

    home: Parts
    """The folder at which they were brought together."""
    files: list[Entry]
    notes: tuple[str, ...] = ()
    label: str = ""
    """What tells it from other runs of the same home."""
    store: Store = ""
    """Set while it is what MLflow or Weights & Biases kept of a run, and nothing beside that."""

    @property
    def has_events(self) -> bool:
        """Whether one of the files is an event file."""
        return any(entry.kind.role == "events" for entry in self.files)

    @property
    def has_weights(self) -> bool:
        """Whether one of the files is a checkpoint or an index of one."""
        return any(entry.kind.role in ("checkpoint", "checkpoint-index") for entry in self.files)

    @property
    def has_log(self) -> bool:
        """Whether one of the files is a log in a table."""
        return any(entry.kind.role == "log" for entry in self.files)


@dataclass(slots=True)
class _Below:
    """What a folder hands up."""

    open: Cluster | None = None
    closed: list[Cluster] = field(default_factory=list)
    loose: list[Entry] = field(default_factory=list)


def cluster_runs(root: Folder) -> tuple[list[Cluster], list[Entry]]:
    """The runs under a folder, and the tables and settings that belong to none of them or to several."""
    below = _gather(root, is_root=True)
    return below.closed, below.loose


def _gather(folder: Folder, is_root: bool = False) -> _Below:
    if folder.store:
        return _Below(None, _store_run(folder), [])
    whole_runs = _files_of_whole_runs(folder)
    core = [
        entry
        for entry in folder.files
        if entry.kind.role in ("events", "checkpoint", "checkpoint-index", "log") and not any(entry is each for each, _ in whole_runs)
    ]
    loose = [entry for entry in folder.files if entry.kind.role in ("manifest", "config")]
    opened: list[tuple[Folder, Cluster]] = []
    closed = [(folder, Cluster((*folder.parts, entry.name), [entry], store=store)) for entry, store in whole_runs]
    for child in folder.folders:
        below = _gather(child)
        loose.extend(below.loose)
        closed.extend((child, cluster) for cluster in below.closed)
        if below.open is not None:
            opened.append((child, below.open))
    # Several folders that each hold a whole training are runs, whatever their names (`best`, `final`).
    whole = [(child, cluster) for child, cluster in opened if cluster.has_events and cluster.has_weights and not is_split(child.name)]
    if len(whole) > 1:
        closed.extend(whole)
        opened = [(child, cluster) for child, cluster in opened if not any(cluster is each for _, each in whole)]
    stored = _with_saved_models(folder, [(child, cluster) for child, cluster in closed if cluster.store])
    closed = [(child, cluster) for child, cluster in closed if not cluster.store]
    if not core and not opened:
        return _Below(None, _join_store_runs(folder, _pair_up(folder, closed), stored), loose)
    base = Cluster(
        folder.parts, core + [entry for _, cluster in opened for entry in cluster.files], tuple(n for _, c in opened for n in c.notes)
    )
    base, closed = _absorb(folder, base, closed)
    if not closed:
        base, stored = _with_store_runs(folder, base, stored)
    base = replace(base, files=base.files + loose)
    runs = [cluster for _, cluster in (*closed, *stored)]
    part = "" if is_root else "step" if _is_orbax(folder) else part_of_run(folder.name, bool(core))
    one_metric_a_file = all(entry.name.lower().endswith(".tsv") for entry in core)
    if not is_root and not part and one_metric_a_file and is_metric_folder(folder.path.parts):
        part = "part"  # a folder of metrics, named after the first word of theirs (`lr`)
    if not is_root and not part and any(entry.name.endswith(".distcp") for entry in core):
        part = "step"  # a folder of shards is one saved state, whatever its name
    # A folder named after a number of epochs that holds event files is a run of a sweep, not a saved step.
    if part == "part" or (part == "step" and not base.has_events):
        return _Below(base, runs, [])
    return _Below(None, [base, *runs], [])


def _is_orbax(folder: Folder) -> bool:
    """Whether it is one step that Orbax saved (`1000`, whatever its name), or an item of one (`1000/default`)."""
    below = [file.name for child in folder.folders for file in child.files]
    return ORBAX_METADATA in below or any(file.name in (ORBAX_METADATA, "_CHECKPOINT_METADATA") for file in folder.files)


def _absorb(folder: Folder, base: Cluster, closed: list[tuple[Folder, Cluster]]) -> tuple[Cluster, list[tuple[Folder, Cluster]]]:
    """Takes those runs below into the cluster that are parts of it after all."""
    processes = {writer_process(entry.name) for entry in folder.files if entry.kind.role == "events"} - {""}
    writes_here = any(entry.kind.role == "events" for entry in folder.files)
    rest: list[tuple[Folder, Cluster]] = []
    for child, cluster in closed:
        only_events = cluster.has_events and not cluster.has_weights and not cluster.has_log
        same_process = bool(processes & {writer_process(entry.name) for entry in cluster.files})
        if writes_here and only_events and cluster.home == child.parts and (same_process or is_side_writer(child.name)):
            base = _join(base, cluster, f"{shown(child.name)}/ taken as a side writer of the run's event files")
        else:
            rest.append((child, cluster))
    if len(rest) == 1 and (_complement(base, rest[0][1]) or _complement(rest[0][1], base)):
        where = "/".join(map(shown, rest[0][1].home[len(folder.parts) :]))
        return _join(base, rest[0][1], f"{where}/ taken as part of the run: one side holds curves, the other weights"), []
    logged = [(child, cluster) for child, cluster in rest if is_log_folder(child.name) and is_stamp(cluster.home[-1])]
    if len(logged) > 1 and len(logged) == len(rest) and base.has_weights and not base.has_events and _saves_steps(base):
        # Hugging Face's Trainer opens a new folder below `runs` each time it is started; the weights are those of one training.
        for _, cluster in rest:
            base = _join(base, cluster, "")
        return replace(base, notes=(*base.notes, f"{len(rest)} folders below {shown(rest[0][0].name)}/ taken as starts of one run")), []
    return base, rest


def _pair_up(folder: Folder, closed: list[tuple[Folder, Cluster]]) -> list[Cluster]:
    """Joins runs that are two halves of one: `board` beside `snapshots`, or `logs/a` and `weights/a`."""
    if len(closed) == 2 and closed[0][0] is not closed[1][0]:
        (child_one, one), (child_two, two) = closed
        halves = _complement(one, two) or _complement(two, one)
        if halves and (not alike(child_one.name, child_two.name) or one.home[-1] == two.home[-1] != child_one.name):
            joined = replace(_join(one, two, ""), home=folder.parts)
            note = f"{shown(child_one.name)}/ and {shown(child_two.name)}/ taken as one run: one holds curves, the other weights"
            return [replace(joined, notes=(*joined.notes, note))]
    by_label: dict[Parts, list[Cluster]] = defaultdict(list)
    for child, cluster in closed:
        by_label[cluster.home[len(child.parts) :]].append(cluster)
    paired: list[Cluster] = []
    for label, clusters in by_label.items():
        if label and len(clusters) == 2 and (_complement(*clusters) or _complement(clusters[1], clusters[0])):
            name = "/".join(map(shown, label))
            where = " and ".join("/".join(map(shown, cluster.home[len(folder.parts) :])) for cluster in clusters)
            joined = replace(
                _join(clusters[0], clusters[1], f"{where} taken as one run: one holds curves, the other weights"), home=folder.parts
            )
            paired.append(replace(joined, label=name))
        else:
            paired.extend(clusters)
    return paired


def _join(one: Cluster, two: Cluster, note: str) -> Cluster:
    return replace(one, files=one.files + two.files, notes=(*one.notes, *two.notes, *((note,) if note else ())))


def _complement(weights: Cluster, curves: Cluster) -> bool:
    return weights.has_weights and not weights.has_events and not curves.has_weights and (curves.has_events or curves.has_log)


def _saves_steps(cluster: Cluster) -> bool:
    return any(entry.name == "trainer_state.json" or (entry.folder and part_of_run(entry.folder[-1]) == "step") for entry in cluster.files)


# --- what MLflow and Weights & Biases kept ----------------------------------------------------------------------------


def _files_of_whole_runs(folder: Folder) -> list[tuple[Entry, Store]]:
    """Files that stand for the folder of a run: databases, of whose runs nobody knows before they are opened, and gathered histories."""
    databases: list[tuple[Entry, Store]] = [(entry, "mlflow-database") for entry in folder.files if is_database(entry.name)]
    histories: list[tuple[Entry, Store]] = [(entry, "wandb") for entry in folder.files if entry.name.lower().endswith(".wandb")]
    return databases + (histories if len(histories) > 1 else [])


def _store_run(folder: Folder) -> list[Cluster]:
    """All that lies in a run's folder is of that run, whatever the names of the folders within it."""
    files: list[Entry] = []
    pending = [folder]
    while pending:
        each = pending.pop()
        files.extend(entry for entry in each.files if entry.kind.role != "other")
        pending.extend(reversed(each.folders))
    cluster = Cluster(folder.parts, files, store=folder.store)
    return [cluster] if cluster.has_weights or (files and folder.store != "mlflow-model") else []


def _with_saved_models(folder: Folder, closed: list[tuple[Folder, Cluster]]) -> list[tuple[Folder, Cluster]]:
    """Gives each model that MLflow saved beside its runs to the run that names it among its outputs."""
    models = {cluster.home[-1]: cluster for _, cluster in closed if cluster.store == "mlflow-model"}
    if not models:
        return closed
    owners: dict[str, list[Parts]] = defaultdict(list)
    for run in folder.folders:
        for output in (each for child in run.folders if run.store == "mlflow" and child.name == "outputs" for each in child.folders):
            owners[output.name].append(run.parts)
    taken = {name: owner[0] for name, owner in owners.items() if len(owner) == 1 and name in models}
    kept: list[tuple[Folder, Cluster]] = []
    for child, cluster in closed:
        if cluster.store == "mlflow":
            for name in [name for name, owner in taken.items() if owner == cluster.home]:
                cluster = _join(cluster, models[name], f"models/{name}/ taken as part of the run, which names it among its outputs")
            kept.append((child, cluster))
        elif cluster.store != "mlflow-model" or cluster.home[-1] not in taken:
            kept.append((child, cluster))
    return kept


def _join_store_runs(folder: Folder, runs: list[Cluster], stored: list[tuple[Folder, Cluster]]) -> list[Cluster]:
    """Gives the only run of MLflow, and the only one of Weights & Biases, to the only other run below the folder."""
    if len(runs) == 1:
        joined, rest = _with_store_runs(folder, runs[0], stored)
        if len(rest) < len(stored):
            runs, stored = [replace(joined, home=folder.parts)], rest
    return [*runs, *(cluster for _, cluster in stored)]


def _with_store_runs(folder: Folder, base: Cluster, stored: list[tuple[Folder, Cluster]]) -> tuple[Cluster, list[tuple[Folder, Cluster]]]:
    """The run with what MLflow and Weights & Biases kept of it. Where one of them kept several runs, nothing says which is its own."""
    rest: list[tuple[Folder, Cluster]] = []
    for child, cluster in stored:
        alone = sum(each.store == cluster.store for _, each in stored) == 1
        if alone and cluster.store in ("mlflow", "wandb") and _at_one_time(cluster, base):
            where = "/".join(map(shown, cluster.home[len(folder.parts) :]))
            base = _join(base, cluster, f"{where}/ taken as part of the run: the only run of {STORE_NAMES[cluster.store]} beside its files")
        else:
            rest.append((child, cluster))
    return base, rest


def _at_one_time(stored: Cluster, other: Cluster) -> bool:
    """Whether the times in the names of two runs' files lie close together; True where one of them names no time."""
    stamp = stamp_of(stored.home[-1]) if stored.home else ""
    events = [float(match[1]) for entry in other.files if (match := _EVENT_TIME.search(entry.name))]
    if not stamp or not events:
        return True
    try:
        started = datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return True
    return min(abs(each - started) for each in events) <= _SAME_START_SECONDS
