"""Write SECRET_KEY and ENCRYPTION_KEYS into .env, once: a key that is there is never replaced.

Standard library alone. A lost encryption key is lost data, so with a database already in place a missing
ENCRYPTION_KEYS is an error, not a reason to make a new one.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def names_set(text: str) -> set[str]:
    lines = (line.strip().removeprefix("export ") for line in text.splitlines())
    return {
        name.strip()
        for name, equals, value in (line.partition("=") for line in lines if not line.startswith("#"))
        if equals and value.strip()
    }


def new_keys() -> dict[str, str]:
    key = base64.b64encode(os.urandom(32)).decode()
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": f"k{datetime.now(UTC):%Y%m%d}:{key}",
    }


def main(env_file: Path, database: Path) -> int:
    text = env_file.read_text() if env_file.exists() else ""
    present = names_set(text) | {name for name, value in os.environ.items() if value}
    missing = {name: value for name, value in new_keys().items() if name not in present}
    if "ENCRYPTION_KEYS" in missing and database.exists():
        sys.stderr.write(
            f"{env_file.name} holds no ENCRYPTION_KEYS, but {database.name} exists and was encrypted with one: "
            "restore the key, or move the database away to begin anew.\n"
        )
        return 2
    if not missing:
        return 0
    if text and not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}={value}\n" for name, value in missing.items())
    # Opened with its final mode: the keys are at no moment readable by others.
    new = env_file.with_name(env_file.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    new.replace(env_file)
    sys.stderr.write(
        f"Wrote {' and '.join(missing)} to {env_file.name}: keep a copy of it where you keep secrets.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(ROOT / ".env", ROOT / "db.sqlite3"))
