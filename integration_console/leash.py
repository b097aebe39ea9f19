"""Run a command that must not outlive whoever asked for it: `leash.py FD COMMAND...`. Standard library alone.

FD is the reading end of a pipe whose writing end the asker holds. The kernel closes that end however the asker dies,
SIGKILL included; then the command is told to stop, and after a moment the whole process group is killed. The command's
own children (a task queue has many) are in that group, so none is left to work on unseen.

The command and its children inherit the reading end of a second pipe, whose number is in STOP_FD: it comes to its end
once the command is told to stop, so that a process deep down in the family, which hears no signal, can see it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 3.0


def main(lifeline: int, command: list[str]) -> int:
    """Return the command's exit status; 128 + n if signal n ended it, as shells do."""
    told_to_stop = threading.Event()
    ended, orphaned = threading.Event(), threading.Event()
    children: list[subprocess.Popen[bytes]] = []

    notice, telling = os.pipe()

    def stop(*_: object) -> None:
        if not told_to_stop.is_set():
            told_to_stop.set()
            os.close(telling)
        for child in children:
            child.terminate()

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        orphaned.set()
        stop()
        ended.wait(GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)  # ourselves included

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    environ = {**os.environ, "STOP_FD": str(notice)}
    children.append(
        subprocess.Popen(command, pass_fds=[notice], env=environ)  # noqa: S603 (the console's own command line)
    )
    if told_to_stop.is_set():
        stop()
    threading.Thread(target=watch, daemon=True).start()
    status = children[0].wait()
    ended.set()
    while orphaned.is_set():
        signal.pause()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
