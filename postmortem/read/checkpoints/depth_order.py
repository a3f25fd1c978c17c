"""Depth order of tensors whose file keeps none: safetensors come back sorted as text, `layers.10` before `layers.2` and the head first.

Names are taken as the tree of modules that they are. Children of one module are put in order by what their words say (stem, encoder,
middle, decoder, final norm, head; within a block: first norm, attention, second norm, feed-forward), then by their numbers, then by
kind. Lists that run side by side (`convs.0`, `bns.0`, `convs.1`, ...) are interleaved. What no word tells stands in natural order, and
is counted. An index or a header that is not sorted as text was written in the order of the network, and wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Protocol, TypeAlias, TypeVar

from postmortem.read.checkpoints import depth_words as told
from postmortem.read.checkpoints.depth_words import BODY, HEAD, RESAMPLED, STEM, Ranks

Natural: TypeAlias = tuple[tuple[int, int, str], ...]
Place: TypeAlias = tuple[float, int, float, Natural]
_Sibling: TypeAlias = tuple[str, bool, bool]
"""Name, whether it is a module, whether a numbered list lies below it."""

INSERTION_ORDER = "order in which the state_dict was written"
FILE_ORDER = "order in which the file lists its tensors (it is not sorted as text)"
INDEX_ORDER = "order in which the index lists the tensors (it is not sorted as text)"
NATURAL_ORDER = (
    "natural sort of names, embeddings and stem first, final norm and head last, by words of modules and blocks (the file keeps no order)"
)

_DEEPEST = 32
"""Modules within modules that are told apart; what lies deeper counts as one name."""
_AFTER = 10**9
_FAIRSEQ: Mapping[str, float] = {"k_proj": 0.7, "v_proj": 0.8, "q_proj": 0.9}
_NUMBER = re.compile(r"[0-9]{1,9}")
_RESAMPLE = re.compile(r"(down|up)_?sampl\w*|transition|reduction|merge\w*")
_IN_MODULE = {"weight": 0, "kernel": 0, "weight_g": 1, "weight_v": 2, "bias": 3}


class _Typed(Protocol):
    @property
    def dtype(self) -> str: ...


Value = TypeVar("Value", bound=_Typed)


@dataclass(slots=True, eq=False)
class _Node:
    """A module with its children by name, and the tensors that end here, by their full names."""

    full_names: list[str] = field(default_factory=list)
    children: dict[str, _Node] = field(default_factory=dict)
    holds_list: bool = False
    """A numbered list of modules lies below it."""

    @property
    def is_list(self) -> bool:
        """Whether all its children are numbered."""
        return bool(self.children) and all(map(_NUMBER.fullmatch, self.children))


@dataclass(frozen=True, slots=True)
class _Among:
    """What the siblings of a module say together."""

    names: frozenset[str]
    numbered_words: frozenset[str]
    block: bool
    parts: bool
    convolutions: bool
    body: bool
    """One of them holds a numbered list of modules."""


def _natural(text: str) -> Natural:
    return tuple((0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part) for part in re.split(r"([0-9]{1,9})", text) if part)


@lru_cache(maxsize=4096)
def _split(component: str) -> tuple[str, int]:
    """Word and number of a component: `conv2` -> conv, 2; `norm_1` -> norm, 1; `conv2d_3` -> conv, 3; `attn` -> attn, -1."""
    plain = re.sub(r"([123])d(?=_|$)", "", component)
    match = re.fullmatch(r"(\D*?)_?(\d{1,9})(?:[a-z]|_\w+)?", plain)
    return (match[1], int(match[2])) if match else (plain, -1)


@lru_cache(maxsize=4096)
def _words(component: str) -> frozenset[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", component)
    return frozenset(word for word in re.split(r"[^a-z]+", apart.lower()) if word)


def _known(component: str, ranks: Ranks) -> float | None:
    return next((rank for rank, names in ranks if component in names), None)


def _among(siblings: Sequence[_Sibling]) -> _Among:
    names = frozenset(name.lower() for name, _, _ in siblings)
    split = [_split(name) for name in names]
    return _Among(
        names,
        frozenset(word for word, number in split if number >= 0),
        block=not names.isdisjoint(told.MIXERS | told.FEED_FORWARDS | told.FIRST_NORMS),
        parts=not names.isdisjoint(told.FIRST_PARTS),
        convolutions=any(word in told.CONVOLUTIONS for word, _ in split),
        body=any(holds_list for _, _, holds_list in siblings),
    )


def _rank(component: str, among: _Among) -> float:
    """Where among its siblings a module comes, by its words."""
    name = component.lower()
    word, number = _split(name)
    part = _known(name, told.PARTS)
    if among.block:
        if (block := _known(name, told.BLOCK)) is not None:
            return block
        if name in ("norm", "layernorm", "layer_norm"):  # the only one: ahead of the mixer, or behind a convolution that mixes
            return 1.0 if among.names.isdisjoint(told.DEPTHWISE) else 2.5
        if word in told.LINEARS:
            return 6.0 + min(max(number, 0), 9) / 10
        if part is not None:  # the second half of a block whose first half has a name of its own (BERT's `output`)
            return 7.0
    elif part is not None and among.parts:
        if name == "conv_pw" and "conv_pwl" not in among.names:
            return 2.2
        if "out_proj" in among.names and name in _FAIRSEQ:  # registered as key, value, query; all three read the same input
            return _FAIRSEQ[name]
        return part
    if _RESAMPLE.fullmatch(name) or word in told.SHORTCUTS:
        return RESAMPLED
    if word in told.LINEARS and (number >= 0 or word in among.numbered_words or word.endswith("s")):
        return 38.0 if among.convolutions else BODY
    if (known := _known(name, told.COMPONENTS)) is not None:
        return known
    if word in told.NORMS | {"conv"} and number >= 0 and among.body:  # ResNet's stem, and EfficientNet's last norm
        return STEM if f"conv{number}" in among.names or number <= 1 else 45.0
    return _by_words(_words(component), name)


def _by_words(words: frozenset[str], name: str) -> float:
    if words & {"output", "outputs", "out"} and name != "out_layers":
        return HEAD
    if words & {"input", "in"} and name != "in_layers":
        return STEM
    if {"encoder", "decoder"} <= words:
        return 32.0
    return next((rank for rank, some in told.WORDS if words & some), BODY)


def _subrank(word: str, component: str) -> float:
    """Order of kinds that share a number: `norm1` goes before `conv1` (DenseNet), `bn1` after it (ResNet). Tokens before positions."""
    if _words(component) & told.POSITIONS or word == "wpe":
        return 1.0
    if word in ("norm", "gn", "ln", "layer_norm"):
        return -1.0
    if word in ("bn", "bns", "norms", "batch_norm", "batch_normalization", "transition"):
        return 1.0
    return 2.0 if word in ("attentions", "attns") or word in told.DEPTHWISE else 0.0


@lru_cache(maxsize=1024)
def _places(siblings: tuple[_Sibling, ...]) -> Mapping[str, Place]:
    """What to sort the children of one module by; a module's own tensors are written before those of its parts."""
    among = _among(siblings)
    places: dict[str, Place] = {}
    for name, is_module, _ in siblings:
        if not is_module:
            places[name] = (-1.0, _IN_MODULE.get(name, 4), 0.0, _natural(name))
            continue
        word, number = _split(name.lower())
        if word in told.DEPTHWISE and "fc1" in among.names:  # between the two halves of a feed-forward
            number = 1
        places[name] = (_rank(name, among), number, _subrank(word, name.lower()), _natural(name))
        if places[name][0] == STEM and word in told.NORMS:  # `conv0`, `norm0` ahead of DenseNet's blocks
            places[name] = (STEM, number, 1.0, _natural(name))
    if among.parts:  # `bn2` follows the second convolution of an inverted bottleneck
        convolutions = sorted(places[name][0] for name, is_module, _ in siblings if is_module and name.startswith("conv_"))
        for name in places:
            word, number = _split(name)
            if word == "bn" and 0 < number <= len(convolutions):
                places[name] = (convolutions[number - 1], number, 3.0, _natural(name))
    numbered = {place[0] for place in places.values() if place[1] >= 0}
    for name, place in places.items():
        # Beside a numbered sequence, what bears no number comes after it (`tree1`, `tree2`, `root`), unless it begins one (`dense`,
        # `dense_1`).
        bare = place[1] < 0 and not re.search(r"\d", name) and name.lower() not in among.numbered_words
        if bare and place[0] in numbered and place[0] >= BODY:
            places[name] = (place[0], _AFTER, *place[2:])
    return places


def _resampling_first(stages: Iterable[_Node]) -> bool:
    """Whether a stage begins with its change of resolution: the first stage then has none, else the last."""
    having = [any(_RESAMPLE.fullmatch(child.lower()) for child in stage.children) for stage in stages]
    return len(having) > 1 and not having[0] and having[-1]


def _side_by_side(siblings: Mapping[str, _Node], places: Mapping[str, Place]) -> dict[str, list[str]]:
    """First of some lists that run entry by entry -> all of them: of one rank, without numbers of their own, of about one length."""
    groups: dict[float, list[str]] = {}
    for name in sorted(siblings, key=lambda name: (places[name], name)):
        node = siblings[name]
        if not node.is_list or _RESAMPLE.fullmatch(name.lower()) or re.search(r"\d", name):
            continue
        group = groups.setdefault(places[name][0], [])
        if not group or abs(len(siblings[group[0]].children) - len(node.children)) <= 1:
            group.append(name)
    return {group[0]: group for group in groups.values() if len(group) > 1}


@dataclass(slots=True, eq=False)
class _Walk:
    found: list[str] = field(default_factory=list)
    modules: int = 0
    alphabetical: int = 0
    """Modules whose place among their siblings nothing but the alphabet gives."""

    def walk(self, node: _Node, resample_first: bool = False) -> None:
        """Full names below a node, in order."""
        self.found += node.full_names
        if not node.children:
            return
        places = _places(tuple((name, bool(child.children), child.holds_list) for name, child in node.children.items()))
        if resample_first:
            places = {name: (-0.5, *place[1:]) if _RESAMPLE.fullmatch(name.lower()) else place for name, place in places.items()}
        self._count(node, places)
        stages = node.is_list and _resampling_first(node.children.values())
        together = _side_by_side(node.children, places)
        done: set[str] = set()
        for name in sorted(node.children, key=lambda name: (places[name], name)):
            if name in done:
                continue
            group = together.get(name)
            if group is None:
                self.walk(node.children[name], stages)
                continue
            done.update(group)
            entries = [(int(key), position, key, one) for position, one in enumerate(group) for key in node.children[one].children]
            for _, _, key, one in sorted(entries):
                self.walk(node.children[one].children[key])

    def _count(self, node: _Node, places: Mapping[str, Place]) -> None:
        seen: dict[tuple[float, int, float], list[str]] = {}
        for name, place in places.items():
            if node.children[name].children:
                seen.setdefault(place[:3], []).append(name)
        self.modules += sum(len(names) for names in seen.values())
        alike = [names for names in seen.values() if len({re.sub(r"\d+", "#", name) for name in names}) > 1]
        self.alphabetical += sum(len(names) for names in alike)


def _walked(names: Iterable[str]) -> _Walk:
    root = _Node()
    for name in dict.fromkeys(names):
        path = [root]
        components = re.split(r"[./]", name, maxsplit=_DEEPEST)
        for position, component in enumerate(components):
            if _NUMBER.fullmatch(component) or (position < len(components) - 2 and _split(component)[1] >= 0):
                for node in path:
                    node.holds_list = True
            path.append(path[-1].children.setdefault(component, _Node()))
        path[-1].full_names.append(name)
    walk = _Walk()
    walk.walk(root)
    return walk


def by_depth(names: Iterable[str]) -> list[str]:
    """Names from the input of the network to its output, as far as names tell; weight before bias within a module."""
    return _walked(names).found


def sorted_as_text(names: Sequence[str]) -> bool:
    """Whether a state_dict lost its order before it was written (it came from safetensors, or out of a sorted table).

    Modules register their weight before their bias and their second layer before their tenth; sorting turns both round.
    """
    if len(names) < 3 or list(names) != sorted(names):
        return False
    there = frozenset(names)
    turned = any(not there.isdisjoint({f"{name[:-4]}weight", f"{name[:-4]}kernel"}) for name in names if name.endswith("bias"))
    return turned or list(names) != sorted(names, key=_natural)


def _listed_by_hand(names: Sequence[str]) -> bool:
    """Whether a list of names is neither sorted as text nor shuffled: tensors of one module stand side by side."""
    if len(names) < 3 or list(names) == sorted(names):
        return False
    modules = [name.rpartition(".")[0] for name in names]
    changes = sum(one != two for one, two in pairwise(modules))
    return changes < len(modules) - 1 and changes == len(set(modules)) - 1


def in_depth_order(tensors: Mapping[str, Value], listed: Sequence[str] = ()) -> tuple[dict[str, Value], str]:
    """The same tensors in depth order, and how it was found and how far it can be trusted, as one clause.

    `listed` are names as an index of shards lists them. Writers of safetensors sort by type, then as text; where neither the index nor
    the file is sorted, that is the order of the network.
    """
    kept = [name for name in listed if name in tensors]
    if len(kept) == len(tensors) and _listed_by_hand(kept):
        return {name: tensors[name] for name in kept}, INDEX_ORDER
    by_type: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        by_type.setdefault(tensor.dtype, []).append(name)
    if any(names != sorted(names) for names in by_type.values()) and _listed_by_hand(list(tensors)):
        return dict(tensors), FILE_ORDER
    walk = _walked(tensors)
    sure = (
        f"; {walk.alphabetical} of {walk.modules} modules stand in alphabetical order, which need not be theirs"
        if walk.alphabetical
        else ""
    )
    return {name: tensors[name] for name in walk.found}, f"{NATURAL_ORDER}{sure}"
