import pytest

from sync.sandbox.clock import ManualClock, OffsetClock
from sync.sandbox.credentials import Credentials
from sync.sandbox.platform import PlatformContext
from sync.sandbox.servicenow import build
from sync.sandbox.servicenow.query import compile_query, escape, parse
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.search import search
from sync.sandbox.servicenow.terms import Scope

CLOCK = ManualClock()
PEOPLE = {
    "a": {
        "short_description": "VPN drops",
        "state": "1",
        "impact": "1",
        "urgency": "1",
        "category": "network",
    },
    "b": {
        "short_description": "Printer^jam",
        "state": "2",
        "impact": "2",
        "urgency": "3",
        "category": "hardware",
    },
    "c": {
        "short_description": "Slow vpn",
        "state": "2",
        "impact": "3",
        "urgency": "3",
        "category": "network",
    },
    "d": {"short_description": "", "state": "3", "impact": "2", "urgency": "1", "category": "software"},
}


@pytest.fixture(scope="module")
def platform():
    clock = ManualClock()
    platform = build(PlatformContext("https://127.0.0.1:1", OffsetClock(clock), Credentials()))
    beth = next(row for row in platform.rows("sys_user") if row["user_name"] == "beth.anglin")
    for name, fields in PEOPLE.items():
        assigned = {"assigned_to": beth["sys_id"]} if name in "ab" else {}
        platform.add("incident", {**fields, **assigned, "correlation_id": name, "sys_id": name * 32})
        clock.advance(seconds=3600)
    return platform


def find(platform, query):
    """The letters of the incidents found, in order."""
    table = platform.registry["incident"]
    caller = Caller("", "sync.user", "US/Pacific", platform.now())
    compiled = compile_query(parse(query), Scope(platform.store, table, caller))
    found = search(platform.store, table, compiled, offset=0, limit=100, count=True)
    at = table.position["correlation_id"]
    assert found.total == len(found.rows)
    return "".join(row[at] for row in found.rows)


@pytest.mark.parametrize(
    ("query", "letters"),
    [
        ("", "abcd"),
        ("state=2", "bc"),
        ("state!=2", "ad"),
        ("stateIN1,3", "ad"),
        ("stateNOT IN1,3", "bc"),
        ("short_descriptionLIKEvpn", "ac"),
        ("short_descriptionNOT LIKEvpn", "bd"),
        ("short_description*vpn", "ac"),
        ("short_descriptionSTARTSWITHvpn", "a"),
        ("short_descriptionENDSWITHvpn", "c"),
        ("short_description%vpn", "c"),
        ("short_descriptionISEMPTY", "d"),
        ("short_descriptionISNOTEMPTY", "abc"),
        ("short_description=NULL", "d"),
        ("short_description=", "d"),
        ("assigned_toANYTHING", "abcd"),
        ("impact>1", "bcd"),
        ("impact>=2", "bcd"),
        ("impact<2", "a"),
        ("impact<=2", "abd"),
        ("impactBETWEEN2@3", "bcd"),
        ("impactSAMEASurgency", "ac"),
        ("impactNSAMEASurgency", "bd"),
        ("assigned_toLIKEbeth", "ab"),
        ("assigned_to.email=beth.anglin@acme.example", "ab"),
        ("sys_updated_onRELATIVEGT@minute@ago@90", "d"),
        ("sys_updated_on>javascript:gs.hoursAgo(2)", "d"),
        ("sys_created_on>=javascript:gs.dateGenerate('2026-03-02','01:00:00')", "bcd"),
        ("sys_created_onON2026-03-02", "abcd"),
        ("sys_created_onONToday@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()", "abcd"),
    ],
)
def test_operators(platform, query, letters):
    assert "".join(sorted(find(platform, query))) == letters


@pytest.mark.parametrize(
    ("query", "letters"),
    [
        ("state=1^ORstate=2^category=network", "ac"),  # (1 or 2) and network
        ("category=network^state=2^ORstate=3", "c"),  # network and (2 or 3)
        ("state=1^NQstate=3", "ad"),
        ("category=network^state=1^NQcategory=software", "ad"),
        ("state=2^NQimpact=2", "bcd"),
    ],
)
def test_or_binds_to_the_condition_before_it_and_nq_unites_queries(platform, query, letters):
    assert "".join(sorted(find(platform, query))) == letters


def test_a_doubled_caret_is_a_literal_one(platform):
    assert find(platform, f"short_description={escape('Printer^jam')}") == "b"


@pytest.mark.parametrize("term", ["no_such=1", "caller_id.nothing=1", "state~2", "impact>high"])
def test_a_term_that_makes_no_sense_is_dropped_and_the_result_grows(platform, term):
    assert "".join(sorted(find(platform, f"category=network^{term}"))) == "ac"
    assert "".join(sorted(find(platform, term))) == "abcd"


def test_rows_come_in_the_order_asked_for(platform):
    assert find(platform, "ORDERBYDESCcorrelation_id") == "dcba"
    assert find(platform, "ORDERBYcategory^ORDERBYDESCcorrelation_id") == "bcad"
    assert find(platform, "ORDERBYsys_updated_on^ORDERBYsys_id") == "abcd"


def test_a_keyset_cursor_reads_on_and_the_tempting_one_loses_rows(platform):
    rows = {row["correlation_id"]: row for row in platform.rows("incident")}
    at, last = rows["b"]["sys_updated_on"], "f" * 32
    order = "^ORDERBYsys_updated_on^ORDERBYsys_id"

    good = f"sys_updated_on>{at}^NQsys_updated_on={at}^sys_id>{last}{order}"
    tempting = f"sys_updated_on>{at}^ORsys_updated_on={at}^sys_id>{last}{order}"
    filtered = (
        f"category=network^sys_updated_on>{at}^NQcategory=network^sys_updated_on={at}^sys_id>{last}{order}"
    )

    assert find(platform, good) == "cd"
    assert find(platform, tempting) == ""
    assert find(platform, filtered) == "c"


def test_the_total_of_a_keyset_page_follows_every_write(pair, api):
    for number in range(6):
        pair.servicenow.add("incident", short_description=f"Number {number}", urgency=str(number % 2 + 1))
    query = (
        "urgency=1^sys_updated_on>2026-01-01 00:00:00^NQurgency=1^sys_updated_on=2026-01-01 00:00:00^sys_id>0"
        "^ORDERBYsys_updated_on^ORDERBYsys_id"
    )

    def total():
        params = {"sysparm_query": query, "sysparm_limit": 2}
        answer = api.call("GET", "/api/now/table/incident", params=params)
        return len(answer.json()["result"]), answer.headers["X-Total-Count"]

    assert total() == total() == (2, "3")
    pair.servicenow.add("incident", short_description="One more", urgency="1")
    assert total() == (2, "4")


def test_ids_are_looked_up_whatever_else_is_asked(platform):
    ids = f"{'a' * 32},{'d' * 32},{'e' * 32}"

    assert "".join(sorted(find(platform, f"sys_idIN{ids}"))) == "ad"
    assert find(platform, f"sys_idIN{ids}^state=3") == "d"
    assert "".join(sorted(find(platform, f"sys_id={'a' * 32}^NQstate=2"))) == "abc"


def test_a_property_makes_invalid_queries_find_nothing(pair, api):
    pair.servicenow.add("incident", short_description="VPN")
    setting = pair.servicenow.rows("sys_properties", name="glide.invalid_query.returns_no_rows")[0]
    assert len(api.rows("incident", "no_such=1")) == 1

    pair.servicenow.edit("sys_properties", setting["sys_id"], value="true")

    assert api.rows("incident", "no_such=1") == []


def test_a_short_filter_works_without_an_encoded_query(pair, api):
    pair.servicenow.add("incident", short_description="VPN", urgency="1")
    pair.servicenow.add("incident", short_description="Printer", urgency="3")

    answer = api.call("GET", "/api/now/table/incident", params={"urgency": "1", "active": "true"})

    assert [row["short_description"] for row in answer.json()["result"]] == ["VPN"]
