"""Workers that are killed while an action's request is under way: nothing is done twice, and nothing is forgotten."""

from __future__ import annotations

import base64
import os

import pytest

from sync import services
from sync.models import ActionStep
from sync.sandbox.pair import Pair
from tests.engine.acts import notice_flow, statuses
from tests.engine.killing import let_time_pass, worker_on_the_test_database
from tests.engine.test_kills import run_on

ORDER = {"name": "order", "do": "order", "item": "{steps.item.sys_id}"}
ITEM = {
    "name": "item",
    "do": "look_up",
    "in": "servicenow",
    "table": "sc_cat_item",
    "query": "name=Site-to-site VPN",
}


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_intent_and_answer_orders_at_most_once(pair: Pair, settings) -> None:
    """Also where the next one has another first key."""
    pair.servicenow.add("sc_cat_item", name="Site-to-site VPN")
    pair.salesforce.add("Case", Subject="Acme wants a tunnel")
    act = {"name": "order", "on": {"entered": "salesforce"}, "steps": [ITEM, ORDER]}
    flow = notice_flow(pair, act, direction="to_servicenow")
    pair.servicenow.fault("delay", method="POST", path="order_now$", seconds=2.0)
    with worker_on_the_test_database() as worker:
        assert worker.killed_when(flow, lambda: ActionStep.objects.filter(status="sent").exists())
    let_time_pass()
    new = base64.b64encode(os.urandom(32)).decode()
    settings.ENCRYPTION_KEYS = f"new:{new},{settings.ENCRYPTION_KEYS}"
    run_on(flow)
    # Whether the request had left when the worker died nobody can tell but the platform: found there, or a person is asked.
    orders = len(pair.servicenow.rows("sc_request"))
    assert (orders, statuses(flow)) in [(1, ["done"]), (0, ["in_doubt"])]

    if not orders:
        services.do_action_again(step=ActionStep.objects.get(status="in_doubt"), by=None)
        run_on(flow)
    assert (len(pair.servicenow.rows("sc_request")), statuses(flow)) == (1, ["done"])
