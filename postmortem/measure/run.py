"""Measures one run: everything that the judging stages need, so that no file has to be opened again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from postmortem.measure import exhibits
from postmortem.measure.adapters import measure_adapters
from postmortem.measure.adversaries import measure_adversaries
from postmortem.measure.agents import measure_agents
from postmortem.measure.averages import measure_averages
from postmortem.measure.batchnorm import measure_batchnorm
from postmortem.measure.batchnorm_channels import measure_batchnorm_channels
from postmortem.measure.capacity import measure_capacity
from postmortem.measure.chance import Classes
from postmortem.measure.classes import measure_classes
from postmortem.measure.column_options import unmatched_columns
from postmortem.measure.continuity import measure_continuity
from postmortem.measure.curves import measure_curves
from postmortem.measure.data_sets import speaker_notes
from postmortem.measure.epoch_pattern import epoch_pattern
from postmortem.measure.epochs import epochs_logged, passes
from postmortem.measure.evenness import measure_evenness
from postmortem.measure.family import answers_with_numbers
from postmortem.measure.files import measure_files
from postmortem.measure.flips import measure_flips
from postmortem.measure.gradient_total import measure_gradient_total
from postmortem.measure.gradients import measure_gradients
from postmortem.measure.heads import measure_heads
from postmortem.measure.image_samples import measure_image_samples, raw_settings
from postmortem.measure.incidents import measure_incidents
from postmortem.measure.inputs import measure_inputs
from postmortem.measure.kept_state import true_advice
from postmortem.measure.logged_layers import measure_logged_layers
from postmortem.measure.misread_loss import measure_misread
from postmortem.measure.numbered import without_numbers
from postmortem.measure.optimizer import measure_optimizer
from postmortem.measure.own_data import with_own_data
from postmortem.measure.pace import measure_pace
from postmortem.measure.penalties import measure_penalty_shape
from postmortem.measure.per_class import find, measure_per_class, set_apart
from postmortem.measure.precision import logged_scale, measure_precision
from postmortem.measure.priors import known_classes, measure_majority, smoothing_of
from postmortem.measure.quantities import as_quantities
from postmortem.measure.rare import measure_rare
from postmortem.measure.rates import logged_rate
from postmortem.measure.replicas import measure_replicas
from postmortem.measure.residuals import measure_residuals
from postmortem.measure.resumption import measure_resumption
from postmortem.measure.roles import assign, main_training_loss
from postmortem.measure.schedules import measure_schedule
from postmortem.measure.settings import named_labels, number_of, settings
from postmortem.measure.signal import measure_signal
from postmortem.measure.spectra import measure_spectra
from postmortem.measure.spoiled import measure_spoiled
from postmortem.measure.tag_options import unmatched
from postmortem.measure.tag_table import left_out, tag_roles
from postmortem.measure.tensors import pass_over
from postmortem.measure.travel import measure_travel
from postmortem.measure.units import measure_units
from postmortem.measure.updates import measure_updates
from postmortem.measure.weight_states import measure_weight_states
from postmortem.measure.weights import measure_weights
from postmortem.measure.workers import WorkerDiedError
from postmortem.model import Artifacts, InputFile, Manifest, Measurement, Missing, Problem, RunData, RunMeasurements, counted

if TYPE_CHECKING:
    from postmortem.measure.table import TensorTable

CLASS_SETTINGS = ("num_classes", "n_classes", "num_labels", "vocab_size", "n_vocab", "classes")


@dataclass(slots=True, eq=False)
class _Found:
    """Measurements and gaps by name; the first to tell wins."""

    values: dict[str, Measurement] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)

    def keep(self, found: Iterator[Measurement | Missing]) -> None:
        for one in found:
            if isinstance(one, Measurement):
                self.values.setdefault(one.name, one)
            else:
                self.missing.setdefault(one.name, one)

    def keep_open(self, families: tuple[str, ...], unread: int) -> None:
        """What no readable checkpoint holds may be in one that could not be read: there the question stays open."""
        for name, gap in self.missing.items():
            if unread and not gap.applies and name.startswith(families):
                files = counted(unread, "checkpoint file")
                self.missing[name] = replace(gap, reason=f"{gap.reason}, and {files} could not be read whole", log_next="", applies=True)

    def whole(self, name: str) -> int | None:
        """A measured count, or None."""
        return int(self.values[name].value) if name in self.values else None

    def number(self, name: str) -> float | None:
        """A measured value, or None."""
        return self.values[name].value if name in self.values else None


def measure_run(run: RunData) -> RunMeasurements:
    """All measurements, gaps and exhibits of one run."""
    roled = assign(run.series, run.options)
    run = with_own_data(run, roled)
    per_class = find(roled, run.manifests)
    roled = set_apart(roled, per_class)
    run, table = _passed(run)
    found = _Found()
    found.keep(measure_files(run))
    found.keep(measure_incidents(run))
    for measure in (
        measure_weights,
        measure_spoiled,
        measure_updates,
        measure_optimizer,
        measure_gradients,
        measure_batchnorm,
        measure_batchnorm_channels,
        measure_precision,
        measure_continuity,
        measure_replicas,
        measure_averages,
        measure_adapters,
        measure_spectra,
        measure_flips,
        measure_weight_states,
    ):
        found.keep(measure(table, run.checkpoints))
    found.keep_open(("adapters.", "averages."), _unread(run))
    if "precision.scale" not in found.values:
        found.keep(logged_scale(roled))
    head_rows, parameters = found.whole("weights.head_rows"), found.whole("weights.parameters")
    if run.options.num_classes is None and answers_with_numbers(roled):
        run = replace(run, manifests=as_quantities(run.manifests, head_rows))
    found.keep(measure_classes(run.manifests, head_rows, parameters, settings(run), _last_step(run), epochs_logged(run.series)))
    found.keep(iter([passes(epochs_logged(run.series), [one.epoch for one in run.checkpoints])]))
    found.keep(measure_heads(table, run.checkpoints, run.manifests))
    found.keep(measure_capacity(table, run.checkpoints, settings(run)))
    found.keep(measure_residuals(table, run.checkpoints, settings(run)))
    found.keep(measure_inputs(run.manifests, settings(run), run.images))
    found.keep(measure_image_samples(run.manifests, raw_settings(run)))
    found.keep(measure_curves(_of_series(run, table), roled, _classes(run, found), _penalties(found)))
    family = found.values["run.family"].text
    found.keep(measure_agents(roled, table, run.checkpoints, family))
    found.keep(measure_adversaries(roled, table, run.checkpoints, family))
    found.keep(measure_gradient_total(table, run.checkpoints, _algorithm(found)))
    found.keep(measure_travel(table, run.checkpoints, _algorithm(found), logged_rate(roled)))
    found.keep(iter([measure_majority(roled, run.manifests)]))
    found.keep(measure_rare(roled, run.manifests, found.values["run.family"].text))
    found.keep(measure_misread(roled, found.number("loss.chance"), found.number("run.batch_size")))
    found.keep(measure_evenness(roled, found.number("loss.chance"), smoothing_of(settings(run))))
    found.keep(measure_per_class(per_class, run.manifests))
    found.keep(iter([epoch_pattern(main_training_loss(roled), found.number("data.training_records"), found.number("run.batch_size"))]))
    found.keep(iter([measure_schedule(roled)]))
    found.keep(measure_penalty_shape(table, roled))
    found.keep(measure_resumption(table, run.checkpoints, roled))
    found.keep(measure_pace(run, roled))
    activation = found.values["run.settings_activation"].text if "run.settings_activation" in found.values else ""
    found.keep(measure_units(table, run.checkpoints, run.histograms, activation))
    found.keep(measure_signal(table, run.checkpoints, _input_rms(found)))
    found.keep(measure_logged_layers(run.series, run.histograms))
    gaps = [gap for name, gap in found.missing.items() if name not in found.values]
    return RunMeasurements(
        name=run.name,
        path=run.path,
        measurements=tuple(found.values.values()),
        missing=true_advice(gaps, run.checkpoints, found.values.get("updates.moved")),
        exhibits=exhibits.build(run, roled, table, found.values),
        artifacts=_artifacts(run),
        inputs=_inputs(run),
        problems=run.problems,
        notes=(
            *run.notes,
            *speaker_notes(run.manifests),
            *unmatched(run.series, run.options),
            *unmatched_columns(run.manifests, run.options),
            *left_out(roled),
            *table.notes,
            *_order_note(table),
        ),
        tags=tag_roles(roled),
    )


def _input_rms(found: _Found) -> float | None:
    """Root mean square of the data as the model sees them, where the optimizer's state tells it."""
    known, least = found.number("inputs.rms"), found.number("inputs.rms_at_least")
    return known if known is not None else least if least is not None and least > 1 else None


def _passed(run: RunData) -> tuple[RunData, TensorTable]:
    """The pass over the run's checkpoints; the run without them, and a problem, where it could not be brought to its end."""
    checkpoints, notes = without_numbers(run.checkpoints)
    run = replace(run, checkpoints=checkpoints, notes=(*run.notes, *notes))
    try:
        return run, pass_over(run.checkpoints)
    except WorkerDiedError as error:
        first = run.checkpoints[0].source
        more = f" and {len(run.checkpoints) - 1} more" if len(run.checkpoints) > 1 else ""
        problem = Problem(f"{first}{more}", "unreadable", f"{error}; nothing was measured of these checkpoints")
        return replace(run, checkpoints=(), problems=(*run.problems, problem)), pass_over(())


def _of_series(run: RunData, table: TensorTable) -> RunData:
    """The run without checkpoints that belong to another training or to no step: curves are read beside the series alone."""
    members = {row.source for row in table.rows}
    return replace(run, checkpoints=tuple(one for one in run.checkpoints if one.source in members))


def _algorithm(found: _Found) -> str:
    """The optimizer's algorithm, from its state, else from the settings."""
    told = (found.values.get(name) for name in ("optimizer.algorithm", "run.optimizer"))
    return next((one.text for one in told if one is not None and one.text), "")


def _unread(run: RunData) -> int:
    """How many files of checkpoints are damaged, so that what they hold is not known."""
    files = {file.name for file in run.files if file.role == "checkpoint"}
    return len({problem.path for problem in run.problems if problem.kind != "unsafe-pickle" and problem.path in files})


def _last_step(run: RunData) -> int | None:
    steps = [int(series.steps[-1]) for series in run.series if series.steps.size]
    steps += [checkpoint.step for checkpoint in run.checkpoints if checkpoint.step is not None]
    return max(steps, default=None)


def _classes(run: RunData, found: _Found) -> Classes:
    """The number of classes, from who knows best: the user, the manifest, the settings, the head."""
    return known_classes(run.manifests, settings(run), *_class_count(run, found))


def _class_count(run: RunData, found: _Found) -> tuple[int | None, str]:
    if run.options.num_classes is not None:
        return run.options.num_classes, "option --num-classes"
    kind = found.values["classes.kind"].text if "classes.kind" in found.values else ""
    if kind in ("multiple", "objects"):
        return None, ""  # several labels a record: no softmax over the classes, so that ln C is no chance level, whatever settings say
    if (counted := found.whole("classes.count")) is not None and counted >= 2:
        return counted, f"{counted} labels in {found.values['classes.count'].basis}"
    if (labels := named_labels(run)) >= 2:
        return labels, f"{labels} labels named by setting 'id2label'"
    if (set_to := number_of(settings(run), CLASS_SETTINGS)) is not None and set_to[1] >= 2:
        return int(set_to[1]), f"setting {set_to[0]!r}"
    if (rows := found.whole("weights.head_rows")) is not None and rows >= 2:
        return rows, f"{rows} rows of the last matrix, {found.values['weights.head_rows'].text}"
    return None, ""


def _penalties(found: _Found) -> Mapping[int, float] | None:
    """Step -> the weight decay's share of the loss, where the optimizer makes it part of the loss (SGD and Adam, not AdamW)."""
    penalty, algorithm = found.values.get("weights.decay_penalty"), found.values.get("optimizer.algorithm")
    if penalty is None or algorithm is None or algorithm.text not in ("sgd", "adam"):
        return None
    steps = {label: re.search(r"\d+", label) for label in penalty.items}
    return {int(step.group()): penalty.items[label] for label, step in steps.items() if step is not None}


def _artifacts(run: RunData) -> Artifacts:
    parameters = max((sum(_elements(tensor.shape) for tensor in one.tensors.values()) for one in run.checkpoints), default=0)
    return Artifacts(
        event_files=run.event_files,
        scalars=sum(series.steps.size for series in run.series),
        checkpoints=len(run.checkpoints),
        parameters=parameters,
        manifests=len(run.manifests),
        bytes=sum(file.bytes for file in run.files),
        logs=sum(file.role in ("log", "console") for file in run.files),
    )


def _elements(shape: tuple[int, ...]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _inputs(run: RunData) -> tuple[InputFile, ...]:
    """Each file with what was taken from it."""
    told: dict[str, str] = {}
    for series in run.series:
        told.setdefault(series.source, "")
    for source in told:
        mine = [series for series in run.series if series.source == source and series.steps.size]
        if mine:
            first, last = min(int(one.steps[0]) for one in mine), max(int(one.steps[-1]) for one in mine)
            told[source] = f"{counted(len(mine), 'tag')}, steps {first} to {last}"
    for checkpoint in run.checkpoints:
        step = "step unknown" if checkpoint.step is None else f"step {checkpoint.step}, from {checkpoint.step_basis}"
        kept = "optimizer state" if any(one.slots for one in checkpoint.optimizers) else "an optimizer that has no state"
        optimizer = f", with {kept}" if checkpoint.optimizers else ""
        told[checkpoint.source] = f"{counted(len(checkpoint.tensors), 'tensor')}, {step}{optimizer}"
        told.update({replica.source: f"{replica.rank} of {checkpoint.source}" for replica in checkpoint.replicas})
    for console in run.consoles:
        count = sum(incident.count for incident in console.incidents)
        told[console.source] = f"{console.lines} lines, {count} of them about how the job fared"
    for manifest in run.manifests:
        for source in manifest.source.split(" + "):
            told[source] = _manifest_told(manifest)
    return tuple(InputFile(file.name, file.role, file.bytes, told.get(file.name, "")) for file in run.files if file.role != "other")


def _manifest_told(manifest: Manifest) -> str:
    labels = f", labels from {manifest.label_column!r}" if manifest.label_column else ", no labels"
    together = " in all its files" if " + " in manifest.source else ""
    return f"{manifest.format}, {manifest.rows} records{together}{labels}" if manifest.rows else f"{manifest.format}, no record counted"


def _order_note(table: TensorTable) -> tuple[str, ...]:
    return (f"depth order of layers: {table.order}",) if table.rows else ()
