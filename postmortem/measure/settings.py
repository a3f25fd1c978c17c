"""What the run's own settings say: corpus, activation, pre-training, class weights, clipping, batch size.

Settings are hyper-parameters of event files and plain values stored in checkpoints. Names differ from project to project; they are
matched on their last part, lower case, with hyphens as underscores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from postmortem.model import Measurement, Missing, Plain, RunData

CORPUS = ("dataset", "dataset_name", "corpus", "data_set", "train_dataset", "data_name", "data", "task_name", "benchmark")
ACTIVATION = (
    "activation",
    "activation_fn",
    "hidden_act",
    "act",
    "activation_function",
    "nonlinearity",
    "act_fn",
    "act_layer",
    "hidden_activation",
)
PRETRAINED = (
    "pretrained",
    "use_pretrained",
    "pretrained_weights",
    "from_pretrained",
    "is_pretrained",
    "finetune",
    "fine_tune",
    "finetuning",
)
BUILT_UPON = ("peft_type", "base_model_name_or_path", "pretrained_model_name_or_path", "lora_rank", "lora_r", "lora_alpha")
"""What adapters and fine-tuning of language and diffusion models name: the loss is the one that the model was trained with before."""
_NEW_HEADS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
OPTIMIZER = ("optimizer", "optim", "optimizer_name", "optimizer_type", "opt")
CLASS_WEIGHTS = (
    "class_weights",
    "class_weight",
    "use_class_weights",
    "pos_weight",
    "weighted_loss",
    "weighted_sampler",
    "balanced_sampler",
    "balance_classes",
    "oversample",
    "undersample",
)
CLIP_NORM = (
    "max_grad_norm",
    "gradient_clip_val",
    "clip_grad_norm",
    "clip_norm",
    "grad_clip",
    "grad_clip_norm",
    "gradient_clip",
    "max_norm",
    "clip_grad",
)
BATCH_SIZE = ("batch_size", "train_batch_size", "per_device_train_batch_size", "batch", "bs", "batchsize")
RATE = ("lr", "learning_rate", "base_lr", "initial_lr", "lr0")

_ACTIVATIONS = (
    "leaky_relu",
    "leakyrelu",
    "hardtanh",
    "relu6",
    "prelu",
    "relu",
    "tanh",
    "sigmoid",
    "logistic",
    "gelu",
    "silu",
    "swish",
    "elu",
    "selu",
    "mish",
)
_LABEL_NAME = re.compile(r"(?:^|\.)id2label\.(\d+)$")
_NO_CLASSIFIER = re.compile(
    r"Detection|Segmentation|ConditionalGeneration|CausalLM|LMHead|(?:^|[ _])(?:detr|yolos|owlvit|mask2?former)", re.IGNORECASE
)
_SAME = {"leakyrelu": "leaky_relu", "logistic": "sigmoid", "swish": "silu"}
_NO = frozenset({"", "false", "no", "none", "0", "null", "off", "scratch", "random"})


def settings(run: RunData) -> dict[str, Plain]:
    """Every setting of the run by the last part of its name; event files win over checkpoints, earlier names over later ones."""
    found: dict[str, Plain] = {}
    for values in (run.hyperparameters, *(checkpoint.values for checkpoint in run.checkpoints)):
        for name, value in values.items():
            found.setdefault(re.split(r"[./]", name)[-1].strip().lower().replace("-", "_").replace(" ", "_"), value)
    return found


def named_labels(run: RunData) -> int:
    """How many labels a model's configuration names (`id2label`, as Hugging Face keeps it); 0 where it names none, or no classifier's.

    Names that were made up for it (`LABEL_0`) say nothing: models of language carry them too. Detectors name classes, but their loss is
    no cross-entropy over them.
    """
    every = {name: value for values in (run.hyperparameters, *(one.values for one in run.checkpoints)) for name, value in values.items()}
    labels = {found[1]: str(value) for name, value in every.items() if (found := _LABEL_NAME.search(name))}
    kinds = " ".join(str(value) for name, value in every.items() if re.search(r"(?:^|\.)(?:architectures\.\d+|model_type)$", name))
    if _NO_CLASSIFIER.search(kinds) or all(re.fullmatch(r"LABEL_\d+", label) for label in labels.values()):
        return 0
    return len(labels)


def first_of(known: Mapping[str, Plain], names: Sequence[str]) -> tuple[str, Plain] | None:
    """The first of these names that has a value other than None, with it."""
    for name in names:
        if known.get(name) is not None:
            return name, known[name]
    return None


def number_of(known: Mapping[str, Plain], names: Sequence[str]) -> tuple[str, float] | None:
    """The first of these names whose value is a finite number (or text that reads as one), with it."""
    for name in names:
        value = known.get(name)
        if value is None or isinstance(value, bool):
            continue
        try:
            number = float(value)
        except (ValueError, OverflowError):  # a whole number of more than 308 digits
            continue
        if math.isfinite(number):
            return name, number
    return None


def _word(name: str, text: str, setting: str) -> Measurement:
    return Measurement(name, math.nan, "", f"setting {setting!r}", text=text)


def _yes_or_no(name: str, known: Mapping[str, Plain], keys: Sequence[str], what: str, log_next: str) -> Measurement | Missing:
    found = first_of(known, keys)
    if found is None:
        return Missing(name, f"no setting says whether {what}", log_next)
    key, value = found
    yes = str(value).strip().lower() not in _NO if isinstance(value, str) else bool(value)
    return _word(name, "true" if yes else "false", key)


def _activation(known: Mapping[str, Plain]) -> Measurement | Missing:
    found = first_of(known, ACTIVATION)
    if found is not None:
        text = str(found[1]).lower()
        for activation in _ACTIVATIONS:
            if activation in text:
                return _word("run.settings_activation", _SAME.get(activation, activation), found[0])
    return Missing("run.settings_activation", "no setting names the activation function", "activation")


def _optimizer(known: Mapping[str, Plain]) -> Measurement | Missing:
    found = first_of(known, OPTIMIZER)
    word = re.search(r"[a-z]+", str(found[1]).lower()) if found is not None and isinstance(found[1], str) else None
    if found is None or word is None:
        return Missing("run.optimizer", "no setting names the optimizer", "optimizer-settings")
    return _word("run.optimizer", word.group(), found[0])


def _built_upon(known: Mapping[str, Plain]) -> Measurement | Missing:
    """Whether a model goes on with the task that it was trained for before; a new head on top of it begins at chance."""
    name = "run.goes_on"
    found = first_of(known, BUILT_UPON)
    if found is None or str(known.get("task_type", "")).upper().rpartition(".")[2] in _NEW_HEADS:
        return Missing(name, "no setting says that the model goes on with what it was trained for", "hyperparameters")
    no = str(found[1]).strip().lower() in _NO
    return _word(name, "false" if no else "true", found[0])


def measure_settings(run: RunData) -> Iterator[Measurement | Missing]:
    """Words and numbers that the run's settings give: corpus, activation, pre-training, class weights, clip norm, batch size."""
    known = settings(run)
    corpus = first_of(known, CORPUS)
    if corpus is not None and isinstance(corpus[1], str) and corpus[1].strip():
        yield _word("data.corpus", corpus[1].strip(), corpus[0])
    else:
        yield Missing("data.corpus", "no setting names the data set", "data-set-name")
    yield _activation(known)
    yield _optimizer(known)
    yield _yes_or_no("run.pretrained", known, PRETRAINED, "weights are pre-trained", "pretrained")
    yield _built_upon(known)
    yield _yes_or_no("run.class_weights", known, CLASS_WEIGHTS, "classes are weighted or resampled", "class-weights")
    clip = number_of(known, CLIP_NORM)
    if clip is not None and clip[1] > 0:
        yield Measurement("run.clip_norm", clip[1], "gradient norm", f"setting {clip[0]!r}")
    else:
        told = "no setting gives a clip norm" if clip is None else "the clip norm is set to 0"
        yield Missing("run.clip_norm", told, "clip-norm", applies=clip is None)
    batch = number_of(known, BATCH_SIZE)
    if batch is not None and batch[1] >= 1:
        yield Measurement("run.batch_size", batch[1], "records", f"setting {batch[0]!r}")
    else:
        yield Missing("run.batch_size", "no setting gives the batch size", "batch-size")
