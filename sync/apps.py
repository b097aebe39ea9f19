from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "sync"
    verbose_name = "Synchronise"

    def ready(self) -> None:
        from sync import signals  # noqa: F401 (importing connects them)
