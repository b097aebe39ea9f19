"""One platform behind HTTPS on loopback: HTTP/1.1 with keep-alive, a thread for each connection.

Headers are parsed by hand, because `http.server` spends longer on them than the platforms on their answers.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from http import HTTPStatus

from sync.sandbox.compression import compressed
from sync.sandbox.faults import Faults
from sync.sandbox.gate import Admission, ConnectionCutError, Gate, Handler, everybody
from sync.sandbox.platform import Platform
from sync.sandbox.wire import Request, Response

BACKLOG = 512
MAX_HEAD = 256 * 1024
MAX_BODY = 160 * 1024 * 1024  # above every limit of the platforms, which answer for themselves
_GLANCE = 0.05  # seconds between two looks at whether a caller on hold has left
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class _BadRequest(Exception):
    """What came is not HTTP/1.1."""


class SandboxServer:
    """Binds at once, so that its URL is known before its platform is built; serves after `start`."""

    def __init__(self, tls: ssl.SSLContext, port: int = 0) -> None:
        self.gate = Gate()
        self._tls = tls
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._listener.settimeout(0.5)  # the accept loop looks up even where nothing else can wake it
        self._acceptor: threading.Thread | None = None

    @property
    def faults(self) -> Faults:
        return self.gate.faults

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self, platform: Platform, control: Handler, admit: Admission = everybody) -> None:
        """Serve from now on; see `Gate.open`."""
        self.gate.open(platform, control, admit)
        self._acceptor = threading.Thread(target=self._accept, name=f"sandbox-{platform.name}", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Stop accepting, cut every open connection, and wait for the accept loop to end."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept loop, where the system allows it
        if self._acceptor:
            self._acceptor.join(timeout=5)
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        connection = raw
        with self._lock:
            self._open.add(raw)
        try:
            raw.setblocking(True)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._open = (self._open - {raw}) | {connection}
            connection.do_handshake()
            self._converse(connection)
        except ConnectionCutError:
            # Without lingering, close sends RST: the client sees a reset, not an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # the client hung up, spoke no TLS, or the server is closing
        finally:
            with self._lock:
                self._open.discard(connection)
                self._open.discard(raw)
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        reader, line = _Reader(connection), _SocketLine(connection, self._closing)
        while not self._closing.is_set():
            try:
                received = reader.next_request()
            except _BadRequest as error:
                connection.sendall(_encode(Response.text(str(error), 400), head_only=False, keep=False))
                return
            if received is None:
                return
            request, target, keep = received
            response = self.gate.answer(request, target, line)
            answer = compressed(request, response)
            connection.sendall(_encode(answer, head_only=request.method == "HEAD", keep=keep))
            if not keep:
                return


class _SocketLine:
    """Waiting on one connection: real time, cut short when the server closes."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def wait(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def hold(self, seconds: float) -> None:
        """A caller who waits says nothing more: whatever can be read now is their farewell."""
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            while not self._closing.is_set() and (left := end - time.monotonic()) > 0:
                if selector.select(min(left, _GLANCE)):
                    return


class _Reader:
    """Reads requests from one connection; what came after a request stays for the next."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def next_request(self) -> tuple[Request, str, bool] | None:
        """The request, its raw target and whether to keep the connection; None when the client has left."""
        head = self._until(b"\r\n\r\n", MAX_HEAD)
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _BadRequest("Bad request line")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        keep = parts[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if headers.get("expect", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body(headers)
        try:
            return Request.build(parts[0], parts[1], headers=headers, body=body), parts[1], keep
        except ValueError as error:  # of urlsplit, for a bracket that is never closed
            raise _BadRequest("Bad request target") from error

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            raise _BadRequest("Bad Content-Length")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            line = self._until(b"\r\n", 1024) or b"0"
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise _BadRequest("Bad chunk") from error
            if size < 0:
                raise _BadRequest("Bad chunk")
            if len(body) + size > MAX_BODY:
                raise _BadRequest("Body too large")
            body += self._exactly(size)
            self._until(b"\r\n", 1024)
            if size == 0:
                return bytes(body)

    def _until(self, mark: bytes, limit: int) -> bytes | None:
        start = 0
        while (end := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > limit:
                raise _BadRequest("Header too large")
            start = max(0, len(self._buffer) - len(mark))
            if not self._more():
                return None
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise ConnectionResetError("the client left in mid-body")
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _more(self) -> bool:
        data = self._connection.recv(65536)
        self._buffer += data
        return bool(data)


def _encode(response: Response, *, head_only: bool, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in (204, 304):
        lines.append(f"Content-Length: {len(response.body)}")
    lines.append("Connection: keep-alive" if keep else "Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return head if head_only or response.status in (204, 304) else head + response.body
