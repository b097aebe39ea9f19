"""Knowledge articles, without versions: an edit changes the row. Source: the platform's documentation of knowledge."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices

KB_KNOWLEDGE = REGISTRY.add(
    Table(
        "kb_knowledge",
        "Knowledge",
        (
            Column("number", "Number"),
            Column("short_description", "Short description", max_length=100),
            Column("text", "Article body", "html", 65536),
            Column(
                "workflow_state",
                "Workflow",
                default="draft",
                choices=choices(
                    ("draft", "Draft"),
                    ("review", "Review"),
                    ("published", "Published"),
                    ("retired", "Retired"),
                ),
            ),
            Column("kb_knowledge_base", "Knowledge base", max_length=100),
            Column("kb_category", "Category", max_length=100),
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
