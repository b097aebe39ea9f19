from dataclasses import dataclass, field

import pytest

from sync.sandbox.counters import Counters
from sync.sandbox.wire import BadJson, Request, Response, Router


@dataclass
class Desk:
    counters: Counters = field(default_factory=Counters)


ROUTER: Router[Desk] = Router(
    not_found=lambda desk, request: Response.text("nothing here", 404),
    wrong_method=lambda desk, request: Response.text("not so", 405),
)


@ROUTER.route("GET", "/rows/{table}/{name}")
def show(desk: Desk, request: Request, table: str, name: str) -> Response:
    return Response.json([table, name, dict(request.query)])


@ROUTER.route("PUT|PATCH", "/rows/{table}/{name}")
def change(desk: Desk, request: Request, table: str, name: str) -> Response:
    return Response.json(request.json())


def ask(desk: Desk, method: str, target: str, body: bytes = b"") -> Response:
    return ROUTER.dispatch(desk, Request.build(method, target, body=body))


def test_path_parameters_are_decoded_and_the_last_of_repeated_query_names_wins():
    answer = ask(Desk(), "GET", "/rows/in%20cident/a%2Fb?x=1&x=2&empty=")

    assert answer.data() == ["in cident", "a/b", {"x": "2", "empty": ""}]


def test_several_methods_share_a_handler():
    assert ask(Desk(), "PATCH", "/rows/a/b", b'{"n":1}').data() == {"n": 1}
    assert ask(Desk(), "PUT", "/rows/a/b", b"[]").data() == []


def test_the_platform_answers_for_unknown_paths_and_methods():
    assert ask(Desk(), "GET", "/other").status == 404
    assert ask(Desk(), "DELETE", "/rows/a/b").status == 405


def test_calls_are_counted_by_method_and_template():
    desk = Desk()
    ask(desk, "GET", "/rows/a/1")
    ask(desk, "GET", "/rows/a/2")
    ask(desk, "GET", "/other")

    assert desk.counters.snapshot().by_route == {"GET /rows/{table}/{name}": 2, "GET ?": 1}


def test_a_second_handler_for_a_route_is_an_error():
    with pytest.raises(ValueError, match="has a handler already"):
        ROUTER.route("GET", "/rows/{table}/{name}")(show)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b""])
def test_a_body_that_is_not_json_is_named(body):
    with pytest.raises(BadJson):
        Request.build("POST", "/", body=body).json()


def test_a_form_body_keeps_empty_fields():
    request = Request.build("POST", "/", body=b"grant_type=password&username=&password=a%2Bb")

    assert request.form() == {"grant_type": "password", "username": "", "password": "a+b"}
