"""Flows of several instances and orgs in one file: what two of them would share is refused at the later one."""

from __future__ import annotations

import pytest

from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.models import Flow

TEXT = """version: 1
connections:
  - {name: acme, system: servicenow, url: "https://acme.service-now.com"}
  - {name: acme-again, system: servicenow, url: "https://acme.service-now.com"}
  - {name: clone, system: servicenow, url: "https://clone.service-now.com"}
  - {name: org, system: salesforce, url: "https://acme.my.salesforce.com"}
  - {name: other-org, system: salesforce, url: "https://other.my.salesforce.com"}
user_tables:
  - {name: people, entries: []}
flows:
"""
FIELDS = "fields: [{servicenow: short_description, salesforce: Subject}]"


def flow(name: str, here: str, there: str, *, key: str = "external_id: Key__c", more: str = "") -> str:
    ends = f"servicenow: {{connection: {here}, table: incident}}, salesforce: {{connection: {there}, object: Case, {key}}}"
    return f"  - {{name: {name}, {ends}, {more}{FIELDS}}}\n"


def told(read, *flows: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        read(TEXT + "".join(flows))
    return str(caught.value).splitlines()


PREFIXED = "external_id: Key__c, key_prefix: instance"


def test_a_second_instance_says_its_prefix(read):
    assert told(read, flow("one", "acme", "org"), flow("two", "clone", "org")) == [
        "acme.yaml:12, flows[two].salesforce.key_prefix: one fills Case.Key__c of the same org from another instance, "
        "and the sys_ids of two instances may be equal: say key_prefix: instance."
    ]
    for second in (
        flow("two", "clone", "org", key=PREFIXED),
        flow("two", "clone", "org", key="external_id: Other__c"),
        flow("two", "clone", "org", more="enabled: false, "),
        flow("two", "clone", "other-org"),
    ):
        read(TEXT + flow("one", "acme", "org") + second)
    # Two logins of one instance are one instance.
    more = "servicenow: {connection: acme-again, table: problem}"
    read(TEXT + flow("one", "acme", "org") + flow("two", "acme-again", "org").replace(
        "servicenow: {connection: acme-again, table: incident}", more
    ))  # fmt: skip


ASKS = (
    "create: {salesforce: false}, start: now, actions: [{name: tell, on: {entered: servicenow}, steps: [{name: case, do: look_up, in: salesforce, table: Case, "
    "query: \"Key__c = '{key_of(servicenow.sys_id)}'\"}]}], "
)


def asking(here: str, prefix: str = "") -> str:
    """A flow that only acts, and looks Cases up by key."""
    key = f"key_prefix: {prefix}" if prefix else 'scope: ""'
    return flow("asks", here, "org", key=key, more=ASKS).replace(FIELDS, "fields: []")


def test_who_looks_for_keys_asks_for_those_of_its_own_instance(read):
    both = flow("one", "acme", "org"), flow("two", "clone", "org", key=PREFIXED)
    for here, prefix in (("acme", ""), ("clone", "instance")):
        read(TEXT + "".join(both) + asking(here, prefix))
    for here, prefix, whose in (("acme", "instance", "one"), ("clone", "", "one")):
        (text, *_) = told(read, *both, asking(here, prefix))
        assert (
            f"salesforce.key_prefix: {whose} fills Case.Key__c, and the actions of asks look for keys" in text
        )
    read(TEXT + "".join(both) + asking("clone").replace("Key__c", "Other__c"))


def test_two_orgs_have_a_user_table_each(read):
    people = "user_table: people, "
    found = told(read, flow("one", "acme", "org", more=people), flow("two", "acme", "other-org", more=people))
    assert "make a table of its own" in found[0]
    assert found[0].startswith("acme.yaml:12, flows[two].user_table: ")


@pytest.mark.django_db
def test_the_prefix_is_kept_and_exported(bring_in):
    bring_in(TEXT + flow("one", "acme", "org") + flow("two", "clone", "org", key=PREFIXED))

    assert Flow.objects.get(name="two").revision.snapshot["options"] == {"key_prefix": "instance"}
    assert export().count("key_prefix: instance") == 1
    assert bring_in(export(), environ={}).changes == []
