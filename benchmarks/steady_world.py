"""Both platforms with records that are linked already, and the database that knows so: all but the console.

python -m benchmarks.steady_world LINKS DIRECTORY. Its first line tells where everything is. Then each line of standard
input is an order, {"do": "edit" | "wait" | "arrived" | "calls", ...}, answered by one line of JSON.

Nothing runs through the flow to get there: incidents and Cases are put into the platforms, links with their encrypted
bases into the database, and what belongs together is planned by the flow's own mapping.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.console import FLOW, configure, set_up
from benchmarks.contender import Platforms
from sync.sandbox.cli import describe
from sync.sandbox.pair import Pair, PairConfig, start_pair

if TYPE_CHECKING:
    from sync.engine.context import Context

AT_ONCE = 5000
PAST = timedelta(minutes=10)  # longer than the flow's overlap
HANDED_ON = (
    "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS",
    "CONNECTION_ALLOWED_HOSTS", "LOG_LEVEL",
)  # fmt: skip
Ends = tuple[str, str]  # sys_id, Case Id


@dataclass
class World:
    """`told`: by side, the id of a counterpart there and the subject that must arrive in it."""

    pair: Pair
    ends: list[Ends]
    told: dict[str, dict[str, str]] = field(default_factory=lambda: {"servicenow": {}, "salesforce": {}})
    edited: int = 0
    waited: timedelta = timedelta()

    def obey(self, order: dict[str, Any]) -> Any:
        deeds: dict[str, Callable[..., Any]] = {
            "edit": self.edit,
            "wait": self.wait,
            "arrived": self.arrived,
            "calls": self.calls,
        }
        return deeds[order.pop("do")](**order)

    def edit(self, count: int) -> None:
        """People change the subjects of so many records, every second one in Salesforce; no pair has two turns."""
        for number in range(self.edited, self.edited + count):
            (sys_id, case), text = self.ends[number % len(self.ends)], f"Changed by a person, {number}"
            if number % 2:
                self.pair.salesforce.edit("Case", case, Subject=text)
                self.told["servicenow"][sys_id] = text
            else:
                self.pair.servicenow.edit("incident", sys_id, short_description=text)
                self.told["salesforce"][case] = text
        self.edited += count

    def wait(self) -> None:
        """More than the overlap passes on both clocks."""
        self.waited += PAST
        self.pair.servicenow.skew_clock(self.waited)
        self.pair.salesforce.skew_clock(self.waited)

    def arrived(self) -> int:
        """How many of the changes made since this was last asked stand on the other side too."""
        here, there = self.pair.servicenow.platform.store, self.pair.salesforce.platform.org.tables["Case"]
        at = here.registry["incident"].position["short_description"]
        slot = there.slots["Subject"]
        rows = [(here.find("incident", id), text) for id, text in self.told["servicenow"].items()]
        found = sum(row is not None and row[at] == text for row, text in rows)
        found += sum(there.rows[id].values[slot] == text for id, text in self.told["salesforce"].items())
        self.told = {"servicenow": {}, "salesforce": {}}
        return found

    def calls(self) -> dict[str, int]:
        """As the vendors count them: a Composite is one call."""
        return {
            "servicenow": self.pair.servicenow.counters.billed,
            "salesforce": self.pair.salesforce.counters.billed,
        }


def linked(pair: Pair) -> list[Ends]:
    """Give each incident its Case, and each pair its link; returns the pairs in a mixed order."""
    ends: list[Ends] = []
    with flow_context() as context:
        for rows in incidents(pair):
            ends += _link(pair, context, rows)
        _read_to_the_end(context)
    random.Random(1).shuffle(ends)
    return ends


def incidents(pair: Pair) -> Iterator[list[dict[str, str]]]:
    """All of them by their last change, as the Table API shows them."""
    data = pair.servicenow.platform.store.data("incident")
    position = data.table.position
    for start in range(0, len(data.changed), AT_ONCE):
        rows = (data.by_id[sys_id] for _, sys_id in data.changed[start : start + AT_ONCE])
        yield [{name: row[place] for name, place in position.items()} for row in rows]


def _link(pair: Pair, context: Context, rows: list[dict[str, str]]) -> list[Ends]:
    from sync.core.planner import plan_create
    from sync.core.records import Side
    from sync.engine import bulk
    from sync.models import RecordLink

    org = pair.salesforce.platform.org
    robot = next(str(row.values[0]) for row in org.tables["User"].rows.values())
    found, links = [], []
    for row in rows:
        plan = plan_create(context.rows, row, Side.SALESFORCE)
        at = datetime.fromisoformat(row["sys_updated_on"]).replace(tzinfo=UTC)
        stamps = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), int(at.timestamp()))
        values = {write.field: write.sent for write in plan.to_salesforce} | {
            context.key_field: row["sys_id"]
        }
        case = str(
            org.seed("Case", {**values, **stamps, "CaseNumber": f"C{row['number']}"}, by=robot).values[0]
        )
        base = {write.row: [write.source, write.sent] for write in plan.to_salesforce}
        links.append(_columns_of(context, row, case, base, at))
        found.append((row["sys_id"], case))
    bulk.insert(RecordLink, tuple(links[0]), [tuple(link.values()) for link in links])
    return found


def _columns_of(
    context: Context, row: dict[str, str], case: str, base: dict[str, list[Any]], at: datetime
) -> dict[str, Any]:
    from sync.encryption import context as bound
    from sync.encryption import seal_json
    from sync.models import RecordLink
    from sync.models.base import time_ordered_uuid

    pk, flow = time_ordered_uuid(), context.flow
    return {
        "id": pk, "flow_id": flow.pk, "state": "active", "born_in": "servicenow",
        "servicenow_connection_id": flow.servicenow_connection_id, "servicenow_table": context.table,
        "servicenow_id": row["sys_id"], "servicenow_number": row["number"],
        "servicenow_mod_count": int(row["sys_mod_count"]), "servicenow_changed_at": at,
        "salesforce_connection_id": flow.salesforce_connection_id, "salesforce_object": context.object,
        "salesforce_id": case, "salesforce_number": f"C{row['number']}",
        "salesforce_changed_at": at, "salesforce_edited_at": at,
        "base_sealed": seal_json(base, bound(RecordLink._meta.db_table, "base_sealed", pk)),
        "created_at": at, "synced_at": at,
    }  # fmt: skip


def _read_to_the_end(context: Context) -> None:
    """Both sides have been followed until now."""
    from sync.models import Checkpoint

    for side in context.reads:
        Checkpoint.objects.create(flow=context.flow, lane="live", side=side, watermark=datetime.now(UTC))


@contextmanager
def flow_context() -> Iterator[Context]:
    """The flow as its runs see it, its people looked up."""
    from django.db import transaction

    from sync.engine.connect import open_connector
    from sync.engine.context import build
    from sync.models import Flow

    flow = Flow.objects.select_related("revision", "user_table").get(name=FLOW)
    assert flow.revision is not None
    with ExitStack() as stack:
        here, there = (
            stack.enter_context(closing(open_connector(connection)))
            for connection in (flow.servicenow_connection, flow.salesforce_connection)
        )
        context = build(flow, flow.revision, here, there)
        stack.enter_context(transaction.atomic())
        yield context


def main() -> None:
    links, directory = int(sys.argv[1]), sys.argv[2]
    set_up(directory)
    with start_pair(PairConfig(incidents=links)) as pair:
        configure(Platforms(describe(pair)), one_way=False)
        world = World(pair, linked(pair))
        world.wait()
        print(json.dumps({"environment": {name: os.environ[name] for name in HANDED_ON}}), flush=True)
        for line in sys.stdin:
            print(json.dumps(world.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
