"""A mail server on a real socket, which refuses whom it is told to and keeps what it takes."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class PostOffice:
    """`refuses`: address -> the answers to its next RCPTs, the last of them for good. `taken`: recipients and text of each
    message. `hangs_up`: takes the next message and does not say so. `meanwhile`: done once, before the next one is answered."""

    port: int = 0
    refuses: dict[str, list[str]] = field(default_factory=dict)
    taken: list[tuple[list[str], str]] = field(default_factory=list)
    hangs_up: bool = False
    meanwhile: Callable[[], None] | None = None

    def answer(self, address: str) -> str:
        answers = self.refuses.get(address, ["250 OK"])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def received(self, address: str) -> int:
        return sum(recipients.count(address) for recipients, _ in self.taken)


@contextmanager
def post_office() -> Iterator[PostOffice]:
    office = PostOffice()

    class Exchange(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 post office")
            recipients: list[str] = []
            for line in iter(self._heard, ""):
                verb = line.upper()
                if verb.startswith("RCPT TO:"):
                    address = line[8:].split(" ")[0].strip("<>")
                    told = office.answer(address)
                    recipients += [address] if told.startswith("250") else []
                    self._say(told)
                elif verb == "DATA":
                    self._say("354 go on")
                    office.taken.append((recipients, "\n".join(iter(self._heard, "."))))
                    if office.meanwhile is not None:
                        deed, office.meanwhile = office.meanwhile, None
                        deed()
                    if office.hangs_up:
                        office.hangs_up = False
                        return
                    self._say("250 taken")
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 OK")

        def _heard(self) -> str:
            """A line without its end; a blank one within a message is a space."""
            line = self.rfile.readline()
            return (line.decode().rstrip("\r\n") or " ") if line else ""

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Exchange) as server:
        office.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield office
        server.shutdown()
        thread.join()
