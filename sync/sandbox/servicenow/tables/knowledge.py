"""Knowledge articles, a row for each version; see `sync.sandbox.servicenow.articles`.

Source: the platform's documentation of knowledge; public lists of the columns of kb_knowledge.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices

KB_KNOWLEDGE_BASE = REGISTRY.add(
    Table(
        "kb_knowledge_base",
        "Knowledge Base",
        (
            Column("title", "Title", max_length=100),
            Column("description", "Description", max_length=1000),
            Column("active", "Active", "boolean", default="true"),
        ),
        display="title",
        readers=frozenset({"itil", "knowledge"}),
        writers=frozenset({"knowledge"}),
    )
)

KB_CATEGORY = REGISTRY.add(
    Table(
        "kb_category",
        "Knowledge Category",
        (
            Column("label", "Label", max_length=100),
            Column("value", "Value", max_length=100),
            Column("parent_id", "Parent ID", "reference", 32, reference="kb_knowledge_base"),
            Column("active", "Active", "boolean", default="true"),
        ),
        display="label",
        readers=frozenset({"itil", "knowledge"}),
        writers=frozenset({"knowledge"}),
    )
)

KB_KNOWLEDGE = REGISTRY.add(
    Table(
        "kb_knowledge",
        "Knowledge",
        (
            Column("number", "Number"),
            Column("short_description", "Short description", max_length=100),
            # Longer than the shipped column, as instances have it that hold large articles.
            Column("text", "Article body", "html", 4_000_000),
            Column("meta", "Meta", max_length=4000),
            Column("language", "Language", default="en"),
            Column(
                "workflow_state",
                "Workflow",
                default="draft",
                choices=choices(
                    ("draft", "Draft"),
                    ("review", "Review"),
                    ("published", "Published"),
                    ("outdated", "Outdated"),
                    ("retired", "Retired"),
                ),
            ),
            Column("article_id", "Article ID", max_length=32),
            Column("version", "Version", "integer", computed=True),
            Column("latest", "Latest", "boolean", default="true"),
            Column("can_read_user_criteria", "Can read", "glide_list", 1024),
            Column("kb_knowledge_base", "Knowledge base", "reference", 32, reference="kb_knowledge_base"),
            Column("kb_category", "Category", "reference", 32, reference="kb_category"),
            Column("author", "Author", "reference", 32, reference="sys_user"),
            Column("active", "Active", "boolean", default="true"),
            Column("published", "Published", "glide_date_time"),
            Column("valid_to", "Valid to", "glide_date_time", default="2100-01-01 00:00:00"),
        ),
        display="number",
        number_prefix="KB",
        audited=True,
        readers=frozenset({"itil", "knowledge"}),
        writers=frozenset({"knowledge"}),
    )
)
