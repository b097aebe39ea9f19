"""Articles as their authors publish them, and as readers of Salesforce find them."""

from __future__ import annotations

from typing import Any

from sync.sandbox.pair import Pair

KB, KAV = "kb_knowledge", "Knowledge__kav"
MASTERS = "masterVersions/"  # where a draft is published


def article(pair: Pair, **fields: Any) -> dict[str, Any]:
    values = {"short_description": "Reset a password", "text": "<p>Ask.</p>", "workflow_state": "published"}
    return pair.servicenow.add(KB, **values | fields)


def online(pair: Pair) -> list[dict[str, Any]]:
    return [row for row in pair.salesforce.rows(KAV) if row["PublishStatus"] == "Online"]


def attached(pair: Pair, case: str) -> list[str]:
    """The article_ids of what is attached, in order."""
    rows = pair.salesforce.rows("CaseArticle", CaseId=case)
    names = {row["KnowledgeArticleId"]: row["UrlName"] for row in pair.salesforce.rows("Knowledge__kav")}
    return [names[row["KnowledgeArticleId"]] for row in rows]
