"""The console in one encrypted file: what is in it, how it is written from one snapshot, how an empty console reads it.

    catalog  which tables and columns, and what is left out and why
    sealed   the file: a clear header, then frames that cannot be altered, reordered or cut off unnoticed
    saving   database -> file
    restoring  file -> database

docs/backup.md tells operators; docs/decisions/0021 tells why the file is what it is, 0022 what a restored base is worth.
"""
