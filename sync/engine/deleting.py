"""What becomes of a pair when one of its records is deleted.

A deletion acts only when it is proven: the record is not shown any more, and the platform's recycle bin or delete audit
names it. A record that merely vanished (access was taken away, a filter changed) is never taken for a deleted one. Where
more disappear than a flow's guard allows, nothing acts until a person has looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mappings.apply import CompiledRow, canonical
from sync.core.merge import Base
from sync.core.planner import FieldWrite, target_of
from sync.core.records import Operation, Outcome, Side
from sync.engine.context import Context
from sync.engine.failures import NAMES
from sync.engine.items import Item, Overwrote
from sync.models import Intent
from sync.models.link import LinkState

TOMBSTONE = {
    Side.SERVICENOW: LinkState.DELETED_IN_SERVICENOW,
    Side.SALESFORCE: LinkState.DELETED_IN_SALESFORCE,
}
# How many pairs may go in one run unasked: one in a hundred, or fifty of a flow that is small.
SHARE, FEW, FEWEST = 100, 50, 5


class Policy(StrEnum):
    IGNORE = "ignore"  # the other record stays as it is
    CLOSE = "close"  # it is given the flow's closing values
    UNLINK = "unlink"  # it stays, and is on its own from now on
    DELETE = "delete"


@dataclass
class Deleting:
    context: Context

    def policy(self, side: Side) -> Policy:
        """What happens to the other record when one is deleted on `side`."""
        return Policy(self._settings.get(str(side), Policy.IGNORE))

    @property
    def _settings(self) -> Mapping[str, Any]:
        found = self.context.settings["options"].get("deletions") or {}
        return found if isinstance(found, dict) else {}

    def allowed(self, links: int) -> int:
        """How many pairs of so many may go in one run unasked."""
        return (
            max(-(-links // SHARE), min(FEW, max(FEWEST, links // 10)))
            + self.context.flow.deletions_allowance
        )

    def plan(self, item: Item, side: Side) -> None:
        """The item's own record is the one that is left; what happens to it, now that the other was deleted on `side`."""
        assert item.link is not None
        policy = self.policy(side)
        item.to = item.side
        item.operation = Operation.DELETE
        item.notes.append(f"{NAMES[side]} has deleted its record {item.id_on(side)}; policy: {policy}.")
        item.ending = LinkState.UNLINKED if policy is Policy.UNLINK else TOMBSTONE[side]
        closing = self._closing(item.to)
        if policy is Policy.CLOSE and closing:
            item.operation = Operation.UPDATE
            item.at_stake = self._at_stake(item, policy, closing)
            item.overwrote += self._went_under(item)
            # As fields of the intent, which then tells what went under if no answer comes.
            item.writes = [write for _, write, _ in item.at_stake]
            written = {write.field for write in item.writes}
            item.extra = {name: value for name, value in closing.items() if name not in written}
            item.expected = self._expected(item, closing)
        elif policy is Policy.DELETE:
            item.at_stake = self._at_stake(item, policy, {})
        else:
            item.tombstone = item.ending
            item.rest(Outcome.DELETED)

    def _closing(self, side: Side) -> Mapping[str, Any]:
        found = self._settings.get("close", {})
        values = found.get(str(side), {}) if isinstance(found, dict) else {}
        return values if isinstance(values, dict) else {}

    def is_closing(self, intent: Intent) -> bool:
        """Whether a request is an earlier attempt of the closing itself, which may be repeated."""
        closing, payload = self._closing(Side(intent.side)), intent.payload
        sent = {name: sent for name, sent, *_ in payload["fields"].values()} | payload["extra"]
        return bool(closing) and sent == closing

    def _at_stake(self, item: Item, policy: Policy, closing: Mapping[str, Any]) -> list[Overwrote]:
        """Edits of the record that is left which its counterpart never saw, and which the policy takes away."""
        found = []
        for row in self.context.rows:
            name, base, now = target_of(row, item.to), item.known_base().get(row.id), _shown(item, row)
            taken = policy is Policy.DELETE or (
                name in closing and canonical(closing[name]) != canonical(now)
            )
            # What two records that met have never agreed on was not seen by the one that is gone either.
            agreed = base[_PLACE[item.to]] if base is not None and _was_carried(row, base) else None
            if taken and canonical(now) != canonical(agreed):
                found.append(_overwrote(item, policy, row.id, name, closing.get(name), now))
        return found

    def _went_under(self, item: Item) -> list[Overwrote]:
        """Such edits that an earlier closing went over whose answer was lost, as its intent tells."""
        rows = {row.id: row for row in self.context.rows}
        found = []
        for intent in item.found:
            for id, (name, sent, _, under) in intent.payload["fields"].items():
                row, base = rows.get(id), item.known_base().get(id)
                if intent.side != item.to or row is None or base is None:
                    continue
                landed = canonical(_shown(item, row)) == canonical(sent)
                if landed and canonical(under) not in (canonical(sent), canonical(base[_PLACE[item.to]])):
                    found.append(_overwrote(item, Policy.CLOSE, id, name, sent, under))
        return found

    def _expected(self, item: Item, closing: Mapping[str, Any]) -> dict[str, Base]:
        """Should the deleted record come back, what it shows counts as newer than our closing: the pair opens again."""
        found: dict[str, Base] = {}
        for row in self.context.rows:
            name = target_of(row, item.to)
            if name in closing:
                found[row.id] = ("", closing[name]) if item.to is Side.SALESFORCE else (closing[name], None)
        return found


_PLACE = {Side.SERVICENOW: 0, Side.SALESFORCE: 1}  # of a side's value in a base


def _was_carried(row: CompiledRow, base: Base) -> bool:
    """Whether both records have held what the base says. A one-way row leaves what it found at a birth or a meeting: then
    each side's base is its own value, and the other record never had it."""
    if row.one_way is None:
        return True
    here, there = base
    try:
        sent = row.to_salesforce(here) if row.one_way == Side.SALESFORCE else row.to_servicenow(there)
    except ValueError:
        return False
    return bool(canonical(sent.value) == canonical(there if row.one_way == Side.SALESFORCE else here))


def _shown(item: Item, row: CompiledRow) -> Any:
    values = item.record.values
    return values.get(row.target) if item.to is Side.SALESFORCE else row.read(values)


def _overwrote(item: Item, policy: Policy, row: str, name: str, sent: Any, under: Any) -> Overwrote:
    version, base = item.record.version, item.known_base().get(row)
    seen = {f"{item.to}_by": version.by, f"{item.to}_at": version.edited_at.isoformat()}
    return Overwrote(
        item.to, FieldWrite(row, name, sent, None, under, rule=f"policy: {policy}", base=base), seen
    )


def deleted_on(state: str) -> Side | None:
    """The side whose deletion made a tombstone; None for what is no tombstone."""
    return next((side for side, tombstone in TOMBSTONE.items() if tombstone == state), None)


def ids_of(items: Sequence[Item], side: Side) -> list[str]:
    return [item.id_on(side) for item in items]
