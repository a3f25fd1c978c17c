"""What kind of training a run is, as its tags, settings, manifests and parameter names tell.

The family decides which checks apply: where nothing tells it stays `unknown`, because a wrong family judges a loss by the wrong measure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.chance import EARLY_SHARE, EARLY_STEP, Classes
from postmortem.measure.family_names import by_parameters, by_settings
from postmortem.measure.loss import LEAST_POINTS
from postmortem.measure.pair_tags import scores
from postmortem.measure.role_words import PHYSICS, RECONSTRUCTION
from postmortem.measure.roles import ACCURACY, Roled
from postmortem.measure.smooth import finite_points
from postmortem.measure.tags import words
from postmortem.model import Measurement, RunData, kind_of_run

UNKNOWN = "unknown"
FAMILIES = (
    "classification",
    "language-model",
    "regression",
    "detection",
    "segmentation",
    "gan",
    "rl",
    "vae",
    "physics-informed",
    "contrastive",
    UNKNOWN,
)
_AGENT_WORDS = frozenset({"rollout", "episode", "cumulative", "ep", "policy", "returns", "return", "environment", "env", "mujoco", "gym"})
_DETECTION = frozenset({"box", "bbox", "rpn", "dfl", "giou", "objectness", "obj", "localization", "loc"})
_SEGMENTATION = frozenset({"miou", "mdice", "dice", "jaccard", "macc", "aacc"})
_CONTRASTIVE = frozenset({"contrastive", "infonce", "ntxent", "simclr", "byol", "moco", "dino", "simsiam", "triplet", "vicreg"})
_CODEBOOK = frozenset({"vq", "commitment", "codebook", "commit"})
_DISTILLATION = frozenset({"kd", "distill", "distillation", "teacher", "student"})
_ERRORS = frozenset({"mse", "mae", "rmse", "r2", "huber", "l1", "smoothl1", "mape"})
_WEAK_PHYSICS = frozenset({"bc", "bcs", "ic", "ics", "boundary", "initial", "residual", "res", "momentum"})
"""Words that other losses use too (behaviour cloning, boundaries of segments): two different ones are asked for."""
_STRONG_PHYSICS = PHYSICS - _WEAK_PHYSICS
LEAST_CLASSES = 4
"""Squared errors of standardized targets begin near 1, where ln 2 and ln 3 are too."""
BEGINS, ENDS = 0.05, 0.01
"""How near a loss must be to ln C, as a share of it: outputs of a usual head are small at first and raise it by half their variance."""
_OF_LOSS = ("training-loss", "validation-loss", "data-loss", "part-of-loss", "regularization")

_Tagged = Sequence[tuple[Roled, frozenset[str]]]
_Told = tuple[str, str]
"""Family, and the tag or setting that tells it."""


def not_of_family(family: str, kind: str, roled: Sequence[Roled] = ()) -> tuple[str, bool]:
    """Why what is asked of one kind of training is not asked of a run of this family, and whether it may be of that kind all the same.

    Args:
        roled: the run's tags: of a kind that nothing tells, a loss on validation data says that it learns from a set of records.
    """
    if family != UNKNOWN:
        return f"the run is {kind_of_run(family)}, not {kind}", False
    held = next((one.series.tag for one in roled if one.role == "validation-loss"), None)
    if held is not None:
        return f"the run logs a validation loss ({held!r}), which is none of {kind}", False
    return f"the run is not known to be {kind}", True


def answers_with_numbers(roled: Sequence[Roled]) -> bool:
    """Whether one unit at the end of the model may be its answer: not a critic's, no value of a state, nothing that accuracies count."""
    told = _by_tags(roled)
    return (told is None or told[0] not in ("gan", "rl")) and not any(one.role == "accuracy" for one in roled)


def _by_tags(roled: Sequence[Roled]) -> _Told | None:
    tagged = [(one, frozenset(words(one.series.tag))) for one in roled]
    losses = [(one, present) for one, present in tagged if one.role in _OF_LOSS]
    return (
        _preference(tagged)
        or _reinforcement(tagged)
        or _adversarial(losses)
        or _scored(roled)
        or _detection(losses)
        or _physics(losses)
        or _variational(tagged, losses)
        or _first("segmentation", tagged, _SEGMENTATION)
        or _first("contrastive", tagged, _CONTRASTIVE)
        or _language(tagged)
        or _diffusion(losses)
    )


def _first(family: str, tagged: _Tagged, known: frozenset[str]) -> _Told | None:
    return next(((family, one.series.tag) for one, present in tagged if present & known), None)


def _preference(tagged: _Tagged) -> _Told | None:
    """Preference optimization: its loss contrasts two answers, and compares with no chance level of a vocabulary."""
    for one, present in tagged:
        if {"rewards", "chosen"} <= present or {"rewards", "margins"} <= present:
            return "contrastive", one.series.tag
    return None


def _reinforcement(tagged: _Tagged) -> _Told | None:
    for one, present in tagged:
        if one.role == "return" and (present & _AGENT_WORDS or len(present) <= 2 or not present & {"model", "stock", "portfolio"}):
            return "rl", one.series.tag
        if {"approx", "kl"} <= present or {"policy", "loss"} <= present or {"actor", "loss"} <= present or {"policy", "entropy"} <= present:
            return "rl", one.series.tag
    return None


def _adversarial(losses: _Tagged) -> _Told | None:
    made = next((one for one, present in losses if present & {"generator", "g", "gen", "netg"}), None)
    judged = any(present & {"discriminator", "d", "disc", "dis", "netd", "critic"} for _, present in losses)
    if made is None and any(present & {"discriminator", "disc", "netd"} for _, present in losses):
        made = next((one for one, present in losses if present & {"adv", "adversarial"}), None)
    return ("gan", made.series.tag) if made is not None and judged else None


def _scored(roled: Sequence[Roled]) -> _Told | None:
    """Scores of a discriminator for real and for made samples."""
    real, fake = scores(roled)
    return ("gan", real.tag) if real is not None and fake is not None else None


def _detection(losses: _Tagged) -> _Told | None:
    told = _first("detection", losses, _DETECTION)
    every = {word for _, present in losses for word in present}
    # A loss of classes beside one of regression: boxes, unless it is regularization.
    boxes = next((one for one, present in losses if "reg" in present and one.role == "part-of-loss"), None)
    return told or (("detection", boxes.series.tag) if boxes is not None and "cls" in every else None)


def _physics(losses: _Tagged) -> _Told | None:
    strong = _first("physics-informed", losses, _STRONG_PHYSICS)
    if strong is not None:
        return strong
    weak = [(one, present & _WEAK_PHYSICS) for one, present in losses if present & _WEAK_PHYSICS]
    letters = [one for one, present in losses if present - {"train", "loss"} in ({"u"}, {"f"})]
    if len({word for _, found in weak for word in found}) >= 2:
        return "physics-informed", weak[0][0].series.tag
    return ("physics-informed", letters[0].series.tag) if len({one.series.tag for one in letters}) == 2 else None


def _variational(tagged: _Tagged, losses: _Tagged) -> _Told | None:
    every = frozenset(word for _, present in tagged for word in present)
    classes = any(one.role == "accuracy" for one, _ in tagged) or bool(every & {"ce", "xent", "crossentropy"})
    for one, present in losses:
        if "elbo" in present:
            return "vae", one.series.tag
        if present & {"kl", "kld", "kldiv"} and not every & _DISTILLATION and (every & RECONSTRUCTION or not classes):
            return "vae", one.series.tag
    return None


def _language(tagged: _Tagged) -> _Told | None:
    # The perplexity of a code book is no language model's.
    if any(present & _CODEBOOK for _, present in tagged):
        return None
    told = _first("language-model", tagged, frozenset({"perplexity", "ppl", "bpb", "bpc"}))
    return told or next((("language-model", one.series.tag) for one, present in tagged if {"lm", "loss"} <= present), None)


def _diffusion(losses: _Tagged) -> _Told | None:
    """The loss by quarters of the noise schedule: a squared error, whatever the model makes."""
    quarters = {word for _, present in losses for word in present if re.fullmatch(r"q[0-3]", word)}
    return ("regression", losses[0][0].series.tag) if len(quarters) == 4 else None


def _by_labels(run: RunData, roled: Sequence[Roled]) -> _Told | None:
    accuracy = next((one for one in roled if one.role == "accuracy" or set(words(one.series.tag)) & ACCURACY), None)
    if accuracy is not None:
        return "classification", f"tag {accuracy.series.tag!r}"
    for manifest in run.manifests:
        if manifest.targets is not None:
            return "regression", f"numeric targets in column {manifest.label_column!r} of {manifest.source}"
        if manifest.labels == "objects":
            return "detection", f"objects of classes in {manifest.source}"
        labels = {label for counts in manifest.counts.values() for label in counts}
        if 2 <= len(labels) <= max(2, manifest.rows // 4):
            return "classification", f"{len(labels)} labels in {manifest.source}"
    for one in roled:
        if one.role in ("training-loss", "validation-loss", "data-loss", "metric") and set(words(one.series.tag)) & _ERRORS:
            return "regression", f"tag {one.series.tag!r}"
        if set(words(one.series.tag)) & {"xent", "crossentropy", "logloss"} or {"cross", "entropy"} <= set(words(one.series.tag)):
            return "classification", f"tag {one.series.tag!r}"
    for manifest in run.manifests:
        labels = {label for counts in manifest.counts.values() for label in counts}
        if manifest.rows >= 20 and len(labels) > manifest.rows // 4:
            return "regression", f"{len(labels)} different labels among {manifest.rows} records of {manifest.source}"
    return None


def _by_level(losses: Sequence[Roled | None], classes: Classes) -> _Told | None:
    """A loss that begins at ln C, where C is the number of the head's outputs, or ends there to a hundredth: a cross-entropy at chance.

    Of 130 regressions and reconstructions of the fault corpus with a head of two outputs and more none begins within a tenth of it.
    """
    known = [each for each in losses if each is not None and finite_points(each.series)[0].size]
    if not known or classes.count is None or classes.count < LEAST_CLASSES or classes.per_label:
        return None
    chance = math.log(classes.count)
    steps, values = finite_points(known[0].series)
    early = steps[0] <= max(EARLY_STEP, EARLY_SHARE * steps[-1])
    if early and abs(values[0] / chance - 1) <= BEGINS:
        return "classification", f"{known[0].series.tag!r} begins at {values[0]:.4g}, near ln({classes.count})"
    ends = [float(np.median(finite_points(each.series)[1][-max(1, each.series.steps.size // 10) :])) for each in known]
    if steps.size >= LEAST_POINTS and all(abs(end / chance - 1) <= ENDS for end in ends):
        return "classification", f"{known[0].series.tag!r} ends at {ends[0]:.4g}, ln({classes.count})"
    return None


def measure_family(
    run: RunData, roled: Sequence[Roled], classes: Classes | None = None, losses: Sequence[Roled | None] = ()
) -> Iterator[Measurement]:
    """`run.family`, with what told it; `unknown` where nothing does.

    Args:
        classes: how many there are, if any, by settings or by the head.
        losses: those that would be cross-entropies, of training first.
    """
    found = _by_tags(roled) or by_parameters(run) or by_settings(run) or _by_labels(run, roled) or _by_level(losses, classes or Classes())
    if found is None and run.options.num_classes is not None:
        found = "classification", "option --num-classes"
    family, why = found or (UNKNOWN, "no tag, setting, parameter or manifest tells")
    yield Measurement("run.family", math.nan, "", why, text=family)
