"""The service catalog: what may be ordered, the questions an order answers, and the answers of an order.

Source: the vendor's pages on the Service Catalog API, on catalog items and their variables. Answers rest in
`sc_item_option`, which `sc_item_option_mtom` ties to the requested item.
"""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table, choices, to

_READERS = frozenset({"itil", "catalog", "catalog_admin"})
_WRITERS = frozenset({"catalog_admin"})

# Variable types as item_option_new.type has them; the API calls them by their friendly names.
VARIABLE_TYPES = choices(
    ("1", "Yes / No"),
    ("2", "Multi Line Text"),
    ("3", "Multiple Choice"),
    ("5", "Select Box"),
    ("6", "Single Line Text"),
    ("7", "CheckBox"),
    ("8", "Reference"),
    ("9", "Date"),
    ("10", "Date/Time"),
)
FRIENDLY_TYPES = {
    "1": "boolean",
    "2": "multi_line_text",
    "3": "multiple_choice",
    "5": "select_box",
    "6": "single_line_text",
    "7": "check_box",
    "8": "reference",
    "9": "date",
    "10": "date_time",
}

SC_CATALOG = REGISTRY.add(
    Table(
        "sc_catalog",
        "Catalog",
        (
            Column("title", "Title", max_length=100),
            Column("description", "Description", max_length=1000),
            Column("active", "Active", "boolean", default="true"),
        ),
        display="title",
        readers=_READERS,
        writers=_WRITERS,
    )
)
SC_CATEGORY = REGISTRY.add(
    Table(
        "sc_category",
        "Category",
        (
            Column("title", "Title", max_length=100),
            Column("description", "Description", max_length=1000),
            Column("active", "Active", "boolean", default="true"),
            to("sc_catalog", "sc_catalog", "Catalog"),
            to("sc_category", "parent", "Parent"),
        ),
        display="title",
        readers=_READERS,
        writers=_WRITERS,
    )
)
SC_CAT_ITEM = REGISTRY.add(
    Table(
        "sc_cat_item",
        "Catalog Item",
        (
            Column("name", "Name", max_length=100),
            Column("short_description", "Short description", max_length=200),
            Column("description", "Description", "html", 65536),
            Column("active", "Active", "boolean", default="true"),
            to("sc_category", "category", "Category"),
            Column("sc_catalogs", "Catalogs", "glide_list", 1024),
            Column("price", "Price", "decimal", default="0"),
            Column("recurring_price", "Recurring price", "decimal", default="0"),
            Column("recurring_frequency", "Recurring price frequency"),
            Column("order", "Order", "integer", default="0"),
            Column("no_quantity", "No quantity", "boolean", default="false"),
            to("sys_user", "owner", "Owner"),
            to("sys_user_group", "group", "Fulfillment group"),
        ),
        audited=True,
        readers=_READERS,
        writers=_WRITERS,
    )
)
ITEM_OPTION_NEW = REGISTRY.add(
    Table(
        "item_option_new",
        "Variable",
        (
            Column("name", "Name", max_length=100),
            Column("question_text", "Question", max_length=255),
            to("sc_cat_item", "cat_item", "Catalog item"),
            Column("type", "Type", "integer", default="6", choices=VARIABLE_TYPES),
            Column("mandatory", "Mandatory", "boolean", default="false"),
            Column("active", "Active", "boolean", default="true"),
            Column("order", "Order", "integer", default="100"),
            Column("default_value", "Default value", max_length=1000),
            Column("reference", "Reference", max_length=80),
            Column("help_text", "Help text", max_length=1000),
        ),
        display="question_text",
        readers=_READERS,
        writers=_WRITERS,
    )
)
QUESTION_CHOICE = REGISTRY.add(
    Table(
        "question_choice",
        "Question Choice",
        (
            to("item_option_new", "question", "Question"),
            Column("text", "Text", max_length=255),
            Column("value", "Value", max_length=255),
            Column("order", "Order", "integer", default="100"),
        ),
        display="text",
        readers=_READERS,
        writers=_WRITERS,
    )
)
SC_ITEM_OPTION = REGISTRY.add(
    Table(
        "sc_item_option",
        "Options",
        (
            to("item_option_new", "item_option_new", "Question"),
            Column("value", "Value", max_length=4000),
            Column("order", "Order", "integer"),
        ),
        display="value",
        readers=frozenset({"itil", "catalog"}),
        writers=_WRITERS,
    )
)
SC_ITEM_OPTION_MTOM = REGISTRY.add(
    Table(
        "sc_item_option_mtom",
        "Item Options",
        (
            to("sc_req_item", "request_item", "Parent Item"),
            to("sc_item_option", "sc_item_option", "Dependent Item"),
        ),
        display="sc_item_option",
        readers=frozenset({"itil", "catalog"}),
        writers=_WRITERS,
    )
)
