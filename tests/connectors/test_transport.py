"""What the transport holds back, whatever a server does: cookies, endless answers, endless waits."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sync.connectors import http
from sync.connectors.base import Profile
from sync.connectors.http import Purpose, Transport
from sync.connectors.parallel import Workers
from sync.connectors.retry import Retry
from sync.connectors.servicenow.dialect import ServiceNowDialect
from sync.core.records import Side
from sync.errors import BudgetSpentError, OutcomeUnknownError, RateLimitError, TransientError
from sync.sandbox.authority import make_authority

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"


@contextmanager
def scripted(
    folder: Path, *scripts: Callable[[socket.socket], None]
) -> Iterator[tuple[Transport, list[bytes]]]:
    """A TLS server that plays one script for each connection, and a transport that reaches it."""
    authority = make_authority()
    tls, heads = authority.server_context(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for script in scripts:
                raw, _ = listener.accept()
                with tls.wrap_socket(raw, server_side=True) as connection:
                    try:
                        while head := connection.recv(65536):
                            heads.append(head)
                            script(connection)
                    except OSError:
                        pass

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        profile = Profile(
            "Acme",
            Side.SERVICENOW,
            f"https://127.0.0.1:{listener.getsockname()[1]}",
            "basic",
            ca_bundle=str(authority.write_ca(folder)),
            allowed_hosts=("127.0.0.1",),
            timeout=(2.0, 0.5),
        )
        transport = Transport(profile, ServiceNowDialect(), lambda call: None)
        yield transport, heads
        transport.close()
        server.join(5)


def test_cookies_are_neither_kept_nor_sent(tmp_path: Path) -> None:
    def give_cookie(connection: socket.socket) -> None:
        connection.sendall(OK + b"Set-Cookie: JSESSIONID=1; Path=/\r\n\r\n{}")

    with scripted(tmp_path, give_cookie) as (transport, heads):
        for _ in range(3):
            transport.request("GET", transport.origin + "/x")

    assert len(heads) == 3
    assert not any(b"cookie" in head.lower() for head in heads)


def test_an_answer_that_drips_for_ever_is_cut(tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b" " * 10)
            time.sleep(0.05)

    with scripted(tmp_path, drip) as (transport, _):
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError, match="did not answer in time"):
            transport.request("POST", transport.origin + "/x", purpose=Purpose.WRITE, data=b"{}")
        assert time.monotonic() - started < 3


def test_an_answer_that_is_too_large_is_cut(tmp_path: Path) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(2 * http.MAX_ANSWER_BYTES // 0x100000):
            connection.sendall(block)

    with scripted(tmp_path, flood) as (transport, _):
        transport.profile = Profile(**{**_fields(transport.profile), "timeout": (2.0, 30.0)})
        with pytest.raises(TransientError):
            transport.request("GET", transport.origin + "/x")


def _fields(profile: Profile) -> dict[str, object]:
    return {name: getattr(profile, name) for name in Profile.__slots__}


def test_a_body_shorter_than_announced_is_unknown_for_a_write(tmp_path: Path) -> None:
    def stop_short(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{"result":{}}')
        connection.close()

    with scripted(tmp_path, stop_short) as (transport, _), pytest.raises(OutcomeUnknownError):
        transport.request("POST", transport.origin + "/x", purpose=Purpose.WRITE, data=b"{}")


def test_a_compressed_answer_in_chunks_is_read_whole_and_its_connection_kept(tmp_path: Path) -> None:
    body = gzip.compress(b'{"result":[' + b"1," * 50_000 + b"1]}")

    def compressed(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 7):
            part = body[start : start + 7]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")

    with scripted(tmp_path, compressed) as (transport, heads):
        answers = [transport.request("GET", transport.origin + "/x").data for _ in range(3)]

    assert [len(answer["result"]) for answer in answers] == [50_001] * 3
    assert len(heads) == 3


def test_chunks_that_stop_without_their_end_are_no_answer(tmp_path: Path) -> None:
    def stop_short(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        connection.close()

    with scripted(tmp_path, stop_short) as (transport, _), pytest.raises(OutcomeUnknownError):
        transport.request("POST", transport.origin + "/x", purpose=Purpose.WRITE, data=b"{}")


def test_a_header_that_cannot_be_sent_does_not_show_its_secret(tmp_path: Path) -> None:
    with scripted(tmp_path) as (transport, _), pytest.raises(Exception) as caught:  # noqa: PT011
        transport.request("GET", transport.origin + "/x", headers={"Authorization": "Bearer se\ncret"})
    assert getattr(caught.value, "code", "") == "bad_request"
    assert "cret" not in str(caught.value)


def test_pauses_grow_and_the_servers_wish_comes_first() -> None:
    pauses: list[float] = []
    faults = iter([TransientError("a"), TransientError("b"), RateLimitError("c", retry_after=20.0)])

    def read() -> str:
        for fault in faults:
            raise fault
        return "read"

    assert Retry(sleep=pauses.append, draw=lambda: 1.0).run(read) == "read"
    assert pauses == [0.5, 1.0, 22.0]


@pytest.mark.parametrize("fault", [RateLimitError("slow", retry_after=31.0), BudgetSpentError("spent")])
def test_a_long_wait_is_left_to_the_schedule(fault: TransientError) -> None:
    pauses: list[float] = []

    def read() -> None:
        raise fault

    with pytest.raises(type(fault)):
        Retry(sleep=pauses.append).run(read)
    assert pauses == []


def test_a_stream_draws_its_input_no_faster_than_it_is_served() -> None:
    workers, gate, drawn = Workers(2, "test"), threading.Event(), []

    def numbers() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    def work(number: int) -> list[int]:
        assert gate.wait(5)
        return [number]

    with ThreadPoolExecutor(1) as threads:
        results = threads.submit(lambda: list(workers.stream(work, numbers())))
        ready = threading.Event()
        while len(drawn) < 2 and not ready.wait(0.005):
            pass
        assert len(drawn) == 2
        gate.set()
        assert sorted(results.result(5)) == list(range(100))
    workers.close()
