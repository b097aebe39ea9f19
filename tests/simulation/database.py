"""A database of one's own for a simulation that is not run by pytest: in memory, migrated, gone with the process."""

from __future__ import annotations

import os


def set_up() -> None:
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
