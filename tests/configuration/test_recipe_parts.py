"""A recipe with several flows: each is a part, named in a file as `recipe/part`, and they refer to each other whatever they are called."""

from __future__ import annotations

from functools import partial

import pytest

from mappings.models import Mapping, ValueMap
from sync import services
from sync.configuration.apply import apply, known_names
from sync.configuration.documents import Known
from sync.configuration.export import export
from sync.configuration.parse import parse
from sync.configuration.problems import InvalidConfiguration
from sync.models import Flow
from sync.recipes import read_recipe
from sync.recipes.use import use_recipe
from tests.console import seed

NEEDS = "{servicenow: [{what: table, name: core_company}], salesforce: [{what: object, name: Account}]}"
CUSTOMERS = f"""name: customers
title: Customers
summary: Accounts and their contacts
does: An account becomes a company, and its contacts its users.
needs: {NEEDS}
writes: {{servicenow: [Companies.], salesforce: [Nothing.]}}
then: [Enable both.]
value_maps:
  - {{name: customers-types, entries: [{{servicenow: gold, salesforce: Gold}}]}}
flows:
  - part: accounts
    servicenow: {{table: core_company}}
    salesforce: {{object: Account, external_id: ServiceNow_Sys_Id__c}}
    fields:
      - {{servicenow: name, salesforce: Name}}
      - {{servicenow: parent, salesforce: ParentId, transform: link, value: accounts}}
      - {{servicenow: notes, salesforce: Type, value_map: customers-types}}
  - part: contacts
    servicenow: {{table: sys_user}}
    salesforce: {{object: Contact, external_id: ServiceNow_Sys_Id__c}}
    fields:
      - {{servicenow: last_name, salesforce: LastName}}
      - {{servicenow: company, salesforce: AccountId, transform: link, value: accounts}}
"""
ASSETS = (
    CUSTOMERS[: CUSTOMERS.index("value_maps:")].replace("name: customers\n", "name: assets\n")
    + """flow:
  servicenow: {table: alm_hardware}
  salesforce: {object: Asset, external_id: ServiceNow_Sys_Id__c}
  fields:
    - {servicenow: display_name, salesforce: Name}
    - {servicenow: company, salesforce: AccountId, transform: link, value: customers/accounts}
"""
)
SHELF = {
    "customers": read_recipe(CUSTOMERS, file="customers.yaml"),
    "assets": read_recipe(ASSETS, file="a.yaml"),
}
HEAD = """version: 1
connections:
  - {name: acme-servicenow, system: servicenow, url: "https://acme.service-now.com"}
  - {name: acme-salesforce, system: salesforce, url: "https://acme.my.salesforce.com"}
  - {name: other-salesforce, system: salesforce, url: "https://other.my.salesforce.com"}
flows:
"""
BETWEEN = "servicenow: {connection: acme-servicenow}, salesforce: {connection: acme-salesforce}"


def flow(name: str, recipe: str, between: str = BETWEEN) -> str:
    return f"  - {{name: {name}, recipe: {recipe}, {between}}}\n"


def read(*flows: str, known: Known | None = None):
    text = HEAD + "".join(flows)
    return parse(text, file="acme.yaml", known=known or Known(), environ={}, recipes=SHELF).document.flows


def told(*flows: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        read(*flows)
    return str(caught.value).splitlines()


def links(flow) -> list[str]:
    return [row.value for row in flow.fields if row.transform == "link"]


def test_the_name_alone_means_the_first_part_and_a_stroke_any():
    (firms,) = read(flow("firms", "customers"))
    assert (firms.servicenow.table, links(firms)) == ("core_company", ["firms"])

    firms, people = read(flow("firms", "customers"), flow("people", "customers/contacts"))
    assert (people.servicenow.table, links(people)) == ("sys_user", ["firms"])
    assert links(read(flow("firms", "customers/accounts"), flow("people", "customers/contacts"))[1]) == [
        "firms"
    ]


def test_a_formula_that_links_is_bound_like_a_row_that_does():
    row = "{servicenow: company, salesforce: AccountId, transform: link, value: accounts}"
    formula = """{servicenow: company, salesforce: AccountId, transform: 'link(trim(company), "accounts")'}"""
    assert CUSTOMERS.count(row) == 1
    shelf = {"customers": read_recipe(CUSTOMERS.replace(row, formula), file="customers.yaml")}
    text = HEAD + flow("firms", "customers") + flow("people", "customers/contacts")

    _, people = parse(text, file="acme.yaml", known=Known(), environ={}, recipes=shelf).document.flows

    assert people.fields[1].transform == 'link(trim(company), "firms")'


def test_another_recipes_flow_between_the_same_two_records_is_meant_where_there_is_none_of_the_part():
    shelf = {
        **SHELF,
        "firms": read_recipe(CUSTOMERS.replace("name: customers\n", "name: firms\n"), file="f.yaml"),
    }
    text = HEAD + flow("ours", "firms") + flow("machines", "assets")

    document = parse(text, file="acme.yaml", known=Known(), environ={}, recipes=shelf).document

    assert links(document.flows[1]) == ["ours"]


def test_each_pair_of_systems_has_parts_of_its_own():
    other = BETWEEN.replace("acme-salesforce", "other-salesforce")

    flows = read(
        flow("firms", "customers"), flow("people", "customers/contacts"),
        flow("other-firms", "customers", other), flow("other-people", "customers/contacts", other),
    )  # fmt: skip

    assert [links(each) for each in flows] == [["firms"], ["firms"], ["other-firms"], ["other-firms"]]


def test_a_part_without_its_parent_says_which_recipe_to_add_and_two_parents_ask_for_one():
    where = "acme.yaml:7, flows[people].recipe: It refers to records of customers/accounts, and "
    assert told(flow("people", "customers/contacts")) == [
        f"{where}no flow between the same two connections is made of that. "
        "Add one with recipe: customers/accounts, or write its fields out."
    ]
    twice = told(flow("people", "customers/contacts"), flow("a", "customers"), flow("b", "customers"))
    assert f"{where}a and b are made of that" in "\n".join(twice)
    assert told(flow("people", "customers/persons"))[0].endswith(
        "There are: customers/accounts, customers/contacts, assets."
    )


def test_fields_that_the_flow_says_itself_are_nobody_elses_to_bind():
    fields = ", fields: [{servicenow: name, salesforce: LastName}]"
    own = flow("people", "customers/contacts", BETWEEN + fields)

    (people,) = read(own)

    assert [row.salesforce for row in people.fields] == ["LastName"]


@pytest.fixture
def pair(db):
    return dict(zip(("servicenow", "salesforce"), seed.connections(), strict=True))


def test_use_makes_every_part_disabled_and_bound_to_the_names_that_were_made(pair):
    flows = use_recipe(recipe=SHELF["customers"], name="acme", by=None, **pair)

    assert [(each.name, each.recipe, each.enabled, each.revision) for each in flows] == [
        ("acme-accounts", "customers/accounts", False, None), ("acme-contacts", "customers/contacts", False, None),
    ]  # fmt: skip
    rows = [row.value for each in flows for row in each.rows.filter(transform="link")]
    assert rows == ["acme-accounts", "acme-accounts"]
    assert ValueMap.objects.get().name == "customers-types"
    text = export()
    again = parse(text, file="export.yaml", known=known_names(), environ={}, recipes=SHELF)
    assert [
        str(change)
        for change in apply(again, environ={}, reason="A test wants it").changes
        if change.action != "publish"
    ] == []


def test_a_recipe_that_stands_on_another_ones_flows_says_so_until_they_are_there(pair):
    use = partial(use_recipe, recipe=SHELF["assets"], name="assets", by=None, recipes=SHELF, **pair)
    with pytest.raises(services.Refused, match="refers to records of customers/accounts"):
        use()
    assert not Mapping.objects.exists()

    use_recipe(recipe=SHELF["customers"], name="customers", by=None, **pair)
    use()

    assert Flow.objects.get(name="assets").rows.get(transform="link").value == "customers-accounts"


def test_names_that_are_taken_leave_nothing_half_made(pair):
    use_recipe(recipe=SHELF["customers"], name="acme", by=None, **pair)
    Flow.objects.filter(name="acme-accounts").update(name="renamed")

    with pytest.raises(services.Refused, match="There is a flow acme-contacts already"):
        use_recipe(recipe=SHELF["customers"], name="acme", by=None, share=True, **pair)

    assert Mapping.objects.count() == 2


CHOICE = """choice:
  title: Which
  options:
    - {name: some, title: Accounts alone, parts: [accounts]}
    - {name: all, title: Accounts and contacts, parts: [accounts, contacts]}
flows:
"""
CHOSEN = CUSTOMERS.replace("flows:\n", CHOICE)


def test_a_part_that_is_like_another_says_what_it_has_otherwise():
    more = "  - {part: others, like: accounts, servicenow: {table: cmn_department}, drift: restore}\n"

    part = read_recipe(CUSTOMERS + more, file="customers.yaml").part("others")

    assert part is not None
    assert (part.flow.servicenow.table, part.flow.salesforce.object) == ("cmn_department", "Account")
    assert (part.flow.drift, len(part.flow.fields)) == ("restore", 3)
    with pytest.raises(InvalidConfiguration, match="Name a part that stands before this one"):
        read_recipe(CUSTOMERS + more.replace("like: accounts", "like: nobody"), file="customers.yaml")


def test_of_a_recipe_that_lets_choose_the_parts_of_one_option_are_made(pair):
    recipe = read_recipe(CHOSEN, file="customers.yaml")
    use = partial(use_recipe, recipe=recipe, by=None, share=True, **pair)

    assert [flow.name for flow in use(name="usual")] == ["usual-accounts"]
    Flow.objects.all().delete()
    assert [flow.name for flow in use(name="more", option="all")] == ["more-accounts", "more-contacts"]
    with pytest.raises(services.Refused, match="Customers has no option nothing"):
        use(name="third", option="nothing")


BROKEN = {
    "an option of nothing": (CHOSEN.replace("[accounts]", "[nobody]"), "It takes 'nobody', which is no part"),
    "half an option": (
        CHOSEN.replace("[accounts, contacts]", "[contacts]"),
        "Its parts refer to records of 'accounts', which it does not take.",
    ),
    "a part of no option": (
        CHOSEN.replace("[accounts, contacts]", "[accounts]"),
        "No option takes 'contacts'.",
    ),
    "a need of no option": (
        CHOSEN.replace("name: core_company}", "name: core_company, option: none}"),
        "There is no option 'none'.",
    ),
    "no part": (CUSTOMERS.replace("part: accounts", "parts: accounts"), "The key 'part' is missing."),
    "two of one name": (
        CUSTOMERS.replace("part: contacts", "part: accounts"),
        "Two flows are the part 'accounts'.",
    ),
    "none": (CUSTOMERS[: CUSTOMERS.index("flows:")] + "flows: []", "Expected a list of flows"),
    "nothing": (CUSTOMERS[: CUSTOMERS.index("value_maps:")], "A recipe has a flow, or several flows."),
    "both": (CUSTOMERS + ASSETS[ASSETS.index("flow:\n") :], "Give flow or flows, not both."),
    "a link to nobody": (CUSTOMERS.replace("value: accounts", "value: acounts"), "Did you mean 'accounts'?"),
    "no slug": (CUSTOMERS.replace("part: contacts", "part: the contacts"), "is not a name"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_part_is_refused_with_its_line(text, said):
    with pytest.raises(InvalidConfiguration) as caught:
        read_recipe(text, file="broken.yaml")
    assert said in str(caught.value)
