"""A migrated SQLite database for tests to begin with: migrated once, then copied.

Several processes test side by side, each on a database of its own, and migrating one takes longer than most test files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent


def migrated() -> Path:
    """The file to copy. Whoever comes first makes it, the others wait; it lasts until a migration or a model changes."""
    path = Path(tempfile.gettempdir()) / f"console-migrated-{_fingerprint()}.sqlite3"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _migrate(path)
    return path


def copied(target: Path) -> None:
    remove(target)
    shutil.copyfile(migrated(), target)


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _migrate(path: Path) -> None:
    """In a process of its own, under a name of its own until it is whole."""
    begun = path.with_name(f"{path.name}.{os.getpid()}")
    world = {**os.environ, "DATABASE_URL": f"sqlite:///{begun}", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=world, check=True)
    begun.rename(path)


def _fingerprint() -> str:
    """Of all that decides what is in a migrated database: migrations of every app, and our own models and roles."""
    found = hashlib.sha256(f"{django.get_version()} {ROOT}".encode())
    for app in apps.get_app_configs():
        folder = Path(app.path)
        ours = ROOT in folder.parents and ".venv" not in folder.parts
        for file in sorted(folder.rglob("*.py") if ours else folder.glob("migrations/*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()[:16]
