"""What an action has followed is known for ever: through rotated keys, an update, a backup; and nobody reads it off the database."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
from collections import deque
from collections.abc import Callable

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from sync import pruning
from sync.core.actions import identity
from sync.models import ActionRun, ActionStep, DataKey, Flow, Run
from sync.sandbox.pair import Pair
from tests.engine.acts import notice_flow, statuses
from tests.engine.conftest import run_now

update = importlib.import_module("sync.migrations.0030_occasions_under_a_key")
VALUE = "Acme on hold"
FOLLOW_UP = {
    "name": "follow-up", "on": {"changed": {"servicenow": "state", "to": ["3"]}}, "once": "{servicenow.short_description}",
    "steps": [{
        "name": "problem", "do": "create", "in": "servicenow", "table": "problem",
        "values": {"short_description": "Seen behind {servicenow.number}"},
    }],
}  # fmt: skip


@pytest.fixture
def flow(transactional_db: None, pair: Pair) -> Flow:
    """An incident was put on hold, and that was followed; the same occasion comes back with `once_more`."""
    flow = notice_flow(pair, FOLLOW_UP)
    pair.servicenow.add("incident", short_description=VALUE, state="2")
    run_now(flow)
    once_more(flow, pair, states="3")
    assert problems(pair) == 1
    return flow


def once_more(flow: Flow, pair: Pair, states: str = "23") -> None:
    (incident,) = pair.servicenow.rows("incident", short_description=VALUE)
    for state in states:
        pair.servicenow.edit("incident", incident["sys_id"], state=state)
        run_now(flow)


def problems(pair: Pair) -> int:
    return len(pair.servicenow.rows("problem"))


@pytest.fixture
def rotate(settings) -> Callable[..., None]:
    def rotated(*, drop: bool = True) -> None:
        """A new first key; everything is sealed under it and the old one goes, unless it is to stay."""
        new = f"new:{base64.b64encode(os.urandom(32)).decode()}"
        settings.ENCRYPTION_KEYS = f"{new},{settings.ENCRYPTION_KEYS}"
        if drop:
            call_command("rotate_keys", verbosity=0)
            settings.ENCRYPTION_KEYS = new

    return rotated


@pytest.mark.parametrize("drop", [False, True])
def test_an_occasion_is_known_after_the_keys_were_rotated(flow: Flow, pair: Pair, rotate, drop: bool) -> None:
    rotate(drop=drop)

    once_more(flow, pair)

    assert (problems(pair), statuses(flow)) == (1, ["done"])


def test_an_order_is_found_by_its_mark_though_another_key_signs_now(
    transactional_db: None, pair: Pair, rotate
) -> None:
    item = pair.servicenow.add("sc_cat_item", name="Site-to-site VPN")
    pair.salesforce.add("Case", Subject="Acme wants a tunnel")
    order = {"name": "order", "do": "order", "item": item["sys_id"]}
    act = {"name": "order", "on": {"entered": "salesforce"}, "steps": [order]}
    flow = notice_flow(pair, act, direction="to_servicenow")
    pair.servicenow.fault("reset_after", method="POST", path="order_now$")
    pair.servicenow.fault("reset_before", method="GET", path="sc_request", times=9)
    run_now(flow)
    assert statuses(flow) == ["in_doubt"]
    pair.servicenow.clear_faults()
    rotate(drop=False)

    run_now(flow)

    assert (len(pair.servicenow.rows("sc_request")), statuses(flow)) == (1, ["done"])


def test_an_occasion_followed_before_the_update_is_known_after_it(flow: Flow, pair: Pair) -> None:
    row = ActionRun.objects.get()
    as_it_was = hashlib.sha256(VALUE.encode()).hexdigest()
    ActionRun.objects.update(occasion=as_it_was)
    DataKey.objects.all().delete()
    with transaction.atomic():  # killed at its end, nothing has changed
        update.digest_anew(apps, None)
        assert ActionRun.objects.get().occasion != as_it_was
        transaction.set_rollback(True)
    assert ActionRun.objects.get().occasion == as_it_was

    update.digest_anew(apps, None)
    once_more(flow, pair)

    assert (problems(pair), statuses(flow)) == (1, ["done"])
    assert ActionRun.objects.get().pk == row.pk


def test_an_occasion_is_known_after_the_details_of_what_it_set_off_are_gone(flow: Flow, pair: Pair) -> None:
    deque(pruning.prune(timezone.now()), maxlen=0)
    row = ActionRun.objects.get()
    assert (row.state, row.steps.count()) == (None, 0)

    once_more(flow, pair)

    assert (problems(pair), statuses(flow)) == (1, ["done"])


def test_no_value_can_be_tried_out_on_what_the_database_keeps_of_an_occasion(flow: Flow) -> None:
    kept = str([*ActionRun.objects.values(), *ActionStep.objects.values()])
    (row,) = ActionRun.objects.all()
    plain = hashlib.sha256(VALUE.encode()).hexdigest()
    key = identity(flow.name, row.action, row.record_id, plain, "problem", "", 0)

    assert VALUE not in kept
    assert not [guess for guess in (plain, plain[:32], key) if guess in kept]


def test_where_the_key_is_gone_nothing_is_done_rather_than_twice(flow: Flow, pair: Pair) -> None:
    DataKey.objects.all().delete()

    once_more(flow, pair)

    assert Run.objects.latest("pk").error_code == "DATA_KEY_GONE"
    assert problems(pair) == 1
