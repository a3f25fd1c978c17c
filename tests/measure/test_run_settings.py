"""What settings say, the kind of training, how far it came, and whether the data was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from postmortem.measure.endings import measure_endings
from postmortem.measure.family import FAMILIES, measure_family
from postmortem.measure.fit import measure_fit
from postmortem.measure.roles import assign
from postmortem.measure.settings import measure_settings, named_labels
from postmortem.model import Manifest, Measurement, Missing, Plain, ReadOptions, RunData, Series


def drawn(tag: str, values: Sequence[float] = (1.0,) * 20, every: int = 1) -> Series:
    """One drawn series."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * every, array, np.full(array.size, np.nan), "events")


def run(
    *series: Series, settings: Mapping[str, Plain] | None = None, manifests: Sequence[Manifest] = (), options: ReadOptions | None = None
) -> RunData:
    """A run of these series, settings and manifests."""
    return RunData("run", "run", (), series, (), settings or {}, (), tuple(manifests), (), (), options or ReadOptions())


def labels(counts: Mapping[str, int]) -> Manifest:
    """A manifest with these training labels."""
    return Manifest("manifest.csv", sum(counts.values()), "label", "split", None, {"train": counts}, 0, None, {}, {})


def setting(name: str, **settings: Plain) -> Measurement | Missing:
    """One measurement of the settings."""
    return next(one for one in measure_settings(run(settings=settings)) if one.name == name)


def text(one: Measurement | Missing) -> str:
    """The word of a measurement, empty where it is missing."""
    return one.text if isinstance(one, Measurement) else ""


def family(*tags: str, settings: Mapping[str, Plain] | None = None, manifests: Sequence[Manifest] = ()) -> str:
    """The family of a run with these tags."""
    one = run(*(drawn(tag) for tag in tags), settings=settings, manifests=manifests)
    return next(measure_family(one, assign(one.series, one.options))).text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("relu", "relu"),
        ("nn.LeakyReLU(0.1)", "leaky_relu"),
        ("torch.nn.Tanh", "tanh"),
        ("gelu_new", "gelu"),
        ("swish", "silu"),
        ("cube", ""),
    ],
)
def test_activation_is_found_in_any_spelling(value: str, expected: str) -> None:
    """The activation is read from the names that frameworks give it."""
    assert text(setting("run.settings_activation", **{"model/hidden_act": value})) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(True, "true"), ("imagenet", "true"), (False, "false"), ("none", "false"), (0, "false"), (None, "")]
)
def test_pretrained_is_yes_no_or_unknown(value: Plain, expected: str) -> None:
    """Weights are pre-trained, are not, or nobody says."""
    assert text(setting("run.pretrained", pretrained=value)) == expected


def test_other_settings() -> None:
    """Corpus, class weights, clip norm and batch size come from their usual names; a clip norm of 0 is none."""
    assert text(setting("data.corpus", **{"data.dataset": "cifar10"})) == "cifar10"
    assert text(setting("run.class_weights", pos_weight=3.0)) == "true"
    assert isinstance(clip := setting("run.clip_norm", gradient_clip_val="0.5"), Measurement)
    assert clip.value == 0.5
    assert isinstance(setting("run.clip_norm", gradient_clip_val=0), Missing)
    assert isinstance(batch := setting("run.batch_size", **{"batch-size": 32}), Measurement)
    assert batch.value == 32


def test_going_on_with_a_task() -> None:
    """Adapters and a named base say that the loss is the one that was trained before; a new head, or `lora_r` of 0, does not."""
    assert text(setting("run.goes_on", peft_type="LORA", task_type="CAUSAL_LM")) == "true"
    assert text(setting("run.goes_on", pretrained_model_name_or_path="runwayml/stable-diffusion-v1-5")) == "true"
    assert text(setting("run.goes_on", lora_r=0)) == "false"
    assert isinstance(setting("run.goes_on", peft_type="LORA", task_type="TaskType.SEQ_CLS"), Missing)
    assert isinstance(setting("run.goes_on", pretrained=True), Missing)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("rollout/ep_rew_mean", "train/loss", "train/approx_kl"), "rl"),
        (("Train_AverageReturn", "Loss"), "rl"),
        (("Losses/Policy Loss", "Losses/Value Loss", "Environment/Cumulative Reward"), "rl"),
        (("Generator Loss", "Discriminator Loss"), "gan"),
        (("loss_D", "loss_G"), "gan"),
        (("train/box_loss", "train/cls_loss", "metrics/mAP50(B)"), "detection"),
        (("loss", "reconstruction_loss", "kl_loss"), "vae"),
        (("train/loss", "val/perplexity"), "language-model"),
        (("loss", "accuracy"), "classification"),
        (("train/loss", "val/loss", "val/acc"), "classification"),
        (("mse", "val_mse"), "regression"),
        (("contrastive_loss",), "contrastive"),
        (("loss", "val_loss"), "unknown"),
    ],
)
def test_family_by_tags(tags: tuple[str, ...], expected: str) -> None:
    """Tags tell the kind of training, and plain losses tell nothing."""
    assert family(*tags) == expected
    assert expected in FAMILIES


def test_family_by_settings_and_labels() -> None:
    """Settings and manifests tell the kind where tags do not; a label of its own for each record is a number, not a class."""
    assert family("loss", settings={"vocab_size": 50257}) == "language-model"
    assert family("loss", settings={"num_classes": 10}) == "classification"
    assert family("loss", manifests=[labels({"cat": 50, "dog": 50})]) == "classification"
    assert family("loss", manifests=[labels({str(number): 1 for number in range(100)})]) == "regression"


NAMES = {"model_config.id2label.0": "World", "model_config.id2label.1": "Sports", "model_config.id2label.2": "Business"}


def test_named_labels_make_a_classifier_of_a_language_model() -> None:
    """A fine-tuned encoder keeps its vocabulary's size beside the labels of its head: the labels count."""
    one = run(settings={**NAMES, "model_config.vocab_size": 50265, "model_config.model_type": "roberta"})
    assert named_labels(one) == 3
    assert family("train/loss", settings={**NAMES, "model_config.vocab_size": 50265}) == "classification"


@pytest.mark.parametrize(
    "settings",
    [
        {"id2label.0": "LABEL_0", "id2label.1": "LABEL_1"},
        {**NAMES, "model_config.model_type": "detr"},
        {**NAMES, "model_config.architectures.0": "BartForConditionalGeneration"},
        {},
    ],
)
def test_labels_that_are_no_classes(settings: dict[str, Plain]) -> None:
    """Names that were made up, and those of detectors and of models that write, tell of no cross-entropy over classes."""
    assert named_labels(run(settings=settings)) == 0


def test_number_of_classes_given_by_the_user_tells_the_family() -> None:
    """Option --num-classes makes a run of unknown kind a classification."""
    one = run(drawn("loss"), options=ReadOptions(num_classes=10))
    assert next(measure_family(one, assign(one.series, one.options))).text == "classification"


def done(*series: Series, **settings: Plain) -> Measurement | Missing:
    """`steps.done` of a run."""
    one = run(*series, settings=settings)
    return next(found for found in measure_endings(one, assign(one.series, one.options)) if found.name == "steps.done")


def share(one: Measurement | Missing) -> float:
    """The value, which must be there."""
    assert isinstance(one, Measurement), one
    return one.value


def test_share_of_the_steps_done() -> None:
    """A run that logged up to step 490 of 1000, every ten steps, is half done; one that logged up to 990 is done."""
    assert share(done(drawn("loss", [1.0] * 50, every=10), max_steps=1000)) == pytest.approx(0.5)
    assert share(done(drawn("loss", [1.0] * 100, every=10), max_steps=1000)) == 1.0


@pytest.mark.parametrize("tags", [("epoch_loss",), ("train/epoch_loss",), ("loss", "val_loss")])
def test_losses_by_epoch_do_not_count_planned_steps(tags: tuple[str, ...]) -> None:
    """Twenty-five epochs of a plan in 300 steps are no eighth of it; a loss at each of 25 steps is."""
    found = done(*(drawn(tag, [1.0] * 25) for tag in tags), max_steps=300)
    assert isinstance(found, Missing)
    assert "epochs" in found.reason
    assert share(done(drawn("loss", [1.0] * 25), drawn("val_loss", [1.0] * 5, every=5), max_steps=300)) == pytest.approx(25 / 300)


def test_share_of_the_epochs_done() -> None:
    """Epochs are counted by their tag, from 0 or in fractions, or by a loss with one point an epoch."""
    assert share(done(drawn("loss", every=50), drawn("epoch", [0, 0, 1, 1, 2, 2]), max_epochs=10)) == pytest.approx(0.3)
    assert share(done(drawn("loss", every=50), drawn("epoch", [0.5, 1.5, 2.97]), num_train_epochs=3)) == pytest.approx(0.99)
    assert share(done(drawn("loss", [1.0] * 20), epochs=20)) == 1.0


def test_steps_that_may_be_epochs_are_not_compared() -> None:
    """Twenty points at steps 0 to 19 of 10,000 planned steps may be epochs: no share is given."""
    assert isinstance(done(drawn("loss", [1.0] * 20), max_steps=10_000), Missing)
    assert isinstance(done(drawn("loss", every=50), epochs=30), Missing)
    assert isinstance(done(drawn("loss")), Missing)


def fit(manifests: Sequence[Manifest] = (), **seen: float) -> Measurement | Missing:
    """`fit.reached` from measurements made before."""
    made = {name.replace("__", "."): Measurement(name.replace("__", "."), number, "", "drawn") for name, number in seen.items()}
    made["run.family"] = Measurement("run.family", float("nan"), "", "", text="classification")
    return measure_fit(run(manifests=manifests), made)


def test_fit_is_the_best_of_what_was_logged() -> None:
    """Accuracy, loss beside chance, or loss beside the first loss show the fit; the best of them counts."""
    assert share(fit(accuracy__train_last=0.97, loss__last_to_chance=0.3)) == 0.97
    assert share(fit(loss__last_to_chance=0.02)) == pytest.approx(0.98)
    assert share(fit(loss__last=0.05, loss__first=2.0)) == pytest.approx(0.975)


def test_no_fit_leaves_the_question_open() -> None:
    """A run that did not fit a large set says nothing; one that did not fit a hundred records is the test itself."""
    found = fit(accuracy__train_last=0.4)
    assert isinstance(found, Missing)
    assert found.log_next == "small-set-run"
    assert share(fit([labels({"a": 50, "b": 50})], accuracy__train_last=0.4)) == 0.4
    assert isinstance(fit([labels({"a": 5000, "b": 5000})], accuracy__train_last=0.4), Missing)
    assert isinstance(fit(), Missing)
