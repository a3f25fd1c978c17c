"""What kind of training a run is, as its tags, settings, manifests and parameter names tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from postmortem.measure.roles import ACCURACY, Roled
from postmortem.measure.settings import settings
from postmortem.measure.tags import words
from postmortem.model import Measurement, RunData

FAMILIES = (
    "classification",
    "language-model",
    "regression",
    "detection",
    "gan",
    "rl",
    "vae",
    "contrastive",
    "unknown",
)
_AGENT_WORDS = frozenset({"rollout", "episode", "cumulative", "ep", "policy", "returns", "return", "environment", "env", "mujoco", "gym"})
_DETECTION = frozenset({"box", "bbox", "rpn", "dfl", "giou", "objectness", "obj"})
_CONTRASTIVE = frozenset({"contrastive", "infonce", "ntxent", "simclr", "byol", "moco", "dino", "simsiam", "triplet", "vicreg"})
_ERRORS = frozenset({"mse", "mae", "rmse", "r2", "huber", "l1", "smoothl1", "mape"})
_LABEL_SETTINGS = ("num_classes", "n_classes", "num_labels", "nb_classes")
_TEXT_SETTINGS = ("vocab_size", "n_vocab", "block_size", "context_length", "seq_len", "max_position_embeddings", "n_ctx")
_NAMED = (
    ("gan", ("gan",)),
    ("vae", ("vae",)),
    ("language-model", ("gpt", "llama", "causal_lm", "causallm", "language_model", "language-model", "lm_")),
    ("contrastive", ("simclr", "moco", "byol", "contrastive")),
    ("rl", ("ppo", "dqn", "sac", "a2c", "reinforce", "td3")),
)
_NAME_SETTINGS = ("model", "model_name", "arch", "architecture", "model_type", "algorithm", "algo", "task", "method")


def _by_tags(roled: Sequence[Roled]) -> tuple[str, str] | None:
    """Family and the tag that tells it."""
    tagged = [(one, frozenset(words(one.series.tag))) for one in roled]
    preference = any({"rewards", "chosen"} <= present or {"rewards", "margins"} <= present for _, present in tagged)
    returns = [one for one, present in tagged if one.role == "return" and (present & _AGENT_WORDS or len(present) <= 2 or not preference)]
    if returns and not preference:
        return "rl", returns[0].series.tag
    for one, present in tagged:
        if {"approx", "kl"} <= present or {"policy", "loss"} <= present or {"actor", "loss"} <= present or {"policy", "entropy"} <= present:
            return "rl", one.series.tag
    losses = [(one, present) for one, present in tagged if one.role in ("training-loss", "data-loss", "part-of-loss", "regularization")]
    sides = [
        (bool(present & {"generator", "g", "gen", "netg"}), bool(present & {"discriminator", "d", "disc", "netd", "critic"}), one)
        for one, present in losses
    ]
    if any(made for made, _, _ in sides) and any(judged for _, judged, _ in sides):
        return "gan", next(one.series.tag for made, _, one in sides if made)
    detection = [one for one, present in losses if present & _DETECTION]
    if detection:
        return "detection", detection[0].series.tag
    for one, present in losses:
        if present & {"kl", "kld"} or "elbo" in present:
            return "vae", one.series.tag
    for family, known in (("contrastive", _CONTRASTIVE), ("language-model", frozenset({"perplexity", "ppl", "bpb", "bpc"}))):
        for one, present in tagged:
            if present & known:
                return family, one.series.tag
    return None


def _by_settings(run: RunData) -> tuple[str, str] | None:
    known = settings(run)
    named = " ".join(str(known[key]).lower() for key in _NAME_SETTINGS if key in known)
    for family, parts in _NAMED:
        if any(part in named for part in parts):
            return family, "name of the model or method"
    text = next((key for key in _TEXT_SETTINGS if key in known), None)
    if text is not None and not any(key in known for key in _LABEL_SETTINGS):
        return "language-model", f"setting {text!r}"
    label = next((key for key in _LABEL_SETTINGS if key in known), None)
    return ("classification", f"setting {label!r}") if label is not None else None


def _by_parameters(run: RunData) -> tuple[str, str] | None:
    names = [name for checkpoint in run.checkpoints[-1:] for name in checkpoint.tensors]
    nets = {name.split(".", 1)[0].lower() for name in names}
    if nets & {"g", "generator", "netg"} and nets & {"d", "discriminator", "netd"}:
        return "gan", "a generator and a discriminator in the checkpoint"
    head = next((name for name in names if "lm_head" in name), None)
    return ("language-model", f"parameter {head!r}") if head is not None else None


def _by_labels(run: RunData, roled: Sequence[Roled]) -> tuple[str, str] | None:
    accuracy = next((one for one in roled if one.role == "accuracy" or set(words(one.series.tag)) & ACCURACY), None)
    if accuracy is not None:
        return "classification", f"tag {accuracy.series.tag!r}"
    for manifest in run.manifests:
        if manifest.targets is not None:
            return "regression", f"numeric targets in column {manifest.label_column!r} of {manifest.source}"
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


def measure_family(run: RunData, roled: Sequence[Roled]) -> Iterator[Measurement]:
    """`run.family`, with what told it; `unknown` where nothing does."""
    found = _by_tags(roled) or _by_parameters(run) or _by_settings(run) or _by_labels(run, roled)
    if found is None and run.options.num_classes is not None:
        found = "classification", "option --num-classes"
    family, why = found or ("unknown", "no tag, setting, parameter or manifest tells")
    yield Measurement("run.family", math.nan, "", why, text=family)
