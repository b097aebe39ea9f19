"""What records hold is nowhere to be read without the key: not in the database, not in the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.apps import apps
from django.db import connection

from sync.models import DeadLetter, Event, Flow
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.dialect import ValidationRule
from tests.engine.conftest import run_now

WRITES = {"method": "(POST|PATCH)", "path": "composite/sobjects$"}


def stored() -> str:
    """All that our tables hold, as somebody with the file would read it."""
    names = [
        model._meta.db_table
        for label in ("sync", "mappings", "django_q")
        for model in apps.get_app_config(label).get_models()
    ]
    with connection.cursor() as cursor:
        rows = [row for name in names for row in cursor.execute(f"SELECT * FROM {name}").fetchall()]  # noqa: S608
    return "\n".join(str(value) for row in rows for value in row)


def test_no_value_and_no_credential_stands_in_the_clear(
    make_flow: Callable[..., Flow], pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    flow = make_flow()
    rule = ValidationRule("Case", "Subject", "Hush refused", "Hush, not that.")
    pair.salesforce.platform.dialect = replace(pair.salesforce.platform.dialect, validation_rules=(rule,))
    incident = pair.servicenow.add("incident", short_description="Hush", description="Hush, all of it")
    pair.servicenow.add("incident", short_description="Hush refused")
    pair.servicenow.platform.migrate("incident", {"short_description": "Odd", "state": "Hush state"})
    run_now(flow, mode="dry")
    run_now(flow)
    (case,) = pair.salesforce.rows("Case")
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Hush, theirs")
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Hush again")
    pair.salesforce.fault("reset_after", **WRITES)
    run_now(flow)
    body = '[{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot read Hush as a number"}]'
    pair.salesforce.fault("status", status=400, body=body, times=0, **WRITES)
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Hush once more")
    run_now(flow)

    assert DeadLetter.objects.count() == 3
    assert any("Hush" in str(event.detail) for event in Event.objects.all())
    told = stored() + caplog.text
    assert "Hush" not in told
    for held in (pair.credentials.servicenow, pair.credentials.salesforce):
        assert held.client_secret not in told
