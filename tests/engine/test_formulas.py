"""A flow whose rows are formulas: several columns, what lies behind references, what people see; and back again."""

from __future__ import annotations

import pytest

from sync.configuration.export import export
from sync.sandbox.pair import Pair
from tests.engine.both import ROWS, make_both
from tests.engine.conftest import run_now
from tests.engine.test_both_ways import quiet

pytestmark = pytest.mark.django_db(transaction=True)
FORMULAS = (
    {
        "servicenow": "short_description",
        "salesforce": "Subject",
        "transform": 'template("{upper(caller_id.user_name)}: {short_description} ({display(state)})")',
        "reverse": 'extract(Subject, "^[A-Z]*: (.*) [(].*$")',
    },
    {
        "salesforce": "Description",
        "direction": "to_salesforce",
        "transform": 'if(impact == 1 and urgency in ("1", "2"), "Urgent", truncate(html_to_text(description), 10))',
    },
)


def test_a_formula_is_carried_over_and_its_reverse_comes_back(pair: Pair) -> None:
    replaced = {row["salesforce"] for row in FORMULAS}
    flow = make_both(pair, rows=(*(row for row in ROWS if row["salesforce"] not in replaced), *FORMULAS))
    abel = pair.servicenow.add("sys_user", user_name="abel", name="Abel Tuter")["sys_id"]
    sys_id = str(
        pair.servicenow.add(
            "incident", short_description="Printer", caller_id=abel, state="2", impact="1", urgency="3",
            description="<p>On <b>fire</b>, all of it</p>",
        )["sys_id"]
    )  # fmt: skip

    run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert (case["Subject"], case["Description"]) == ("ABEL: Printer (In Progress)", "On fire,…")
    quiet(flow, pair)

    pair.salesforce.edit("Case", str(case["Id"]), Subject="ABEL: Plotter (In Progress)")
    run_now(flow)

    (incident,) = pair.servicenow.rows("incident", sys_id=sys_id)
    assert (incident["short_description"], incident["state"]) == ("Plotter", "2")
    quiet(flow, pair)
    assert "reverse: 'extract(Subject" in export()
