"""What must hold of actions once all is quiet: what has a key was done once, what has none at most once, and nothing was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sync.core.records import Side
from sync.models import ActionRun, ActionStep, Event, RecordLink

if TYPE_CHECKING:
    from tests.simulation.play import Play


def acted(play: Play) -> Iterator[str]:
    flow = play.setting.context.flow
    actions = list(ActionRun.objects.filter(flow=flow))
    yield from (
        f"{action} is {action.status} ({action.code}) at {action.step}"
        for action in actions
        if action.status not in ("done", "in_doubt")
    )
    yield from _followed(play, actions)
    steps = list(ActionStep.objects.filter(action_run__flow=flow))
    yield from _keyed(play, steps)
    yield from _unkeyed(play, steps)


def _followed(play: Play, actions: list[ActionRun]) -> Iterator[str]:
    """Every Case that we made was followed, once; no other was."""
    flow = play.setting.context.flow
    born = {link.servicenow_id for link in RecordLink.objects.filter(flow=flow, born_in=Side.SERVICENOW)}
    made = set(
        Event.objects.filter(
            flow=flow, outcome="created", side=Side.SALESFORCE, field_names__contains="Subject"
        ).values_list("servicenow_id", flat=True)
    )
    followed = Counter(action.record_id for action in actions if action.action == "follow")
    yield from (f"{id} was given a Case and not followed" for id in made & born if not followed[id])
    yield from (f"{id} was followed {count} times" for id, count in followed.items() if count > 1)
    yield from (f"{id} was followed and has no Case" for id in followed if id not in born)


def _keyed(play: Play, steps: list[ActionStep]) -> Iterator[str]:
    data = play.bench.platforms.world.servicenow.platform.store.data("problem")
    done = {step.key for step in steps if step.name == "problem" and step.status == "done"}
    yield from (
        f"the problem {key} is said to be made, and is not there" for key in done if key not in data.by_id
    )
    yield from (f"the problem {id} is there, and nothing made it" for id in data.by_id if id not in done)


def _unkeyed(play: Play, steps: list[ActionStep]) -> Iterator[str]:
    """By our marks: each is there at most once, at least once where it is said to be done."""
    for name, table, column in (("tell", "CaseComment", "CommentBody"), ("task", "Task", "Description")):
        rows = play.bench.platforms.world.salesforce.platform.org.tables[table]
        texts = [str(row.values[rows.slots[column]]) for row in rows.rows.values()]
        for step in steps:
            if step.name != name:
                continue
            count = sum(f"[sync:{step.key}:" in text for text in texts) if step.key else 0
            if count > 1:
                yield f"{name} of {step.action_run_id} was sent {count} times"
            if step.status == "done" and count != 1:
                yield f"{name} of {step.action_run_id} is said to be done, and is there {count} times"
            if step.status not in ("done", "in_doubt", "skipped"):
                yield f"{name} of {step.action_run_id} is {step.status}"
        unknown = len(texts) - sum(
            any(f"[sync:{step.key}:" in text for step in steps if step.key) for text in texts
        )
        if unknown:
            yield f"{unknown} rows of {table} were made by nothing that is on record"
