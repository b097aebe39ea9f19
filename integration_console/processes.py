"""Children that end with their parent, however it ends, and take their own children with them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")
MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
_POLL = 0.05  # seconds


def told_to_stop() -> bool:
    """Whether the leash that this process is on, if any, was told to stop. Cheap, and safe to ask from any thread."""
    notice = os.environ.get("STOP_FD", "")
    return bool(notice) and bool(select.select([int(notice)], [], [], 0)[0])


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(MANAGE), *arguments]


class Child:
    """A command in a session of its own, on a leash: a terminal's Ctrl-C reaches only us, and we end it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        pipe: bool = False,
        log: Path | None = None,
    ) -> None:
        """`pipe`: its stdout can be read as `output`. `log`: whatever else it prints goes there instead of here."""
        self.name = name
        end, self._lifeline = os.pipe()
        sink = log.open("ab") if log else None
        self._process = subprocess.Popen(  # noqa: S603 (the console's own command line)
            [sys.executable, "-I", "-S", str(LEASH), str(end), *command],
            pass_fds=[end],
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else sink,
            stderr=sink,
            start_new_session=True,
            text=True,
        )
        os.close(end)
        if sink:
            sink.close()

    @property
    def pid(self) -> int:
        """Of the leash, which is also the id of the process group."""
        return self._process.pid

    @property
    def output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def ended(self) -> bool:
        """Whether the command has ended; if so, whatever it left behind in its group is killed."""
        if self._process.returncode is not None:
            return True
        # Not reaped yet: as long as the leash is a zombie, its group id can be nobody else's.
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._kill_group()
        self._process.wait()
        return True

    @property
    def status(self) -> int | None:
        return self._process.returncode

    def stop(self, *, grace: float) -> bool:
        """Ask it to end, wait `grace` seconds, then kill its group. True if it ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.returncode is None:
                os.kill(self.pid, signal.SIGTERM)
        clean = self.wait(grace)
        if not clean:
            self._kill_group()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
        return clean

    def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return True

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
