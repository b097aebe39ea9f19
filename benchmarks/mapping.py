"""How many records a compiled mapping carries over in a second, on one core.

    python -m benchmarks.mapping [--records 20000]

Three mappings of fifteen fields, and next to each a function written by hand that makes the same of the same records:

- names: transforms by their names, as the recipe of incidents and Cases has them;
- formulas: the same fields as formulas, most of them nested;
- heavy: formulas only where they cost most: HTML to text of a description that no two records share, texts put together of
  several columns, first of several, conditions.

Time is the process's own, so that what else the machine does is left out, except that it slows a shared core down: hence
the ratio to the function written by hand, which was measured in turns with it. No database, no network.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mappings.apply import CompiledMapping, compile_mapping
from mappings.cells import fitted
from mappings.markup import plain
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec, ValueMapSpec
from mappings.text import cut

GOAL = 50_000  # records of fifteen fields a second
MAPS = {
    "state": ValueMapSpec("state", {str(n): f"State {n}" for n in range(1, 9)}, {}),
    "grade": ValueMapSpec("grade", {f"{i},{u}": f"P{i}{u}" for i in (1, 2, 3) for u in (1, 2, 3)}, {}),
}
WORLD = Environment(
    PeopleSpec({f"user{n}": f"005{n:015d}" for n in range(50)}),
    salesforce_lengths={f"F{n}__c": 255 for n in range(15)},
    servicenow_record_url="https://acme.service-now.com/incident.do?sys_id={id}",
)
NAMES: list[tuple[str, str, dict[str, str]]] = [
    ("copy", "number", {}),
    ("copy", "short_description", {}),
    ("copy", "description", {}),
    ("copy", "close_notes", {}),
    ("copy", "contact_type", {}),
    ("value_map", "state", {"value_map": "state"}),
    ("value_map", "impact, urgency", {"value_map": "grade"}),
    ("user", "assigned_to, assignment_group", {}),
    ("constant", "", {"value": "ServiceNow"}),
    ("record_url", "sys_id", {}),
    ("number", "reassignment_count", {}),
    ("boolean", "active", {}),
    ("datetime", "opened_at", {}),
    ("datetime", "sys_updated_on", {}),
    ("date", "due_date", {}),
]
FORMULAS = [
    "trim(number)",
    "truncate(trim(short_description), 80)",
    "trim(description)",
    "trim(close_notes)",
    "upper(contact_type)",
    'map(state, "state")',
    'map(impact, urgency, "grade")',
    "user(assigned_to, assignment_group)",
    'constant("ServiceNow")',
    "record_url(sys_id)",
    "number(reassignment_count)",
    'if(state in ("6", "7") or not active, "Done", "Open")',
    "datetime(opened_at)",
    "datetime(sys_updated_on)",
    'date(due_date, "Europe/Berlin")',
]
HEAVY = [
    *FORMULAS[:2],
    "truncate(html_to_text(description), 255)",
    "coalesce(close_notes, short_description)",
    *FORMULAS[4:8],
    'template("{number}: {short_description}")',
    *FORMULAS[9:11],
    'state in ("6", "7") or not active',
    'if(reassignment_count > 3, "Hot", "Cold")',
    "datetime(opened_at)",
    'date(due_date, "Europe/Berlin")',
]


def record(n: int) -> dict[str, str]:
    return {
        "sys_id": f"{n:032x}", "number": f"INC{n:07d}", "short_description": f"Printer {n} on fire",
        "description": f"<p>Smoke in room {n}.</p><p>Please <b>hurry</b>.</p>", "close_notes": "", "contact_type": "phone",
        "state": str(n % 8 + 1), "impact": str(n % 3 + 1), "urgency": str(n % 2 + 1), "assigned_to": f"user{n % 50}",
        "assignment_group": "", "reassignment_count": str(n % 7), "active": "true" if n % 2 else "false",
        "opened_at": f"2026-11-{n % 28 + 1:02d} {n // 60 % 24:02d}:{n % 60:02d}:{n % 59:02d}",
        "sys_updated_on": f"2026-11-23 {n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}",
        "due_date": f"2026-12-{n % 28 + 1:02d} 23:30:00",
    }  # fmt: skip


def compiled(rows: list[FieldSpec]) -> CompiledMapping:
    return compile_mapping(MappingSpec(Direction.TO_SALESFORCE, tuple(rows), MAPS, "Europe/Berlin"), WORLD)


def names() -> CompiledMapping:
    return compiled(
        [
            FieldSpec(
                str(n), tuple(filter(None, columns.split(", "))), f"F{n}__c", transform=transform, **more
            )  # type: ignore[arg-type]
            for n, (transform, columns, more) in enumerate(NAMES)
        ]
    )


def formulas(texts: list[str]) -> CompiledMapping:
    return compiled([FieldSpec(str(n), (), f"F{n}__c", transform=text) for n, text in enumerate(texts)])


Record = dict[str, str]
Contender = Callable[[Record], list[Any]]


def carrier(mapping: CompiledMapping) -> Contender:
    """As the engine asks: each row for its own value."""
    return lambda record: [row.to_salesforce(row.read(record)).value for row in mapping.rows]


# What somebody would write who knows these fields and no others: no notes, and nothing that says which value was refused.


def moment(text: str) -> str | None:
    datetime.fromisoformat(text)
    return f"{text[:10]}T{text[11:]}.000+0000"


def day(text: str, zone: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date().isoformat()


def shared(record: Record) -> tuple[Any, ...]:
    """What is the same in all three: state, grade, owner, address, number, when it was opened and is due."""
    owner = PEOPLE.get(record["assigned_to"]) or PEOPLE[record["assignment_group"]]
    url = f"https://acme.service-now.com/incident.do?sys_id={record['sys_id']}"
    grade = GRADES[f"{record['impact']},{record['urgency']}"]
    due = day(record["due_date"], "Europe/Berlin")
    return STATES[record["state"]], grade, owner, url, int(record["reassignment_count"]), moment(record["opened_at"]), due  # fmt: skip


STATES, GRADES = MAPS["state"].to_salesforce, MAPS["grade"].to_salesforce
PEOPLE = WORLD.people.to_salesforce


def names_by_hand(record: Record) -> list[Any]:
    state, grade, owner, url, count, opened, due = shared(record)
    texts = [fitted(record[name], 255)[0] or None for name in ("number", "short_description", "description", "close_notes", "contact_type")]  # fmt: skip
    return [*texts, state, grade, owner, "ServiceNow", url, count, record["active"] == "true", opened, moment(record["sys_updated_on"]), due]  # fmt: skip


def formulas_by_hand(record: Record) -> list[Any]:
    state, grade, owner, url, count, opened, due = shared(record)
    texts = [fitted(record[name].strip(), 255)[0] or None for name in ("number", "short_description", "description", "close_notes")]  # fmt: skip
    texts[1] = cut(texts[1] or "", 80)[0] or None
    done = "Done" if record["state"] in ("6", "7") or record["active"] != "true" else "Open"
    return [*texts, record["contact_type"].upper(), state, grade, owner, "ServiceNow", url, count, done, opened, moment(record["sys_updated_on"]), due]  # fmt: skip


def heavy_by_hand(record: Record) -> list[Any]:
    state, grade, owner, url, count, opened, due = shared(record)
    subject = fitted(record["short_description"].strip(), 80)[0]
    text = fitted(plain(record["description"]), 255)[0]
    first = fitted(record["close_notes"] or record["short_description"], 255)[0]
    title = fitted(f"{record['number']}: {record['short_description']}", 255)[0]
    done, hot = record["state"] in ("6", "7") or record["active"] != "true", "Hot" if count > 3 else "Cold"
    return [record["number"].strip(), subject, text, first, record["contact_type"].upper(), state, grade, owner, title, url, count, done, hot, opened, due]  # fmt: skip


def seconds(contender: Contender, records: list[Record]) -> float:
    started = time.process_time()
    for each in records:
        contender(each)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000)
    records = [record(n) for n in range(parser.parse_args().records)]
    for title, mapping, by_hand in (
        ("names", names(), names_by_hand),
        ("formulas", formulas(FORMULAS), formulas_by_hand),
        ("heavy", formulas(HEAVY), heavy_by_hand),
    ):
        carried = carrier(mapping)
        assert all(carried(each) == by_hand(each) for each in records[:500])
        turns = [(seconds(carried, records), seconds(by_hand, records)) for _ in range(5)]
        ours, theirs = (len(records) / min(each) for each in zip(*turns, strict=True))
        print(
            f"{title:>9}: {ours:>9,.0f} records of {len(mapping.rows)} fields a second; the goal is {GOAL:,}; "
            f"by hand {theirs:,.0f}, {theirs / ours:.2f} times as many"
        )


if __name__ == "__main__":
    main()
