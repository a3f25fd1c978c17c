"""Roles of tags by their words and by the tags beside them.

A tag's last part says most (`Loss/learning_rate` is a learning rate), its folders help where that says nothing (`lr/pg0`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from postmortem.measure import role_words as known
from postmortem.measure.roled import UNKNOWN, Role, side_of
from postmortem.measure.tags import parts, split_of_tag

LAYERS_OF_A_NET = 3
"""Norms in one folder from which on they are those of layers: a total stands beside its clipped self at most."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, taken apart."""

    text: str
    leaf: tuple[str, ...]
    """Words of its last part that says more than a split or a mean; those of the whole tag where none does."""
    folders: tuple[str, ...]
    """Words of what stands before."""
    split: str

    @staticmethod
    def of(text: str, group: str) -> Tag:
        """The tag of a series in a group."""
        pieces = parts(text)
        at = len(pieces) - 1
        # `Loss/train` and `update/loss/mean` say what they are one part earlier.
        while at > 0 and not set(pieces[at]) - (known.PLAIN - known.LOSS - {"epoch", "epochs"}) - {"mean"}:
            at -= 1
        # A tag without one Latin letter or digit still has a word, which says nothing.
        leaf = tuple(word for piece in pieces[at:] for word in piece) or ("",)
        return Tag(text, leaf, tuple(word for piece in pieces[:at] for word in piece), split_of_tag(text, group))

    @property
    def side(self) -> str:
        """`train`, `validation` or `test`."""
        return side_of(self.split)

    @property
    def present(self) -> set[str]:
        """Words of its telling part."""
        return set(self.leaf)

    @property
    def every(self) -> set[str]:
        """All words."""
        return {*self.leaf, *self.folders}

    @property
    def own(self) -> frozenset[str]:
        """Words that tell a loss from the total loss."""
        if known.speaks_of_loss(self.leaf):
            return frozenset(self.leaf) - known.PLAIN - (set() if self.present & known.LOSS else {"l", "err"})
        return frozenset(self.every) - known.PLAIN

    @property
    def folder_own(self) -> frozenset[str]:
        """Words of the folders that could tell whose loss it is."""
        return frozenset(self.folders) - known.PLAIN_FOLDERS


@dataclass(frozen=True, slots=True)
class Around:
    """What the other tags of the run say."""

    words: frozenset[str]
    totals: dict[str, set[frozenset[str]]]
    """Side -> folders that hold a loss whose words leave it the total."""
    qualified: dict[str, set[frozenset[str]]]
    """Side -> the words of their own of losses that are not regularization."""
    errors: dict[str, set[str]]
    """Side -> errors (mean squared, ...) that are not called a loss."""
    has_regularization: bool
    agents: bool
    """Whether returns of episodes are among them."""
    domains: bool
    """Whether a pair of generators and a pair of discriminators are (`G_A`, `D_A`)."""
    layered: frozenset[str]
    """What stands before the last slash of gradient norms of which there are so many that they are of layers (`grad_norm/act1`)."""

    @property
    def variational(self) -> bool:
        """Whether a divergence stands beside a reconstruction."""
        return bool(self.words & known.VARIATIONAL) and not self.agents


def look_around(tags: Sequence[Tag]) -> Around:
    """What the tags of a run say together."""
    every = frozenset(word for tag in tags for word in (*tag.leaf, *tag.folders))
    leaves = {tag.leaf for tag in tags}
    agents = bool(every & known.RETURNS) or any(known.names_return(word) for word in every)
    agents = agents or bool(every & known.EXPLORATION and every & known.SCORES)
    around = Around(
        every, defaultdict(set), defaultdict(set), defaultdict(set), False, agents, {("d", "a"), ("g", "a")} <= leaves, _layered(tags)
    )
    has_regularization = False
    for tag in tags:
        if plain_role(tag, around) is not None:
            continue
        if is_regularization(tag, around):
            has_regularization = has_regularization or tag.side == "train"
        elif tag.present & known.ERRORS and not known.speaks_of_loss(tag.leaf) and not tag.every & known.LOSS_FOLDERS:
            around.errors[tag.side].add(tag.text)
        elif not tag.own:
            around.totals[tag.side].add(tag.folder_own)
        else:
            around.qualified[tag.side].add(tag.own)
    return Around(every, around.totals, around.qualified, around.errors, has_regularization, agents, around.domains, around.layered)


def _layered(tags: Sequence[Tag]) -> frozenset[str]:
    parents = Counter(tag.text.rpartition("/")[0] for tag in {tag.text: tag for tag in tags}.values())
    words = {parent: {word for part in parts(parent) for word in part} for parent, count in parents.items() if count >= LAYERS_OF_A_NET}
    return frozenset(
        parent
        for parent, said in words.items()
        if said & {"gradnorm", "gnorm"} or (said & {"grad", "grads", "gradient", "gradients"} and "norm" in said)
    )


# --- tags that are no loss --------------------------------------------------------------------------------------------


def plain_role(tag: Tag, around: Around) -> tuple[Role, str] | None:
    """Role of a tag that is no loss; None where its words point to a loss."""
    return _counter_or_setting(tag, around) or _measured(tag, around)


def _counter_or_setting(tag: Tag, around: Around) -> tuple[Role, str] | None:
    present, every, leaf = tag.present, tag.every, tag.leaf
    if present & known.EPOCHS and not every - known.EPOCH_FOLDERS:
        return "epoch", "the tag says epoch and nothing else"
    if leaf == ("hp", "metric"):
        return "other", "Lightning's place-holder"
    if _is_loss_scale(leaf, present):
        return "loss-scale", "words loss and scale"
    if every & {"mem", "memory", "timing", "timers"}:
        return "throughput", "word of time, speed or memory"
    if every & known.EXTREMES and "norm" not in every:
        return "other", "a running extreme or spread, not a curve of its own"
    if leaf[-1] == "cost" and present & known.COSTS_OF_TIME and len(leaf) == 2 and around.words & {"loss", "losses"}:
        return "throughput", "the cost of a batch in seconds"
    is_loss = known.speaks_of_loss(leaf)
    telling = is_loss or known.speaks_of_metric(leaf) or present & known.ACCURACY
    named = known.has_learning_rate(leaf) and not telling
    if named or (known.has_learning_rate((*tag.folders, *leaf)) and _says_nothing(tag)):
        return _rate(tag)
    grads = present & {"gradnorm", "gnorm"} or (every & {"grad", "grads", "gradient", "gradients"} and "norm" in every)
    if not is_loss and grads:
        layered = tag.text.rpartition("/")[0] in around.layered and not set(tag.leaf) & known.TOTALS
        if every & known.LAYERS or layered:
            return "other", "the gradient of one layer"
        return "gradient-norm", "words gradient and norm"
    if leaf[-1] in known.COEFFICIENTS or (present & known.COEFFICIENTS and not is_loss):
        return "other", "a coefficient"
    return None


def _is_loss_scale(leaf: tuple[str, ...], present: set[str]) -> bool:
    joined = " ".join(leaf)
    if "loss scale" in joined or "loss scaling" in joined or present & {"scaler", "lossscale"}:
        return True
    return bool(present & {"scale", "scaling"} and present & {"grad", "amp", "fp16"})


def _says_nothing(tag: Tag) -> bool:
    """Whether the tag's own part leaves it to its folders to say what it is."""
    words_known = known.METRICS | known.ACCURACY | known.THROUGHPUT | known.ERRORS | known.RETURNS
    return not known.speaks_of_loss(tag.leaf) and not tag.present & words_known and not tag.every & known.LOSS_FOLDERS


def _rate(tag: Tag) -> tuple[Role, str]:
    changed = tag.every & {"momentum", "wd", "decay", "betas", "beta1", "scale", "ratio", *known.COEFFICIENTS}
    if changed:
        return "other", f"beside the words of a learning rate stands {sorted(changed)[0]!r}"
    if "*" in tag.text or "1e" in tag.leaf:
        return "other", "a learning rate times a number"
    return "learning-rate", "words of a learning rate"


def _measured(tag: Tag, around: Around) -> tuple[Role, str] | None:
    present, every, leaf = tag.present, tag.every, tag.leaf
    in_losses = bool(every & known.LOSS_FOLDERS)
    if known.speaks_of_loss(leaf):
        if leaf[-1] in known.ACCURACY and not present & known.OPPONENTS:
            return "accuracy", "it ends in a word of accuracy"
        return ("metric", "it ends in a word of a metric") if leaf[-1] in known.HARD_METRICS else None
    if len(leaf) == 2 and leaf[0] in known.BOX_REGRESSION and leaf[1] in known.HEADS:
        return None
    if around.domains and leaf[0] in ("d", "g", "cycle", "idt") and len(leaf) == 2:
        return None
    if "entropy" in present:
        return "entropy", "word entropy without loss"
    if present & known.ACCURACY:
        if present & known.ERRORS:
            return "metric", "an error rate"
        if present & known.OPPONENTS:
            return "metric", "how often an opponent is right"
        if "rpn" in around.words or every & known.PROPOSALS:
            return "metric", "a share of proposals, which is no accuracy of the task"
        return ("metric", "a hit among several") if known.of_several_best(leaf) else ("accuracy", "word accuracy")
    if not in_losses and _is_return(tag, around):
        return "return", "word of a return or reward"
    if present & known.RECONSTRUCTION and not present & known.HARD_METRICS:
        return None
    if present & known.DIVERGENCE and around.variational and "approx" not in present:
        return None
    if known.speaks_of_metric(leaf) and not present & known.ERRORS and (not in_losses or present & (known.HARD_METRICS | {"scores"})):
        return ("other", "no loss, in spite of its folder") if in_losses and "scores" in present else ("metric", "word of a metric")
    if in_losses:
        if every & known.NO_LOSS:
            return "other", "no loss, in spite of its folder"
        return ("throughput", "word of time or speed") if present & known.THROUGHPUT else None
    if present & known.ERRORS:
        return None
    if every & known.THROUGHPUT or tag.text.endswith(("/s", "/sec")):
        return "throughput", "word of time or speed"
    if known.speaks_of_metric(tuple(word for word in tag.folders if word not in ("metric", "metrics"))):
        return "metric", "folder of a metric"
    if present & known.REGULARIZATION - {"decay", "kl", "kld", "kldiv", "l2", "wd"} or leaf[-1:] == ("reg",):
        return None
    return "other", UNKNOWN


def _is_return(tag: Tag, around: Around) -> bool:
    if tag.present & known.NO_RETURN:
        return False
    if tag.every & known.RETURNS or any(known.names_return(word) for word in tag.every):
        return True
    return bool(tag.present & known.SCORES) and (around.agents or bool(tag.every & {"episode", "episodic", "episodes"}))


# --- losses -----------------------------------------------------------------------------------------------------------


def is_regularization(tag: Tag, around: Around) -> bool:
    """Whether the words of a loss speak of regularization."""
    present = tag.present
    if present & known.ERRORS or present & {"approx", "policy"}:
        return False
    if "l2" in present and around.words & known.IMAGES:
        return False
    if present & known.REGULARIZATION and not ({"weight", "decay"} <= present and not present & known.LOSS):
        return True
    return "reg" in present and not around.words & known.BOX_REGRESSION


def _is_data(tag: Tag) -> bool:
    return bool(tag.present & known.DATA) or known.has_cross_entropy(tag.present)


def loss_role(tag: Tag, around: Around) -> tuple[Role, str]:
    """Role of a tag whose words point to a loss."""
    total: Role = "training-loss" if tag.side == "train" else "validation-loss"
    totals, qualified = around.totals.get(tag.side, set()), around.qualified.get(tag.side, set())
    if is_regularization(tag, around):
        if totals or qualified:
            return "regularization", "word of regularization beside another loss"
        if not known.speaks_of_loss(tag.leaf) and not tag.every & known.LOSS_FOLDERS:
            return "other", "a penalty without a loss beside it"
    if tag.present & known.ERRORS and not known.speaks_of_loss(tag.leaf) and not tag.every & known.LOSS_FOLDERS:
        return _error_role(tag, around, total)
    if not tag.own:
        return _total_role(tag, totals, total)
    if totals:
        return _part_role(tag, around, qualified)
    sides = tag.own & (known.ADVERSARIAL | known.AGENT)
    if sides and not (sides == {"entropy"} and "cross" in tag.own):
        return "part-of-loss", "one loss of an agent or of an adversarial pair"
    if len(qualified) == 1 or tag.own <= known.DATA | {"cross", "entropy"}:
        if around.has_regularization and _is_data(tag) and total == "training-loss":
            return "data-loss", "the data's share beside a regularization loss"
        return total, "the only loss of its split"
    return "part-of-loss", "one of several losses without a total"


def _total_role(tag: Tag, totals: set[frozenset[str]], total: Role) -> tuple[Role, str]:
    """A loss without a word of its own: the total, unless its folder says whose it is."""
    last = set(tag.folders[-1:])
    if last & (known.ADVERSARIAL | known.AGENT) or any(word[:1] in "gd" and word[1:].isdigit() for word in last):
        return "part-of-loss", "one loss of an agent or of an adversarial pair"
    if tag.folder_own and len(totals) > 1:
        return "part-of-loss", "one of the losses of several folders"
    return total, "word loss and nothing that makes it a part"


def _part_role(tag: Tag, around: Around, qualified: set[frozenset[str]]) -> tuple[Role, str]:
    """A loss with a word of its own beside a total."""
    alone = len(qualified) == 1
    if _is_data(tag) and tag.side == "train" and alone and (around.has_regularization or "data" in tag.present):
        return "data-loss", "the data's share beside a total loss"
    return "part-of-loss", "a loss with a word of its own beside a total loss"


def _error_role(tag: Tag, around: Around, total: Role) -> tuple[Role, str]:
    losses = around.totals.get(tag.side) or around.qualified.get(tag.side)
    if losses:
        return "metric", "an error beside a loss"
    if tag.side != "train" and "mse" not in tag.present and (around.totals.get("train") or around.qualified.get("train")):
        return "metric", "an error, where the training loss is none"
    if len(around.errors.get(tag.side, ())) == 1 or "mse" in tag.present:
        return total, "the only error of its split, and no loss"
    return "metric", "one of several errors"


def name_role(tag: Tag, around: Around) -> tuple[Role, str]:
    """Role of a tag by its words and neighbours, and one clause why."""
    return plain_role(tag, around) or loss_role(tag, around)
