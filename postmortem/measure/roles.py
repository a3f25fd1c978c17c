"""What each scalar tag is: a training loss, a part of one, a learning rate, an accuracy, ...

Roles are read from the words of the tag, from the tags beside it, and from the group of its file; what the user named by option wins. The
numbers themselves decide nothing here. Word lists follow the tags of about 1,900 event files of 116 public repositories.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from postmortem.measure.tags import SPLIT_WORDS, split_of, words
from postmortem.model import ReadOptions, Series

Role: TypeAlias = Literal[
    "training-loss",
    "validation-loss",
    "data-loss",
    "regularization",
    "part-of-loss",
    "learning-rate",
    "gradient-norm",
    "accuracy",
    "metric",
    "return",
    "entropy",
    "loss-scale",
    "epoch",
    "throughput",
    "other",
]
ROLES: tuple[str, ...] = get_args(Role)

NAMED = "named by an option"
"""`Roled.why` of a series that the user chose with --loss-tag or --reg-tag: it wins over every other."""


@dataclass(frozen=True, slots=True, eq=False)
class Roled:
    """One series and what it was taken for."""

    series: Series
    role: Role
    split: str
    """`train`, `validation`, `test`, or empty where nothing says."""
    why: str
    """One clause: which words of the tag, or which neighbours, decided."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOSS = frozenset({"loss", "losses", "nll", "xent", "crossentropy", "bce", "ce", "logloss", "objective", "cost", "elbo"})
ERRORS = frozenset({"mse", "mae", "rmse", "error", "err"})
"""Errors are losses only where nothing else is."""
PLAIN = SPLIT_WORDS | _set(
    "loss losses total overall epoch epochs step steps batch iter iters iteration iterations avg average mean running smoothed smooth ema "
    "scalar scalars metrics metric log logs model sum global current minibatch per"
)
"""Words that leave a loss the total loss."""
REGULARIZATION = frozenset({"regularization", "regularisation", "regularizer", "regulariser", "penalty", "kl", "kld", "l2", "wd", "decay"})
BOX_REGRESSION = frozenset({"box", "bbox", "cls", "conf", "obj", "rpn", "objectness", "centerness", "dfl", "heatmap", "iou", "giou"})
"""Siblings that make `reg_loss` the regression of boxes."""
DATA = frozenset(
    {"data", "task", "ce", "xent", "nll", "crossentropy", "bce", "logloss", "classification", "base", "fit", "main", "likelihood"}
)
ADVERSARIAL = frozenset({"generator", "discriminator", "gen", "disc", "d", "g", "critic", "adversarial", "adv", "gan", "netg", "netd"})
AGENT = frozenset(
    {"policy", "value", "actor", "critic", "entropy", "vf", "pg", "clip", "surrogate", "alpha", "ent", "approx", "td", "baseline", "q"}
)
RETURNS = frozenset({"return", "returns", "reward", "rewards", "rew"})
ACCURACY = frozenset({"acc", "accuracy", "top1", "acc1", "prec1", "accuracies", "binaryaccuracy"})
METRICS = _set(
    "map map50 ap ap50 ap75 auc auroc f1 iou miou dice psnr ssim bleu rouge perplexity ppl r2 precision recall kappa mcc wer cer fid "
    "score metric metrics top5 acc5 bpb bpc correlation pearson spearman sensitivity specificity jaccard "
    "hp explained hits mrr ndcg kl clipfrac"
)
THROUGHPUT = _set(
    "fps throughput speed time seconds sec runtime eta memory mem gpu cpu samples second tokens duration latency ms elapsed timer"
)
EXTREMES = frozenset({"best", "min", "max", "std", "lowest"})
_LR = re.compile(r"^lr\d*$")


def _has_learning_rate(tag_words: Sequence[str]) -> bool:
    return any(_LR.match(word) or word == "learningrate" for word in tag_words) or ("learning", "rate") in pairwise(tag_words)


def _plain_role(tag_words: tuple[str, ...]) -> tuple[Role, str] | None:
    """Role of a tag that is no loss; None where the words point to a loss."""
    present = set(tag_words)
    cross_entropy = {"cross", "entropy"} <= present
    is_loss = bool(present & LOSS) or cross_entropy
    if present & {"epoch", "epochs"} and not present - SPLIT_WORDS - {"epoch", "epochs", "trainer", "current", "global", "num"}:
        return "epoch", "the tag says epoch and nothing else"
    if (
        ({"loss", "scale"} <= present)
        or present & {"scaler", "lossscale", "scaling"}
        or present >= {"grad", "scale"}
        or present >= {"amp", "scale"}
    ):
        return "loss-scale", "words loss and scale"
    if present & EXTREMES and not present & {"norm"}:
        return "other", "a running extreme or spread, not a curve of its own"
    if _has_learning_rate(tag_words) and not is_loss:
        return "learning-rate", "words of a learning rate"
    if not is_loss and (present & {"gradnorm", "gnorm"} or (present & {"grad", "grads", "gradient", "gradients"} and "norm" in present)):
        if present & {"weight", "bias", "layer", "layers", "param", "conv", "linear"}:
            return "other", "the gradient of one layer"
        return "gradient-norm", "words gradient and norm"
    if is_loss:
        return None
    if "entropy" in present:
        return "entropy", "word entropy without loss"
    if present & RETURNS or any("return" in word or "reward" in word for word in tag_words):
        return "return", "word return or reward"
    if present & ACCURACY:
        return "accuracy", "word accuracy"
    if present & ERRORS:
        return None
    if present & METRICS:
        return "metric", "word of a metric"
    if present & THROUGHPUT:
        return "throughput", "word of time or speed"
    if present & REGULARIZATION - {"decay", "kl", "kld", "l2", "wd"} or tag_words[-1:] == ("reg",):
        return None
    return "other", "no word that is known"


def _is_regularization(present: set[str], around: set[str]) -> bool:
    if present & REGULARIZATION and not ({"weight", "decay"} <= present and not present & LOSS):
        return not present & {"approx", "policy"}
    return "reg" in present and not around & BOX_REGRESSION


def _is_data(present: set[str]) -> bool:
    return bool(present & DATA) or {"cross", "entropy"} <= present


@dataclass(frozen=True, slots=True)
class _Around:
    """What the other tags of the run say."""

    words: frozenset[str]
    totals: Counter[str]
    """Split -> losses whose words leave them the total."""
    qualified: Counter[str]
    """Split -> losses with a word of their own that are not regularization."""
    errors: Counter[str]
    """Split -> errors (mean squared, ...) that are not called a loss."""
    has_regularization: bool


def _loss_role(tag_words: tuple[str, ...], split: str, around: _Around) -> tuple[Role, str]:
    """Role of a tag whose words point to a loss."""
    present = set(tag_words)
    total: Role = "validation-loss" if split in ("validation", "test") else "training-loss"
    key = _side(split)
    if _is_regularization(present, set(around.words)) and (around.totals[key] or around.qualified[key]):
        return "regularization", "word of regularization beside another loss"
    own = present - PLAIN
    if not own:
        return total, "word loss and nothing that makes it a part"
    if present & ERRORS and not present & LOSS:
        if around.totals[key] or around.qualified[key]:
            return "metric", "an error beside a loss"
        if around.errors[key] == 1 or "mse" in present:
            return total, "the only error of its split, and no loss"
        return "metric", "one of several errors"
    if around.totals[key]:
        if _is_data(present) and (around.has_regularization or "data" in present) and total == "training-loss":
            return "data-loss", "the data's share beside a total loss"
        return "part-of-loss", "a loss with a word of its own beside a total loss"
    sides = own & (ADVERSARIAL | AGENT)
    if sides and not (sides == {"entropy"} and "cross" in own):
        return "part-of-loss", "one loss of an agent or of an adversarial pair"
    if around.qualified[key] == 1 or own <= DATA | {"cross", "entropy"}:
        if around.has_regularization and _is_data(present) and total == "training-loss":
            return "data-loss", "the data's share beside a regularization loss"
        return total, "the only loss of its split"
    return "part-of-loss", "one of several losses without a total"


def _side(split: str) -> str:
    return split if split in ("validation", "test") else "train"


def _look_around(tagged: Iterable[tuple[tuple[str, ...], str]]) -> _Around:
    tagged = tuple(tagged)
    every = frozenset(word for tag_words, _ in tagged for word in tag_words)
    totals: Counter[str] = Counter()
    qualified: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    has_regularization = False
    for tag_words, split in tagged:
        if _plain_role(tag_words) is not None:
            continue
        present = set(tag_words)
        if _is_regularization(present, set(every)):
            has_regularization = has_regularization or _side(split) == "train"
        elif not present - PLAIN:
            totals[_side(split)] += 1
        elif present & LOSS or {"cross", "entropy"} <= present:
            qualified[_side(split)] += 1
        elif present & ERRORS:
            errors[_side(split)] += 1
    return _Around(every, totals, qualified, errors, has_regularization)


def assign(series: Sequence[Series], options: ReadOptions) -> tuple[Roled, ...]:
    """Every series with its role, in the order given; what the user named by option comes before all words."""
    tagged = [(words(one.tag), split_of(words(one.tag), one.group)) for one in series]
    around = _look_around(tagged)
    found: list[Roled] = []
    for one, (tag_words, split) in zip(series, tagged, strict=True):
        role: Role
        if options.loss_tag is not None and one.tag == options.loss_tag:
            role, why = ("validation-loss" if split in ("validation", "test") else "training-loss"), NAMED
        elif options.reg_tag is not None and one.tag == options.reg_tag:
            role, why = "regularization", NAMED
        else:
            role, why = _plain_role(tag_words) or _loss_role(tag_words, split, around)
        found.append(Roled(one, role, split, why))
    return tuple(found)


def main(roled: Iterable[Roled], role: str, split: str = "train") -> Roled | None:
    """The one series that stands for a role, or None.

    `train` takes series without a split too; `validation` takes the test split where nothing else is there. A series named by option
    wins; then a total over its rivals unless it has less than a quarter of their points; then the longest (steps before epochs).
    """
    splits = {"train": ("train", ""), "validation": ("validation",), "test": ("test",)}.get(split, ("", "train", "validation", "test"))
    candidates = [one for one in roled if one.role == role and one.split in splits]
    if not candidates:
        return main(roled, role, "test") if split == "validation" else None
    longest = max(one.series.values.size for one in candidates)

    def rank(one: Roled) -> tuple[bool, bool, int, bool]:
        points = one.series.values.size
        return one.why == NAMED, "total" in words(one.series.tag) and 4 * points >= longest, points, one.split == split

    return max(candidates, key=rank)


def main_training_loss(roled: Iterable[Roled]) -> Roled | None:
    """The training loss of a run: the total, else the data's loss, else the longest part of one; None where none was logged."""
    roled = tuple(roled)
    for role in ("training-loss", "data-loss", "part-of-loss"):
        found = main(roled, role, "train")
        if found is not None:
            return found
    return None


def main_validation_loss(roled: Iterable[Roled], training: Roled | None) -> Roled | None:
    """The validation loss of a run: the total, else the same part of a loss as `training` on validation (or test) data; or None."""
    roled = tuple(roled)
    found = main(roled, "validation-loss", "validation")
    if found is not None or training is None:
        return found
    part = set(words(training.series.tag)) - SPLIT_WORDS
    same = (one for one in roled if one.role == "part-of-loss" and one.split in ("validation", "test"))
    return next((one for one in same if set(words(one.series.tag)) - SPLIT_WORDS == part), None)
