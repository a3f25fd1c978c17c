"""What a tool says of a run, and which causes it is credited with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("error", "warning", "advice")
"""Most severe first: a tool's own levels are put in these terms by its adapter."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a tool says."""

    id: str
    """The tool's own name of it."""
    severity: str
    """One of `SEVERITIES`: the first two are what the tool itself calls a warning or worse."""
    causes: tuple[str, ...]
    """Cause ids that it is credited with, the likeliest first."""

    @property
    def alarms(self) -> bool:
        """Whether a healthy run that it is said of counts as alarmed."""
        return self.severity != "advice"


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a tool says of one run."""

    alarms: int
    causes: tuple[str, ...]
    """In the order in which its findings name them, none twice."""
    groups: tuple[tuple[str, ...], ...]
    """The causes that each finding is credited with, finding by finding, those credited with none left out."""
    messages: tuple[str, ...]
    """Ids of the findings, none twice."""
    error: str = ""
    """Why there is no answer; empty where there is one."""

    def as_json(self) -> dict[str, object]:
        """As it stands in the file of a tool."""
        return {
            "alarms": self.alarms,
            "causes": list(self.causes),
            "groups": [list(group) for group in self.groups],
            "messages": list(self.messages),
            "error": self.error,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Answer:
        """What `as_json` made."""
        groups = tuple(tuple(group) for group in kept["groups"])
        return cls(kept["alarms"], tuple(kept["causes"]), groups, tuple(kept["messages"]), kept["error"])


def finding(id_: str, severity: str, credit: Mapping[str, tuple[str, ...]], said: Iterable[str] = ()) -> Finding:
    """A finding with its credit: causes that the tool said in so many words come first, then those of its id.

    Args:
        id_: a key of `credit`; a finding that the table does not have is a defect of the adapter.
        severity: one of `SEVERITIES`.
        credit: the adapter's table.
        said: cause ids that this very finding names.

    Raises:
        KeyError: the table does not know the id.
    """
    return Finding(id_, severity, tuple(dict.fromkeys((*said, *credit[id_]))))


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Most severe first, otherwise in the order given."""
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))


def answer(findings: Iterable[Finding]) -> Answer:
    """The answer that findings make, in their order. A finding said again counts as one more alarm, but is listed once."""
    said = list(findings)
    groups = tuple(dict.fromkeys(one.causes for one in said if one.causes))
    return Answer(
        alarms=sum(one.alarms for one in said),
        causes=tuple(dict.fromkeys(cause for group in groups for cause in group)),
        groups=groups,
        messages=tuple(dict.fromkeys(one.id for one in said)),
    )


def no_answer(error: str) -> Answer:
    """A crash, a time limit, or a run that could not be handed over."""
    return Answer(0, (), (), (), error)
