"""Keys are made once, readable by their owner alone, and never again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from sync.encryption import parse_keys
from sync.management.base import CannotRun, readable_failures

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path) -> Path:
    """An empty project with the script that makes keys."""
    (tmp_path / "scripts").mkdir()
    script = (ROOT / "scripts" / "make_env.py").read_text()
    (tmp_path / "scripts" / "make_env.py").write_text(script)
    return tmp_path


def make_env(project: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "scripts" / "make_env.py")],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def written(project: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (project / ".env").read_text().splitlines() if "=" in line)


def test_a_new_project_gets_keys_that_work_and_nobody_else_can_read(project):
    assert make_env(project).returncode == 0

    assert len(parse_keys(written(project)["ENCRYPTION_KEYS"])) == 1
    assert len(written(project)["SECRET_KEY"]) > 40
    assert (project / ".env").stat().st_mode & 0o777 == 0o600


def test_keys_are_never_made_a_second_time(project):
    make_env(project)
    before = (project / ".env").read_bytes()

    assert make_env(project).returncode == 0

    assert (project / ".env").read_bytes() == before


def test_what_the_file_holds_already_stays(project):
    (project / ".env").write_text("# of Alice\nSECRET_KEY=mine\nHTTPS=true")

    make_env(project)

    assert (
        (project / ".env").read_text().startswith("# of Alice\nSECRET_KEY=mine\nHTTPS=true\nENCRYPTION_KEYS=")
    )


def test_keys_of_the_environment_are_not_shadowed(project):
    assert make_env(project, SECRET_KEY="mine", ENCRYPTION_KEYS="k:abc").returncode == 0

    assert not (project / ".env").exists()


def test_a_lost_key_of_an_existing_database_is_not_replaced(project):
    (project / "db.sqlite3").touch()

    ended = make_env(project)

    assert ended.returncode == 2
    assert "restore the key" in ended.stderr


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. Run `make setup`"),
        ({"ENCRYPTION_KEYS": "k:abc"}, "ENCRYPTION_KEYS: entry 1 must be id:base64 of exactly 32 bytes"),
        ({"ENCRYPTION_KEYS": ""}, "ENCRYPTION_KEYS is not set."),
    ],
    ids=str,
)
def test_a_command_without_its_keys_says_so_and_ends_with_2(environ, sentence):
    ended = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "rotate_keys"],
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:", **environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_web_does_not_start_with_keys_that_open_nothing():
    ended = subprocess.run(
        [sys.executable, "-c", "import integration_console.wsgi"],
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:", "ENCRYPTION_KEYS": "k:abc",
             "DJANGO_SETTINGS_MODULE": "integration_console.settings"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode != 0
    assert "must be id:base64 of exactly 32 bytes" in ended.stderr


def test_a_database_that_is_not_migrated_is_told(tmp_path):
    ended = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "run_flow", "incidents-to-cases"],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.strip() == "The database is not migrated: run manage.py migrate."


def test_an_unsuitable_python_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "environment"
    script.write_text((ROOT / "scripts" / "environment").read_text())
    script.chmod(0o755)
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)

    ended = subprocess.run(
        [str(script)], env={"PATH": os.environ["PATH"], "PYTHON": str(old)}, capture_output=True, text=True, check=False
    )  # fmt: skip

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "The console needs Python 3.11, 3.12 or 3.13, and found Python 3.9.2: "
        "install one, or name it with make PYTHON=/path/to/python."
    ]
    assert not (tmp_path / ".venv").exists()


def test_a_python_that_is_not_there_is_named(tmp_path):
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "environment"
    script.write_text((ROOT / "scripts" / "environment").read_text())
    script.chmod(0o755)

    ended = subprocess.run(
        [str(script)], env={"PATH": os.environ["PATH"], "PYTHON": "/no/such/python"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 2
    assert "and found no /no/such/python: install one" in ended.stderr


def test_a_disk_without_room_for_sqlites_log_is_told():
    with pytest.raises(CannotRun, match="full or failing"), readable_failures():
        raise OperationalError("disk I/O error")
