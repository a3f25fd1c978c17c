"""What a pickle would call if it were loaded, judged from its inert interpretation.

Nothing here decides what is read: every tensor and plain value is read either way (`pickle_machine.py` runs none of it). It decides
whether the report raises an alarm, and tells an attack from the harmless classes that real checkpoints are full of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postmortem.read.checkpoints.dangers import COMPUTED, HANDING_OUT, HOOKS, is_dangerous, is_harmless_attribute, modern
from postmortem.read.checkpoints.inert import Built, Global
from postmortem.read.checkpoints.pickle_machine import Interpreted, interpret

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""First object of torch's legacy format."""
_LEGACY_PICKLES = 5
MAX_PICKLE_BYTES = 256 * 2**20
"""Most that a pickle within a zip may unpack to."""


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What the instructions of one file say."""

    wanted: tuple[str, ...]
    """Every name that is looked up, as `module.name`, in order of first use, once each."""
    dangerous: tuple[str, ...]
    """Those of them that run code or reach outside."""
    protocol: int
    is_torch: bool
    """The first object is torch's magic number (legacy format), or the pickle stands in a torch zip."""
    complete: bool
    """Each pickle ran to its STOP."""


def _pair(name: Global) -> tuple[str, str]:
    return modern(name.module, name.name)


def _only_names_an_attribute(call: Built) -> bool:
    """Whether a `getattr` is the one by which enumerations and methods are written: an attribute of a harmless class, by a plain name."""
    if len(call.arguments) != 2 or not isinstance(call.arguments[1], str):
        return False
    owner, name = call.arguments
    if isinstance(owner, Global) and is_dangerous(*_pair(owner)):
        return False
    return isinstance(owner, (Global, Built, str, dict, list, tuple)) and is_harmless_attribute(name)


def _sets_hook(call: Built) -> bool:
    return any(isinstance(state, dict) and any(hook in state for hook in HOOKS) for state in call.states)


def dangerous_names(pickles: Iterable[Interpreted]) -> tuple[str, ...]:
    """Names by which these pickles would run code or reach outside if they were loaded, once each, in order of first use.

    A name counts where it is looked up, called or not: handing `os.system` to something that will call it is no better. `getattr`
    counts unless it only names an attribute of a harmless class and nothing calls what it returns.
    """
    found: dict[str, None] = {}
    for pickle in pickles:
        for name in pickle.globals:
            pair = _pair(name)
            if is_dangerous(*pair):
                found["a name that it computes" if pair == COMPUTED else ".".join(pair)] = None
        for call in pickle.calls:
            if isinstance(call.of, Global) and _pair(call.of) == ("builtins", "getattr") and not _only_names_an_attribute(call):
                found["builtins.getattr"] = None
            if _sets_hook(call):
                found["a hook that a state sets"] = None
            handed = call.of.of if isinstance(call.of, Built) else None
            if isinstance(handed, Global) and _pair(handed) in HANDING_OUT:
                found[f"what {'.'.join(_pair(handed))} returns"] = None
    return tuple(found)


def _scan_of(pickles: Sequence[Interpreted], is_torch: bool) -> PickleScan:
    wanted = dict.fromkeys(".".join(_pair(name)) for pickle in pickles for name in pickle.globals)
    complete = all(pickle.complete for pickle in pickles)
    return PickleScan(tuple(wanted), dangerous_names(pickles), pickles[0].protocol, is_torch, complete)


def scan(memory: memoryview, *, in_torch_zip: bool = False) -> PickleScan:
    """Judge the pickle that starts here (five in a row in torch's legacy format). Never raises for what the bytes hold."""
    pickles = legacy_pickles(memory) if not in_torch_zip else [interpret(memory)]
    return _scan_of(pickles, in_torch_zip or len(pickles) > 1)


def legacy_pickles(memory: memoryview, home: object = None) -> list[Interpreted]:
    """The pickle that starts here; where it is torch's magic number, the other four of the legacy format too, as far as they go."""
    pickles = [interpret(memory)]
    if pickles[0].value == TORCH_MAGIC:
        while len(pickles) < _LEGACY_PICKLES and pickles[-1].complete:
            pickles.append(interpret(memory, pickles[-1].end, home))
    return pickles


def following_pickles(memory: memoryview, start: int) -> list[Interpreted]:
    """Pickles that stand behind a plain one, as far as they go: whoever computes torch's magic number would have them loaded too."""
    found: list[Interpreted] = []
    while len(found) < _LEGACY_PICKLES - 1 and bytes(memory[start : start + 1]) == b"\x80":
        found.append(interpret(memory, start))
        start = found[-1].end
    return found


def listed(names: tuple[str, ...], most: int = 4) -> str:
    """Names for a sentence, the first few of many, with control characters of strangers left out."""
    shown = ["".join(letter if letter.isprintable() else "?" for letter in name[:80]) for name in names[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
