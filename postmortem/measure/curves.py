"""All measurements that rest on scalars and settings, in one pass over the roles that the tags were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.chance import CROSS_ENTROPIES, Classes, measure_chance, measure_early_share
from postmortem.measure.curve_states import measure_states
from postmortem.measure.descent import measure_descent
from postmortem.measure.empty_validation import ZEROS, measure_empty_validation
from postmortem.measure.endings import last_step, measure_endings
from postmortem.measure.family import measure_family
from postmortem.measure.fit import measure_fit
from postmortem.measure.generalization import measure_accuracy_rise, measure_accuracy_turn, measure_generalization
from postmortem.measure.jumps import measure_jumps
from postmortem.measure.loss import compared_loss, measure_levels, measure_nonfinite
from postmortem.measure.rates import main_rate, measure_gradient_norm, measure_rate
from postmortem.measure.regularization import measure_regularization
from postmortem.measure.resumes import measure_resumes
from postmortem.measure.roles import Roled, main, main_training_loss, main_validation_loss, paired_training_loss
from postmortem.measure.settings import measure_settings
from postmortem.measure.shape import measure_shape
from postmortem.measure.spikes import measure_spikes
from postmortem.measure.validation import like_accuracy, measure_accuracy, measure_validation
from postmortem.measure.validation_swing import measure_validation_swing
from postmortem.measure.warmups import measure_warmups
from postmortem.model import Measurement, Missing, RunData

__all__ = ["Classes", "measure_curves"]

PROGRESS = frozenset({"loss.improvement", "loss.improvement_noise", "loss.divergence", "loss.divergence_noise"})
OF_VALIDATION = ("validation.", "accuracy.validation", "fit.", "loss.validation_")
WITHOUT_PROGRESS = {"rl": "an agent", "gan": "one side of an adversarial pair"}


def measure_curves(
    run: RunData, roled: Sequence[Roled], classes: Classes, penalties: Mapping[int, float] | None = None
) -> Iterator[Measurement | Missing]:
    """Every measurement about curves, rates, settings and the run's end, each once: a number, or why there is none.

    `penalties`: step -> the weight decay's share of the loss, computed from checkpoints, for optimizers whose weight decay is part of
    the loss; used only where no regularization loss was logged.
    """
    seen: dict[str, Measurement] = {}
    for found in _all(run, roled, classes, penalties, seen):
        one = _of_records(_of_family(found, seen), seen)
        if isinstance(one, Measurement):
            seen[one.name] = one
        yield one


def _of_family(found: Measurement | Missing, seen: Mapping[str, Measurement]) -> Measurement | Missing:
    """The same, but for progress by a loss that is no measure of it: that of an agent or of an adversarial pair."""
    family = seen["run.family"].text if "run.family" in seen else ""
    if found.name not in PROGRESS or family not in WITHOUT_PROGRESS:
        return found
    return Missing(found.name, f"the loss of {WITHOUT_PROGRESS[family]} is no measure of its progress", "return")


def _of_records(found: Measurement | Missing, seen: Mapping[str, Measurement]) -> Measurement | Missing:
    """The same, but for what an evaluation over no record says: nothing."""
    if found.name == ZEROS or not found.name.startswith(OF_VALIDATION) or ZEROS not in seen or seen[ZEROS].value < 1:
        return found
    reason = f"every loss and every metric of the evaluations is exactly 0 ({seen[ZEROS].basis}): the validation set is empty"
    return Missing(found.name, reason, "validation-loss")


def _all(
    run: RunData, roled: Sequence[Roled], classes: Classes, penalties: Mapping[int, float] | None, seen: Mapping[str, Measurement]
) -> Iterator[Measurement | Missing]:
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    yield from measure_empty_validation(roled, validation)
    yield from measure_settings(run)
    data = compared_loss(roled)
    yield from measure_family(run, roled, classes, (data or training, validation))
    yield from measure_levels(training, data)
    yield from measure_chance(training, validation, data, classes, seen["run.family"].text)
    yield from measure_nonfinite(roled)
    yield from measure_shape(training)
    yield from measure_descent(training, main_rate(roled))
    yield measure_early_share(seen, classes)
    yield from measure_resumes(run.resumes, training, main_rate(roled))
    yield from measure_spikes(training, main_rate(roled))
    yield from measure_jumps(training, main_rate(roled))
    paired = paired_training_loss(roled, training, validation)
    yield from measure_validation(paired, validation, seen["loss.chance"].value if "loss.chance" in seen else None)
    crossed = seen["run.family"].text in CROSS_ENTROPIES and "loss.chance" in seen
    yield from measure_generalization(
        data if paired is training and data else paired, validation, seen["loss.chance"].value if crossed else None
    )
    yield measure_accuracy_turn(main(roled, "accuracy", "validation"))
    yield measure_accuracy_rise(main(roled, "accuracy", "validation") or like_accuracy(roled))
    yield from measure_validation_swing(validation)
    yield from measure_accuracy(roled, seen["validation.rise"].first_step if "validation.rise" in seen else None)
    yield from measure_regularization(roled, penalties)
    yield from measure_rate(run, roled, last_step(run, roled))
    yield from measure_gradient_norm(roled, seen["run.clip_norm"].value if "run.clip_norm" in seen else None)
    yield from measure_endings(run, roled)
    yield measure_fit(run, seen)
    yield from measure_states(training, validation, roled, run.checkpoints, seen)
    yield from measure_warmups(training, main_rate(roled), roled)
