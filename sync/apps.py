from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "sync"
    verbose_name = "Synchronise"

    def ready(self) -> None:
        from sync import signals  # noqa: F401 (importing connects them)
        from sync.encryption import keyring

        keyring()  # malformed keys stop every process here, not the first page that opens a secret
