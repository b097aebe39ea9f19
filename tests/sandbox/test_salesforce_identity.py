"""Who a token's user is, and how a SOAP client leaves: what jsforce asks besides data."""

import re
from urllib.parse import urlsplit

from sync.sandbox.wire import Request
from tests.sandbox.salesforce_org import BASE, InProcess

SOAP = "/services/Soap/u/60.0"


def soap(org, header, body):
    envelope = f"<e:Envelope><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
    return org.platform.handle(Request.build("POST", SOAP, body=envelope.encode()))


def logged_in(org):
    credentials = org.credentials
    password = credentials.password + credentials.security_token
    login = f"<login><username>{credentials.username}</username><password>{password}</password></login>"
    return re.search("<sessionId>(.*?)</sessionId>", soap(org, "", login).body.decode())[1]


def session(token):
    return f"<SessionHeader><sessionId>{token}</sessionId></SessionHeader>"


def test_the_id_of_a_token_answer_leads_to_its_user():
    org = InProcess()
    path = urlsplit(org.login().data()["id"]).path
    found = org.call("GET", path).data()
    assert found["username"] == org.credentials.username
    assert found["user_id"] == org.user(org.credentials.username)

    by_query = org.platform.handle(Request.build("GET", f"{path}?oauth_token={org.token}"))
    assert by_query.data() == found
    assert org.platform.handle(Request.build("GET", f"{path}?oauth_token=x")).status == 403


def test_a_soap_client_logs_out():
    org = InProcess()
    org.token = logged_in(org)
    assert org.call("GET", f"{BASE}/limits").status == 200
    assert soap(org, session(org.token), '<logout xmlns="urn:partner.soap.sforce.com"/>').status == 200
    assert org.call("GET", f"{BASE}/limits").status == 401

    again = soap(org, session(org.token), "<logout/>")
    assert (again.status, b"INVALID_SESSION_ID" in again.body) == (500, True)


def test_other_soap_calls_are_not_taken_for_a_login():
    org = InProcess()
    answer = soap(org, session(org.token), "<getUserInfo/>")
    assert answer.status == 500
    assert b"No operation available for request getUserInfo" in answer.body
