"""The recipe Customer onboarding over the demo customers: company, contacts, orders and assets, each once, whatever is in the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync import services
from sync.engine.execute import execute
from sync.models import ActionRun, ActionStep, DeadLetter, Flow, Reconciliation, RecordLink, Run, Waiting
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.customers import FAX, MAILBOXES, VPN, key
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.acts import only_letter, statuses
from tests.engine.conftest import run_now, salesforce, servicenow
from tests.engine.customers import account, assets, become_customer, company, grant, ordered, win
from tests.engine.killing import let_time_pass
from tests.engine.test_recipes import found

pytestmark = pytest.mark.django_db(transaction=True)
RECIPE = "customer-onboarding"
ORDER = {"method": "POST", "path": "order_now$"}
THERE = {"Acme", "Edge Communications", "Grand Hotels"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(customers=True)) as pair:
        yield pair


@pytest.fixture
def flows(pair: Pair) -> dict[str, Flow]:
    return used(pair)


def used(pair: Pair, option: str = "") -> dict[str, Flow]:
    """As their user has them after Use: enabled, and each has run once."""
    made = use_recipe(
        recipe=shipped()[RECIPE], name="on", servicenow=servicenow(pair), salesforce=salesforce(pair), option=option, by=None
    )  # fmt: skip
    for flow in made:
        Flow.objects.filter(pk=flow.pk).update(enabled=True)
        services.publish_flow(flow=flow, by=None)
    flows = {flow.name.removeprefix("on-"): Flow.objects.get(pk=flow.pk) for flow in made}
    run_all(flows)
    return flows


def run_all(flows: dict[str, Flow]) -> dict[str, Run]:
    return {part: run_now(flows[part]) for part in ("won", *(part for part in flows if part != "won"))}


def go_on(flow: Flow) -> Run:
    """The retry that a person's word has queued."""
    return execute(Run.objects.active().get(flow=flow).pk)


def test_a_won_account_gets_its_company_contacts_orders_and_assets(
    flows: dict[str, Flow], pair: Pair
) -> None:
    assert {row["name"] for row in pair.servicenow.rows("customer_account")} == THERE
    assert (ordered(pair), statuses(flows["customers"])) == ([], [])  # whom both knew already
    win(pair, "Burlington Textiles")

    run_all(flows)

    here, there = account(pair, "Burlington Textiles"), company(pair, "Burlington Textiles")
    assert here["Type"] == "Customer"
    assert (here["ServiceNow_Sys_Id__c"], here["ServiceNow_Number__c"]) == (there["sys_id"], there["number"])
    assert (there["city"], there["website"]) == ("Burlington", "https://burlington-textiles.example")
    (jack,) = pair.servicenow.rows("customer_contact", last_name="Rogers")
    assert (jack["account"], jack["title"]) == (there["sys_id"], "VP, Facilities")
    (contact,) = pair.salesforce.rows("Contact", LastName="Rogers")
    assert contact["ServiceNow_Sys_Id__c"] == jack["sys_id"]
    assert ordered(pair) == assets(pair, "Burlington Textiles") == sorted([VPN, MAILBOXES])
    assert {
        row["install_status"] for row in pair.servicenow.rows("alm_hardware", company=there["sys_id"])
    } == {"2"}
    answers = [row["value"] for row in pair.servicenow.rows("sc_item_option")]
    assert answers.count(there["sys_id"]) == 2
    numbers = ", ".join(sorted(row["number"] for row in pair.servicenow.rows("sc_request")))
    assert (
        here["ServiceNow_Onboarding__c"] == f"Done: Burlington Textiles is in ServiceNow, ordered: {numbers}."
    )
    link = RecordLink.objects.get(flow=flows["contacts"], salesforce_id=contact["Id"])
    assert (link.salesforce_number, link.servicenow_number) == (
        "",
        "",
    )  # people's names are not kept in the clear
    assert set(ActionRun.objects.filter(flow=flows["won"]).values_list("record_number", flat=True)) == {""}
    writes = pair.servicenow.counters.writes + pair.salesforce.counters.writes
    run_all(flows)
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == writes


@pytest.fixture
def without_csm(pair: Pair) -> Pair:
    """An instance that has no Customer Service Management, whose integration user may write companies and users."""
    pair.servicenow.set_up(absent_tables=["customer_account", "customer_contact"])
    grant(pair, "user_admin")
    return pair


def test_without_customer_service_the_customer_is_a_company_and_its_contacts_are_users(
    transactional_db: None, without_csm: Pair
) -> None:
    pair = without_csm
    flows = used(pair, "itsm")
    assert list(flows) == ["companies", "users", "won"]
    companies, users = len(pair.servicenow.rows("core_company")), len(pair.servicenow.rows("sys_user"))
    win(pair, "Burlington Textiles")

    for _ in range(2):
        run_all(flows)

    here, (there,) = (
        account(pair, "Burlington Textiles"),
        pair.servicenow.rows("core_company", name="Burlington Textiles"),
    )
    assert (here["Type"], here["ServiceNow_Sys_Id__c"]) == ("Customer", there["sys_id"])
    assert (there["customer"], there["city"]) == ("true", "Burlington")
    (jack,) = pair.servicenow.rows("sys_user", last_name="Rogers")
    assert (jack["company"], jack["title"], jack["user_name"]) == (there["sys_id"], "VP, Facilities", "")
    (contact,) = pair.salesforce.rows("Contact", LastName="Rogers")
    assert contact["ServiceNow_Sys_Id__c"] == jack["sys_id"]
    assert len(pair.servicenow.rows("core_company")) == companies + 1
    assert len(pair.servicenow.rows("sys_user")) == users + 1
    # Those whom both sides knew are paired; nothing was ordered for them.
    assert RecordLink.objects.filter(flow=flows["companies"]).count() == len(THERE) + 1
    machines = pair.servicenow.rows("alm_hardware", company=there["sys_id"])
    assert ordered(pair) == sorted(row["display_name"].split(",")[0] for row in machines) == sorted([VPN, MAILBOXES])  # fmt: skip
    assert here["ServiceNow_Onboarding__c"].startswith(
        "Done: Burlington Textiles is in ServiceNow, ordered: REQ"
    )
    for part in ("companies", "users"):
        run = execute(services.reconcile(flow=flows[part], by=None, enqueue=False).pk)
        counted = Reconciliation.objects.get(run=run)
        assert (counted.unequal, counted.missing, counted.orphaned, counted.twins) == (0, 0, 0, 0)
    assert not DeadLetter.objects.filter(state="open").exists()


def test_the_checks_say_which_customer_record_is_possible(transactional_db: None, without_csm: Pair) -> None:
    (held,) = without_csm.servicenow.rows("sys_user_role", name="user_admin")
    (granted,) = without_csm.servicenow.rows("sys_user_has_role", role=held["sys_id"])

    def amiss() -> list[tuple[str, tuple[str, ...]]]:
        checked = found(RECIPE, without_csm)
        told = [*checked["error"], *checked["warning"]]
        assert any("com.sn_customerservice" in each["advice"] for each in told)
        return [(each["text"], tuple(each.get("options", ()))) for each in told]

    assert {options for _, options in amiss()} == {("csm",)}

    without_csm.servicenow.delete("sys_user_has_role", granted["sys_id"], by="admin")
    lacking = "The user lacks the role user_admin, which the recipe names."
    assert [text for text, options in amiss() if options == ("itsm",)] == [lacking]


def test_an_onboarding_that_fails_at_a_retired_item_says_which_and_goes_on_there(
    flows: dict[str, Flow], pair: Pair
) -> None:
    """Its third step finds no active item; what the other services need is done meanwhile, and not again."""
    genepoint = account(pair, "GenePoint")["Id"]
    pair.salesforce.edit("Account", genepoint, ServiceNow_Products__c=f"{VPN}; {FAX};{VPN}")
    become_customer(pair, "GenePoint")
    run_all(flows)

    letter = only_letter()
    assert (letter.code, letter.field) == ("FOUND_NONE", "action order-services, step item")
    assert FAX in letter.content["message"]
    assert "retired catalog item" in letter.advice
    assert (ordered(pair), assets(pair, "GenePoint")) == ([VPN], [VPN])
    assert account(pair, "GenePoint")["ServiceNow_Onboarding__c"].startswith(
        "In progress: GenePoint is in ServiceNow, 2 services to order."
    )
    run_all(flows)
    assert ordered(pair) == [VPN]

    pair.servicenow.edit("sc_cat_item", key("sc_cat_item", FAX), by="admin", active="true")
    services.retry_dead_letters(letters=[letter], by=None)
    go_on(flows["customers"])
    run_all(flows)

    assert ordered(pair) == assets(pair, "GenePoint") == sorted([FAX, VPN])
    assert len(pair.servicenow.rows("customer_account", name="GenePoint")) == 1
    assert account(pair, "GenePoint")["ServiceNow_Onboarding__c"].startswith("Done: ")
    assert not DeadLetter.objects.filter(state="open").exists()
    assert set(statuses(flows["customers"])) == {"done"}


def test_an_order_that_the_catalog_refuses_holds_up_its_own_service_alone(
    flows: dict[str, Flow], pair: Pair
) -> None:
    """Somebody has given an item a question that must be answered, of which the action knows nothing."""
    question = pair.servicenow.add(
        "item_option_new", by="admin", cat_item=key("sc_cat_item", VPN), name="site", mandatory="true"
    )
    become_customer(pair, "Burlington Textiles")
    run_all(flows)

    letter = only_letter()
    assert letter.field == "action order-services, step order"
    assert "which variables it demands" in letter.advice
    assert ordered(pair) == assets(pair, "Burlington Textiles") == [MAILBOXES]

    pair.servicenow.edit("item_option_new", question["sys_id"], by="admin", mandatory="false")
    services.retry_dead_letters(letters=[letter], by=None)
    go_on(flows["customers"])

    assert ordered(pair) == assets(pair, "Burlington Textiles") == sorted([VPN, MAILBOXES])


def test_an_order_whose_answer_is_lost_is_found_and_one_that_never_arrived_waits_in_doubt(
    flows: dict[str, Flow], pair: Pair
) -> None:
    pair.servicenow.fault("reset_after", times=1, **ORDER)
    become_customer(pair, "Burlington Textiles")
    for _ in range(2):
        run_all(flows)
    assert ordered(pair) == sorted([VPN, MAILBOXES])

    pair.servicenow.fault("reset_before", times=1, **ORDER)
    pair.salesforce.edit("Account", account(pair, "GenePoint")["Id"], ServiceNow_Products__c=VPN)
    become_customer(pair, "GenePoint")
    run_all(flows)
    let_time_pass()
    run_all(flows)

    assert ordered(pair) == sorted([VPN, MAILBOXES])
    assert "in_doubt" in statuses(flows["customers"])
    assert assets(pair, "GenePoint") == []


@pytest.mark.parametrize("word", ["happened", "again"])
def test_an_order_in_doubt_goes_on_by_a_persons_word(flows: dict[str, Flow], pair: Pair, word: str) -> None:
    pair.salesforce.edit("Account", account(pair, "GenePoint")["Id"], ServiceNow_Products__c=VPN)
    pair.servicenow.fault("reset_before", times=1, **ORDER)
    become_customer(pair, "GenePoint")
    run_all(flows)
    step = ActionStep.objects.get(status="in_doubt")

    if word == "happened":
        services.say_action_happened(step=step, by=None, number="REQ0099999")
    else:
        services.do_action_again(step=step, by=None)
    go_on(flows["customers"])

    assert ordered(pair) == ([] if word == "happened" else [VPN])
    assert assets(pair, "GenePoint") == [VPN]
    told = account(pair, "GenePoint")["ServiceNow_Onboarding__c"]
    number = "REQ0099999" if word == "happened" else pair.servicenow.rows("sc_request")[0]["number"]
    assert told.endswith(f"ordered: {number}.")


def test_an_account_that_is_merged_into_a_customer_gives_it_its_contacts_and_makes_nothing_anew(
    flows: dict[str, Flow], pair: Pair
) -> None:
    become_customer(pair, "Burlington Textiles")
    run_all(flows)
    acme, burlington = account(pair, "Acme"), account(pair, "Burlington Textiles")
    before = len(pair.servicenow.rows("customer_account")), len(pair.servicenow.rows("customer_contact"))
    orders = ordered(pair)

    pair.salesforce.merge("Account", acme["Id"], burlington["Id"])
    for _ in range(2):
        run_all(flows)

    (jack,) = pair.servicenow.rows("customer_contact", last_name="Rogers")
    assert jack["account"] == key("customer_account", "Acme")
    assert account(pair, "Acme")["ServiceNow_Sys_Id__c"] == key("customer_account", "Acme")
    assert (
        len(pair.servicenow.rows("customer_account")),
        len(pair.servicenow.rows("customer_contact")),
    ) == before
    assert ordered(pair) == orders
    assert company(pair, "Burlington Textiles")["sys_id"]
    assert not DeadLetter.objects.filter(state="open").exists()
    assert RecordLink.objects.filter(flow=flows["customers"], salesforce_id=acme["Id"]).count() == 1


def test_contacts_that_a_merge_gives_to_no_customer_wait_until_it_is_one(
    flows: dict[str, Flow], pair: Pair
) -> None:
    become_customer(pair, "Burlington Textiles")
    run_all(flows)
    genepoint, burlington = account(pair, "GenePoint"), account(pair, "Burlington Textiles")
    was = company(pair, "Burlington Textiles")["sys_id"]
    pair.salesforce.edit("Account", genepoint["Id"], ServiceNow_Products__c="")

    pair.salesforce.merge("Account", genepoint["Id"], burlington["Id"])
    run_all(flows)
    (jack,) = pair.servicenow.rows("customer_contact", last_name="Rogers")
    assert jack["account"] == was
    assert Waiting.objects.exists()

    become_customer(pair, "GenePoint")
    for _ in range(2):
        let_time_pass()
        run_all(flows)

    (jack,) = pair.servicenow.rows("customer_contact", last_name="Rogers")
    assert jack["account"] == company(pair, "GenePoint")["sys_id"]
    assert account(pair, "GenePoint")["ServiceNow_Onboarding__c"].endswith("ordered: nothing.")
    assert not Waiting.objects.exists()
