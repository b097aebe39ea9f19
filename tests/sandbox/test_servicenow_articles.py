"""Versions of knowledge articles in ServiceNow: rows of one article_id."""

import pytest

from tests.sandbox.test_dialects import Instance


@pytest.fixture
def here():
    return Instance()


def versions(here, article):
    rows = [row for row in here.platform.rows("kb_knowledge") if row["article_id"] == article["article_id"]]
    return [(row["version"], row["workflow_state"], row["latest"]) for row in rows]


def test_each_version_is_a_row_under_one_article_id_and_number(here):
    first = here.platform.add("kb_knowledge", {"short_description": "VPN", "workflow_state": "published"})
    assert len(first["article_id"]) == 32
    assert first["published"]

    second = here.platform.add(
        "kb_knowledge", {"short_description": "VPN", "article_id": first["article_id"]}
    )
    assert (second["number"], second["article_id"]) == (first["number"], first["article_id"])
    assert second["sys_id"] != first["sys_id"]
    assert versions(here, first) == [("1", "published", "false"), ("2", "draft", "true")]

    here.platform.edit("kb_knowledge", second["sys_id"], {"workflow_state": "published"})
    assert versions(here, first) == [("1", "outdated", "false"), ("2", "published", "true")]


def test_retiring_an_article_leaves_its_older_versions_as_they_are(here):
    first = here.platform.add("kb_knowledge", {"workflow_state": "published"})
    second = here.platform.add(
        "kb_knowledge", {"article_id": first["article_id"], "workflow_state": "published"}
    )
    here.platform.edit("kb_knowledge", second["sys_id"], {"workflow_state": "retired"})
    assert versions(here, first) == [("1", "outdated", "false"), ("2", "retired", "true")]
