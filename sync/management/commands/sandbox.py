"""`manage.py sandbox`: the sandbox pair alone."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sync.sandbox import cli


class Command(BaseCommand):
    help = "Serve a simulated ServiceNow and Salesforce over TLS on loopback until Ctrl-C."
    requires_system_checks = []  # the pair needs neither database nor keys

    def add_arguments(self, parser: CommandParser) -> None:
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        status = cli.serve(argparse.Namespace(**options))
        if status:
            sys.exit(status)
