"""Keys and nonces never come twice."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sync.entropy import random_bytes

ROOT = Path(__file__).resolve().parents[1]


def test_bytes_are_not_given_out_twice_across_refills_and_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(random_bytes, [12] * 4000))

    assert {len(part) for part in drawn} == {12}
    assert len(set(drawn)) == 4000


# Draws before and after a fork and prints what both sides hold; in a process of its own, because ours has threads.
FORKING = """
import os
from sync.entropy import random_bytes
random_bytes(12)
child = os.fork()
os.write(1, random_bytes(12).hex().encode() + b" ")
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_child_draws_other_bytes_than_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert len(set(done.stdout.split())) == 2
