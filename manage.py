#!/usr/bin/env python
"""Django's command line, for this project."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A missing key or a malformed variable: the sentence says what to do, a traceback would bury it.
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
