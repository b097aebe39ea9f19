"""The rules about people: who is named and not found, who is inactive, and who stands in for nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mappings.linting.fields import other
from mappings.linting.ground import SALESFORCE, SERVICENOW, SYSTEMS, Ground, Line, Member
from mappings.linting.report import WARNING, Finding, Hit


def missing(ground: Ground, lines: Sequence[Line]) -> Iterator[Finding]:
    """`lines`: the rows that look people up."""
    for side in (SALESFORCE, SERVICENOW):
        rows = [line for line in lines if line.writes(side)]
        if not rows:
            continue
        if ground.members is None:
            yield Finding(
                "no_user_table", WARNING,
                f"{rows[0].label}: people are looked up, and the flow names no user table.",
                "Choose a user table on the flow's page.", rows[0].field.id, side,
            )  # fmt: skip
            continue
        yield from _members(ground.members, rows[0], side)
        if side not in ground.fallbacks:
            yield Finding(
                "no_fallback", WARNING,
                f"{rows[0].label}: a record of nobody who is known becomes a dead letter, as the user table has no fallback "
                f"for {SYSTEMS[side]}.",
                "Give the user table a fallback.", rows[0].field.id, side, _nobody(rows[0], other(side)),
            )  # fmt: skip


def _members(members: Sequence[Member], line: Line, side: str) -> Iterator[Finding]:
    going = [each for each in members if each.resolved and each.direction in ("both", f"to_{side}")]
    gone = [each for each in going if _id(each, side) and not _active(each, side)]
    unknown = [each for each in going if not _id(each, side)]
    for code, found, what in (
        ("inactive_user", gone, "inactive"),
        ("unknown_user", unknown, "not found"),
    ):
        if found:
            names = ", ".join(_name(each, side) for each in found[:5]) + (" …" if len(found) > 5 else "")
            yield Finding(
                code, WARNING, f"{line.label}: {what} in {SYSTEMS[side]}: {names}. Their records go to the fallback, or fail.",
                "Correct their entries in the user table, or activate them over there.",
                line.field.id, side, _theirs(found, line, other(side)),
            )  # fmt: skip


def _theirs(members: Sequence[Member], line: Line, side: str) -> Hit | None:
    """The records of the other side that are theirs."""
    names = _names(line, side)
    ids = [_id(each, side) for each in members if _id(each, side)]
    return (
        Hit(side, "values", tuple(((name, id),) for name in names for id in ids)) if ids and names else None
    )


def _nobody(line: Line, side: str) -> Hit | None:
    names = _names(line, side)
    return Hit(side, "values", (tuple((name, "") for name in names),)) if names else None


def _names(line: Line, side: str) -> tuple[str, ...]:
    names = line.compiled.columns if side == SERVICENOW else (line.field.salesforce,)
    return tuple(name for name in names if "." not in name)


def _id(member: Member, side: str) -> str:
    return member.salesforce_id if side == SALESFORCE else member.servicenow_id


def _active(member: Member, side: str) -> bool | None:
    return member.salesforce_active if side == SALESFORCE else member.servicenow_active


def _name(member: Member, side: str) -> str:
    return member.salesforce if side == SALESFORCE else member.servicenow
