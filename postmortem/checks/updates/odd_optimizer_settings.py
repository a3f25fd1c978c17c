"""Settings of Adam that are rarely meant

## What it looks for
Groups of Adam and its kin with an epsilon of 0.001 or more, a second decay rate below 0.9, or a first one of 0. 1 such setting is a
warning.

## Why it matters
An epsilon as large as the gradients' scale turns Adam into a slow SGD; a second moment over ten updates or fewer follows single
batches, and updates become as large as the rate allows.

## What to do
Begin with the defaults (0.9, 0.999, 1e-8) and change one at a time. Read them from the saved groups, not from the configuration.

## When it is wrong
Adversarial training uses a first decay rate of 0 or 0.5: there it does not apply. Agents are often trained with an epsilon of 1e-5,
which passes. Some vision models were trained with an epsilon of 1.

## References
Kingma and Ba 2015 (arXiv 1412.6980), defaults. OPT logbook: a first decay rate of 0 and an epsilon of 1 were tried against
instability.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

ODD = Threshold(
    1,
    "settings",
    source="a setting is either within what is usual or not",
    half="the same: settings are counted whole",
    double="a single odd setting passes unseen",
)

NEEDS = ("optimizer.unusual",)
USES = ("run.family",)


def applies(measured: Measured) -> str:
    return "adversarial training uses such settings on purpose" if measured.text("run.family") == "gan" else ""


def judge(measured: Measured) -> Finding:
    found = measured["optimizer.unusual"]
    if found.value >= ODD.value:
        told = ", ".join(f"{name} is {number(value)}" for name, value in list(found.items.items())[:3])
        return Finding(
            "warn",
            f"{counted(found.value, 'optimizer setting is', 'optimizer settings are')} unusual: {told}",
            found.value,
            ODD,
            ODD.unit,
        )
    if found.value < ODD.value:
        return Finding("pass", f"the optimizer's epsilon and decay rates are usual ({found.basis})", found.value, ODD, ODD.unit)
    return Finding("not-checked", "the number of unusual settings is not a number")


def _found(**odd: float) -> Measurement:
    items = {f"{name} of group 0 of optimizer": value for name, value in odd.items()}
    return Measurement("optimizer.unusual", len(items), "settings", "1 groups at step 600", 600, items)


EXAMPLES = (
    Example("an epsilon of 1", (_found(eps=1.0),), "warn"),
    Example("a second memory of two updates", (_found(beta2=0.5),), "warn"),
    Example("defaults", (_found(),), "pass"),
    Example("an adversarial pair", (_found(beta1=0.0), Measurement("run.family", float("nan"), "", "tags", text="gan")), "not-applicable"),
    Example("no betas", (), "not-checked"),
)
