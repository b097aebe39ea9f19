import pytest

IMPORT = "/api/now/import/u_incident_import"
CASE = {"u_correlation_id": "sf:00D:500", "u_short_description": "VPN", "u_caller": "Beth Anglin"}


def load(client, **fields):
    answer = client.call("POST", IMPORT, json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def entry(answer):
    assert len(answer["result"]) == 1
    return answer["result"][0]


def test_a_row_becomes_an_incident_with_names_resolved(api, pair):
    answer = load(api, **CASE, u_urgency="1 - High")
    told = entry(answer)
    incident = pair.servicenow.rows("incident")[0]

    assert (answer["import_set"], answer["staging_table"]) == ("ISET0010001", "u_incident_import")
    assert (told["status"], told["table"], told["transform_map"]) == ("inserted", "incident", "Incident")
    assert (told["sys_id"], told["display_value"]) == (incident["sys_id"], incident["number"])
    assert told["record_link"].endswith(f"/api/now/table/incident/{incident['sys_id']}")
    assert incident["urgency"] == "1"
    assert incident["sys_created_by"] == "sync.user"
    assert pair.servicenow.rows("sys_user", sys_id=incident["caller_id"])[0]["name"] == "Beth Anglin"


def test_the_same_key_updates_and_the_same_values_are_ignored(api, pair):
    first = entry(load(api, **CASE))
    again = entry(load(api, **CASE))
    changed = entry(load(api, **{**CASE, "u_short_description": "VPN slow", "u_caller": ""}))

    assert [each["status"] for each in (first, again, changed)] == ["inserted", "ignored", "updated"]
    assert {each["sys_id"] for each in (first, again, changed)} == {first["sys_id"]}
    rows = pair.servicenow.rows("incident")
    assert [row["short_description"] for row in rows] == ["VPN slow"]
    assert rows[0]["caller_id"] != ""


def test_a_row_without_its_key_is_always_inserted(api, pair):
    for _ in range(2):
        load(api, u_short_description="VPN")

    assert len(pair.servicenow.rows("incident")) == 2


def test_a_refusal_is_an_error_in_a_201_and_writes_nothing(api, pair):
    load(api, **CASE)
    told = entry(load(api, **CASE, u_state="Resolved"))

    assert told["status"] == "error"
    assert "Data Policy Exception" in told["error_message"]
    assert pair.servicenow.rows("incident")[0]["state"] == "1"


def test_an_outcome_can_be_read_again(api, pair):
    answer = load(api, **CASE)
    staged = pair.servicenow.rows("u_incident_import")[0]

    assert api.call("GET", f"{IMPORT}/{staged['sys_id']}").json() == answer
    assert api.call("GET", f"{IMPORT}/{'0' * 32}").status_code == 404


def test_a_nested_value_is_stored_as_java_prints_it(api, pair):
    load(api, u_correlation_id="1", u_description={"a": 1, "b": ["x", None]})

    assert pair.servicenow.rows("incident")[0]["description"] == "{a=1, b=[x, ]}"


def test_many_rows_are_keyed_by_label_and_polled(api, pair):
    records = [
        {"Correlation ID": str(n), "Short description": f"Ticket {n}", "Nonsense": "x"} for n in range(3)
    ]
    answer = api.call("POST", f"{IMPORT}/insertMultiple", json={"records": records})
    identity = answer.json()["import_set_id"]
    staged = api.rows("u_incident_import", f"sys_import_set={identity}", exclude_reference_link="true")

    assert answer.status_code == 201
    assert api.rows("sys_import_set", f"sys_id={identity}")[0]["state"] == "processed"
    assert {row["sys_import_state"] for row in staged} == {"inserted"}
    assert {row["sys_target_sys_id"] for row in staged} == {
        row["sys_id"] for row in pair.servicenow.rows("incident")
    }


def test_people_are_imported_by_their_user_name(api, pair):
    told = entry(
        api.call("POST", "/api/now/import/imp_user", json={"user_name": "abel.tuter", "title": "Lead"}).json()
    )

    assert told["status"] == "updated"
    assert pair.servicenow.rows("sys_user", user_name="abel.tuter")[0]["title"] == "Lead"


@pytest.mark.parametrize("table", ["incident", "nonsense"])
def test_only_staging_tables_take_imports(api, pair, table):
    assert api.call("POST", f"/api/now/import/{table}", json=CASE).status_code == 400
    assert pair.servicenow.rows("incident") == []


def test_who_may_not_load_imports_nothing(pair, anonymous):
    demo = pair.credentials.servicenow
    anonymous.login(demo.no_role_username, demo.no_role_password)

    assert anonymous.call("POST", IMPORT, json=CASE).status_code == 403
    assert pair.servicenow.rows("incident") == []


def test_a_second_map_makes_a_second_record_and_has_an_outcome_of_its_own(api, pair):
    """Maps are rows: what an administrator adds, runs."""
    platform = pair.servicenow
    extra = platform.add(
        "sys_transform_map",
        name="Problem",
        source_table="u_incident_import",
        target_table="problem",
        order="200",
    )
    platform.add(
        "sys_transform_entry",
        map=extra["sys_id"],
        source_field="u_short_description",
        target_field="short_description",
    )

    answer = api.call("POST", "/api/now/import/u_incident_import", json={"u_short_description": "VPN"}).json()

    assert [(each["transform_map"], each["table"], each["status"]) for each in answer["result"]] == [
        ("Incident", "incident", "inserted"),
        ("Problem", "problem", "inserted"),
    ]
    assert [row["short_description"] for row in platform.rows("problem")] == ["VPN"]
    assert api.rows("sys_transform_map", "source_table=u_incident_import^ORDERBYorder", fields="name") == [
        {"name": "Incident"},
        {"name": "Problem"},
    ]


def test_a_map_that_is_switched_off_leaves_the_row_pending(api, pair):
    shipped = pair.servicenow.rows("sys_transform_map", source_table="u_incident_import")[0]
    pair.servicenow.edit("sys_transform_map", shipped["sys_id"], active="false")

    answer = api.call("POST", "/api/now/import/u_incident_import", json={"u_short_description": "VPN"})

    assert (answer.status_code, answer.json()["result"]) == (201, [])
    assert pair.servicenow.rows("incident") == []
    assert [row["sys_import_state"] for row in pair.servicenow.rows("u_incident_import")] == ["pending"]


def test_a_map_may_copy_empty_fields(api, pair):
    kept = pair.servicenow.add("incident", correlation_id="A-1", short_description="VPN", description="Drops")
    shipped = pair.servicenow.rows("sys_transform_map", source_table="u_incident_import")[0]
    pair.servicenow.edit("sys_transform_map", shipped["sys_id"], copy_empty_fields="true")

    api.call(
        "POST",
        "/api/now/import/u_incident_import",
        json={"u_correlation_id": "A-1", "u_short_description": "Wi-Fi"},
    )

    row = pair.servicenow.rows("incident", sys_id=kept["sys_id"])[0]
    assert (row["short_description"], row["description"]) == ("Wi-Fi", "")


def test_many_rows_are_transformed_later_where_the_instance_is_slow(api, pair, clock):
    pair.servicenow.add("sys_properties", name="sandbox.import.seconds_until_transformed", value="30")
    records = [{"Correlation ID": str(n), "Short description": f"Ticket {n}"} for n in range(3)]

    identity = api.call("POST", f"{IMPORT}/insertMultiple", json={"records": records}).json()["import_set_id"]

    def states():
        staged = api.rows("u_incident_import", f"sys_import_set={identity}", fields="sys_import_state")
        return api.rows("sys_import_set", f"sys_id={identity}")[0]["state"], [
            row["sys_import_state"] for row in staged
        ]

    assert states() == ("loaded", ["pending"] * 3)
    assert pair.servicenow.rows("incident") == []
    clock.advance(seconds=31)
    assert states() == ("processed", ["inserted"] * 3)
    assert len(pair.servicenow.rows("incident")) == 3
