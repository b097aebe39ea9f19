"""Which articles are attached to a case.

Source: Object Reference, "CaseArticle": it cannot be updated, and a create that matches an existing record returns that
record. That the article must be published: Help, "Attach Articles to Cases"; by which code it is refused, made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.activity import fixed
from sync.sandbox.salesforce.objects.knowledge import ARTICLES, LANGUAGE, ONLINE, VERSIONS
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import AUDIT, ID, Field, OnDelete, SObject, picklist, read_only, reference

if TYPE_CHECKING:
    from sync.sandbox.salesforce.saving import Save


def only_published(save: Save) -> None:
    table, article = save.org.tables[VERSIONS], save.get("KnowledgeArticleId")
    slots = table.slots
    if not any(
        row.values[slots["PublishStatus"]] == ONLINE
        for row in table.referring("KnowledgeArticleId", str(article))
    ):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "Only a published article can be attached to a case.",
            "KnowledgeArticleId",
        )
    save.set("ArticleLanguage", save.get("ArticleLanguage") or LANGUAGE)


register(
    SObject(
        name="CaseArticle",
        label="Case Article",
        plural="Case Articles",
        prefix="0AC",
        before_save=only_published,
        updateable=False,
        one_of_each=("CaseId", "KnowledgeArticleId"),
        fields=(
            ID,
            fixed(reference("CaseId", "Case ID", "Case", nillable=False, on_delete=OnDelete.CASCADE)),
            fixed(
                reference(
                    "KnowledgeArticleId",
                    "Knowledge Article ID",
                    ARTICLES,
                    nillable=False,
                    on_delete=OnDelete.CASCADE,
                )
            ),
            fixed(Field("ArticleVersionNumber", "Article Version Number", "int")),
            fixed(Field("IsSharedByEmail", "Shared By Email", "int")),
            read_only(picklist("ArticleLanguage", "Article Language", LANGUAGE, "de", "fr")),
            *AUDIT,
        ),
    ),
)
