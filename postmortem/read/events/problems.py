"""Words what was damaged in an event file: one problem a kind of damage, with records and bytes lost and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postmortem.model import Problem, ProblemKind
from postmortem.read.events.records import Damage, DamageKind
from postmortem.read.words import counted


def problems_of(
    name: str,
    size: int,
    records: int,
    damage: Sequence[Damage],
    undecodable: Sequence[int],
    bad_values: Sequence[tuple[int, str]],
    unsupported: Mapping[str, int],
) -> tuple[Problem, ...]:
    """Problems of one file.

    Args:
        name: the file, as reports show it.
        size: its bytes.
        records: records that were read.
        damage: stretches that hold no sound record.
        undecodable: offsets of sound records that hold no event.
        bad_values: offset and tag of values that contradict themselves.
        unsupported: tag -> values of a type that is not read.
    """
    if not records and damage and not any(each.kind == "payload" for each in damage):
        if len(damage) == 1 and damage[0].kind == "cut":
            return (Problem(name, "truncated", f"ends within its first record; all {size} bytes are lost"),)
        return (Problem(name, "corrupt", f"holds no record of an event file; all {size} bytes are lost"),)
    found: list[tuple[ProblemKind, str]] = []
    read = f"{counted(records, 'record')} read"
    stretches, lost, first = _totals(damage, "payload")
    if stretches:
        found.append(
            ("corrupt", f"{counted(stretches, 'record')} ({lost} bytes) lost to a wrong checksum, the first at byte {first}; {read}")
        )
    stretches, lost, first = _totals(damage, "gap")
    if stretches:
        where = "1 stretch" if stretches == 1 else f"{stretches} stretches"
        detail = f"{where} of {lost} bytes in all without a readable record, the first at byte {first}"
        found.append(("corrupt", f"{detail}: at least {counted(stretches, 'record')} lost; {read}"))
    stretches, lost, first = _totals(damage, "cut")
    if stretches:
        found.append(("truncated", f"ends within a record at byte {first}: 1 record ({lost} bytes) lost; {read}"))
    stretches, lost, first = _totals(damage, "tail")
    if stretches:
        found.append(("corrupt", f"nothing is readable from byte {first} to the end: at least 1 record ({lost} bytes) lost; {read}"))
    stretches, lost, first = _totals(damage, "length-checksum")
    if stretches:
        found.append(
            ("corrupt", f"{counted(stretches, 'record')} with a wrong checksum of the length, the first at byte {first}; none lost")
        )
    if undecodable:
        detail = f"{counted(len(undecodable), 'record')} lost that no event can be read from, the first at byte {undecodable[0]}"
        found.append(("corrupt", f"{detail}; {read}"))
    if bad_values:
        offset, tag = bad_values[0]
        detail = f"{counted(len(bad_values), 'value')} lost that contradict themselves"
        found.append(("corrupt", f"{detail}, the first of tag {tag!r} in the record at byte {offset}"))
    if unsupported:
        detail = f"{counted(sum(unsupported.values()), 'value')} of a tensor type that is not read"
        found.append(("unsupported", f"{detail}, of the tags {', '.join(sorted(unsupported))}"))
    return tuple(Problem(name, kind, detail) for kind, detail in found)


def _totals(damage: Sequence[Damage], kind: DamageKind) -> tuple[int, int, int]:
    """Stretches of this kind, bytes lost in them, and the offset of the first."""
    found = [each for each in damage if each.kind == kind]
    return len(found), sum(each.bytes_lost for each in found), found[0].offset if found else 0
