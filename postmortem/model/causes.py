"""One root cause: its evidence, and what became of it in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from postmortem.model.checks import Outcome
from postmortem.model.measurements import Measured


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one state of some checks says about a cause.

    It counts when every check in `alarm` failed or warned, every one in `passed` passed and every one in `inapplicable` did not apply:
    the run has not what it looks at. A check that warned counts half.
    """

    log_odds: float
    """In nats; above 0 speaks for the cause, below 0 against it."""
    says: str
    """One clause that finishes "...because"."""
    alarm: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    inapplicable: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """All checks that it names."""
        return (*self.alarm, *self.passed, *self.inapplicable)

    @property
    def key(self) -> str:
        """What must be the case, in words: the name under which a fitted weight is kept."""
        passed, unfit = (f"{id} passed" for id in self.passed), (f"{id} does not apply" for id in self.inapplicable)
        return " and ".join((*self.alarm, *passed, *unfit))


@dataclass(frozen=True, slots=True)
class Case:
    """What a cause may look at when it words its summary and fix."""

    outcomes: Mapping[str, Outcome]
    measured: Measured

    def said(self, *checks: str, otherwise: str) -> str:
        """What the first two of these checks that raised an alarm saw, as one sentence; `otherwise` where none did."""
        reasons = [self.outcomes[id].finding.reason for id in checks if id in self.outcomes and self.outcomes[id].alarmed][:2]
        if not reasons:
            return otherwise
        text = "; ".join(reason.rstrip(".") for reason in reasons)
        return f"{text[0].upper()}{text[1:]}."

    def where(self, *checks: str) -> tuple[str, ...]:
        """The places named by the first of these checks that raised an alarm and named any."""
        for check in checks:
            outcome = self.outcomes.get(check)
            if outcome is not None and outcome.alarmed and outcome.finding.where:
                return outcome.finding.where
        return ()

    def number(self, name: str) -> float | None:
        """A measured value that the cause declared in USES, or None where it could not be made."""
        return self.measured.number(name)


@dataclass(frozen=True, slots=True)
class CauseExample:
    """Outcomes for which the author of a cause knows the answer."""

    name: str
    expect: Literal["likely", "unlikely"]
    """`likely`: at least 0.5; `unlikely`: below 0.5."""
    fail: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One root cause, as its file declares it."""

    id: str
    title: str
    docs: Mapping[str, str]
    prior: float
    """Probability before anything was looked at."""
    evidence: tuple[Evidence, ...]
    explains: tuple[str, ...]
    """Ids of causes that this one brings about."""
    uses: tuple[str, ...]
    summary: Callable[[Case], str]
    fix: Callable[[Case], str]
    confirm: Callable[[Case], str]
    examples: tuple[CauseExample, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """One piece of evidence that counted, for or against."""

    checks: tuple[str, ...]
    says: str
    log_odds: float


@dataclass(frozen=True, slots=True)
class RankedCause:
    """A cause in one run."""

    id: str
    title: str
    probability: float
    summary: str
    first_step: int | None
    where: tuple[str, ...]
    evidence: tuple[str, ...]
    against: tuple[str, ...]
    fix: str
    confirm: str
    arguments: tuple[Argument, ...] = ()
    explained_by: str = ""
    """Id of the cause that brings this one about; empty for a root."""
