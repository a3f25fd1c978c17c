"""What one line of a text log prints of a training: counters (step, epoch, a bar's `42/100`) and scalars that are known by name.

Lines that differ in numbers only are taken apart once: a `Printed` names each number by its place among all numbers of the line, so that
the numbers of further lines are picked without looking at the words again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postmortem.read.console.lines import clean


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAN, INF, MINUS_INF = -1, -2, -3
"""Places of values that are printed as words."""

_FIGURES = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
# The same with one set of characters at its head, which `re` looks for without trying the rest: twice as fast.
_FAST = r"[-+.0-9](?:(?<=[0-9])[0-9]*(?:\.[0-9]*)?|(?<=[-+])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)|(?<=\.)[0-9]+)(?:[eE][-+]?[0-9]+)?"
NUMBER = re.compile(_FAST.encode())
_NUMBER = re.compile(_FAST)
_VALUE = re.compile(
    rf"(?<![\w.@/+-])(?:(?P<figures>{_FIGURES})|(?P<word>[-+]?(?:nan|inf(?:inity)?)))%?(?![\w@]|\.\w|\s{{0,4}}/\s{{0,4}}\d)", re.IGNORECASE
)
_KEY = re.compile(
    r"(?P<key>[A-Za-z_][\w@/.]{0,60}(?:[ -][A-Za-z_@][\w@/.]{0,40}){0,3})"
    r"['\"]?(?:\s{0,12}[:=]\s{0,12}|\s{1,12})(?:['\"(\[]|(?:tensor|np\.float\d{2})\(){0,2}$",
    re.IGNORECASE,
)
_LONGEST_KEY = 140
_MEAN = re.compile(rf"\s{{0,4}}\(\s{{0,8}}(?P<mean>{_FIGURES})\)")

_STEPS = r"global[ _]?steps?|num[ _]updates|(?:total[ _]?)?timesteps?|steps?|iter(?:ation)?s?|itr|updates?"
_BATCHES = r"batch(?:es)?|episodes?|rounds?|mini-?batch"
_COUNT = r"(?:\((?P<of>train|val|valid|test)\))?['\"]?\s{0,3}[:=#\[(]{0,2}\s{0,8}['\"]?(?P<count>\d{1,15})(?!\d|\.\d|[A-Za-z%])"
_TOTAL = r"(?:\s{0,8}(?:/|of)\s{0,8}(?P<total>\d{1,15})(?![\d.]))?"
_STEP = re.compile(rf"(?<![A-Za-z])(?:{_STEPS}){_COUNT}{_TOTAL}", re.IGNORECASE)
_BATCH = re.compile(rf"(?<![A-Za-z])(?:{_BATCHES}){_COUNT}{_TOTAL}", re.IGNORECASE)
_EPOCH = re.compile(
    r"(?<![A-Za-z])(?:epochs?|ep)(?:\s?\((?:train|val|valid|test)\))?['\"]?[\s:=#\[(|]{0,6}\s{0,8}['\"]?"
    rf"(?P<count>\d{{1,12}}(?:\.\d{{1,17}})?)(?![\w%]){_TOTAL}",
    re.IGNORECASE,
)
_BATCH_OF_TRAINING = re.compile(r"\bTrain:\s{0,4}(?P<count>\d{1,9})\s{0,4}(?P<total>(?!))?\[", re.IGNORECASE)
_PAIR = re.compile(r"^\[(?P<epoch>\d{1,9}),\s{0,8}(?P<count>\d{1,12})\]\s")
_BAR = re.compile(r"(?<![\d/.\w-])(?P<count>\d{1,15})\s{0,8}/\s{0,8}(?P<total>\d{1,15})(?![\d/.\w]|\s\d\d:\d\d)")
_DRAWN = re.compile(r"\d%\||\d(?:it/s|s/it)\b|s/(?:step|epoch|sample)\b|\[=*>?\.{0,40}\]|━|ETA:| - \d+s\b|\d/\d+ - \d")
_RANK = re.compile(r"\brank[ =:_]{0,2}(?P<a>\d+)|^(?P<b>\d{1,4}): |\[(?P<c>\d+)\]<std|^\[default(?P<d>\d+)\]", re.IGNORECASE)
_SIDE = re.compile(
    r"(?<![\w./-])(?:(?P<train>train(?:ing)?)|(?P<validation>val|valid|validation|validating|eval|evaluation|evaluating|dev)|(?P<test>test|testing))"
    r"(?![\w/]|[.-]\w)",
    re.IGNORECASE,
)

_SIDES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_BEFORE = frozenset((*_SIDES, "avg", "average", "mean", "total", "running", "learning", "grad", "gradient"))
"""Words that belong to the name behind them."""
_SCALARS = _set(
    "loss losses nll ce bce xent mse mae rmse kl kld ppl perplexity elbo acc accuracy acc1 acc5 top1 top5 prec1 prec5 f1 auc "
    "auroc lr error err wer cer bleu iou miou map dice psnr ssim fid gnorm gradnorm reward return entropy bpc bpb precision "
    "recall"
)
_TERMS = _set("nll ce bce xent mse mae rmse kl kld elbo")
"""Those of them that say what is lost, where all are losses."""
_SETTINGS = frozenset(("lr", "gnorm", "gradnorm", "rate", "norm", "scale"))
"""Last words of names that say nothing of a split of the data, whatever the line is about."""
_EXTREMES = _set("best min max lowest highest")
"""Before a name they make it a running extreme, which is no curve of its own."""
_NO_CURVES = _EXTREMES | _set(
    "std time sec secs seconds ms eta memory mem num count patience improved delta threshold "
    "target coef weight base rank size steps step epochs epoch"
)
_LOSSES_FOLLOW = re.compile(
    r"\(epoch:\s{0,4}\d{1,9},\s{0,4}iters:\s{0,4}\d{1,12}(?:,[^()]{0,80})?\)"
    rf"(?=(?:[\s,]{{1,4}}[A-Za-z_]\w{{0,40}}:\s{{0,4}}(?:{_FIGURES}|[-+]?(?:nan|inf)))+\s*$)",
    re.IGNORECASE,
)
"""`(epoch: 1, iters: 100, time: 0.7, data: 0.1) D_A: 0.28 G_A: 0.59`, as CycleGAN, pix2pix and what was made of them print their losses:
what stands behind the bracket is one, whatever it is called."""
_ENDS_IN_LOSS = re.compile(r"loss(?:es)?\d{0,2}$|^loss[dg]$|^(?:train|val|valid|test|eval|top)?acc(?:uracy)?\d{0,2}$")
_WORDS = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
TELLING = tuple(
    each.encode()
    for each in sorted(
        _set(
            "loss acc ppl perplex nll lr rate err mse mae kl ce reward return norm elbo epoch prec auc iou map bleu wer top entropy bpc bpb"
        )
    )
)
"""A kind of line without any of these holds neither a scalar nor the head of an epoch."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a kind of line holds. Numbers are named by their place among all numbers of the line; None where there is none."""

    tags: tuple[tuple[str, str, int], ...]
    """Tag, group (`train`, `validation`, `test` or empty) and place of each scalar."""
    step: int | None
    """Of a step that is called so."""
    batch: int | None
    """Of a batch, or the first number of a bar (`42/100`)."""
    total: int | None
    """How many steps or batches there are to be."""
    epoch: int | None
    epochs: int | None
    rank: int | None
    drawn: bool
    """Whether it is a progress bar, which draws over itself: only the last state of each epoch counts."""
    validation: bool
    """Whether all its scalars are of validation or test data, so that its batches count within one evaluation."""
    numbers: int
    washed: bool
    """Whether escapes of a terminal hold numbers too, so that each line must be cleaned first."""

    @property
    def is_head(self) -> bool:
        """Whether it names an epoch and nothing that happened in it."""
        return not self.tags


def printed(line: bytes) -> Printed | None:
    """What a line prints; None where it neither holds a known scalar nor is the head of an epoch (`Epoch 3/10`)."""
    text = clean(line)
    places = {found.start(): index for index, found in enumerate(_NUMBER.finditer(text))}
    if not places:
        return None
    washed = [found.group() for found in _NUMBER.finditer(text)] != [each.decode() for each in NUMBER.findall(line)]
    losses = _LOSSES_FOLLOW.match(text)
    tags = tuple(_tags(text, places) if losses is None else _listed(text, losses.end(), places))
    pair = _PAIR.match(text)
    epoch = pair or _BATCH_OF_TRAINING.search(text) or _EPOCH.search(text)
    step = _STEP.search(text)
    batch = None if step is not None else pair or _BATCH.search(text)
    bar = None if step is not None or batch is not None else _bar(text, epoch)
    if not tags and (epoch is None or pair or step or batch or bar or len(text.strip(" -=*#")) > 40):
        return None

    def place(found: re.Match[str] | None, name: str) -> int | None:
        start = -1 if found is None or name not in found.re.groupindex else found.start(name)
        return None if start < 0 else places.get(start, places.get(start - 1))

    rank = _RANK.search(text[:80])
    counted = step or batch or bar
    return Printed(
        tags=tags,
        step=place(step, "count"),
        batch=place(batch or bar, "count"),
        total=place(counted, "total"),
        epoch=place(epoch, "epoch" if pair else "count"),
        epochs=None if pair else place(epoch, "total"),
        rank=None if rank is None or rank.lastgroup is None else place(rank, rank.lastgroup),
        drawn=bar is not None and _DRAWN.search(text) is not None,
        validation=bool(tags) and all(group in ("validation", "test") for _, group, _ in tags),
        numbers=len(places),
        washed=washed,
    )


def _bar(text: str, epoch: re.Match[str] | None) -> re.Match[str] | None:
    begin, end = (epoch.start(), epoch.end()) if epoch is not None else (0, 0)
    return next((found for found in _BAR.finditer(text) if not begin <= found.start() < end), None)


def _tags(text: str, places: dict[int, int]) -> Iterator[tuple[str, str, int]]:
    """Scalars of a line. A word for a split (`val`) holds for the names behind it that have none of their own."""
    side, behind = "", 0
    seen: set[tuple[str, str]] = set()
    for found in _VALUE.finditer(text):
        before = max(behind, found.start() - _LONGEST_KEY)
        key = _KEY.search(text, before, found.start())
        if key is None:
            continue
        words = _name(key["key"].split(" "))
        if not words:
            continue
        start = key.end("key") - len(" ".join(words))
        for said in _SIDE.finditer(text, behind, start):
            side = said.lastgroup or side
        spoken = next((_SIDES[word.lower()] for word in words[:-1] if word.lower() in _SIDES), "")
        side = spoken or side
        behind = found.end()
        tag = "_".join(words)
        parts = _parts(tag)
        own = next((_SIDES[part] for part in parts if part in _SIDES), "")
        group = "" if own or parts[-1] in _SETTINGS else side
        # Of an evaluation the mean so far counts, which stands in brackets behind the value of the batch.
        mean = _MEAN.match(text, found.end()) if side in ("validation", "test") else None
        start = found.start() if mean is None else mean.start("mean")
        place = places.get(start) if found["word"] is None else _word(found["word"])
        if place is not None and (tag.lower(), group) not in seen:
            seen.add((tag.lower(), group))
            yield tag, group, place


def _listed(text: str, begin: int, places: dict[int, int]) -> Iterator[tuple[str, str, int]]:
    """The losses of a line that lists nothing else from a place on, called so where their names do not say what they are."""
    seen: set[str] = set()
    for found in _VALUE.finditer(text, begin):
        key, begin = _KEY.search(text, max(begin, found.start() - _LONGEST_KEY), found.start()), found.end()
        place = places.get(found.start()) if found["word"] is None else _word(found["word"])
        if key is None or place is None:
            continue
        tag, parts = key["key"], _parts(key["key"])
        # `D_real` and `D_fake` are losses here, and elsewhere what a discriminator says.
        tag = tag if _is_scalar(parts) and _TERMS.isdisjoint(parts) else f"loss_{tag}"
        if tag.lower() not in seen and _NO_CURVES.isdisjoint(parts):
            seen.add(tag.lower())
            yield tag, "", place


def _word(text: str) -> int:
    low = text.lower()
    return NAN if "nan" in low else MINUS_INF if low.startswith("-") else INF


def _name(words: list[str]) -> list[str]:
    """The last of these words that make a name of a scalar, none where they make none: `done with train loss` -> train, loss."""
    for size in range(1, min(3, len(words)) + 1):
        if _is_scalar(_parts("_".join(words[-size:]))):
            while size < len(words) and words[-size - 1].lower() in _BEFORE:
                size += 1
            return [] if words[-size - 1 : -size] and words[-size - 1].lower() in _EXTREMES else words[-size:]
    return []


def _parts(tag: str) -> list[str]:
    return [part for part in _WORDS.split(_CAMEL.sub("_", tag).lower()) if part] or [""]


def _is_scalar(parts: list[str]) -> bool:
    if not _NO_CURVES.isdisjoint(parts):
        return False
    joined = " ".join(parts)
    known = any(part in _SCALARS or _ENDS_IN_LOSS.search(part) for part in parts)
    return known or "learning rate" in joined or "grad norm" in joined or "gradient norm" in joined
