"""Recipes in the console: what one needs and writes, whether it would work, and the flow that it makes."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models.signals import pre_save
from django.urls import reverse
from django.utils import timezone

from mappings.models import FieldRow, Mapping, UserTable, ValueMap
from sync import services
from sync.models import AuditEntry, Flow, Question
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from tests.console import seed

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
RECIPE = "incident-case"
CARDS = reverse("recipes")
PAGE, CHECK, USE = (reverse(f"recipe{end}", args=[RECIPE]) for end in ("", "_check", "_use"))


@pytest.fixture
def pair():
    return seed.connections()


def asked(pair, **more: str) -> dict[str, str]:
    servicenow, salesforce = pair
    return {
        "servicenow": str(servicenow.pk),
        "salesforce": str(salesforce.pk),
        "_form_submitted": "on",
        **more,
    }


def test_a_card_leads_to_a_page_that_says_what_is_needed_and_written(as_role, pair):
    viewer = as_role("viewer")

    assert PAGE in viewer.get(CARDS).content.decode()
    body = viewer.get(PAGE).content.decode()

    recipe = shipped()[RECIPE]
    for side in ("servicenow", "salesforce"):
        assert all(need.name in body for need in recipe.needs.of(side))
        assert all(line in body for line in recipe.writes.of(side))
    assert "Never checked between these two" in body
    assert USE not in body
    assert "Run the checks" not in body


def test_use_makes_a_disabled_unpublished_flow_with_all_that_it_needs(as_role, pair):
    editor = as_role("mapping editor")
    beforehand = editor.get(USE, asked(pair)).content.decode()
    assert "nothing is read or written until you enable" in beforehand
    assert not Flow.objects.exists()

    reply = editor.post(USE, asked(pair, name="severe-incidents"))

    flow = Flow.objects.get()
    assert reply.url == reverse("admin:sync_flow_change", args=[flow.pk])
    assert (flow.name, flow.recipe, flow.enabled, flow.revision) == ("severe-incidents", RECIPE, False, None)
    assert (flow.servicenow_connection, flow.salesforce_connection) == pair
    assert flow.rows.count() == len(shipped()[RECIPE].flows[0].fields)
    assert flow.user_table is not None
    assert not flow.user_table.entries.exists()
    assert ValueMap.objects.get(name="incident-state-case-status").entries.count() == 7
    entry = AuditEntry.objects.get(action="recipe.used")
    assert (entry.actor_name, entry.after["recipe"]) == ("mapping.editor", RECIPE)
    page = editor.get(reply.url).content.decode()
    assert "Not published yet" in page
    assert f'Made of <a class="ic-link" href="{PAGE}">' in page
    assert reply.url in editor.get(CARDS).content.decode()


def test_names_that_are_taken_are_named_and_nothing_is_half_made(as_role, pair):
    editor = as_role("mapping editor")
    ValueMap.objects.create(name="incident-priority-case-priority")

    body = editor.post(USE, asked(pair, name="severe-incidents")).content.decode()

    assert "Taken already: value map incident-priority-case-priority." in body
    assert (Mapping.objects.count(), ValueMap.objects.count(), UserTable.objects.count()) == (0, 1, 0)

    editor.post(USE, asked(pair, name="severe-incidents", share="on"))
    assert Flow.objects.get().rows.get(salesforce="Priority").value_map.entries.count() == 0

    body = editor.post(USE, asked(pair, name="severe-incidents", share="on")).content.decode()
    assert "There is a flow severe-incidents already." in body
    assert Mapping.objects.count() == 1


@pytest.mark.parametrize(
    ("role", "checks", "uses"),
    [("viewer", 403, 403), ("auditor", 403, 403), ("operator", 302, 403), ("mapping editor", 302, 200)],
)
def test_each_role_may_check_and_use_what_its_permissions_say(as_role, pair, role, checks, uses):
    person = as_role(role)

    assert person.get(PAGE).status_code == 200
    assert person.post(CHECK, asked(pair)).status_code == checks
    assert person.get(USE).status_code == uses
    assert Question.objects.filter(kind="recipe").count() == (checks == 302)
    assert person.post(USE, asked(pair, name="mine")).status_code == (302 if uses == 200 else 403)
    assert Flow.objects.count() == (uses == 200)


def test_the_checks_of_a_pair_are_asked_once_polled_and_shown_worst_first(as_role, pair):
    operator = as_role("operator")
    for _ in range(2):
        reply = operator.post(CHECK, asked(pair))
    question = Question.objects.get(kind="recipe")
    poll = f"{CHECK}?question={question.pk}"
    assert f'hx-get="{poll}"' in operator.get(reply.url).content.decode()

    question.state, question.answered_at = "answered", timezone.now()
    question.answer = {
        "findings": [
            {
                "side": "salesforce",
                "code": "object",
                "status": "ok",
                "text": "Case is visible.",
                "advice": "",
            },
            {
                "side": "salesforce",
                "code": "key",
                "status": "error",
                "text": "No key.",
                "advice": "Create it.",
            },
        ]
    }
    question.save()

    body = operator.get(poll).content.decode()
    assert "hx-get" not in body
    assert "not ready" in body
    assert "1 failed, 0 warnings, 1 passed." in " ".join(operator.get(CARDS).content.decode().split())
    assert body.index("No key.") < body.index("Create it.") < body.index("Case is visible.")
    assert (
        "failed, and a run would too: No key. Create it."
        in as_role("mapping editor").get(USE, asked(pair)).content.decode()
    )
    entry = AuditEntry.objects.get(action="recipe.checked")
    assert entry.after["servicenow"] == "acme-servicenow"


def test_what_is_no_recipe_no_connection_or_no_question_is_refused_in_words(as_role, pair):
    editor = as_role("mapping editor")
    servicenow, _ = pair

    assert editor.get(reverse("recipe", args=["nonsense"])).status_code == 404
    assert editor.get(f"{PAGE}?servicenow=%00&salesforce=1").status_code == 200
    assert {editor.get(f"{CHECK}?question={text}").status_code for text in ("", "x", "9" * 30, "7")} == {404}
    crossed = {"servicenow": str(pair[1].pk), "salesforce": str(servicenow.pk)}
    assert editor.post(CHECK, crossed, follow=True).status_code == 200
    assert not Question.objects.exists()
    assert editor.post(USE, {**crossed, "name": "mine", "_form_submitted": "on"}).status_code == 200
    assert not Flow.objects.exists()


def test_the_service_itself_keeps_the_sides_apart_and_asks_for_the_permission(as_role, pair):
    as_role("operator")
    servicenow, salesforce = pair
    use = partial(use_recipe, recipe=shipped()[RECIPE], name="mine")

    with pytest.raises(services.Refused, match="wrong systems"):
        use(servicenow=salesforce, salesforce=servicenow, by=None)
    with pytest.raises(PermissionDenied):
        use(servicenow=servicenow, salesforce=salesforce, by=User.objects.get(username="operator"))

    assert not Mapping.objects.exists()
    assert not ValueMap.objects.exists()


def twin_of(row: FieldRow) -> FieldRow:
    return FieldRow(mapping_id=row.mapping_id, salesforce=row.salesforce, position=row.position)


def test_what_else_the_database_refuses_is_not_told_as_a_name_that_is_taken(pair):
    """A field row of the new flow meets one that somebody's signal has put there."""
    servicenow, salesforce = pair

    def twice(instance: FieldRow, **signal: object) -> None:
        FieldRow.objects.bulk_create([twin_of(instance)])

    pre_save.connect(twice, sender=FieldRow)
    try:
        with pytest.raises(IntegrityError):
            use_recipe(
                recipe=shipped()[RECIPE], name="mine", servicenow=servicenow, salesforce=salesforce, by=None
            )
    finally:
        pre_save.disconnect(twice, sender=FieldRow)

    assert not Mapping.objects.exists()


def test_of_two_customer_records_the_checks_say_which_is_possible_and_use_makes_that_one(as_role, pair):
    editor = as_role("mapping editor")
    page, check, use = (
        reverse(f"recipe{end}", args=["customer-onboarding"]) for end in ("", "_check", "_use")
    )
    body = editor.get(page).content.decode()
    assert "com.sn_customerservice" in body
    assert "option=itsm" in body
    reply = editor.post(check, asked(pair))
    missing = {
        "side": "servicenow",
        "code": "table",
        "status": "error",
        "text": "No customer_account.",
        "advice": "",
    }
    question = Question.objects.get(kind="recipe")
    question.state, question.answered_at = "answered", timezone.now()
    question.answer = {"findings": [{**missing, "options": ["csm"]}]}
    question.save()

    # Without a word of which, the one that is possible is shown.
    body = " ".join(editor.get(reply.url).content.decode().split())
    assert "not possible</span> customer_account" in body
    assert "possible</span> core_company" in body
    assert ">com.sn_customerservice<" not in body
    assert "core_company" in body
    assert "No customer_account." not in body
    assert "No customer_account." in editor.get(f"{reply.url.partition('#')[0]}&option=csm").content.decode()
    assert 'value="itsm" selected' in editor.get(use, asked(pair)).content.decode()

    editor.post(use, asked(pair, name="on", option="itsm"))
    assert sorted(Flow.objects.values_list("name", "servicenow_table")) == [
        ("on-companies", "core_company"), ("on-users", "sys_user"), ("on-won", "core_company"),
    ]  # fmt: skip
    assert (
        "Select a valid choice" in editor.post(use, asked(pair, name="two", option="none")).content.decode()
    )


def test_a_recipe_that_only_tells_shows_its_actions_in_place_of_fields(admin_client):
    page = admin_client.get("/admin/recipes/progress-notices/").content.decode()

    assert "ServiceNow: state from 1 to 2" in page
    assert "post: post chatter" in page
    assert "Found again by" not in page
    assert ">Fields<" not in page
