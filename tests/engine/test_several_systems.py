"""Two instances into one org, and one instance into two: each with its own connections, keys and people.

The second instance is a clone: it holds the sys_ids of the first, its marks too, and leads a life of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mappings.models import FieldRow, UserTable
from sync import services
from sync.engine.context import derived_sys_id
from sync.engine.execute import execute
from sync.models import CachedSchema, Connection, Flow, Reconciliation
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.conftest import connection, people, run_now, salesforce, servicenow
from tests.engine.customers import change, user_of

CLONE = "clone-of-acme"
ROWS = (
    {"servicenow": "short_description", "salesforce": "Subject"},
    {"servicenow": "number", "salesforce": "ServiceNow_Number__c", "direction": "to_salesforce"},
)


@pytest.fixture
def other() -> Iterator[Pair]:
    """A clone of the instance, and an org that has the record ids of the first one."""
    with start_pair(PairConfig(seed=2)) as running:
        running.servicenow.set_up(instance_id=CLONE)
        yield running


@pytest.fixture
def clone(other: Pair) -> Connection:
    held = other.credentials.servicenow
    secrets = {"client_id": held.client_id, "client_secret": held.client_secret}
    return connection(other, "clone-servicenow", "servicenow", other.servicenow.url, secrets)


@pytest.fixture
def second_org(other: Pair) -> Connection:
    held = other.credentials.salesforce
    secrets = {"client_id": held.client_id, "client_secret": held.client_secret}
    return connection(other, "other-salesforce", "salesforce", other.salesforce.url, secrets)


def make(name: str, here: Connection, there: Connection, **changes: object) -> Flow:
    settings = {
        "direction": "both", "create_in_servicenow": True, "servicenow_enter": "active=true",
        "salesforce_enter": "IsEscalated = true", **changes,
    }  # fmt: skip
    flow = Flow.objects.create(name=name, servicenow_connection=here, salesforce_connection=there, **settings)
    for position, row in enumerate(ROWS):
        FieldRow.objects.create(mapping=flow, position=position, **row)
    services.publish_flow(flow=flow, by=None)
    return flow


def prefixed(**more: str) -> dict[str, object]:
    return {"options": {"key_prefix": "instance"}, **more}


def keys(pair: Pair) -> dict[str, str]:
    """The subject of each Case, by its key."""
    return {case["ServiceNow_Sys_Id__c"] or "": case["Subject"] for case in pair.salesforce.rows("Case")}


def reconciled(flow: Flow) -> tuple[int, ...]:
    run = execute(services.reconcile(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False).pk)
    row = Reconciliation.objects.get(run=run)
    return row.in_scope, row.paired, row.unequal, row.missing, row.orphaned, row.twins


def test_a_clone_and_its_original_feed_one_org_and_never_meet_each_others_cases(
    transactional_db, pair, other, clone
):
    first = make("first", servicenow(pair), salesforce(pair))
    second = make("second", clone, salesforce(pair), **prefixed())
    sys_id = pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]
    escalated = pair.salesforce.add("Case", by="abel.tuter", Subject="Site is offline", IsEscalated=True)[
        "Id"
    ]
    run_now(first)
    (born,) = pair.servicenow.rows("incident", short_description="Site is offline")
    # The clone is made: it has both incidents, with their sys_ids and the mark of the Case.
    other.servicenow.add("incident", short_description="Printer on fire", sys_id=sys_id)
    other.servicenow.add(
        "incident", short_description="Site is offline", sys_id=born["sys_id"], correlation_id=born["correlation_id"]
    )  # fmt: skip
    assert born["sys_id"] == derived_sys_id(Connection.objects.get(name="acme-salesforce").org_id, escalated)

    assert run_now(second).created == 2
    other.servicenow.edit("incident", sys_id, by="fred.luddy", short_description="Only a drill")
    other.servicenow.edit("incident", born["sys_id"], by="fred.luddy", short_description="A test")
    pair.servicenow.edit("incident", sys_id, by="beth.anglin", short_description="Fire is out")
    for flow in (first, second, first, second):
        assert run_now(flow).failed == 0

    assert keys(pair) == {
        sys_id: "Fire is out", f"{CLONE}:{sys_id}": "Only a drill",
        born["sys_id"]: "Site is offline", f"{CLONE}:{born['sys_id']}": "A test",
    }  # fmt: skip
    assert [reconciled(flow) for flow in (first, second)] == [(2, 2, 0, 0, 0, 0)] * 2
    assert len(pair.servicenow.rows("incident")) == len(other.servicenow.rows("incident")) == 2


def test_a_case_of_the_clone_that_is_escalated_gets_no_incident_in_the_original(
    transactional_db, pair, other, clone
):
    first = make("first", servicenow(pair), salesforce(pair))
    second = make("second", clone, salesforce(pair), **prefixed())
    other.servicenow.add("incident", short_description="Only a drill")
    run_now(second)
    (case,) = pair.salesforce.rows("Case")
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", IsEscalated=True)

    run_now(first)
    run_now(second)

    assert pair.servicenow.rows("incident") == []
    assert len(other.servicenow.rows("incident")) == 1


def test_a_lost_reply_makes_no_second_case_under_a_prefixed_key(transactional_db, pair, other, clone):
    second = make("second", clone, salesforce(pair), **prefixed())
    sys_id = other.servicenow.add("incident", short_description="Only a drill")["sys_id"]
    pair.salesforce.fault("reset_after", method="POST", path="composite", times=1)

    run_now(second)
    run_now(second)

    assert keys(pair) == {f"{CLONE}:{sys_id}": "Only a drill"}


def test_an_escalated_case_is_given_the_prefixed_key_of_the_incident_that_was_made_for_it(
    transactional_db, pair, other, clone
):
    second = make("second", clone, salesforce(pair), **prefixed())
    pair.salesforce.add("Case", by="abel.tuter", Subject="Site is offline", IsEscalated=True)

    run_now(second)
    run_now(second)

    (incident,) = other.servicenow.rows("incident")
    assert keys(pair) == {f"{CLONE}:{incident['sys_id']}": "Site is offline"}


def test_a_second_instance_without_prefix_is_refused_with_what_to_do(transactional_db, pair, clone):
    make("first", servicenow(pair), salesforce(pair))

    with pytest.raises(
        services.Refused, match="first fills Case.ServiceNow_Sys_Id__c of the same org from another"
    ) as told:
        make("second", clone, salesforce(pair))

    assert "key_prefix: instance" in str(told.value)
    second = Flow.objects.get(name="second")
    assert second.revision is None
    Flow.objects.filter(pk=second.pk).update(enabled=False)
    services.publish_flow(flow=second, by=None)  # it does nothing


def test_the_older_flow_goes_on_where_a_clash_came_about_behind_the_consoles_back(
    transactional_db, pair, clone
):
    first = make("first", servicenow(pair), salesforce(pair))
    second = make("second", clone, salesforce(pair), enabled=False)
    Flow.objects.filter(pk=second.pk).update(enabled=True)

    assert run_now(first).status == "succeeded"
    run = run_now(second)

    assert run.status == "failed"
    assert "the sys_ids of two instances may be equal" in run.error


def test_a_clone_that_kept_the_id_of_its_original_is_found_out(transactional_db, pair, other, clone):
    first = make("first", servicenow(pair), salesforce(pair), **prefixed())
    run_now(first)
    own = pair.servicenow.rows("sys_properties", name="instance_id")[0]["value"]
    other.servicenow.set_up(instance_id=own)
    second = make("second", clone, salesforce(pair), **prefixed())

    run = run_now(second)

    assert run.status == "failed"
    assert f"its instance bears the same id {own}" in run.error


def test_the_form_of_the_keys_stays_once_there_are_pairs(transactional_db, pair):
    first = make("first", servicenow(pair), salesforce(pair))
    pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(first)
    Flow.objects.filter(pk=first.pk).update(options={"key_prefix": "instance"})

    with pytest.raises(services.Refused, match="would not be found by another"):
        services.publish_flow(flow=first, by=None)


def test_a_key_that_its_field_cannot_hold_stops_the_flow_before_anything_is_written(
    transactional_db, pair, clone
):
    second = make("second", clone, salesforce(pair), **prefixed())
    run_now(second)
    schema = CachedSchema.objects.get(name="Case")
    schema.fields["ServiceNow_Sys_Id__c"]["length"] = 32
    schema.save()

    run = run_now(second)

    assert run.status == "failed"
    assert f"holds 32 characters, and a key has {len(CLONE) + 33}" in run.error


def test_one_instance_feeds_two_orgs_with_people_of_their_own(transactional_db, pair, other, second_org):
    first = make("first", servicenow(pair), salesforce(pair), user_table=people())
    with pytest.raises(services.Refused, match="whose ids are not these"):
        make("second", servicenow(pair), second_org, user_table=people())
    own = UserTable.objects.create(name="other-people", fallback_to_salesforce="Service_Desk")
    second = Flow.objects.get(name="second")
    Flow.objects.filter(pk=second.pk).update(user_table=own)
    services.publish_flow(flow=second, by=None)
    sys_id = pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]

    for flow in (first, second):
        assert run_now(flow).created == 1
    (case,) = other.salesforce.rows("Case")
    other.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Printer is out")
    for flow in (second, first, second):
        run_now(flow)

    assert keys(pair) == keys(other) == {sys_id: "Printer is out"}
    # Each org's escalated Case gets its own incident, and that one a Case in the other org.
    for org in (pair, other):
        org.salesforce.add(
            "Case", by="abel.tuter", Subject=f"Offline in {org.salesforce.url}", IsEscalated=True
        )
    for flow in (first, second, first, second):
        assert run_now(flow).failed == 0
    assert len(pair.servicenow.rows("incident")) == 3
    assert keys(pair) == keys(other)
    assert [reconciled(flow) for flow in (first, second)] == [(3, 3, 0, 0, 0, 0)] * 2


# Recipes that look records up by key


def used(recipe: str, here: Connection, there: Connection, *, prefixed: bool) -> Flow:
    """As its user has it after Use: enabled, and begun."""
    name = f"{recipe}-of-{here.name}"
    (made,) = use_recipe(
        recipe=shipped()[recipe], name=name, servicenow=here, salesforce=there, by=None, share=True
    )
    prefix = {"key_prefix": "instance"} if prefixed else {}
    Flow.objects.filter(pk=made.pk).update(enabled=True, options={**made.options, **prefix})
    services.publish_flow(flow=Flow.objects.get(pk=made.pk), by=None)
    run_now(made)
    return made


@pytest.fixture
def both(transactional_db, pair, other, clone):
    """Make a recipe's flow for the original and one for its clone, whose keys are prefixed."""

    def make_both(recipe: str) -> tuple[Flow, Flow]:
        org = salesforce(pair)
        return (
            used(recipe, servicenow(pair), org, prefixed=False),
            used(recipe, clone, org, prefixed=True),
        )

    return make_both


SYS_ID = "0123456789abcdef" * 2


def twins(pair: Pair, other: Pair, **fields: str) -> tuple[str, str]:
    """An incident in the original and in its clone, of one sys_id; the Case of each, the original's first."""
    subjects = "Printer on fire", "Only a drill"
    for each, subject in zip((pair, other), subjects, strict=True):
        each.servicenow.add("incident", short_description=subject, sys_id=SYS_ID, state="1", **fields)
    first, second = (
        pair.salesforce.add("Case", Subject=subject, ServiceNow_Sys_Id__c=key)["Id"]
        for subject, key in zip(subjects, (SYS_ID, f"{CLONE}:{SYS_ID}"), strict=True)
    )
    return first, second


def test_a_progress_notice_reaches_the_case_of_its_own_instance(pair, other, both):
    first, second = twins(pair, other)
    flows = both("progress-notices")

    def told() -> tuple[int, int]:
        for flow in flows:
            assert run_now(flow).failed == 0
        return tuple(len(pair.salesforce.rows("FeedItem", ParentId=case)) for case in (first, second))

    def notes() -> tuple[int, int]:
        rows = {"element_id": SYS_ID, "element": "work_notes"}
        return tuple(len(each.servicenow.rows("sys_journal_field", **rows)) for each in (pair, other))

    for state, posts in (("2", (0, 1)), ("3", (0, 2))):
        other.servicenow.edit("incident", SYS_ID, by="fred.luddy", state=state)
        assert told() == posts
    pair.servicenow.edit("incident", SYS_ID, by="fred.luddy", state="2")
    assert told() == (1, 2)
    # And back: a Case that is escalated is noted on its own incident.
    pair.salesforce.edit("Case", second, by="abel.tuter", IsEscalated=True)
    assert (told(), notes()) == ((1, 2), (0, 1))
    pair.salesforce.edit("Case", first, by="abel.tuter", IsEscalated=True)
    assert (told(), notes()) == ((1, 2), (1, 1))


def test_a_case_is_enriched_from_its_own_instance_and_with_that_ones_articles(pair, other, both):
    texts = "Put the printer out", "What to do in a drill"
    for each, text in zip((pair, other), texts, strict=True):
        each.servicenow.add(
            "kb_knowledge", short_description=text, text=f"<p>{text}: printer, fire, drill.</p>",
            workflow_state="published", article_id=SYS_ID,
        )  # fmt: skip
    both("knowledge")
    flows = both("enrichment")
    (abel,) = pair.servicenow.rows("sys_user", user_name="abel.tuter")
    first, second = twins(pair, other, description="Printer, fire, drill", caller_id=abel["sys_id"])

    def enriched() -> list[tuple[str, list[str]]]:
        for flow in flows:
            assert run_now(flow).failed == 0
        titles = {row["KnowledgeArticleId"]: row["Title"] for row in pair.salesforce.rows("Knowledge__kav")}
        attached = {case: pair.salesforce.rows("CaseArticle", CaseId=case) for case in (first, second)}
        return [
            (pair.salesforce.rows("Case", Id=case)[0]["ServiceNow_Context__c"].split("\n")[1],
             [titles[row["KnowledgeArticleId"]] for row in rows])
            for case, rows in attached.items()
        ]  # fmt: skip

    assert enriched() == [("Configuration item: none", [title]) for title in texts]
    item = other.servicenow.add("cmdb_ci", name="drill-gw-1")["sys_id"]
    other.servicenow.edit("incident", SYS_ID, by="fred.luddy", cmdb_ci=item)
    assert [item for item, _ in enriched()] == ["Configuration item: none", "Configuration item: drill-gw-1"]


def test_a_change_is_told_to_the_customer_of_its_own_instance(pair, other, both):
    owner = user_of(pair, "joe.employee")
    accounts = {}
    for each, name, key in ((pair, "Acme", SYS_ID), (other, "Acme Drill", f"{CLONE}:{SYS_ID}")):
        each.servicenow.add("customer_account", by="admin", name=name, sys_id=SYS_ID)
        made = pair.salesforce.add("Account", Name=name, ServiceNow_Sys_Id__c=key, OwnerId=owner)
        accounts[made["Id"]] = name
    member = {"UserId": user_of(pair, "beth.anglin"), "TeamMemberRole": "Account Manager"}
    pair.salesforce.add("AccountTeamMember", AccountId=next(iter(accounts)), **member)
    switches = [change(each, "Replace the core switch", company=SYS_ID) for each in (pair, other)]
    flows = both("change-notifications")

    def told() -> list[str]:
        for flow in flows:
            assert run_now(flow).failed == 0
        return [accounts[row["WhatId"]] for row in pair.salesforce.rows("Task")]

    # Of the clone's customer its owner is told, of the original's its team.
    switches[1].approve()
    assert told() == ["Acme Drill"]
    switches[0].approve()
    assert told() == ["Acme Drill", "Acme"]


def test_a_flow_that_looks_for_keys_of_another_form_than_its_instance_writes_is_refused(
    transactional_db, pair, clone
):
    make("first", servicenow(pair), salesforce(pair))
    make("second", clone, salesforce(pair), **prefixed())

    with pytest.raises(services.Refused, match="this flow's actions look for keys without prefix") as told:
        used("progress-notices", clone, salesforce(pair), prefixed=False)
    assert "Say key_prefix: instance in this flow, too." in str(told.value)
    with pytest.raises(services.Refused, match="look for keys that begin with the instance's id"):
        used("progress-notices", servicenow(pair), salesforce(pair), prefixed=True)
    Flow.objects.filter(name__startswith="progress").delete()

    used("progress-notices", clone, salesforce(pair), prefixed=True)
    used("progress-notices", servicenow(pair), salesforce(pair), prefixed=False)
