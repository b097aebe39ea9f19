"""Where a demo lives: a directory of its own, a free port, an environment that leaves the real installation alone."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Mapping
from itertools import count
from pathlib import Path

MARK = "INTEGRATION_CONSOLE_DEMO"  # the demo's directory, in the environment of its own process and children


def claim_directory(parent: Path) -> Path:
    """`demo`, or `demo-2` … where another demo runs; claimed by a lock that ends with this process."""
    for number in count(1):
        directory = parent / ("demo" if number == 1 else f"demo-{number}")
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        os.set_inheritable(lock, True)  # held on through exec; children close it
        return directory
    raise AssertionError("unreachable")


def environment(directory: Path, present: Mapping[str, str]) -> dict[str, str]:
    """The present environment, with the demo's database and plain HTTP on loopback; the keys stay those of .env."""
    return {
        **present,
        MARK: str(directory),
        "DATABASE_URL": f"sqlite:///{directory / 'demo.sqlite3'}",
        "REDIS_URL": "",
        "HTTPS": "false",
        "DEBUG": "false",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
        "CSRF_TRUSTED_ORIGINS": "",
        "TRUSTED_PROXIES": "",
        "PUBLIC_URL": "",
        "EMAIL_URL": "consolemail://",
        "CONNECTION_ALLOWED_HOSTS": "127.0.0.1,localhost",
    }


def forget_database(directory: Path) -> bool:
    """Remove the last demo's database; True if there was one. Its records were those of a sandbox that is gone."""
    files = list(directory.glob("demo.sqlite3*"))
    for file in files:
        file.unlink()
    return bool(files)


def free_port(wanted: int) -> int:
    """`wanted` if nothing listens there, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("No free port on 127.0.0.1.")
