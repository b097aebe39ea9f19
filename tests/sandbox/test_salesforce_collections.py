"""Collections: always 200, one result a record, and what fails the whole call instead."""

import pytest

from tests.sandbox.salesforce_org import COLLECTION, KEY, InProcess, refusal

UPSERT = f"{COLLECTION}/Case/{KEY}"


@pytest.fixture
def org():
    return InProcess()


def cases(*fields):
    return [{"attributes": {"type": "Case"}, **each} for each in fields]


def write(org, method, target, records, **more):
    response = org.call(method, target, {"records": records, **more})
    assert response.status == 200, response.body
    return response.data()


def codes(results):
    return ["" if each["success"] else each["errors"][0]["statusCode"] for each in results]


def test_each_record_of_a_create_has_its_own_result_in_order(org):
    results = write(
        org,
        "POST",
        COLLECTION,
        cases({"Subject": "a"}, {"Subject": "x" * 300}, {"Nope": 1}, {"Subject": "b"}),
    )
    assert codes(results) == ["", "STRING_TOO_LONG", "INVALID_FIELD", ""]
    assert results[1]["errors"][0]["fields"] == ["Subject"]
    assert "id" not in results[1]
    assert [row["Subject"] for row in org.platform.rows("Case")] == ["a", "b"]


def test_all_or_none_undoes_the_healthy_rows_too(org):
    kept = org.create(Subject="before", **{KEY: "kept"})
    results = write(
        org,
        "PATCH",
        UPSERT,
        cases({KEY: "new"}, {KEY: "kept", "Subject": "after"}, {KEY: "bad", "Status": "Parked"}),
        allOrNone=True,
    )
    assert codes(results) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    ]
    assert [(row["Id"], row["Subject"]) for row in org.platform.rows("Case")] == [(kept, "before")]
    assert org.platform.history("Case", kept) == []
    assert write(org, "POST", COLLECTION, cases({KEY: "new"}))[0]["success"]
    assert org.platform.counters.snapshot().created == 2


def test_a_key_repeated_within_a_create_is_refused_after_its_first(org):
    assert codes(write(org, "POST", COLLECTION, cases({KEY: "a"}, {KEY: "A"}))) == ["", "DUPLICATE_VALUE"]


def test_upserts_tell_created_from_updated_on_failures_too(org):
    existing = org.create(**{KEY: "old"})
    results = write(
        org,
        "PATCH",
        UPSERT,
        cases({KEY: "OLD", "Subject": "x"}, {KEY: "new"}, {KEY: "new"}, {"Subject": "no key"}),
    )
    assert [each["created"] for each in results] == [False, True, False, False]
    assert results[0]["id"] == existing
    assert codes(results) == ["", "", "DUPLICATE_VALUE", "MISSING_ARGUMENT"]


def test_an_upsert_that_matches_several_rows_says_so(org):
    org.turn(non_unique_fields=frozenset({f"Case.{KEY}"}))
    org.create(**{KEY: "twin"})
    org.create(**{KEY: "twin"})
    assert codes(write(org, "PATCH", UPSERT, cases({KEY: "twin"}))) == ["DUPLICATE_EXTERNAL_ID"]


def test_updates_go_by_id_and_take_each_once(org):
    first, gone = org.create(Subject="x"), org.create(Subject="y")
    org.call("DELETE", f"{COLLECTION}?ids={gone}")
    results = write(
        org,
        "PATCH",
        COLLECTION,
        cases(
            {"id": first[:15], "Subject": "changed"},
            {"Id": first},
            {"id": gone},
            {"id": "500Hn000000zzzz"},
            {"id": "x"},
            {"Subject": "no id"},
        ),
    )
    assert codes(results) == [
        "",
        "DUPLICATE_VALUE",
        "ENTITY_IS_DELETED",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "MISSING_ARGUMENT",
    ]
    assert org.case(first)["Subject"] == "changed"


def test_deletes_answer_for_every_id(org):
    first, second = org.create(Subject="x"), org.create(Subject="y")
    results = org.call("DELETE", f"{COLLECTION}?ids={first},nonsense,{second}").data()
    assert codes(results) == ["", "MALFORMED_ID", ""]
    assert org.platform.rows("Case") == []


def test_a_failed_delete_of_all_or_none_brings_the_others_back(org):
    first = org.create(Subject="x", **{KEY: "abc"})
    results = org.call("DELETE", f"{COLLECTION}?ids={first},500Hn000000zzzz&allOrNone=true").data()
    assert codes(results) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_CROSS_REFERENCE_KEY"]
    assert [row["Id"] for row in org.records(f"SELECT Id FROM Case WHERE {KEY} = 'abc'")] == [first]


def test_retrieve_keeps_the_order_and_shows_null_for_what_is_missing(org):
    first, gone, last = (org.create(Subject=each) for each in "abc")
    org.call("DELETE", f"{COLLECTION}?ids={gone}")
    ids = [last, gone, "500Hn000000zzzz", first[:15]]
    posted = org.call("POST", f"{COLLECTION}/Case", {"ids": ids, "fields": ["Id", "Subject"]}).data()
    fetched = org.call("GET", f"{COLLECTION}/Case?ids={','.join(ids)}&fields=Id,Subject").data()
    assert [row and row["Subject"] for row in posted] == ["c", None, None, "a"]
    assert fetched == posted


@pytest.mark.parametrize(
    ("method", "target", "body", "code"),
    [
        ("POST", COLLECTION, {"records": cases(*[{}] * 201)}, "EXCEEDED_ID_LIMIT"),
        ("PATCH", UPSERT, {"records": cases(*[{}] * 201)}, "EXCEEDED_ID_LIMIT"),
        ("DELETE", f"{COLLECTION}?ids={','.join(['x'] * 201)}", None, "EXCEEDED_ID_LIMIT"),
        ("POST", f"{COLLECTION}/Case", {"ids": ["x"] * 2001, "fields": ["Id"]}, "EXCEEDED_ID_LIMIT"),
        ("POST", f"{COLLECTION}/Case", {"ids": [], "fields": ["Nope"]}, "INVALID_FIELD"),
        ("POST", COLLECTION, {"records": [{"Subject": "no type"}]}, "MISSING_ARGUMENT"),
        ("POST", COLLECTION, {"records": ["Case"]}, "MISSING_ARGUMENT"),
        ("POST", COLLECTION, {"records": None}, "MISSING_ARGUMENT"),
        ("POST", COLLECTION, b"{", "JSON_PARSER_ERROR"),
    ],
)
def test_a_call_that_is_not_well_formed_fails_whole(org, method, target, body, code):
    assert refusal(org.call(method, target, body)) == (400, code)


def test_types_may_change_ten_times_a_call(org):
    mixed = [{"attributes": {"type": kind}, "Name": "x"} for kind in ["Account", "Case"] * 6]
    assert refusal(org.call("POST", COLLECTION, {"records": mixed})) == (400, "EXCEEDED_MAX_TYPES_LIMIT")


def test_an_unknown_object_fails_its_record_alone(org):
    results = write(org, "POST", COLLECTION, [{"attributes": {"type": "Nope"}}, *cases({"Subject": "x"})])
    assert codes(results) == ["INVALID_TYPE", ""]


def test_an_unknown_field_fails_the_whole_call_where_the_org_is_so(org):
    org.turn(unknown_field_fails_whole_collection=True)
    body = {"records": cases({"Subject": "x"}, {"Nope": 1})}
    assert refusal(org.call("POST", COLLECTION, body)) == (400, "INVALID_FIELD")
    assert org.platform.rows("Case") == []


def test_locks_strike_a_reproducible_fraction_of_writes(org):
    org.turn(lock_fraction=0.5, seed=7)
    first = codes(write(org, "POST", COLLECTION, cases(*[{}] * 100)))
    org.turn(seed=7)
    assert codes(write(org, "POST", COLLECTION, cases(*[{}] * 100))) == first
    assert 30 < first.count("UNABLE_TO_LOCK_ROW") < 70


def test_a_collection_is_one_call_and_many_writes(org):
    before = org.platform.counters.snapshot().calls
    write(org, "POST", COLLECTION, cases(*[{"Subject": "x"}] * 150))
    counts = org.platform.counters.snapshot()
    assert (counts.calls - before, counts.writes, counts.created) == (1, 150, 150)
