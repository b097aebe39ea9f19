"""The console's settings for tests, complete without a .env file; the shell's DATABASE_URL and REDIS_URL hold.

Set in the environment rather than here, so that processes started by a test read the same.
"""

import os
import tempfile
from pathlib import Path

SCRATCH = Path(tempfile.gettempdir())
ENVIRONMENT = {
    "SECRET_KEY": "for tests alone",
    "ENCRYPTION_KEYS": "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "DATABASE_URL": f"sqlite:///{SCRATCH / 'console.sqlite3'}",
    "REDIS_URL": "",
    "CONNECTION_ALLOWED_HOSTS": "127.0.0.1,localhost",
    "TIME_ZONE": "UTC",
    "DEBUG": "false",
    "HTTPS": "false",
}
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)

from integration_console.settings import *  # noqa: E402, F403
from integration_console.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, because threads and child processes cannot share a database in memory; one for each test process.
    DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH / f"console-tests-{os.getpid()}.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
