"""Accounts with their teams, opportunities and assets; articles on cases; merging; e-mails that the org sends."""

import pytest

from sync.sandbox.platform import ControlError
from tests.sandbox.salesforce_org import BASE, KEY, InProcess, refusal

MAIL = f"{BASE}/actions/standard/emailSimple"


@pytest.fixture
def org():
    return InProcess()


def make(org, sobject, **fields):
    response = org.call("POST", f"{BASE}/sobjects/{sobject}", fields)
    assert response.status == 201, response.body
    return response.data()["id"]


def account(org, name="Burning Inc", **fields):
    return make(org, "Account", Name=name, **fields)


@pytest.mark.parametrize("sobject", ["Account", "Contact", "Asset"])
def test_each_object_of_a_customer_has_a_unique_key_of_servicenow(org, sobject):
    needed = {
        "Account": {"Name": "Burning Inc"},
        "Contact": {"LastName": "Archer"},
        "Asset": {"Name": "Rack", "AccountId": account(org)},
    }[sobject]
    first = make(org, sobject, **needed, **{KEY: "a" * 32})

    second = org.call("POST", f"{BASE}/sobjects/{sobject}", {**needed, KEY: "a" * 32})

    assert refusal(second) == (400, "DUPLICATE_VALUE")
    assert org.call("GET", f"{BASE}/sobjects/{sobject}/{KEY}/{'a' * 32}").data()["Id"] == first


def test_an_opportunity_is_won_by_its_stage(org):
    deal = make(
        org,
        "Opportunity",
        Name="VPN",
        AccountId=account(org),
        StageName="Prospecting",
        CloseDate="2026-12-01",
    )
    before = org.records("SELECT IsWon, IsClosed, Probability FROM Opportunity")[0]

    org.call("PATCH", f"{BASE}/sobjects/Opportunity/{deal}", {"StageName": "Closed Won"})

    after = org.records(
        "SELECT Account.Name, IsWon, IsClosed, Probability FROM Opportunity WHERE IsWon = true"
    )[0]
    assert (before["IsWon"], before["IsClosed"], before["Probability"]) == (False, False, 10.0)
    assert (after["IsClosed"], after["Probability"], after["Account"]["Name"]) == (True, 100.0, "Burning Inc")
    won = org.records("SELECT ApiName FROM OpportunityStage WHERE IsWon = true")
    assert [row["ApiName"] for row in won] == ["Closed Won"]


def test_an_opportunity_needs_a_date_to_close_on(org):
    response = org.call("POST", f"{BASE}/sobjects/Opportunity", {"Name": "VPN", "StageName": "Prospecting"})

    assert refusal(response) == (400, "REQUIRED_FIELD_MISSING")


def test_an_asset_needs_a_customer_and_may_lie_in_another(org):
    alone = org.call("POST", f"{BASE}/sobjects/Asset", {"Name": "Rack"})
    customer = account(org)
    rack = make(org, "Asset", Name="Rack", AccountId=customer)
    make(
        org, "Asset", Name="Server", AccountId=customer, ParentId=rack, Status="Installed", SerialNumber="S-1"
    )

    assert refusal(alone) == (400, "FIELD_INTEGRITY_EXCEPTION")
    found = org.records(
        "SELECT Name, (SELECT Name, Status FROM ChildAssets) FROM Asset WHERE ParentId = null"
    )
    assert [child["Name"] for child in found[0]["ChildAssets"]["records"]] == ["Server"]


def test_an_asset_cannot_lie_in_itself(org):
    rack = make(org, "Asset", Name="Rack", AccountId=account(org))

    response = org.call("PATCH", f"{BASE}/sobjects/Asset/{rack}", {"ParentId": rack})

    assert refusal(response) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_person_is_in_a_team_once_and_naming_them_again_changes_their_role(org):
    customer, beth = account(org), org.user("beth.anglin@acme.example")
    member = {"AccountId": customer, "UserId": beth}
    first = make(org, "AccountTeamMember", **member, TeamMemberRole="Sales Rep")

    again = make(org, "AccountTeamMember", **member, TeamMemberRole="Account Manager")

    assert again == first
    team = org.records(
        f"SELECT TeamMemberRole, User.Email FROM AccountTeamMember WHERE AccountId = '{customer}'"
    )
    assert [(each["TeamMemberRole"], each["User"]["Email"]) for each in team] == [
        ("Account Manager", "beth.anglin@acme.example")
    ]


def test_posts_and_tasks_stand_on_accounts_and_assets(org):
    customer = account(org)
    rack = make(org, "Asset", Name="Rack", AccountId=customer)
    for place in (customer, rack):
        make(org, "FeedItem", ParentId=place, Body="Maintenance on Sunday")
        make(org, "Task", WhatId=place, Subject="Call the customer")

    assert len(org.records(f"SELECT Id FROM FeedItem WHERE ParentId = '{customer}'")) == 1
    assert len(org.records(f"SELECT Id FROM Task WHERE WhatId = '{rack}'")) == 1


def published(org):
    version = make(org, "Knowledge__kav", Title="VPN drops", UrlName="vpn-drops")
    online = {"publishStatus": "Online"}
    org.call("PATCH", f"{BASE}/knowledgeManagement/articleVersions/masterVersions/{version}", online)
    return org.records("SELECT KnowledgeArticleId FROM Knowledge__kav")[0]["KnowledgeArticleId"]


def test_attaching_an_article_twice_returns_the_record_there_is(org):
    case_id, article = org.create(Subject="VPN"), published(org)
    pair = {"CaseId": case_id, "KnowledgeArticleId": article}

    first, second = (make(org, "CaseArticle", **pair) for _ in range(2))

    assert first == second
    assert len(org.records(f"SELECT Id FROM CaseArticle WHERE CaseId = '{case_id}'")) == 1
    refused = org.call("PATCH", f"{BASE}/sobjects/CaseArticle/{first}", {"IsSharedByEmail": 1})
    assert refusal(refused)[0] == 400
    org.call("DELETE", f"{BASE}/sobjects/CaseArticle/{first}")
    assert make(org, "CaseArticle", **pair) != first


def test_a_draft_cannot_be_attached(org):
    case_id = org.create(Subject="VPN")
    make(org, "Knowledge__kav", Title="VPN drops", UrlName="vpn-drops")
    article = org.records("SELECT KnowledgeArticleId FROM Knowledge__kav")[0]["KnowledgeArticleId"]

    response = org.call(
        "POST", f"{BASE}/sobjects/CaseArticle", {"CaseId": case_id, "KnowledgeArticleId": article}
    )

    assert refusal(response) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_merged_account_is_deleted_with_the_name_of_what_it_became(org):
    winner, loser = account(org), account(org, "Burning GmbH", **{KEY: "b" * 32})
    make(org, "Contact", LastName="Archer", AccountId=loser)
    case_id = org.create(Subject="VPN", AccountId=loser)
    beth = org.user("beth.anglin@acme.example")
    for customer in (winner, loser):
        make(org, "AccountTeamMember", AccountId=customer, UserId=beth)

    org.platform.merge("Account", winner, [loser])

    gone = org.soql(f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{loser}'", "queryAll").data()[
        "records"
    ][0]
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    assert org.records(f"SELECT Id FROM Account WHERE Id = '{loser}'") == []
    assert org.case(case_id)["AccountId"] == winner
    assert org.records("SELECT AccountId FROM Contact")[0]["AccountId"] == winner
    assert len(org.records("SELECT Id FROM AccountTeamMember")) == 1
    written = org.call("PATCH", f"{BASE}/sobjects/Account/{loser}", {"Name": "Burning"})
    assert refusal(written) == (404, "ENTITY_IS_DELETED")


@pytest.mark.parametrize("losers", [0, 3])
def test_a_merge_takes_one_or_two_others(org, losers):
    winner, others = account(org), [account(org, str(number)) for number in range(losers)]

    with pytest.raises(ControlError, match="one or two"):
        org.platform.merge("Account", winner, others)


def mail(**fields):
    return {"emailAddresses": "alice@example.com", "emailSubject": "Change", "emailBody": "Sunday", **fields}


def test_an_email_is_sent_and_kept_for_people_alone(org):
    customer = account(org)
    answer = org.call("POST", MAIL, {"inputs": [mail(relatedRecordId=customer)]})

    assert answer.status == 200
    assert answer.data() == [
        {"actionName": "emailSimple", "errors": None, "isSuccess": True, "outputValues": None}
    ]
    [sent] = org.platform.rows("SentEmail")
    assert (sent["Recipients"], sent["Subject"], sent["Body"]) == ("alice@example.com", "Change", "Sunday")
    assert (sent["Sender"], sent["RelatedRecordId"]) == (org.credentials.username, customer)
    assert refusal(org.soql("SELECT Id FROM SentEmail")) == (400, "INVALID_TYPE")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"emailSubject": ""}, "REQUIRED_FIELD_MISSING"),
        ({"emailBody": None}, "REQUIRED_FIELD_MISSING"),
        ({"emailAddresses": ""}, "REQUIRED_FIELD_MISSING"),
        ({"emailAddresses": "alice"}, "INVALID_EMAIL_ADDRESS"),
        ({"emailAddressesArray": [f"bob{n}@example.com" for n in range(5)]}, "LIMIT_EXCEEDED"),
    ],
)
def test_an_email_that_cannot_go_says_why_and_the_others_go(org, changed, code):
    answer = org.call("POST", MAIL, {"inputs": [mail(**changed), mail()]})

    first, second = answer.data()
    assert (answer.status, first["isSuccess"], second["isSuccess"]) == (400, False, True)
    assert [error["statusCode"] for error in first["errors"]] == [code]
    assert len(org.platform.rows("SentEmail")) == 1


def test_the_day_has_only_so_many_emails(org):
    org.platform.set_up({"daily_emails": 1})
    org.call("POST", MAIL, {"inputs": [mail()]})

    refused = org.call("POST", MAIL, {"inputs": [mail()]}).data()[0]
    org.clock.advance(seconds=25 * 3600)
    org.log_in()

    assert refused["errors"][0]["statusCode"] == "SINGLE_EMAIL_LIMIT_EXCEEDED"
    assert org.call("POST", MAIL, {"inputs": [mail()]}).status == 200


def test_actions_are_listed_and_an_unknown_one_is_not_there(org):
    listed = org.call("GET", f"{BASE}/actions/standard").data()["actions"]

    assert "emailSimple" in [action["name"] for action in listed]
    assert refusal(org.call("POST", f"{BASE}/actions/standard/emailAll", {"inputs": []}))[0] == 404
    assert refusal(org.call("POST", MAIL, {"inputs": "all"}))[0] == 400
