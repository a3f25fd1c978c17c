"""Every scalar tag with what it was taken for, as a report lists it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from postmortem.measure.rates import main_gradient_norm, main_rate
from postmortem.measure.roles import ROLES, Roled, main, main_training_loss, main_validation_loss
from postmortem.model import Series, TagRole

MOST_TAGS = 2000
"""A run that logs each layer has tens of thousands; listing them all would fill a page that nobody could open."""


def tag_roles(roled: Sequence[Roled]) -> tuple[TagRole, ...]:
    """The tags by role, within it those that stand for the run first, then by name; the first 2,000."""
    return tuple(_ordered(roled)[:MOST_TAGS])


def left_out(roled: Sequence[Roled]) -> Iterator[str]:
    """What to say of the tags that are not listed, if there are any."""
    rest = Counter(one.role for one in _ordered(roled)[MOST_TAGS:])
    if rest:
        named = ", ".join(f"{count} of role {role!r}" for role, count in rest.most_common())
        yield f"{rest.total()} of {len(roled)} scalar tags are not listed ({named}); they were read and judged like the rest"


def _ordered(roled: Sequence[Roled]) -> list[TagRole]:
    leading = {id(series) for series in _leading(roled)}
    rows = [_row(one, id(one.series) in leading) for one in roled]
    return sorted(rows, key=lambda row: (ROLES.index(row.role), not row.main, row.tag, row.group))


def _leading(roled: Sequence[Roled]) -> Iterator[Series]:
    """The series that stand for the run where checks ask for a role."""
    training = main_training_loss(roled)
    found = [training, main_validation_loss(roled, training), main(roled, "data-loss"), main(roled, "regularization")]
    found += [main(roled, "accuracy", "train"), main(roled, "accuracy", "validation")]
    yield from (one.series for one in found if one is not None)
    yield from (series for series in (main_rate(roled), main_gradient_norm(roled)) if series is not None)


def _row(one: Roled, leads: bool) -> TagRole:
    steps = one.series.steps
    return TagRole(
        tag=one.series.tag,
        group=one.series.group,
        role=one.role,
        split=one.split,
        why=one.why,
        points=int(one.series.values.size),
        first_step=int(steps[0]) if steps.size else None,
        last_step=int(steps[-1]) if steps.size else None,
        main=leads,
    )
