"""`plan list`, `show`, `approve` and `apply`: whoever asked for a plan does not approve it at the command line either."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User

from sync import plans, services
from sync.actor import Actor, acting_as
from sync.engine.execute import execute
from sync.models import AuditEntry, Flow
from sync.models.run import RunMode

pytestmark = pytest.mark.django_db(transaction=True)


def person(name: str, *permissions: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def careful(demo_flow: Flow) -> Flow:
    """A flow that demands approval."""
    Flow.objects.filter(pk=demo_flow.pk).update(options={**demo_flow.options, plans.APPROVAL: True})
    return Flow.objects.get(pk=demo_flow.pk)


def test_a_plan_is_listed_shown_approved_by_somebody_else_and_applied(command, careful, pair):
    alice = person("alice", "run_flow", "approve_plan")
    person("bob", "approve_plan", "apply_plan")
    own = str(command("run_flow", careful.name, "--dry-run").data["run"])
    refused = command("plan", "approve", own, "--as", "bob")  # nobody can tell who sits at this command line
    assert (refused.status, refused.data["code"]) == (2, "refused")
    assert "somebody else approves it, in the console" in refused.told
    with acting_as(Actor(user_id=alice.pk, name="alice")):
        run = services.request_run(flow=careful, by=alice, mode=RunMode.DRY, enqueue=False)
    number = str(execute(run.pk).pk)

    listed, first = command("plan", "list", "--waiting", "--flow", careful.name).data["plans"]
    assert (listed["plan"], listed["asked_by"], listed["waits"]) == (run.pk, "alice", True)
    assert first["plan"] == int(own)
    shown = command("plan", "show", number, "--limit", "1")
    assert (shown.status, shown.data["more"]) == (0, listed["writes"]["planned"] - 1)
    assert "Subject" in shown.data["items"][0]["fields"]
    assert not AuditEntry.objects.filter(action="payload.opened").exists()
    values = command("plan", "show", number, "--values").data["items"][0]["fields"]
    assert (values["Subject"]["now"], bool(values["Subject"]["will"])) == (None, True)
    assert AuditEntry.objects.filter(action="payload.opened", object_id=number).count() == 1

    assert command("plan", "apply", number).data["code"] == "refused"
    assert "You asked for this plan" in command("plan", "approve", number, "--as", "alice").told
    assert command("plan", "show", number, "--values", "--as", "bob").data["code"] == "permission"
    assert command("plan", "approve", number, "--as", "carol").data["code"] == "unknown_user"
    assert not pair.salesforce.rows("Case")

    approved = command("plan", "approve", number, "--as", "bob")
    assert (approved.status, approved.data["stage"], approved.data["waits"]) == (0, "approved", False)
    entry = AuditEntry.objects.get(action="plan.approved")
    assert entry.actor.username == "bob"
    assert entry.actor_name.startswith("bob, by ")

    ended = command("plan", "apply", number, "--as", "bob")
    assert (ended.status, ended.data["stage"]) == (0, "applied")
    assert len(pair.salesforce.rows("Case")) == ended.data["run"]["created"] == listed["writes"]["planned"]
    assert [plan["plan"] for plan in command("plan", "list", "--waiting").data["plans"]] == [int(own)]
    assert command("plan", "show", "999").data["code"] == "unknown_plan"
