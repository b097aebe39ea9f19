"""Groups of rows: GROUP BY, HAVING, the aggregate functions and parts of dates; and TYPEOF."""

import pytest

from tests.sandbox.salesforce_org import BASE, CASES, InProcess, refusal


@pytest.fixture(scope="module")
def org():
    """Five cases: three new (two high), two working, on two days, one of them a queue's."""
    org = InProcess()
    for subject, status, priority in [
        ("Alpha", "New", "High"),
        ("beta", "New", "High"),
        ("ALPHA", "New", "Low"),
        ("delta", "Working", "Low"),
    ]:
        org.create(Subject=subject, Status=status, Priority=priority)
    org.clock.advance(seconds=24 * 3600)
    org.log_in()
    org.create(Status="Working", Priority="Low", OwnerId=org.queue("Network_Queue"))
    return org


def groups(org, statement):
    """The groups of a statement as tuples of their values."""
    records = org.records(statement)
    assert {each["attributes"]["type"] for each in records} <= {"AggregateResult"}
    return [tuple(value for name, value in each.items() if name != "attributes") for each in records]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT COUNT(Id) FROM Case", [(5,)]),
        ("SELECT COUNT(Subject), COUNT_DISTINCT(Subject) FROM Case", [(4, 3)]),
        ("SELECT MIN(Subject), MAX(Subject) FROM Case", [("Alpha", "delta")]),
        ("SELECT SUM(SortOrder), AVG(SortOrder), MAX(SortOrder) FROM CaseStatus", [(21.0, 3.5, 6)]),
        ("SELECT COUNT(Id), SUM(SortOrder) FROM CaseStatus WHERE ApiName = 'Nope'", [(0, None)]),
        ("SELECT Status, COUNT(Id) FROM Case WHERE Subject = 'Nope' GROUP BY Status", []),
        ("SELECT Status, COUNT(Id) FROM Case GROUP BY Status ORDER BY Status", [("New", 3), ("Working", 2)]),
        (
            "SELECT COUNT(Id), Status FROM Case GROUP BY Status ORDER BY COUNT(Id)",
            [(2, "Working"), (3, "New")],
        ),
        ("SELECT Status FROM Case GROUP BY Status HAVING COUNT(Id) > 2", [("New",)]),
        ("SELECT Status FROM Case GROUP BY Status HAVING NOT (Status LIKE 'n%')", [("Working",)]),
        ("SELECT Subject FROM Case GROUP BY Subject HAVING COUNT(Id) > 1", [("Alpha",)]),
        (
            "SELECT Status, Priority, COUNT(Id) FROM Case GROUP BY Status, Priority "
            "ORDER BY Status DESC, Priority LIMIT 2",
            [("Working", "Low", 2), ("New", "High", 2)],
        ),
        (
            "SELECT Owner.Name, COUNT(Id) FROM Case GROUP BY Owner.Name ORDER BY Owner.Name",
            [("Integration User", 4), ("Network", 1)],
        ),
        (
            "SELECT DAY_ONLY(CreatedDate), COUNT(Id) FROM Case GROUP BY DAY_ONLY(CreatedDate) "
            "ORDER BY DAY_ONLY(CreatedDate)",
            [("2026-03-02", 4), ("2026-03-03", 1)],
        ),
        (
            "SELECT CALENDAR_YEAR(CreatedDate), CALENDAR_QUARTER(CreatedDate), CALENDAR_MONTH(CreatedDate), "
            "DAY_IN_WEEK(CreatedDate), DAY_IN_YEAR(CreatedDate), WEEK_IN_YEAR(CreatedDate), "
            "HOUR_IN_DAY(CreatedDate) FROM Case WHERE DAY_IN_MONTH(CreatedDate) = 2 GROUP BY "
            "CALENDAR_YEAR(CreatedDate), CALENDAR_QUARTER(CreatedDate), CALENDAR_MONTH(CreatedDate), "
            "DAY_IN_WEEK(CreatedDate), DAY_IN_YEAR(CreatedDate), WEEK_IN_YEAR(CreatedDate), "
            "HOUR_IN_DAY(CreatedDate)",
            [(2026, 1, 3, 2, 61, 9, 8)],
        ),
        ("SELECT CALENDAR_YEAR(ActivityDate), COUNT(Id) FROM Task GROUP BY CALENDAR_YEAR(ActivityDate)", []),
        ("SELECT MAX(CreatedDate) FROM Case", [("2026-03-03T08:00:00.000+0000",)]),
    ],
)
def test_rows_are_grouped_counted_and_measured(org, statement, found):
    assert groups(org, statement) == found


def test_a_column_goes_by_its_alias_its_field_or_a_number(org):
    [group] = org.records(
        "SELECT COUNT(Id), MAX(Subject) last, COUNT_DISTINCT(Status), Priority p FROM Case c "
        "WHERE c.Priority = 'High' GROUP BY c.Priority"
    )
    assert group == {
        "attributes": {"type": "AggregateResult"},
        "expr0": 2,
        "last": "beta",
        "expr1": 1,
        "p": "High",
    }


def test_groups_come_all_at_once_or_not_at_all(org):
    answer = org.soql(
        "SELECT Status, COUNT(Id) FROM Case GROUP BY Status", Sforce_Query_Options="batchSize=200"
    )
    assert (answer.data()["totalSize"], answer.data()["done"]) == (2, True)
    crowded = InProcess()
    for start in range(0, 2001, 200):
        records = [{"attributes": {"type": "Case"}, "Subject": str(n)} for n in range(start, start + 200)]
        crowded.call("POST", f"{BASE}/composite/sobjects", {"records": records})
    statement = "SELECT Subject, COUNT(Id) FROM Case GROUP BY Subject"
    refused = crowded.soql(statement)
    assert refusal(refused) == (400, "EXCEEDED_ID_LIMIT")
    assert refused.data()[0]["message"].startswith("Aggregate query does not support queryMore()")
    assert len(crowded.records(f"{statement} LIMIT 2000")) == 2000


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "SELECT Subject, COUNT(Id) FROM Case GROUP BY Status",
            "Field must be grouped or aggregated: Subject",
        ),
        ("SELECT Subject, COUNT(Id) FROM Case", "Field must be grouped or aggregated: Subject"),
        ("SELECT Status FROM Case GROUP BY Status ORDER BY Subject", "Field must be grouped or aggregated"),
        (
            "SELECT Status FROM Case GROUP BY Status HAVING Subject = 'x'",
            "Field must be grouped or aggregated",
        ),
        ("SELECT COUNT(Id) FROM Case GROUP BY Description", "can not be grouped in a query call"),
        ("SELECT COUNT(Id) FROM Case GROUP BY CreatedDate", "can not be grouped in a query call"),
        ("SELECT COUNT(Id) FROM Case GROUP BY COUNT(Id)", "cannot be grouped by"),
        ("SELECT SUM(Subject) FROM Case", "does not support aggregate operator SUM"),
        ("SELECT MAX(Description) FROM Case", "does not support aggregate operator MAX"),
        ("SELECT CALENDAR_YEAR(Subject) FROM Case GROUP BY CALENDAR_YEAR(Subject)", "date function"),
        ("SELECT COUNT(Id) FROM Case LIMIT 1", "cannot also use LIMIT"),
        ("SELECT Status s, Priority s FROM Case GROUP BY Status, Priority", "duplicate alias: s"),
        ("SELECT Subject s FROM Case", "only aggregate expressions use field aliasing"),
        ("SELECT Id FROM Case WHERE COUNT(Id) > 1", "Aggregate functions are not allowed here"),
        ("SELECT COUNT() FROM Case GROUP BY Status", "COUNT() without a field"),
        ("SELECT Id FROM Case HAVING COUNT(Id) > 1", "unexpected token: 'HAVING'"),
        ("SELECT MEDIAN(Id) FROM Case", "unexpected token: '('"),
        ("SELECT COUNT(Id), (SELECT Id FROM CaseComments) FROM Case", "child relationships"),
    ],
)
def test_a_statement_that_groups_wrongly_is_malformed(org, statement, text):
    response = org.soql(statement)
    assert refusal(response) == (400, "MALFORMED_QUERY")
    assert text in response.data()[0]["message"]


@pytest.mark.parametrize("column", ["COUNT(Id)", "TYPEOF Owner WHEN User THEN Id END"])
def test_a_bulk_query_knows_neither_aggregates_nor_types(org, column):
    sent = {"operation": "query", "query": f"SELECT {column} FROM Case"}
    assert refusal(org.call("POST", f"{BASE}/jobs/query", sent)) == (400, "API_ERROR")


def test_typeof_shows_fields_of_what_the_owner_really_is(org):
    rows = org.records(
        "SELECT Status, TYPEOF Owner WHEN User THEN Username, Alias WHEN Group THEN DeveloperName END "
        "FROM Case ORDER BY CreatedDate DESC LIMIT 2"
    )
    assert rows[0]["Owner"] == {
        "attributes": {"type": "Group", "url": f"{BASE}/sobjects/Group/{org.queue('Network_Queue')}"},
        "DeveloperName": "Network_Queue",
    }
    assert (rows[1]["Owner"]["attributes"]["type"], rows[1]["Owner"]["Username"]) == (
        "User",
        "sync.user@acme.example",
    )


def test_typeof_without_a_branch_that_fits_takes_else_or_nothing(org):
    statement = "SELECT TYPEOF Owner WHEN User THEN Username {} END FROM Case WHERE Owner.Name = 'Network'"
    [row] = org.records(statement.format(""))
    assert row["Owner"] is None
    [row] = org.records(statement.format("ELSE Name, Type"))
    assert (row["Owner"]["attributes"]["type"], row["Owner"]["Type"]) == ("Name", "Queue")


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("TYPEOF Contact WHEN Contact THEN Id END", "MALFORMED_QUERY"),
        ("Owner.Name, TYPEOF Owner WHEN User THEN Id END", "MALFORMED_QUERY"),
        ("TYPEOF Owner END", "MALFORMED_QUERY"),
        ("TYPEOF Owner WHEN Nope THEN Id END", "INVALID_TYPE"),
        ("TYPEOF Owner WHEN User THEN Nope END", "INVALID_FIELD"),
        ("TYPEOF Nope WHEN User THEN Id END", "INVALID_FIELD"),
    ],
)
def test_a_typeof_that_does_not_fit_is_refused(org, column, code):
    assert refusal(org.soql(f"SELECT {column} FROM Case")) == (400, code)


def test_rows_by_id_come_in_order_though_one_was_undeleted(org):
    ids = [row["Id"] for row in org.records("SELECT Id FROM Case ORDER BY Id")]
    org.call("DELETE", f"{CASES}/{ids[1]}")
    org.platform.undelete("Case", ids[1])
    found = [row["Id"] for row in org.records("SELECT Id FROM Case ORDER BY Id LIMIT 3")]
    assert found == sorted(ids)[:3]
