"""How many records a compiled mapping carries over in a second, on one core.

    python -m benchmarks.mapping [--records 20000]

Two mappings of fifteen fields: names of transforms, as the recipe of incidents and Cases has them, and formulas. Time is
the process's own, so that what else the machine does is left out. No database, no network.
"""

from __future__ import annotations

import argparse
import time

from mappings.apply import CompiledMapping, compile_mapping
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec, ValueMapSpec

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
    "truncate(html_to_text(description), 255)",
    "coalesce(close_notes, short_description)",
    "upper(contact_type)",
    'map(state, "state")',
    'map(impact, urgency, "grade")',
    "user(assigned_to, assignment_group)",
    'template("{number}: {short_description}")',
    "record_url(sys_id)",
    "number(reassignment_count)",
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


def formulas() -> CompiledMapping:
    return compiled([FieldSpec(str(n), (), f"F{n}__c", transform=text) for n, text in enumerate(FORMULAS)])


def rate(mapping: CompiledMapping, records: list[dict[str, str]]) -> float:
    """Records a second, the best of three."""
    best = 0.0
    for _ in range(3):
        started = time.process_time()
        for each in records:
            for row in mapping.rows:
                row.to_salesforce(row.read(each))
        best = max(best, len(records) / (time.process_time() - started))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000)
    records = [record(n) for n in range(parser.parse_args().records)]
    for title, mapping in (("names", names()), ("formulas", formulas())):
        found = rate(mapping, records)
        print(
            f"{title:>9}: {found:>9,.0f} records of {len(mapping.rows)} fields a second; the goal is {GOAL:,}"
        )


if __name__ == "__main__":
    main()
